"""Directed item → item transition counts, over the neighbourhood of every event in its history."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from penchant.kernels import kernel

F32 = NDArray[np.float32]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]


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
    found: I32,  # out, row by row: columns, ascending within a row
    scores: F32,  # out, parallel to found
) -> int:
    """Compute the rows ``[lo, hi)`` of the operator; return the total number of columns written."""
    n = of_candidate.shape[0]
    reach = forward.shape[0] - 1
    total = np.zeros(n, dtype=np.float32)
    seen = np.zeros(n, dtype=np.bool_)
    touched = np.empty(n, dtype=np.int32)
    written = 0
    for i in range(lo, hi):
        reached = 0
        for h in range(indptr[i], indptr[i + 1]):
            at = events[h]
            x = weights[at] * per_history[at]
            for other in range(max(starts[h], at - reach), min(ends[h], at + reach + 1)):
                if other == at:
                    continue
                by_distance = forward[other - at] if other > at else backward[at - other]
                j = items[other]
                if not seen[j]:
                    seen[j] = True
                    touched[reached] = j
                    reached += 1
                total[j] += x * weights[other] * by_distance
        columns = touched[:reached]
        for c in range(reached):
            j = columns[c]
            t = total[j]
            total[j] = t * (t / (t + shrink)) * of_history[i] * of_candidate[j] if t > 0 else np.float32(0.0)
            seen[j] = False
        size = reached
        if 0 < kept < reached:
            by_popularity = columns[np.argsort(popularity_rank[columns])]
            columns = by_popularity[np.argsort(-total[by_popularity], kind="mergesort")]
            size = kept
        chosen = np.sort(columns[:size])
        used = 0
        for c in range(size):
            if total[chosen[c]] != 0:
                found[written] = chosen[c]
                scores[written] = total[chosen[c]]
                written += 1
                used += 1
        sizes[i - lo] = used
        for c in range(reached):
            total[touched[c]] = 0.0
    return written
