"""How well histories predict their own last events, for several half-lives at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from penchant.kernels import kernel
from penchant.kernels.instructions import add_four

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]


@kernel
def count_rows(
    lo: int,
    hi: int,
    wanted: I32,  # items whose co-occurrences are counted
    holders_indptr: I64,  # item → histories
    holders: I32,
    indptr: I64,
    items: I32,
    sizes: I64,  # (hi - lo,) out: number of items found
    found: I32,  # (room,) out
    counts: F32,  # (room,) out: number of common histories
) -> int:
    """Count the histories that each item of ``wanted[lo:hi]`` shares with every other; return the entries written."""
    count = np.zeros(holders_indptr.shape[0] - 1, dtype=np.float32)
    used = 0
    for w in range(lo, hi):
        item, start = wanted[w], used
        for h in range(holders_indptr[item], holders_indptr[item + 1]):
            for e in range(indptr[holders[h]], indptr[holders[h] + 1]):
                other = items[e]
                if other == item:
                    continue
                if count[other] == 0:
                    found[used] = other
                    used += 1
                count[other] += 1
        for f in range(start, used):
            counts[f] = count[found[f]]
            count[found[f]] = 0
        sizes[w - lo] = used - start
    return used


@kernel
def last_events(
    lo: int,
    hi: int,
    rows: I64,  # histories to test: at least two distinct items, oldest first
    indptr: I64,
    items: I32,
    place: I32,  # (n,) the item's row in the counts
    c_indptr: I64,
    c_items: I32,
    counts: F32,
    root: F64,  # (n,) 1 / sqrt(number of histories with the item)
    decay: F64,  # (longest, width) weight of an event by age; four columns at a time, beyond the half-lives zeros
    k: int,
    out: F64,  # (rows, half-lives)
) -> None:
    """The DCG gain at k of the last event of ``rows[lo:hi]``, ranked by cosine with the events before it.

    The history itself is subtracted from the counts that determine the score of its last event.
    """
    n, width = place.shape[0], decay.shape[1]
    score, true = np.zeros((n, width)), np.empty(width)
    own = np.zeros(n, dtype=np.bool_)
    met = np.zeros(n, dtype=np.bool_)
    reached = np.empty(n + 1, dtype=np.int32)  # one spare slot: writes of items already met land there
    for r in range(lo, hi):
        start, stop = indptr[rows[r]], indptr[rows[r] + 1]
        target, size = items[stop - 1], 0
        true[:] = 0
        for e in range(start, stop):
            own[items[e]] = True
        for e in range(start, stop - 1):
            item, weights = items[e], width * (stop - 2 - e)
            for c in range(c_indptr[place[item]], c_indptr[place[item] + 1]):
                other, common = c_items[c], counts[c]
                if own[other]:
                    if other == target:
                        gain = (common - np.float32(1)) * root[item] * root[other]
                        for part in range(0, width, 4):
                            add_four(decay, weights + part, gain, true, part)
                    continue
                gain = common * root[item] * root[other]
                reached[size] = other
                size += not met[other]
                met[other] = True
                for part in range(0, width, 4):
                    add_four(decay, weights + part, gain, score, width * np.int64(other) + part)
        for life in range(out.shape[1]):
            rank = k if true[life] <= 0 else 0
            for f in range(size):
                if rank >= k:
                    break
                rank += score[reached[f], life] > true[life]
            out[r, life] = 1 / np.log2(rank + 2) if rank < k else 0.0
        for f in range(size):
            met[reached[f]] = False
            score[reached[f]] = 0
        for e in range(start, stop):
            own[items[e]] = False
