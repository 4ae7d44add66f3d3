"""The nearest items of every item where all values are one and two items rarely share many histories."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from penchant.core.histories import Floats, Histories, Ints, Longs
from penchant.core.run import Run
from penchant.models.parts.similarity import Measure, exponents
from penchant.models.parts.weights import Weights

COUNTS = ("cosine", "asymmetric-cosine", "conditional", "lift", "jaccard", "dice")  # of values that are all one
MOST = 2**15  # histories of an item, at most
CROWDED = 0.5  # above this share of all pairs, vectors over all items are faster
MOST_NEIGHBOURS = 512  # with more, there is nothing to skip
ITEMS_A_BLOCK = 256


@dataclass(frozen=True, eq=False)
class BinaryCounts:
    """The sizes of items as a similarity of counts uses them, most popular first."""

    measure: Measure
    events: Histories  # distinct
    popularity_rank: Ints  # (n_items,)
    counts: Longs  # (n_items,) by popularity rank, descending
    left: Floats
    right: Floats  # (n_items + 8,)

    @classmethod
    def of(
        cls, measure: Measure, events: Histories, popularity_rank: Ints, counts: Longs, k: int | None
    ) -> BinaryCounts | None:
        """None where the counting kernel does not apply, or is not faster."""
        n, lengths = events.n_items, events.lengths
        if measure.similarity not in COUNTS or measure.key_exponent > 0 or k is None or k > MOST_NEIGHBOURS:
            return None
        if float((lengths.astype(np.float64) ** 2).sum()) > CROWDED * n * float(n):
            return None
        falling = np.empty_like(counts)
        falling[popularity_rank] = counts
        if falling[:1].sum() > MOST:
            return None
        sizes = np.maximum(falling, 1).astype(np.float32).astype(np.float64)
        asking, asked = exponents(measure)
        asks = sizes**-asking
        is_asked = asks if asked == asking else sizes**-asked
        left = (asks * len(events) if measure.similarity == "lift" else asks).astype(np.float32)
        right = np.zeros(n + 8, dtype=np.float32)
        right[:n] = is_asked
        steps = np.diff(right[:n])
        if measure.form:
            right[n:] = np.inf
            steps = -steps
        if (steps < 0).any():  # of two items that occur together once, the more popular may be nearer
            return None
        return cls(measure, events, popularity_rank, falling.astype(np.int64), left, right)

    def near(self, k: int, run: Run) -> Weights:
        """The ``k`` nearest items of every item, by ascending item."""
        from penchant.kernels.binary_counts import lists_by_row, nearest_by_count, rows_by_popularity
        from penchant.kernels.threads import iter_blocks

        m, events, n = self.measure, self.events, self.events.n_items
        starts = np.concatenate([[0], np.cumsum(self.counts)]).astype(np.int64)
        rows = np.empty(len(events.items), np.int32)
        rows_by_popularity(events.indptr, events.items, self.popularity_rank, starts, rows)
        blocks = np.concatenate([[0], np.cumsum((events.lengths + 7) // 8)]).astype(np.int32)
        lists: NDArray[np.unsignedinteger] = np.empty(8 * int(blocks[-1]), np.uint16 if n + 8 <= 2**16 else np.uint32)
        lists_by_row(starts, rows, blocks, lists)
        names = np.empty(n, np.int32)
        names[self.popularity_rank] = np.arange(n, dtype=np.int32)
        k = min(k, n)
        indices, data = np.empty(n * k, np.int32), np.empty(n * k, np.float32)
        sizes = np.zeros(n, np.int64)

        def work(lo: int, hi: int) -> tuple[int, int]:
            nearest_by_count(
                lo, hi, self.popularity_rank, starts, rows, blocks, lists, self.left, self.right, m.form, m.damping,
                m.min_overlap, names, k, indices[lo * k : hi * k], data[lo * k : hi * k], sizes[lo:hi],
            )  # fmt: skip
            return lo * k, int(sizes[lo:hi].sum())

        at = 0
        for start, found in iter_blocks(
            work, n, size=ITEMS_A_BLOCK, threads=run.threads, progress=run.report("neighbours")
        ):
            if start > at:  # close the gap behind a block that found less than it had room for
                for whole in (indices, data):
                    whole[at : at + found] = whole[start : start + found]
            at += found
        indptr = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        if at < len(data) // 2:
            indices, data = indices[:at].copy(), data[:at].copy()
        return Weights(indptr, indices[:at], data[:at])
