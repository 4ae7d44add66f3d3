"""Directed item → item transition counts, over the neighbourhood of every event in its history."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from penchant.kernels import kernel

F32 = NDArray[np.float32]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]

SCAN = 16  # of a row that reaches a larger share of the items than one in so many, all are looked at, and none sorted


@kernel
def count_pairs(lo: int, hi: int, indptr: I64, events: I64, starts: I64, ends: I64, reach: int) -> int:
    """The number of pairs that ``transition_rows`` sums for the items ``[lo, hi)``; same arguments."""
    pairs = 0
    for h in range(indptr[lo], indptr[hi]):
        pairs += min(reach, events[h] - starts[h]) + min(reach, ends[h] - 1 - events[h])
    return pairs


@kernel
def transition_rows(
    lo: int,
    hi: int,
    indptr: I64,  # (n + 1,) offsets into the next three arrays: the events of every item
    events: I64,  # index of an event in the log
    starts: I64,  # start of its history in the log
    ends: I64,  # end of its history
    items: I32,  # (events,) of the log, oldest first within a history
    weights: F32,  # (events,) of the log
    per_history: F32,  # (events,) weight of a pair in the event's history
    forward: F32,  # (reach + 1,) by distance: weight of a later item
    backward: F32,  # (reach + 1,) by distance: weight of an earlier item
    of_history: F32,  # (n,) factor of the row
    of_candidate: F32,  # (n,) factor of the column
    shrink: float,
    popularity_rank: I32,  # (n,) breaks ties between equal scores
    kept: int,  # columns kept per row; 0: all
    sizes: I64,  # (hi - lo,) out: number of columns per row
    found: I32,  # out, row by row: columns, ascending within a row; one spare place at the end
    scores: F32,  # out, parallel to found
) -> int:
    """Compute the rows ``[lo, hi)`` of the operator; return the total number of columns written."""
    n = of_candidate.shape[0]
    reach = forward.shape[0] - 1
    total = np.zeros(n, dtype=np.float32)
    seen = np.zeros(n, dtype=np.bool_)
    touched = np.empty(n + 1, dtype=np.int32)  # one spare slot: writes of items already seen land there
    written = 0
    for i in range(lo, hi):
        reached = 0
        for h in range(indptr[i], indptr[i + 1]):
            at = events[h]
            x = weights[at] * per_history[at]
            for other in range(max(starts[h], at - reach), at):
                touched[reached] = items[other]
                reached += not seen[items[other]]
                seen[items[other]] = True
                total[items[other]] += x * weights[other] * backward[at - other]
            for other in range(at + 1, min(ends[h], at + reach + 1)):
                touched[reached] = items[other]
                reached += not seen[items[other]]
                seen[items[other]] = True
                total[items[other]] += x * weights[other] * forward[other - at]
        columns = touched[:reached]
        for c in range(reached):
            j = columns[c]
            t = total[j]
            total[j] = t * (t / (t + shrink)) * of_history[i] * of_candidate[j] if t > 0 else np.float32(0.0)
        if 0 < kept < reached:
            by_popularity = columns[np.argsort(popularity_rank[columns])]
            chosen = np.sort(by_popularity[np.argsort(-total[by_popularity], kind="mergesort")][:kept])
        elif SCAN * reached < n:
            chosen = np.sort(columns)
        else:
            size = 0
            for j in range(n):
                touched[size] = j
                size += seen[j]
            chosen = columns
        used = 0
        for j in chosen:
            found[written + used], scores[written + used] = j, total[j]
            used += total[j] != 0
        written += used
        sizes[i - lo] = used
        for c in range(reached):
            total[columns[c]], seen[columns[c]] = 0.0, False
    return written
