"""Lists made directly from a sparse operator equal a full sort of its dense scores."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from penchant.kernels.select import sparse_top


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    n=st.integers(1, 300),
    k=st.integers(1, 12),
    density=st.sampled_from([0.01, 0.05, 0.5]),
    masked=st.booleans(),
)
def test_lists_are_those_of_a_full_sort(seed: int, n: int, k: int, density: float, masked: bool) -> None:
    rng, k, rows = np.random.default_rng(seed), min(k, n), 5
    # few distinct values, of both signs: ties, sums that cancel to zero, items with negative scores
    weights = np.where(rng.random((n, n)) < density, rng.integers(-1, 3, (n, n)), 0).astype(np.float32)
    there = rng.random((n, n)) < density  # stored zeros are allowed
    there |= weights != 0
    w_indptr = np.concatenate([[0], np.cumsum(there.sum(axis=1))]).astype(np.int64)
    w_indices = np.nonzero(there)[1].astype(np.int32)
    histories = [rng.permutation(n)[: rng.integers(0, min(n, 8) + 1)].astype(np.int32) for _ in range(rows)]
    banned = [rng.integers(0, n, rng.integers(0, 6)).astype(np.int32) for _ in range(rows)]
    indptr, x_indptr = (
        np.concatenate([[0], np.cumsum([len(r) for r in of])]).astype(np.int64) for of in (histories, banned)
    )
    items, excluded = np.concatenate(histories), np.concatenate(banned)
    c = rng.integers(-1, 3, len(items)).astype(np.float32)
    popularity_rank = rng.permutation(n).astype(np.int32)
    allow = rng.random(n) < 0.7 if masked else np.empty(0, np.bool_)
    out_items, out_scores = np.full((rows, k), -1, np.int32), np.full((rows, k), -np.inf, np.float32)
    sparse_top(
        0, rows, indptr, items, c, w_indptr, w_indices, weights[there], popularity_rank,
        np.argsort(popularity_rank).astype(np.int32), x_indptr, excluded, allow, out_items, out_scores,
    )  # fmt: skip
    for row in range(rows):
        mine = slice(indptr[row], indptr[row + 1])
        scores = c[mine] @ weights[items[mine]]
        shown = [i for i in range(n) if i not in banned[row] and (not masked or allow[i])]
        expected = sorted(shown, key=lambda item: (-scores[item], popularity_rank[item]))[:k]
        assert out_items[row].tolist() == [*expected, *[-1] * (k - len(expected))]
        np.testing.assert_array_equal(out_scores[row, : len(expected)], scores[expected])
