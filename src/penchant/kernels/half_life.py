"""How well histories predict their own last events, for several half-lives at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from penchant.kernels import kernel

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
    decay: F64,  # (half-lives, longest) weight of an event by age
    k: int,
    out: F64,  # (rows, half-lives)
) -> None:
    """The DCG gain at k of the last event of ``rows[lo:hi]``, ranked by cosine with the events before it.

    The history itself is subtracted from the counts that determine the score of its last event.
    """
    n, lives = place.shape[0], decay.shape[0]
    score = np.zeros((n, lives))
    own = np.zeros(n, dtype=np.bool_)
    met = np.zeros(n, dtype=np.bool_)
    reached = np.empty(n, dtype=np.int32)
    for r in range(lo, hi):
        start, stop = indptr[rows[r]], indptr[rows[r] + 1]
        target, size = items[stop - 1], 0
        true = np.zeros(lives)
        for e in range(start, stop):
            own[items[e]] = True
        for e in range(start, stop - 1):
            item, age = items[e], stop - 2 - e
            for c in range(c_indptr[place[item]], c_indptr[place[item] + 1]):
                other, common = c_items[c], counts[c]
                if other == target:
                    common -= 1
                elif own[other]:
                    continue
                gain = common * root[item] * root[other]
                if other == target:
                    for life in range(lives):
                        true[life] += decay[life, age] * gain
                    continue
                if not met[other]:
                    met[other] = True
                    reached[size] = other
                    size += 1
                for life in range(lives):
                    score[other, life] += decay[life, age] * gain
        for life in range(lives):
            rank = 0
            if true[life] <= 0:
                rank = k
            for f in range(size):
                rank += score[reached[f], life] > true[life]
            out[r, life] = 1 / np.log2(rank + 2) if rank < k else 0.0
        for f in range(size):
            met[reached[f]] = False
            score[reached[f]] = 0
        for e in range(start, stop):
            own[items[e]] = False
