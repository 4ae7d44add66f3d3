"""Elastic nets and ridge regressions on a Gram matrix, column by column, dense and sparse, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from penchant.kernels.elastic import elastic_columns
from penchant.kernels.local import columns_of_events, columns_of_matrix

N = 90


def gram(seed: int, share: float = 0.12) -> np.ndarray:
    """The Gram matrix of random histories, with item counts on the diagonal."""
    x = (np.random.default_rng(seed).random((150, N)) < share).astype(np.float32)
    x[0] = 1  # every pair of items co-occurs
    return x.T @ x


def forms(g: np.ndarray, *, sparse: bool) -> tuple[np.ndarray, ...]:
    """The kernel arguments that describe G."""
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


def of_histories(x: np.ndarray) -> tuple[np.ndarray, ...]:
    """A matrix by rows and by columns, each as indptr, indices and values."""
    out: list[np.ndarray] = []
    for side in (x, x.T):
        rows, columns = np.nonzero(side)
        out += [np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(side)))]).astype(np.int64)]
        out += [columns.astype(np.int32), side[rows, columns].astype(np.float32)]
    return tuple(out)


def local(x: np.ndarray, penalty: np.ndarray, v: np.ndarray, k: int, *, events: bool) -> tuple[int, np.ndarray]:
    """The number of weights written, and the columns as a matrix."""
    n, r = v.shape
    g = (x.T @ x).astype(np.float32)
    hv = (g.astype(np.float64) + np.diag(penalty)) @ v
    sizes, found = np.zeros(n, np.int64), np.empty((k + 1) * n, np.int32)
    values, pull = np.empty((k + 1) * n, np.float32), np.zeros((r, n), np.float32)
    rest = (g.diagonal().copy(), penalty, v, hv, v.T.astype(np.float64) @ hv, k, sizes, found, values, pull)
    used = columns_of_events(0, n, *of_histories(x), *rest) if events else columns_of_matrix(0, n, g, *rest)
    w = (v @ pull).astype(np.float64)
    at = 0
    for j, size in enumerate(sizes if used >= 0 else []):
        assert (np.diff(found[at : at + size]) > 0).all()
        w[found[at : at + size], j] += values[at : at + size]
        at += size
    return used, w


@pytest.mark.parametrize("events", [False, True])
@pytest.mark.parametrize("r", [0, 5])
@pytest.mark.parametrize("k", [1, 7, N - 1])
def test_ridge_regressions_on_the_nearest_and_on_shared_directions(events: bool, r: int, k: int) -> None:
    rng = np.random.default_rng(2)
    x = (rng.random((150, N)) < 0.12) * rng.integers(1, 4, (150, N))
    x[0] = 1  # every pair of items co-occurs
    g, penalty = (x.T @ x).astype(np.float64), np.linspace(1, 4, N).astype(np.float32)
    v = np.linalg.svd(x, full_matrices=False)[2][:r].T.astype(np.float32) if k < N - 1 else np.empty((N, 0), np.float32)
    used, w = local(x.astype(np.float32), penalty, v, k, events=events)
    assert used == (k + (v.shape[1] > 0)) * N
    h = g + np.diag(penalty)
    for j in range(N):
        explained = g[j] ** 2 / (g.diagonal() + penalty)
        explained[j] = 0
        near = np.sort(np.argsort(explained, kind="stable")[N - k :])
        rest = v.astype(np.float64).copy()
        rest[j] = 0
        b = np.hstack([np.eye(N)[:, near], rest])
        by_hand = b @ np.linalg.solve(b.T @ h @ b, b.T @ g[j])
        np.testing.assert_allclose(w[:, j], by_hand, rtol=1e-3, atol=2e-5)


def test_counting_from_events_is_the_matrix_and_equals_are_taken_in_order() -> None:
    x = (np.random.default_rng(5).random((60, N)) < 0.05).astype(np.float32)
    x[:, 40:] = x[:, : N - 40]  # so that many items explain the same
    penalty, nothing = np.full(N, 2.0, np.float32), np.empty((N, 0), np.float32)
    of_matrix, of_events = (local(x, penalty, nothing, 4, events=events) for events in (False, True))
    assert of_matrix[0] == of_events[0]
    np.testing.assert_array_equal(of_matrix[1], of_events[1])


def test_directions_that_follow_from_the_nearest_count_nothing() -> None:
    x = (np.random.default_rng(6).random((60, N)) < 0.1).astype(np.float32)
    v = np.zeros((N, 3), np.float32)
    v[:2] = np.random.default_rng(7).standard_normal((2, 3))  # three directions in the span of two items
    used, w = local(x, np.full(N, 1.0, np.float32), v, 20, events=True)
    assert used > 0
    assert np.abs(w).max() < 2


@pytest.mark.parametrize("events", [False, True])
def test_a_singular_system_is_told(events: bool) -> None:
    x = np.ones((3, N), np.float32)
    assert local(x, np.zeros(N, np.float32), np.empty((N, 0), np.float32), 3, events=events)[0] == -1
