"""Item→item similarities out of common histories, and the k best of every row, without ever holding all pairs.

Items are labelled by popularity, the most popular first, so that what is touched most lies close together, and equal
similarities go to the lower label.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from penchant.kernels import kernel

F32 = NDArray[np.float32]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]
U64 = NDArray[np.uint64]


@kernel
def _keep_best(keys: U64, size: int, k: int) -> None:
    """Partition ``keys[:size]`` so that its k largest come first, in any order."""
    low, high = 0, size - 1
    while low < high:
        middle = (low + high) >> 1
        a, b, c = keys[low], keys[middle], keys[high]
        pivot = max(min(a, b), min(max(a, b), c))
        i, j = low, high
        while i <= j:
            while keys[i] > pivot:
                i += 1
            while keys[j] < pivot:
                j -= 1
            if i <= j:
                keys[i], keys[j] = keys[j], keys[i]
                i += 1
                j -= 1
        if k - 1 <= j:
            high = j
        elif k - 1 >= i:
            low = i
        else:
            return


@kernel
def overlap_nearest(
    lo: int,
    hi: int,
    indptr: I64,  # item → histories
    rows: I32,
    values: F32,  # of an event, as the item's side of the product sees it
    r_indptr: I64,  # history → items
    r_items: I32,
    r_values: F32,
    left: F32,  # (n_items,) factor of the history item
    right: F32,  # (n_items,) factor of the candidate
    form: int,  # 0: sum · left · right; 1: sum / (left + right − sum); 2: 2 · sum / (left + right)
    shrink: float,
    min_overlap: int,
    out_items: I32,  # (hi - lo, k)
    out_scores: F32,
    out_sizes: I64,
) -> None:
    """For the items ``[lo, hi)`` the k most similar others by a function of the sum of products and the overlap."""
    n_items = left.shape[0]
    k = out_items.shape[1]
    total = np.zeros(n_items, dtype=np.float32)
    overlap = np.zeros(n_items, dtype=np.int32)
    reached = np.empty(n_items, dtype=np.int32)
    room = min(n_items, 4 * k)
    keys = np.empty(room, dtype=np.uint64)
    one = np.zeros(1, dtype=np.float32)
    bits = one.view(np.uint32)
    for item in range(lo, hi):
        n_reached = 0
        for e in range(indptr[item], indptr[item + 1]):
            row, value = rows[e], values[e]
            for f in range(r_indptr[row], r_indptr[row + 1]):
                other = r_items[f]
                if overlap[other] == 0:
                    reached[n_reached] = other
                    n_reached += 1
                overlap[other] += 1
                total[other] += value * r_values[f]
        size = 0
        threshold = np.float32(0.0)
        for n in range(n_reached):
            other = reached[n]
            common, dot = overlap[other], total[other]
            overlap[other] = 0
            total[other] = 0.0
            if other == item or common < min_overlap:
                continue
            if form == 0:
                score = dot * left[item] * right[other]
            elif form == 1:
                score = dot / (left[item] + right[other] - dot)
            else:
                score = np.float32(2.0) * dot / (left[item] + right[other])
            if shrink > 0.0:
                score *= np.float32(common / (common + shrink))
            if score <= 0.0 or score < threshold:
                continue
            one[0] = score
            if size == room:
                _keep_best(keys, size, k)
                size = k
                worst = keys[0]
                for m in range(1, k):
                    worst = min(worst, keys[m])
                bits[0] = np.uint32(worst >> np.uint64(32))
                threshold = one[0]
                one[0] = score
                if score < threshold:
                    continue
            keys[size] = (np.uint64(bits[0]) << np.uint64(32)) | np.uint64(0xFFFFFFFF - other)
            size += 1
        if size > k:
            _keep_best(keys, size, k)
            size = k
        for m in range(size):
            bits[0] = np.uint32(keys[m] >> np.uint64(32))
            out_items[item - lo, m] = np.int32(np.uint64(0xFFFFFFFF) - (keys[m] & np.uint64(0xFFFFFFFF)))
            out_scores[item - lo, m] = one[0]
        out_sizes[item - lo] = size
