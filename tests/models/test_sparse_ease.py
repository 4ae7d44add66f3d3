"""Sparse EASE: its columns against the textbook solution, and all of EASE when nothing is left out."""

from __future__ import annotations

import numpy as np
import pytest

from penchant.core.histories import Histories
from penchant.core.run import Run
from penchant.models.ease import EASE
from penchant.models.sparse_ease import SparseEASE
from tests.models.planted import planted


def dense(model: SparseEASE) -> np.ndarray:
    w = model.weights
    out = np.zeros((len(w.indptr) - 1,) * 2)
    out[np.repeat(np.arange(len(out)), np.diff(w.indptr)), w.indices] = w.data
    return out if w.left is None else out + w.left.astype(np.float64) @ w.right


def weighed(seed: int = 3) -> Histories:
    rng = np.random.default_rng(seed)
    log = planted("ranking").train
    return Histories(
        log.indptr, log.items, log.n_items, rng.integers(1, 4, len(log.items)).astype(np.float32), "weight"
    )


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_all_neighbours_are_ease(sparse: bool, dropout: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penchant.models.parts.operators.DENSE", np.inf if sparse else 0.0)
    train = planted("ranking").train
    rows = [list(range(train.n_items)), *(train.row(r).tolist() for r in range(len(train)))]  # now all have met
    log = Histories.from_lists(rows, train.n_items)
    near = dense(SparseEASE(reg=8.0, dropout=dropout, neighbours=train.n_items).fit(log))
    np.testing.assert_allclose(near, EASE(reg=8.0, dropout=dropout).fit(log).weights.dense, atol=1e-5)


@pytest.mark.parametrize("sparse", [False, True])
def test_each_column_is_a_ridge_regression(sparse: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penchant.models.parts.operators.DENSE", np.inf if sparse else 0.0)
    log = weighed()
    model = SparseEASE(reg=5.0, dropout=0.2, neighbours=6, rank=0).fit(log, run=Run(threads=3))
    w = dense(model)
    x = np.zeros((len(log), log.n_items))
    x[log.distinct().rows, log.distinct().items] = log.distinct().weights()
    g = x.T @ x
    penalty = 5.0 + 0.25 * g.diagonal()
    for j in range(log.n_items):
        near = np.flatnonzero(w[:, j])
        explained = g[j] ** 2 / (g.diagonal() + penalty)
        explained[j] = 0
        assert len(near) == min(6, (explained > 0).sum())
        assert explained[near].min() >= np.sort(explained)[::-1][len(near) - 1] * (1 - 1e-6)
        by_hand = np.linalg.solve(g[np.ix_(near, near)] + np.diag(penalty[near]), g[near, j])
        np.testing.assert_allclose(w[near, j], by_hand, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("sparse", [False, True])
def test_directions_bring_the_columns_nearer_to_ease(sparse: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penchant.models.parts.operators.DENSE", np.inf if sparse else 0.0)
    log = weighed()
    whole = EASE(reg=5.0, dropout=0.2).fit(log).weights.dense
    off = [
        np.abs(dense(SparseEASE(reg=5.0, dropout=0.2, neighbours=6, rank=rank).fit(log)) - whole).mean()
        for rank in (0, 4, 12)
    ]
    assert off[0] > 1.1 * off[1] > 1.2 * off[2]
    assert not dense(SparseEASE(neighbours=6, rank=4).fit(log)).diagonal().round(6).any()
