"""Differences between the ratings of pairs of items."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from penchant.kernels import kernel

F32 = NDArray[np.float32]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]


@kernel
def differences(
    lo: int,
    hi: int,
    item_indptr: I64,  # the log by item: its rows and ratings
    item_rows: I32,
    item_ratings: F32,
    indptr: I64,  # the log by row
    items: I32,
    ratings: F32,
    sums: F32,  # (n, n) zeros: sums of rating of the row's item − rating of the column's item
    counts: I32,  # (n, n) zeros: number of rows with both items
) -> None:
    """Fill the rows ``[lo, hi)`` of both tables, item by item."""
    for i in range(lo, hi):
        into, many = sums[i], counts[i]
        for at in range(item_indptr[i], item_indptr[i + 1]):
            row, rating = item_rows[at], item_ratings[at]
            for e in range(indptr[row], indptr[row + 1]):
                into[items[e]] += rating - ratings[e]
                many[items[e]] += 1


@kernel
def all_items(
    lo: int,
    hi: int,
    indptr: I64,
    items: I32,
    ratings: F32,
    sums: F32,
    counts: I32,
    damping: float,
    weighted: bool,
    out: F32,
) -> None:
    """Predict every item for the rows ``[lo, hi)``; an item that shares no rater with a rated item is left unchanged.

    ``damping`` pulls a difference towards zero, as if that many more rows had a difference of zero.
    """
    n = sums.shape[0]
    above, below = np.empty(n, dtype=np.float32), np.empty(n, dtype=np.float32)
    for r in range(lo, hi):
        for i in range(n):
            above[i], below[i] = 0.0, 0.0
        for e in range(indptr[r], indptr[r + 1]):
            rating, s, c = ratings[e], sums[items[e]], counts[items[e]]
            for i in range(n):
                if c[i] > 0:
                    w = np.float32(c[i]) if weighted else np.float32(1)
                    above[i] += w * (rating - s[i] / np.float32(c[i] + damping))
                    below[i] += w
        for i in range(n):
            if below[i] > 0:
                out[r, i] = above[i] / below[i]


@kernel
def asked_items(
    lo: int,
    hi: int,
    indptr: I64,
    items: I32,
    ratings: F32,
    asked_indptr: I64,
    asked: I32,
    sums: F32,
    counts: I32,
    damping: float,
    weighted: bool,
    out: F32,  # (requested items,)
) -> None:
    """Like ``all_items``, for the requested items of each row."""
    for r in range(lo, hi):
        for q in range(asked_indptr[r], asked_indptr[r + 1]):
            i = asked[q]
            above, below = np.float32(0), np.float32(0)
            # read the table row of the requested item: the differences have the opposite sign
            s, c = sums[i], counts[i]
            for e in range(indptr[r], indptr[r + 1]):
                j = items[e]
                if c[j] > 0:
                    w = np.float32(c[j]) if weighted else np.float32(1)
                    above += w * (ratings[e] + s[j] / np.float32(c[j] + damping))
                    below += w
            if below > 0:
                out[q] = above / below
