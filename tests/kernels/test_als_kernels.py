"""The kernels of alternating least squares against NumPy in float64."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penchant.kernels.als import gram, rotate, solve, squares


def problem(rows: int, items: int, factors: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Rows with 0 to 40 events; item vectors with a diagonal Gram matrix, as the kernel requires."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(0, min(items, 40) + 1, rows)
    lengths[0] = 0
    indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    chosen = [np.sort(rng.choice(items, n, replace=False)) for n in lengths]
    y = rng.normal(size=(items, factors)) / np.sqrt(factors)
    y = y @ np.linalg.eigh(y.T @ y)[1]
    return {
        "indptr": indptr,
        "items": np.concatenate(chosen).astype(np.int32),
        "weights": rng.uniform(0.5, 3, indptr[-1]).astype(np.float32),
        "y": np.ascontiguousarray(y, dtype=np.float32),
        "spectrum": (0.1 * (y * y).sum(axis=0)).astype(np.float32),
        "typical": np.mean(y * y, axis=0).astype(np.float32),
        "reg": rng.uniform(0.05, 0.5, rows).astype(np.float32),
    }


def solved(p: dict[str, np.ndarray], *, few: int, steps: int, size: int, passes: int = 1) -> np.ndarray:
    rows = len(p["reg"])
    x = np.zeros((rows, p["y"].shape[1]), dtype=np.float32)
    for _ in range(passes):
        for lo in range(0, rows, 7):
            solve(lo, min(lo + 7, rows), *p.values(), few, steps, size, x)
    return x


def naive(p: dict[str, np.ndarray]) -> np.ndarray:
    y = p["y"].astype(np.float64)
    out = []
    for r, reg in enumerate(p["reg"]):
        events = slice(p["indptr"][r], p["indptr"][r + 1])
        of, w = y[p["items"][events]], p["weights"][events].astype(np.float64)
        a = np.diag(p["spectrum"].astype(np.float64) + reg) + (of.T * w) @ of
        out.append(np.linalg.solve(a, of.T @ w))
    return np.array(out)


@pytest.mark.parametrize("factors", [1, 3, 8, 21, 40])
@pytest.mark.parametrize("few", [0, 5, 100])
def test_rows_are_solved_exactly(factors: int, few: int) -> None:
    p = problem(30, 50, factors)
    np.testing.assert_allclose(solved(p, few=few, steps=0, size=factors), naive(p), rtol=0, atol=2e-5)


@pytest.mark.parametrize("factors", [2, 9, 32])
def test_conjugate_gradient_gets_there(factors: int) -> None:
    p = problem(30, 50, factors)
    np.testing.assert_allclose(solved(p, few=0, steps=3 * factors, size=0), naive(p), rtol=0, atol=5e-5)
    far = np.abs(solved(p, few=0, steps=1, size=0) - naive(p)).max()
    near = np.abs(solved(p, few=0, steps=3, size=0) - naive(p)).max()
    assert near < far


@pytest.mark.parametrize("size", [1, 4, 7, 20])
def test_blocks_get_there_and_never_back_off(size: int) -> None:
    p = problem(30, 50, 20)
    np.testing.assert_allclose(solved(p, few=0, steps=0, size=size, passes=300), naive(p), rtol=0, atol=5e-5)
    distance = [np.linalg.norm(solved(p, few=0, steps=0, size=size, passes=n) - naive(p)) for n in (1, 3, 9)]
    assert distance[0] >= distance[1] >= distance[2]


def test_a_row_without_events_is_zero_whatever_was_there() -> None:
    p = problem(3, 10, 4)
    x = np.ones((3, 4), dtype=np.float32)
    solve(0, 1, *p.values(), 0, 2, 0, x)
    assert not x[0].any()
    assert (x[1:] == 1).all()


def test_blocks_of_rows_do_not_change_the_result() -> None:
    p = problem(40, 50, 12)
    for few, steps, size in ((8, 2, 0), (12, 0, 12), (0, 0, 5)):
        whole = np.zeros((40, 12), dtype=np.float32)
        solve(0, 40, *p.values(), few, steps, size, whole)
        np.testing.assert_array_equal(whole, solved(p, few=few, steps=steps, size=size))


@settings(max_examples=30, deadline=None)
@given(rows=st.integers(1, 150), factors=st.integers(1, 19), seed=st.integers(0, 99))
def test_dense_products_are_those_of_numpy(rows: int, factors: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(rows, factors)).astype(np.float32)
    basis = rng.normal(size=(factors, factors)).astype(np.float32)
    turned, which = a.copy(), rng.permutation(rows)[: rows - rows // 4]
    rotate(0, len(which) // 2, which, turned, basis)
    rotate(len(which) // 2, len(which), which, turned, basis)
    expected = a.copy()
    expected[which] = a[which] @ basis.T
    np.testing.assert_allclose(turned, expected, rtol=0, atol=1e-4)
    lower = np.zeros((factors, factors), dtype=np.float32)
    gram(0, rows, a, lower)
    np.testing.assert_allclose(np.tril(lower), np.tril(a.T @ a), rtol=0, atol=1e-3)
    weights, sums = rng.uniform(size=rows).astype(np.float32), np.zeros(factors, dtype=np.float32)
    squares(0, rows, a, weights, sums)
    np.testing.assert_allclose(sums, weights @ (a * a), rtol=0, atol=1e-3)
