"""Transitions against their formula, pair by pair."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penchant.core.histories import Histories
from penchant.core.run import Run
from penchant.models.transitions import Transitions
from tests.models.planted import planted


def by_the_formula(model: Transitions, log: Histories) -> np.ndarray:
    """The operator as a dense matrix, one pair of places after the other."""
    n = log.n_items
    x = log.weights().astype(np.float64)
    mass = np.maximum(np.bincount(log.items, weights=x, minlength=n), 1e-9)
    mass[np.bincount(log.items, minlength=n) == 0] = 1
    c = np.zeros((n, n))
    for u in range(len(log)):
        lo, hi = int(log.indptr[u]), int(log.indptr[u + 1])
        for p in range(lo, hi):
            for q in range(lo, hi):
                if p == q or (model.reach and abs(q - p) > model.reach):
                    continue
                direction = model.forward if q > p else model.backward
                size = (hi - lo) ** -model.user_exponent * abs(q - p) ** -model.distance_exponent
                c[log.items[p], log.items[q]] += x[p] * x[q] * size * direction
    c = np.divide(c**2, c + model.shrink, out=np.zeros_like(c), where=c > 0)
    return c * mass[:, None] ** -model.history_exponent * mass[None, :] ** -model.candidate_exponent


def dense(model: Transitions) -> np.ndarray:
    w = model.weights
    out = np.zeros((len(w.indptr) - 1,) * 2)
    out[np.repeat(np.arange(len(out)), np.diff(w.indptr)), w.indices] = w.data
    return out


@st.composite
def logs(draw: st.DrawFn) -> Histories:
    n = draw(st.integers(1, 7))
    rows = draw(st.lists(st.lists(st.integers(0, n - 1), max_size=9), min_size=1, max_size=6).filter(any))
    log = Histories.from_lists(rows, n)
    if draw(st.booleans()):
        weights = draw(st.lists(st.integers(1, 4), min_size=len(log.items), max_size=len(log.items)))
        return Histories(log.indptr, log.items, n, np.array(weights, np.float32), "weight")
    return log


@settings(max_examples=60, deadline=None)
@given(
    logs(),
    st.none() | st.integers(1, 4),
    st.sampled_from([0.0, 1.0]),
    st.sampled_from([0.0, 0.4]),
    st.sampled_from([0.0, 2.0]),
    st.sampled_from([0.0, 0.7]),
)
def test_equals_the_formula(
    log: Histories, reach: int | None, forward: float, backward: float, shrink: float, exponent: float
) -> None:
    model = Transitions(
        reach=reach,
        forward=forward,
        backward=backward,
        shrink=shrink,
        user_exponent=exponent,
        history_exponent=exponent / 2,
    ).fit(log)
    expected = by_the_formula(model, log)
    np.testing.assert_allclose(dense(model), expected, rtol=2e-5, atol=1e-7)
    for row in range(log.n_items):
        columns = model.weights.indices[model.weights.indptr[row] : model.weights.indptr[row + 1]]
        assert (np.diff(columns) > 0).all()


def test_what_came_before_is_not_what_comes_next() -> None:
    log = Histories.from_lists([[0, 1, 2]] * 4, 3)
    one_way = dense(Transitions(backward=0.0).fit(log))
    np.testing.assert_array_equal(one_way[np.tril_indices(3)], 0)
    assert (one_way[np.triu_indices(3, 1)] > 0).all()
    both = dense(Transitions(backward=0.25, history_exponent=0.0, candidate_exponent=0.0).fit(log))
    np.testing.assert_allclose(both[1, 0], 0.25 * both[0, 1])


def test_neighbours_keeps_the_best_and_gives_ties_to_the_popular() -> None:
    log = planted("sequence").train
    every = dense(Transitions().fit(log))
    few = dense(Transitions(neighbours=6).fit(log))
    assert (few[few > 0] == every[few > 0]).all()
    for row in range(len(every)):
        assert (few[row] > 0).sum() == min(6, (every[row] > 0).sum())
        assert sorted(few[row])[-6:] == sorted(every[row])[-6:]
    tied = Histories.from_lists([[0, 1], [0, 2], [0, 3], [3, 4]], 5)
    kept = dense(Transitions(neighbours=1, candidate_exponent=0.0).fit(tied))
    np.testing.assert_array_equal(np.flatnonzero(kept[0]), [3])


def test_long_histories_are_bounded_and_reported() -> None:
    log = Histories.from_lists([list(range(30)), [3, 4]], 30)
    model = Transitions(max_history=10).fit(log)
    assert "1 histories" in model.notes[0]
    assert "20 events" in model.notes[0]
    np.testing.assert_array_equal(dense(model), dense(Transitions(max_history=None).fit(log.newest(10))))


def test_more_items_change_no_row() -> None:
    rows = [[3, 1, 4, 1, 5], [9, 2, 6, 5, 3], [5, 8, 9, 7, 9], [3, 2, 3, 8, 4]]
    few, many = (dense(Transitions().fit(Histories.from_lists(rows, n))) for n in (10, 200))
    assert np.count_nonzero(few) > 40
    np.testing.assert_array_equal(few, many[:10, :10])


@pytest.mark.parametrize("threads", [2, 5])
def test_threads_and_blocks_change_nothing(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    log = planted("sequence").train
    one = Transitions().fit(log, run=Run(threads=1)).weights
    monkeypatch.setattr("penchant.models.transitions.PAIRS_A_BLOCK", 300)
    many = Transitions().fit(log, run=Run(threads=threads)).weights
    np.testing.assert_array_equal(one.data, many.data)
    np.testing.assert_array_equal(one.indices, many.indices)
    np.testing.assert_array_equal(one.indptr, many.indptr)
