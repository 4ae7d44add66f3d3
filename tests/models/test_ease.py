"""EASE against the definition, solved naively in float64."""

from __future__ import annotations

import numpy as np
import pytest

from penchant.core import memory
from penchant.core.histories import Histories
from penchant.core.run import Run
from penchant.errors import MemoryLimitError, ParameterError
from penchant.models import ease
from penchant.models.ease import EASE, gram
from tests.models.planted import ITEMS, planted


def dense(events: Histories) -> np.ndarray:
    x = np.zeros((len(events), events.n_items))
    np.add.at(x, (events.rows, events.items), events.weights())
    return x


def weighted(log: Histories, rng: np.random.Generator) -> Histories:
    weights = rng.integers(1, 5, len(log.items)).astype(np.float32)
    return Histories(log.indptr, log.items, log.n_items, weights, "weight")


def test_gram_is_the_upper_triangle_of_the_product() -> None:
    rng = np.random.default_rng(0)
    log = planted("ranking").train.distinct()
    long = Histories.from_lists([list(rng.permutation(700)[: rng.integers(0, 300)]) for _ in range(90)], 700)
    for events in (log, weighted(log, rng), long):  # pairs, weighted pairs, and bits for the popular
        x = dense(events)
        for threads in (1, 3):
            np.testing.assert_array_equal(gram(events, Run(threads=threads)), np.triu(x.T @ x))


@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_weights_are_the_closed_form(dropout: float) -> None:
    log = planted("ranking").train
    for events in (log, weighted(log, np.random.default_rng(1))):
        x = dense(events.distinct())
        product = x.T @ x
        penalty = 3.0 + dropout / (1 - dropout) * np.diag(product)
        inverse = np.linalg.inv(product + np.diag(penalty))
        expected = -inverse / np.diag(inverse)
        np.fill_diagonal(expected, 0)
        found = EASE(reg=3.0, dropout=dropout).fit(events).weights.dense
        np.testing.assert_allclose(found, expected, atol=2e-5)


@pytest.mark.parametrize("at_once", [1, 7, 24, 64])
def test_a_catalogue_too_large_for_lapack_is_solved_by_sweeping(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    log, stages = planted("ranking").train, []
    whole = EASE(reg=5.0, dropout=0.0).fit(log, updatable=True)
    monkeypatch.setattr(ease, "FEWER", ITEMS)  # nothing is solved over histories
    monkeypatch.setattr(ease, "LAPACK_LIMIT", 10)
    monkeypatch.setattr(ease, "SWEPT_AT_ONCE", at_once)
    swept = EASE(reg=5.0, dropout=0.0).fit(log, run=Run(progress=lambda *at: stages.append(at)), updatable=True)
    np.testing.assert_allclose(swept.weights.dense, whole.weights.dense, atol=2e-6)
    np.testing.assert_allclose(swept.statistics.diagonal, whole.statistics.diagonal, rtol=1e-4)
    assert ("solve", -(-ITEMS // at_once), -(-ITEMS // at_once)) in stages
    with pytest.raises(ParameterError, match=r"reg is too small for float32.* at item \d+"):
        EASE(reg=1e-12, dropout=0.0).fit(Histories.from_lists([list(range(20))], 20))


@pytest.mark.parametrize("dropout", [0.0, 0.5])
@pytest.mark.parametrize("reg", [0.01, 60.0])
def test_few_histories_of_many_items_give_the_same_weights(
    monkeypatch: pytest.MonkeyPatch, dropout: float, reg: float
) -> None:
    rng = np.random.default_rng(3)
    rows = [list(rng.integers(0, 400, rng.integers(0, 30))) for _ in range(50)]
    log = Histories.from_lists(rows, 400)
    assert ease.FEWER * len(log) <= log.n_items
    for events in (log, weighted(log, rng)):
        fewer = EASE(reg=reg, dropout=dropout).fit(events).weights.dense
        with monkeypatch.context() as patched:
            patched.setattr(ease, "FEWER", 400)
            items = EASE(reg=reg, dropout=dropout).fit(events).weights.dense
        x = dense(events.distinct())
        product = x.T @ x
        inverse = np.linalg.inv(product + np.diag(reg + dropout / (1 - dropout) * np.diag(product)))
        expected = -inverse / np.diag(inverse)
        np.fill_diagonal(expected, 0)
        assert np.abs(expected).max() > 1e-3
        np.testing.assert_allclose(fewer, expected, atol=2e-5)
        # the matrix of items is ill-conditioned for float32 where little is added to its diagonal
        np.testing.assert_allclose(fewer, items, atol=2e-5 if reg > 1 else 5e-3)


def test_no_other_weights_predict_better() -> None:
    """The gradient of the objective is zero off the diagonal."""
    x = dense(planted("ranking").train.distinct())
    w = EASE(reg=5.0, dropout=0.0).fit(planted("ranking").train).weights.dense.astype(np.float64)
    gradient = x.T @ (x @ w - x) + 5.0 * w
    np.fill_diagonal(gradient, 0)
    assert np.abs(gradient).max() < 2e-3


def test_refuses_what_would_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    free = 5 * ITEMS * ITEMS  # the matrix takes 4 bytes a cell
    monkeypatch.setattr(memory, "free_bytes", lambda: free)
    EASE().fit(planted("ranking").train)
    monkeypatch.setattr(memory, "free_bytes", lambda: free - ITEMS)
    with pytest.raises(MemoryLimitError, match=r"53 items needs 0 MiB.*item-knn"):
        EASE().fit(planted("ranking").train)


def test_too_little_regularisation_is_said() -> None:
    twins = Histories.from_lists([[0, 1]] * 5000, 3)
    with pytest.raises(ParameterError, match="reg"):
        EASE(reg=1e-6, dropout=0.0).fit(twins)
