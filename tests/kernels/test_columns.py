"""Columns solved one by one on a Gram matrix: elastic nets and ridge regressions, dense and sparse, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from penchant.kernels.elastic import elastic_columns
from penchant.kernels.local import local_columns

N = 90


def gram(seed: int, share: float = 0.12) -> np.ndarray:
    """Of random histories, with sizes on the diagonal."""
    x = (np.random.default_rng(seed).random((150, N)) < share).astype(np.float32)
    x[0] = 1  # everything has met
    return x.T @ x


def forms(g: np.ndarray, *, sparse: bool) -> tuple[np.ndarray, ...]:
    """The arguments that say what G is."""
    if not sparse:
        return g, np.zeros(1, np.int64), np.empty(0, np.int32), np.empty(0, np.float32), g.diagonal().copy()
    off = g - np.diag(g.diagonal())
    rows, columns = np.nonzero(off)
    indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=N))]).astype(np.int64)
    data = off[rows, columns].astype(np.float32)
    return np.empty((0, 0), np.float32), indptr, columns.astype(np.int32), data, g.diagonal().copy()


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("l1", [0.0, 1.5])
def test_elastic_nets_meet_the_conditions_of_their_optimum(sparse: bool, positive: bool, l1: float) -> None:
    g, l2 = gram(1), 3.0
    targets = np.array([4, 60, 61], np.int32)
    sizes, found, values = np.zeros(3, np.int64), np.empty(3 * N, np.int32), np.empty(3 * N, np.float32)
    used = elastic_columns(
        0, 3, targets, *forms(g, sparse=sparse), l1, l2, positive, 1e-6, 2000, 200, sizes, found, values
    )
    assert used == sizes.sum()
    at = 0
    for target, size in zip(targets, sizes, strict=True):
        w = np.zeros(N)
        w[found[at : at + size]] = values[at : at + size]
        at += size
        gradient = g[target] - g @ w - l2 * w
        off = np.arange(N) != target
        assert w[target] == 0
        np.testing.assert_allclose(gradient[off & (w > 0)], l1, atol=2e-3)
        np.testing.assert_allclose(gradient[off & (w < 0)], -l1, atol=2e-3)
        assert gradient[off & (w == 0)].max(initial=-np.inf) <= l1 + 2e-3
        assert (w >= 0).all() if positive else np.abs(gradient[off & (w == 0)]).max(initial=0) <= l1 + 2e-3


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("k", [1, 7, N - 1])
def test_ridge_regressions_on_the_nearest(sparse: bool, k: int) -> None:
    g, penalty = gram(2), np.linspace(1, 4, N).astype(np.float32)
    sizes, found, values = np.zeros(N, np.int64), np.empty(k * N, np.int32), np.empty(k * N, np.float32)
    used = local_columns(0, N, *forms(g, sparse=sparse), penalty, k, sizes, found, values)
    assert used == sizes.sum() == k * N
    for j in range(N):
        near = found[k * j : k * (j + 1)]
        explained = g[j] ** 2 / (g.diagonal() + penalty)
        explained[j] = 0
        assert (np.diff(near) > 0).all()
        assert explained[near].min() >= np.sort(explained)[-k] * (1 - 1e-6)
        by_hand = np.linalg.solve((g[np.ix_(near, near)] + np.diag(penalty[near])).astype(np.float64), g[near, j])
        np.testing.assert_allclose(values[k * j : k * (j + 1)], by_hand, rtol=1e-4, atol=1e-5)


def test_a_singular_system_is_told() -> None:
    g = np.ones((N, N), np.float32)
    sizes, found, values = np.zeros(N, np.int64), np.empty(3 * N, np.int32), np.empty(3 * N, np.float32)
    assert local_columns(0, N, *forms(g, sparse=False), np.zeros(N, np.float32), 3, sizes, found, values) == -1
