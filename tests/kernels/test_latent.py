"""The posterior kernel against a plain float64 implementation of the same Gaussian."""

from __future__ import annotations

import numpy as np
import pytest

from penchant.kernels.latent import expected, posterior


def problem(rows: int, items: int, f: int, seed: int = 0) -> dict[str, np.ndarray | float]:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(0, items + 1, rows)
    lengths[1] = 0
    indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return {
        "indptr": indptr,
        "items": np.concatenate([rng.choice(items, n, replace=False) for n in lengths]).astype(np.int32),
        "ratings": rng.normal(size=indptr[-1]).astype(np.float32),
        "y": rng.normal(size=(items, f)).astype(np.float32),
        "y_variance": rng.uniform(0.01, 0.3, (items, f)).astype(np.float32),
        "prior": rng.normal(size=(rows, f)).astype(np.float32),
        "precision": rng.uniform(0.5, 3, f).astype(np.float32),
        "noise": 0.7,
    }


def naive(p: dict[str, np.ndarray | float], r: int) -> tuple[np.ndarray, np.ndarray, float]:
    of = slice(p["indptr"][r], p["indptr"][r + 1])
    y, s = p["y"][p["items"][of]].astype(float), p["y_variance"][p["items"][of]].astype(float)
    loading = np.column_stack([y[:, :-1], np.ones(len(y))])
    target = p["ratings"][of] - y[:, -1]
    unsure = np.append(s[:, :-1].sum(axis=0), 0.0)
    a = loading.T @ loading + np.diag(p["precision"] + unsure)
    before = p["prior"][r if len(p["prior"]) > 1 else 0]
    mean = np.linalg.solve(a, loading.T @ target + p["precision"] * before)
    variance = p["noise"] * np.diag(np.linalg.inv(a))
    error = (target - loading @ mean) ** 2 + s[:, -1] + variance[-1]
    error += (s[:, :-1] * (mean[:-1] ** 2 + variance[:-1]) + y[:, :-1] ** 2 * variance[:-1]).sum(axis=1)
    return mean, variance, float(error.sum())


@pytest.mark.parametrize("f", [1, 2, 3, 4, 7, 12, 21])
@pytest.mark.parametrize("one_prior", [False, True])
def test_means_variances_and_errors(f: int, one_prior: bool) -> None:
    p = problem(9, 150, f)
    if one_prior:
        p["prior"] = p["prior"][:1]
    x, variance, errors = np.empty((9, f), np.float32), np.empty((9, f), np.float32), np.empty(9)
    for lo in (0, 4, 8):
        posterior(lo, min(lo + 4, 9), *p.values(), x, variance, errors)
    for r in range(9):
        mean, spread, error = naive(p, r)
        np.testing.assert_allclose(x[r], mean, rtol=0, atol=3e-4)
        np.testing.assert_allclose(variance[r], spread, rtol=1e-3)
        assert errors[r] == pytest.approx(error, rel=1e-3, abs=1e-6)


def test_variances_and_errors_may_be_left_out() -> None:
    p = problem(5, 30, 6)
    x, whole = np.empty((5, 6), np.float32), np.empty((5, 6), np.float32)
    posterior(0, 5, *p.values(), x, np.empty((0, 6), np.float32), np.empty(0))
    posterior(0, 5, *p.values(), whole, np.empty((5, 6), np.float32), np.empty(5))
    np.testing.assert_array_equal(x, whole)


def test_expected_ratings_hold_both_biases() -> None:
    p = problem(6, 20, 5)
    x = np.random.default_rng(1).normal(size=(6, 5)).astype(np.float32)
    out = np.empty(len(p["items"]), np.float32)
    expected(0, 3, p["indptr"], p["items"], x, p["y"], out)
    expected(3, 6, p["indptr"], p["items"], x, p["y"], out)
    rows = np.repeat(np.arange(6), np.diff(p["indptr"]))
    y = p["y"][p["items"]]
    np.testing.assert_allclose(out, (x[rows, :4] * y[:, :4]).sum(axis=1) + x[rows, 4] + y[:, 4], rtol=0, atol=1e-5)
