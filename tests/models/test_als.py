"""ALS against its own objective and against the closed form written plainly."""

from __future__ import annotations

import numpy as np
import pytest

from penchant.core.histories import Histories
from penchant.core.run import Run
from penchant.models.als import ALS
from tests.models.planted import ITEMS, planted


def weighted(seed: int = 0) -> Histories:
    """Histories with weights, repeated items and an empty row."""
    rng = np.random.default_rng(seed)
    rows = [[], *([int(i) for i in rng.integers(0, 12, rng.integers(1, 9))] for _ in range(40))]
    return Histories.from_lists(
        rows, 12, values=[[float(v) for v in rng.integers(1, 4, len(row))] for row in rows], values_are="weight"
    )


def objective(model: ALS, train: Histories) -> float:
    """The loss of the docstring, with the rows at their best."""
    events = train.distinct()
    events = events[events.lengths > 0]
    x, y = model.embed(events).astype(np.float64), model.item_vectors.astype(np.float64)
    scores = x @ y.T
    unobserved, scale = model.value("unobserved"), model.value("reg")
    loss = unobserved * (scores**2).sum()
    seen = scores[events.rows, events.items]
    loss += (events.weights() * (seen - 1) ** 2).sum()
    counts = np.bincount(events.items, minlength=events.n_items)
    for vectors, n, other in ((x, events.lengths, len(y)), (y, counts, len(x))):
        reg = scale * (n + unobserved * other) ** model.reg_exponent
        loss += (reg * (vectors**2).sum(axis=1)).sum()
    return float(loss)


def test_a_history_is_folded_in_by_the_ridge_solution() -> None:
    train = weighted()
    model = ALS(factors=6, reg=0.05, unobserved=0.1, epochs=5).fit(train)
    y = model.item_vectors.astype(np.float64)
    events = train.distinct()
    for r, got in enumerate(model.embed(train)):
        of = slice(events.indptr[r], events.indptr[r + 1])
        mine, w = y[events.items[of]], events.weights()[of]
        reg = 0.05 * (len(w) + 0.1 * 12) ** model.reg_exponent
        a = (mine.T * w) @ mine + 0.1 * y.T @ y + reg * np.eye(6)
        np.testing.assert_allclose(got, np.linalg.solve(a, mine.T @ w), rtol=0, atol=1e-5)


def test_folding_into_many_factors_ends_at_the_same_solution() -> None:
    """Above 64 factors rows are solved by their events, or by conjugate gradient to the end."""
    rng = np.random.default_rng(0)
    train = Histories.from_lists([[int(i) for i in rng.permutation(300)[: 3 + 2 * r]] for r in range(60)], 300)
    for unobserved, reg in ((0.3, 0.01), (0.02, 0.001)):
        model = ALS(factors=80, unobserved=unobserved, reg=reg, epochs=3).fit(train)
        y = model.item_vectors.astype(np.float64)
        for r, got in enumerate(model.embed(train)):
            mine = y[train.items[train.indptr[r] : train.indptr[r + 1]]]
            penalty = reg * (len(mine) + unobserved * 300) ** model.reg_exponent
            a = mine.T @ mine + unobserved * y.T @ y + penalty * np.eye(80)
            wanted = np.linalg.solve(a, mine.sum(axis=0))
            np.testing.assert_allclose(got, wanted, rtol=0, atol=2e-5 * np.abs(wanted).max())


@pytest.mark.parametrize("solver", ["exact", "cg", "blocks"])
def test_the_objective_falls_with_every_epoch(solver: str) -> None:
    losses = [
        objective(ALS(factors=6, block=2, solver=solver, epochs=n).fit(weighted()), weighted()) for n in (1, 2, 4, 8)
    ]
    assert losses == sorted(losses, reverse=True)
    assert losses[0] > 1.02 * losses[-1]


def test_all_solvers_end_at_the_same_scores() -> None:
    train = planted("ranking").train
    exact = ALS(factors=7, reg=0.02, unobserved=0.1, epochs=60, solver="exact").fit(train).score(train)
    for solver in ("cg", "blocks"):
        other = ALS(factors=7, reg=0.02, unobserved=0.1, epochs=60, solver=solver, block=3).fit(train).score(train)
        np.testing.assert_allclose(other, exact, rtol=0, atol=0.02)


def test_arrays_are_equal_to_the_bit_for_any_number_of_threads() -> None:
    train = planted("ranking").train
    for solver in ("exact", "cg", "blocks"):
        one = ALS(factors=40, epochs=3, solver=solver).fit(train, run=Run(threads=1))
        many = ALS(factors=40, epochs=3, solver=solver).fit(train, run=Run(threads=4))
        np.testing.assert_array_equal(one.item_vectors, many.item_vectors)
        np.testing.assert_array_equal(one.spectrum, many.spectrum)


def test_the_gram_matrix_of_what_is_kept_is_diagonal() -> None:
    model = ALS(factors=9, epochs=3).fit(planted("ranking").train)
    product = model.item_vectors.T @ model.item_vectors
    np.testing.assert_allclose(product, np.diag(model.spectrum), rtol=0, atol=1e-4 * model.spectrum.max())


def test_explanations_are_exact_and_repeats_count_once() -> None:
    train = planted("ranking").train
    model = ALS(factors=8, epochs=4).fit(train)
    history = Histories.from_lists([[3, 9, 3, 30]], ITEMS)
    told = model.explain(history, 5)
    assert told.method == "exact"
    assert told.base == 0.0
    assert told.parts[0] == 0.0  # the later 3 stands for both
    assert told.parts.sum() == pytest.approx(model.score(history)[0, 5], rel=1e-4)


def test_explanations_leave_dislikes_out() -> None:
    model = ALS(factors=4, epochs=3).fit(weighted())
    history = Histories.from_lists([[1, 2, 3]], 12, values=[[1.0, -1.0, 2.0]], values_are="weight")
    told = model.explain(history, 4)
    assert told.parts[1] == 0.0
    assert told.parts.sum() == pytest.approx(model.score(history)[0, 4], rel=1e-4, abs=1e-7)


def test_more_weight_pulls_a_score_towards_one() -> None:
    model = ALS(factors=4, epochs=5).fit(weighted())
    scores = [
        model.score(Histories.from_lists([[1, 2]], 12, values=[[w, 1.0]], values_are="weight"))[0, 1]
        for w in (1, 5, 50)
    ]
    assert scores == sorted(scores)
    assert scores[-1] < 1


def test_progress_is_told() -> None:
    heard: list[tuple[str, int, int]] = []
    ALS(factors=2, epochs=3).fit(weighted(), run=Run(progress=lambda *told: heard.append(told)))
    assert heard == [("als", 1, 3), ("als", 2, 3), ("als", 3, 3)]
