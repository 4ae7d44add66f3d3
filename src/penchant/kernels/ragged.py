"""Inverting ragged rows: from rows of items to items with their rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from penchant.kernels import kernel

I32 = NDArray[np.int32]
I64 = NDArray[np.int64]


@kernel
def by_item(
    indptr: I64,  # rows
    items: I32,
    out_indptr: I64,  # (n_items + 1,) zeros
    out_rows: I32,  # (events,)
    out_events: I64,  # (events,) index into ``items``; (0,): not asked for
) -> None:
    """For every item, list the rows that contain it, ascending, by a counting sort: two passes over the events."""
    for e in range(items.shape[0]):
        out_indptr[items[e] + 1] += 1
    for item in range(out_indptr.shape[0] - 1):
        out_indptr[item + 1] += out_indptr[item]
    for row in range(indptr.shape[0] - 1):
        for e in range(indptr[row], indptr[row + 1]):
            at = out_indptr[items[e]]
            out_rows[at] = row
            if out_events.shape[0] > 0:
                out_events[at] = e
            out_indptr[items[e]] = at + 1
    for item in range(out_indptr.shape[0] - 1, 0, -1):
        out_indptr[item] = out_indptr[item - 1]
    out_indptr[0] = 0


@kernel
def repeats(indptr: I64, items: I32, n_items: int) -> bool:
    """Whether any row contains an item twice."""
    last = np.full(n_items, -1, dtype=np.int64)
    for row in range(indptr.shape[0] - 1):
        for e in range(indptr[row], indptr[row + 1]):
            if last[items[e]] == row:
                return True
            last[items[e]] = row
    return False
