"""SLIM: what it returns satisfies the conditions of the optimum, and nothing has a lower objective."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penchant.core.histories import Histories
from penchant.core.run import Run
from penchant.models.slim import SLIM
from tests.models.planted import planted


def dense(model: SLIM) -> np.ndarray:
    w = model.weights
    out = np.zeros((len(w.indptr) - 1,) * 2)
    out[np.repeat(np.arange(len(out)), np.diff(w.indptr)), w.indices] = w.data
    return out


def gram(log: Histories) -> np.ndarray:
    once = log.distinct()
    x = np.zeros((len(log), log.n_items))
    x[once.rows, once.items] = once.weights()
    return x.T @ x


def naive(g: np.ndarray, target: int, l1: float, l2: float, positive: bool) -> np.ndarray:
    """Plain cyclic coordinate descent over all items, a few thousand times."""
    w = np.zeros(len(g))
    for _ in range(3000):
        for i in range(len(g)):
            if i == target:
                continue
            q = g[i, target] - g[i] @ w + g[i, i] * w[i]
            w[i] = np.sign(q) * max(abs(q) - l1, 0) / (g[i, i] + l2) if not positive or q > 0 else 0.0
    return w


def objective(g: np.ndarray, w: np.ndarray, target: int, l1: float, l2: float) -> float:
    return float(w @ g @ w / 2 - g[target] @ w + l1 * np.abs(w).sum() + l2 * w @ w / 2)


@st.composite
def logs(draw: st.DrawFn) -> Histories:
    n = draw(st.integers(2, 7))
    rows = draw(st.lists(st.lists(st.integers(0, n - 1), max_size=6), min_size=1, max_size=12).filter(any))
    log = Histories.from_lists(rows, n)
    if draw(st.booleans()):
        weights = draw(st.lists(st.integers(1, 3), min_size=len(log.items), max_size=len(log.items)))
        return Histories(log.indptr, log.items, n, np.array(weights, np.float32), "weight")
    return log


@settings(max_examples=25, deadline=None)
@given(logs(), st.sampled_from([0.0, 0.3, 1.0]), st.sampled_from([0.5, 3.0]), st.booleans(), st.booleans())
def test_equals_plain_coordinate_descent(log: Histories, l1: float, l2: float, positive: bool, sparse: bool) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("penchant.models.parts.operators.DENSE", np.inf if sparse else 0.0)
        model = SLIM(l1=l1, l2=l2, positive=positive, tolerance=1e-6).fit(log)
    g, w = gram(log), dense(model)
    for target in range(log.n_items):
        np.testing.assert_allclose(w[:, target], naive(g, target, l1, l2, positive), atol=2e-4)


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("positive", [False, True])
def test_satisfies_the_conditions_of_the_optimum(sparse: bool, positive: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penchant.models.parts.operators.DENSE", np.inf if sparse else 0.0)
    log = planted("ranking").train
    w = dense(SLIM(l1=1.0, l2=4.0, positive=positive, tolerance=1e-6).fit(log, run=Run(threads=3)))
    g = gram(log)
    gradient = g - g @ w - 4.0 * w
    np.testing.assert_array_equal(np.diag(w), 0)
    off = ~np.eye(len(w), dtype=bool)
    assert (w != 0).sum() > 100
    np.testing.assert_allclose(gradient[off & (w > 0)], 1.0, atol=1e-3)
    np.testing.assert_allclose(gradient[off & (w < 0)], -1.0, atol=1e-3)
    assert gradient[off & (w == 0)].max() < 1.001
    assert (w >= 0).all() if positive else (gradient[off & (w == 0)].min() > -1.001 and (w < 0).any())


def test_looks_for_candidates_once_more_after_the_last_solution() -> None:
    rows = [[2, 0, 3, 3, 4, 5], [2, 4, 0, 5, 3, 5], [4, 5, 5, 2, 0, 4], [0, 2, 1], [1], [0, 0, 5, 1], [0, 3]]
    log = Histories.from_lists([*rows, [4, 0, 0, 5, 0, 4]], 6)
    w = dense(SLIM(l1=0.3, l2=0.5, positive=False, tolerance=1e-6).fit(log))
    g = gram(log)
    gradient = g - g @ w - 0.5 * w
    off = ~np.eye(6, dtype=bool)
    np.testing.assert_allclose(np.abs(gradient[off & (w != 0)]), 0.3, atol=1e-3)
    assert np.abs(gradient[off & (w == 0)]).max(initial=0) < 0.301


def test_more_active_items_than_there_is_room_for_at_first() -> None:
    rng = np.random.default_rng(4)
    rows = [[int(i) for i in rng.choice(300, size=40, replace=False)] for _ in range(80)]
    log = Histories.from_lists(rows, 300)
    model = SLIM(l1=0.01, l2=0.5, positive=False, tolerance=1e-5).fit(log)
    g, w = gram(log), dense(model)
    assert (w != 0).sum(axis=0).max() > 128
    for target in (0, 150):
        gradient = g[:, target] - g @ w[:, target] - 0.5 * w[:, target]
        chosen = w[:, target] != 0
        np.testing.assert_allclose(gradient[chosen], 0.01 * np.sign(w[chosen, target]), atol=2e-2)


def test_a_small_problem_by_hand() -> None:
    w = dense(SLIM(l1=1.0, l2=1.0).fit(Histories.from_lists([[0, 1]] * 3 + [[1]], 2)))
    np.testing.assert_allclose(w, [[0, (3 - 1) / (3 + 1)], [(3 - 1) / (4 + 1), 0]], rtol=1e-6)
