"""Item → item operators from sums over training histories: of every pair, or of the nearest items of an item."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from penchant.core.histories import Floats, Histories, Ints, Longs
from penchant.core.memory import require
from penchant.core.rank import rank_by_popularity
from penchant.core.run import Run
from penchant.models.parts.binary_counts import BinaryCounts
from penchant.models.parts.ragged import turned
from penchant.models.parts.similarity import Index, Measure, Vectors
from penchant.models.parts.weights import Weights

ITEMS_A_BLOCK = 64
DENSE = 0.5  # pairs per entry of the Gram matrix from which on it is stored dense
WORDS_AT_ONCE = 8  # the widest vector unit; rows of bits are padded to it


def nearest_items(
    measure: Measure,
    events: Histories,
    values: Floats,
    k: int | None,
    run: Run,
    *,
    by_score: bool = False,
    asked: Floats | None = None,
) -> Weights:
    """The k nearest items of every item; None: all.

    ``values`` ``(events,)`` are the weights of events as part of a candidate. ``asked``, if different, are their
    weights as part of the history item, for operators that are not symmetric. Popular items get the lowest numbers
    internally, so that what is used most lies together in memory.
    """
    counts = events.counts()  # of distinct events
    popularity_rank = rank_by_popularity(counts)
    if asked is None and not by_score and (values == 1).all():
        counted = BinaryCounts.of(measure, events, popularity_rank, counts, k)
        if counted is not None and k is not None:
            return counted.near(k, run)
    points = Vectors(events.indptr, popularity_rank[events.items], values).turned(events.n_items)
    queries = points
    if asked is not None:
        queries = Vectors(events.indptr, popularity_rank[events.items], asked).turned(events.n_items)
    index, names = Index.of(measure, points, len(events)), np.argsort(popularity_rank).astype(np.int32)
    blocks = index.near(
        queries, k, order=popularity_rank, myself=popularity_rank, names=names, by_score=by_score, threads=run.threads,
        progress=run.report("neighbours"),
    )  # fmt: skip
    sizes, items, scores = zip(*((b.sizes, b.points, b.scores) for b in blocks), strict=True)
    indptr = np.concatenate([[0], np.cumsum(np.concatenate(sizes))]).astype(np.int64)
    return Weights(indptr, np.concatenate(items), np.concatenate(scores))


def normalised_rows(weights: Weights) -> Weights:
    """The sparse operator with every row that is not empty divided by its sum."""
    indptr, indices, data = weights.indptr, weights.indices, weights.data
    assert indptr is not None and indices is not None and data is not None  # it is sparse
    rows = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
    sums = np.bincount(rows, weights=data, minlength=len(indptr) - 1)
    return Weights(indptr, indices, (data / sums[rows]).astype(np.float32))


def products(events: Histories) -> Measure:
    """The measure of plain sums of products over common histories, of which a pair needs ``events.min_support``."""
    return Measure(
        "cosine", key_exponent=0.0, query_exponent=0.0, point_exponent=0.0, min_overlap=events.min_support
    )  # fmt: skip


def among_pairs(weights: Weights, log: Histories, k: int | None, run: Run) -> Weights:
    """The k largest entries of each row of a sparse operator, of pairs that at least ``log.min_support`` rows share.

    An item shares a row with itself where it is there twice.
    """
    indptr, indices, data = weights.indptr, weights.indices, weights.data
    assert indptr is not None and indices is not None and data is not None  # it is sparse
    events, n = log.distinct(), log.n_items
    shared = nearest_items(products(events), events, np.ones(len(events.items), np.float32), None, run)
    assert shared.indptr is not None and shared.indices is not None
    places, times = np.unique(log.rows * n + log.items, return_counts=True)
    twice = np.flatnonzero(np.bincount(places[times > 1] % n, minlength=n) >= log.min_support)
    pairs = np.repeat(np.arange(n), np.diff(shared.indptr)) * n + shared.indices
    rows = np.repeat(np.arange(n), np.diff(indptr))
    kept = np.flatnonzero(np.isin(rows * n + indices, np.concatenate([pairs, twice * n + twice])))
    rank = rank_by_popularity(events.counts())
    kept = kept[np.lexsort((rank[indices[kept]], -data[kept], rows[kept]))]
    first = np.concatenate([[0], np.cumsum(np.bincount(rows[kept], minlength=n))])
    place = np.arange(len(kept)) - first[rows[kept]]
    kept = np.sort(kept[place < (n if k is None else k)])
    sizes = np.bincount(rows[kept], minlength=n)
    return Weights(np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64), indices[kept], data[kept])


def whole_histories(events: Histories, notes: list[str]) -> bool:
    """Whether ``min_support`` rules out leading directions, to which whole histories contribute; a note says so."""
    if events.min_support > 1:
        notes.append("rank 0: leading directions would learn pairs that fewer than min_support histories share")
    return events.min_support > 1


def gram(events: Histories, run: Run) -> Floats:
    """The upper triangle of XᵀX for distinct events, ``(n, n)``; zeros below the diagonal.

    Pairs of items that fewer than ``events.min_support`` histories share are zero.
    """
    out = _gram(events, run)
    if events.min_support > 1:
        ones = replace(events, values=None, values_are="none", liked=None, curve=None)
        shared = out if (events.weights() == 1).all() else _gram(ones, run)
        for row in range(len(out)):
            out[row, row + 1 :][shared[row, row + 1 :] < events.min_support] = 0
    return out


def _gram(events: Histories, run: Run) -> Floats:
    from penchant.kernels.gram import gram_rows, set_bits
    from penchant.kernels.threads import over_blocks

    n, size = events.n_items, len(events.items)
    # by item, then by history again: items ascend within a history, and every event has its index in both
    indptr, rows, came_from = turned(events.indptr, events.items, n)
    starts, items, among = turned(indptr, rows, len(events))
    place = np.empty(size, dtype=np.int64)
    place[among] = np.arange(size)
    ends = starts[1:][rows]
    weights = events.weights()
    values = np.empty(0, np.float32) if (weights == 1).all() else weights[came_from[among]]
    words = -(-len(events) // (64 * WORDS_AT_ONCE)) * WORDS_AT_ONCE
    # bits may take only a fraction of the memory of the matrix
    bits = np.zeros((n, words if values.size == 0 and words <= n // 8 else 0), dtype=np.uint64)
    if bits.size:
        set_bits(0, n, indptr, rows, bits)
    out = np.zeros((n, n), dtype=np.float32)

    def work(lo: int, hi: int) -> None:
        gram_rows(lo, hi, indptr, place, ends, items, values, bits, out)

    over_blocks(work, n, size=ITEMS_A_BLOCK, threads=run.threads, progress=run.report("gram"))
    return out


def crowded(events: Histories) -> bool:
    """Whether the Gram matrix of distinct events is so full that it is best stored dense."""
    return mostly_full(float((events.lengths.astype(np.float64) ** 2).sum()), events.n_items)


def mostly_full(pairs: float, n_items: int) -> bool:
    """The same, known Σ over histories of events²."""
    return pairs > DENSE * float(n_items) ** 2


def whole_gram(events: Histories, run: Run) -> Floats:
    """Both triangles of XᵀX for distinct events, ``(n, n)``."""
    dense = gram(events, run)
    n = events.n_items
    for lo in range(0, n, 512):
        hi = min(lo + 512, n)
        dense[hi:, lo:hi] = dense[lo:hi, hi:].T
        dense[lo:hi, lo:hi] += np.triu(dense[lo:hi, lo:hi], 1).T
    return dense


def squares(events: Histories) -> Floats:
    """The diagonal of XᵀX for distinct events."""
    x = events.weights().astype(np.float64)
    return np.bincount(events.items, weights=x**2, minlength=events.n_items).astype(np.float32)


@dataclass(frozen=True, eq=False)
class GramMatrix:
    """The Gram matrix XᵀX: dense, or sparse rows without the diagonal, depending on the data."""

    diagonal: Floats
    dense: Floats  # (n, n) or (0, 0)
    indptr: Longs
    indices: Ints
    data: Floats

    @classmethod
    def of(cls, events: Histories, run: Run, *, who: str) -> GramMatrix:
        """Of distinct events; raises ``MemoryLimitError`` where it does not fit."""
        n, diagonal = events.n_items, squares(events)
        if crowded(events):
            require(4 * n * n, f"{who} over {n:,} items", "use item-knn, or fewer items")
            dense = whole_gram(events, run)
            return cls(diagonal, dense, np.zeros(1, np.int64), np.empty(0, np.int32), np.empty(0, np.float32))
        counted = int((events.lengths.astype(np.int64) ** 2).sum())
        require(8 * counted, f"{who} over {n:,} items", "use item-knn, or fewer items")
        near = nearest_items(products(events), events, events.weights(), None, run)
        assert near.indptr is not None and near.indices is not None and near.data is not None  # it is sparse
        return cls(diagonal, np.empty((0, 0), np.float32), near.indptr, near.indices, near.data)
