"""How well histories foretell their own last events, under several half-lives at once."""

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
    wanted: I32,  # items whose common histories are counted
    holders_indptr: I64,  # the histories by item
    holders: I32,
    indptr: I64,
    items: I32,
    sizes: I64,  # (hi - lo,) out: items met
    found: I32,  # (room,) out
    counts: F32,  # (room,) out: histories in common
) -> int:
    """For the items ``wanted[lo:hi]``, in how many histories each other item stands with them; how much was written."""
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
    rows: I64,  # histories that are asked: distinct items, oldest first, at least two
    indptr: I64,
    items: I32,
    place: I32,  # (n,) row of an item in the counts
    c_indptr: I64,
    c_items: I32,
    counts: F32,
    root: F64,  # (n,) 1 / sqrt of the histories with an item
    decay: F64,  # (half-lives, longest) what an event of each age counts
    k: int,
    out: F64,  # (rows, half-lives)
) -> None:
    """The gain of the last event of ``rows[lo:hi]`` among the first k, ranked by cosine with the events before it.

    A history itself is taken out of the counts that the rank of its last event rests on.
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
