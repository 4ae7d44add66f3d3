"""Predictions from neighbours against naive implementations."""

import numpy as np
import pytest

from penchant.kernels.rated import by_rated_items, by_users_who_rated


@pytest.mark.parametrize("k", [1, 3, 50])
@pytest.mark.parametrize("pull", [0.0, 0.2])
def test_weighted_mean_of_the_nearest_rated_items(k: int, pull: float) -> None:
    rng = np.random.default_rng(k)
    rows, n = 12, 20
    lists = [rng.permutation(n)[: rng.integers(0, 9)] for _ in range(rows)]
    indptr = np.concatenate([[0], np.cumsum([len(x) for x in lists])])
    items = np.concatenate(lists).astype(np.int32)
    deviations = rng.normal(size=len(items)).astype(np.float32)
    sims = np.sort(rng.random((n, 7)).astype(np.float32))[:, ::-1]
    near = np.array([rng.permutation(n)[:7] for _ in range(n)], dtype=np.int32)
    asked = rng.integers(0, n, 40).astype(np.int32)
    a_indptr = np.concatenate([[0], np.sort(rng.integers(0, 41, rows - 1)), [40]])
    out = np.full(40, np.nan, dtype=np.float32)
    w_indptr = np.arange(0, 7 * n + 1, 7)
    for lo, hi in ((0, 5), (5, rows)):
        by_rated_items(
            lo, hi, indptr, items, deviations, a_indptr, asked, w_indptr, near.ravel(),
            np.ascontiguousarray(sims).ravel(), k, pull, out,
        )  # fmt: skip
    for row in range(rows):
        known = dict(zip(lists[row], deviations[indptr[row] : indptr[row + 1]], strict=True))
        for a in range(a_indptr[row], a_indptr[row + 1]):
            used = [(s, known[i]) for i, s in zip(near[asked[a]], sims[asked[a]], strict=True) if i in known][:k]
            want = sum(s * d for s, d in used) / (sum(s for s, _ in used) + pull) if used else 0.0
            assert out[a] == pytest.approx(want, abs=1e-5)


@pytest.mark.parametrize("k", [1, 3, 50])
def test_weighted_mean_of_the_nearest_who_rated(k: int) -> None:
    rng = np.random.default_rng(k + 100)
    rows, n, stored = 6, 9, 40
    holders = [np.sort(rng.permutation(stored)[: rng.integers(0, 30)]) for _ in range(n)]
    k_indptr = np.concatenate([[0], np.cumsum([len(h) for h in holders])])
    gave = rng.normal(size=k_indptr[-1]).astype(np.float32)
    near = [rng.permutation(stored)[: rng.integers(0, 35)] for _ in range(rows)]
    sizes = np.array([len(x) for x in near])
    scores = rng.random(sizes.sum()).astype(np.float32)
    asked = np.tile(np.arange(n, dtype=np.int32), rows)
    out = np.full(len(asked), np.nan, dtype=np.float32)
    by_users_who_rated(
        0, sizes, np.concatenate(near).astype(np.int32), scores, np.arange(0, len(asked) + 1, n), asked, k_indptr,
        np.concatenate(holders).astype(np.int32), gave, stored, k, 0.1, out,
    )  # fmt: skip
    for row in range(rows):
        start = sizes[:row].sum()
        similarity = dict(zip(near[row], scores[start : start + sizes[row]], strict=True))
        for item in range(n):
            given = zip(holders[item], gave[k_indptr[item] : k_indptr[item + 1]], strict=True)
            used = sorted(((similarity[h], d) for h, d in given if h in similarity), reverse=True)[:k]
            want = sum(s * d for s, d in used) / (sum(s for s, _ in used) + 0.1)
            assert out[row * n + item] == pytest.approx(want, abs=1e-5)
