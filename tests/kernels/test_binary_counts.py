"""Neighbours by counts against a naive implementation and against the kernel of products."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penchant.core.histories import Histories
from penchant.core.rank import rank_by_popularity
from penchant.core.run import Run
from penchant.models.parts import binary_counts as counted
from penchant.models.parts.binary_counts import COUNTS, BinaryCounts
from penchant.models.parts.operators import nearest_items
from penchant.models.parts.similarity import Measure, exponents
from penchant.models.parts.weights import Weights


def log(seed: int, rows: int, n: int, mean: float, skew: float = 2.0) -> Histories:
    """Long-tailed items and history lengths, with distinct items in a history."""
    rng = np.random.default_rng(seed)
    lists = [
        np.unique((n * rng.random(min(n, rng.poisson(mean * rng.exponential()))) ** skew).astype(np.int64))
        for _ in range(rows)
    ]
    return Histories.from_lists([rng.permutation(row).tolist() for row in lists], n)


@pytest.fixture(autouse=True)
def _crowded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use the kernel for dense data too, where another one is faster: results must be correct there as well."""
    monkeypatch.setattr(counted, "CROWDED", 1000.0)


def by_counts(measure: Measure, events: Histories, k: int, threads: int = 1) -> Weights:
    counts = events.counts()
    found = BinaryCounts.of(measure, events, rank_by_popularity(counts), counts, k)
    assert found is not None
    return found.near(k, Run(threads=threads))


def naive(measure: Measure, events: Histories, k: int) -> list[dict[int, float]]:
    """Every pair on its own, in float32 and with the same order of operations."""
    held = np.zeros((len(events), events.n_items), dtype=np.int64)
    held[events.rows, events.items] = 1
    common, counts = held.T @ held, held.sum(0)
    popularity_rank = rank_by_popularity(counts)
    sizes = np.maximum(counts, 1).astype(np.float64)
    left, right = (sizes**-e for e in exponents(measure))
    left = (left * len(events) if measure.similarity == "lift" else left).astype(np.float32)
    right, out = right.astype(np.float32), []
    for i in range(events.n_items):
        scores = np.zeros(events.n_items, dtype=np.float32)
        for j in range(events.n_items):
            dot = np.float32(common[i, j])
            if i == j or dot == 0:
                continue
            if measure.form == 0:
                s = dot * left[i] * right[j]
            elif measure.form == 1:
                s = dot / (left[i] + right[j] - dot)
            else:
                s = np.float32(2) * dot / (left[i] + right[j])
            if measure.shrink > 0 or measure.min_overlap > 1:
                s *= np.float32(dot >= measure.min_overlap) * dot / (dot + np.float32(measure.shrink))
            scores[j] = s
        best = [j for j in np.lexsort((popularity_rank, -scores))[:k] if scores[j] > 0]
        out.append({int(j): float(scores[j]) for j in sorted(best)})
    return out


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    rows=st.integers(1, 60),
    n=st.integers(60, 200),
    k=st.integers(1, 40),
    mean=st.sampled_from([0.5, 3.0, 6.0]),
    similarity=st.sampled_from(COUNTS),
    shrink=st.sampled_from([0.0, 2.5]),
    min_overlap=st.integers(1, 3),
)
def test_the_k_best_are_those_of_every_pair(
    seed: int, rows: int, n: int, k: int, mean: float, similarity: str, shrink: float, min_overlap: int
) -> None:
    measure = Measure(similarity, query_exponent=0.3, point_exponent=0.7, shrink=shrink, min_overlap=min_overlap)
    events = log(seed, rows, n, mean)
    near = by_counts(measure, events, k)
    for i, want in enumerate(naive(measure, events, k)):
        mine = slice(near.indptr[i], near.indptr[i + 1])
        assert near.indices[mine].tolist() == list(want)
        np.testing.assert_array_equal(near.data[mine], np.array(list(want.values()), np.float32))


@pytest.mark.parametrize(
    ("rows", "n", "mean"),
    [
        (300, 900, 9.0),  # most pairs co-occur once, and many similarities are equal
        (5000, 400, 2.0),  # items with more than 253 histories: counts take two bytes
        (400, 70_000, 12.0),  # more than 65,536 items: their numbers take four bytes
    ],
)
@pytest.mark.parametrize("k", [3, 100])
def test_equals_the_kernel_of_products(rows: int, n: int, mean: float, k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    events, measure = log(5, rows, n, mean, skew=4.0), Measure("cosine")
    if n == 400:
        assert events.counts().max() > 253
    one, two = (by_counts(measure, events, k, threads) for threads in (1, 4))
    monkeypatch.setattr(counted, "MOST_NEIGHBOURS", 0)
    products = nearest_items(measure, events, events.weights(), k, Run())
    assert len(products.data) > n // 10
    for part in ("indptr", "indices", "data"):
        np.testing.assert_array_equal(getattr(one, part), getattr(products, part))
        np.testing.assert_array_equal(getattr(one, part), getattr(two, part))


def test_where_it_does_not_apply(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counted, "CROWDED", 0.5)
    events = log(1, 200, 300, 5.0)
    counts = events.counts()
    popularity_rank = rank_by_popularity(counts)
    assert BinaryCounts.of(Measure("cosine"), events, popularity_rank, counts, 5) is not None
    assert BinaryCounts.of(Measure("cosine"), events, popularity_rank, counts, None) is None  # all neighbours are kept
    assert BinaryCounts.of(Measure("tf-idf"), events, popularity_rank, counts, 5) is None  # values are not binary
    assert (
        BinaryCounts.of(Measure("cosine", point_exponent=-0.5), events, popularity_rank, counts, 5) is None
    )  # popular items are nearer
    crowded = log(1, 200, 12, 30.0)
    assert (
        BinaryCounts.of(Measure("cosine"), crowded, rank_by_popularity(crowded.counts()), crowded.counts(), 5) is None
    )
