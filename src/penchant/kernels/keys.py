"""Keys that combine a score and a popularity rank in one number: pick the k best and sort them; larger is better."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from penchant.kernels import kernel
from penchant.kernels.instructions import pack_between, reaching

F32 = NDArray[np.float32]
I32 = NDArray[np.int32]
U32 = NDArray[np.uint32]
U64 = NDArray[np.uint64]
B1 = NDArray[np.bool_]

ABOVE = 0x7FFFFFFF  # above the bits of every score
FEW = 64  # up to this many keys are sorted by insertion: np.sort would allocate memory


@kernel
def keep_best(keys: U64, size: int, k: int) -> None:
    """Partition ``keys[:size]`` so that the k largest come first, in any order."""
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
def kth_largest(values: Any, k: int) -> Any:
    """The k-th largest of at least k values, of any type."""
    kept = values.copy()
    keep_best(kept, kept.shape[0], k)
    least = kept[0]
    for n in range(1, k):
        least = min(least, kept[n])
    return least


@kernel
def as_key(bits: Any, rank: int) -> Any:
    """Combine the bits of a score and a popularity rank in one number: the larger of two keys is the better item."""
    flipped = ~bits if bits >> np.uint32(31) else bits | np.uint32(0x80000000)
    return (np.uint64(flipped) << np.uint64(32)) | np.uint64(0xFFFFFFFF - rank)


@kernel
def _bits_of(key: Any) -> Any:
    """The bits, as an integer, of the positive score in a key."""
    return np.int32(np.uint32(key >> np.uint64(32)) & np.uint32(0x7FFFFFFF))


@kernel
def _first_bound(bits: I32, size: int, width: int, k: int, maxima: U64) -> Any:
    """A bound that at least k scores reach: the k-th largest maximum of a block of ``width``; 1 with < k blocks."""
    blocks = (size + width - 1) // width
    if blocks < k:
        return np.int32(1)
    for b in range(blocks):
        most = np.int32(0)
        for n in range(np.uint64(b * width), np.uint64(min(size, (b + 1) * width))):
            most = max(most, bits[n])
        maxima[b] = np.uint64(most)
    keep_best(maxima, blocks, k)
    least = maxima[0]
    for b in range(1, k):
        least = min(least, maxima[b])
    return max(np.int32(1), np.int32(least))


@kernel
def best_keys(
    bits: I32,  # of scores, as integers: ordered like positive scores; negative for negative scores
    items: U32,  # items of the scores; (0,): all items in order
    size: int,
    width: int,
    allow: B1,
    popularity_rank: I32,
    k: int,
    keys: U64,  # (2k,)
    work: U64,
) -> int:
    """Write the k best positive scores as keys, in any order, and return how many.

    Scores that reach a bound are collected. Whenever there are 2k keys, the better half stays and its lowest score
    becomes the new bound.
    """
    found = 0
    bound = _first_bound(bits, size, width, k, work) if allow.shape[0] == 0 else np.int32(1)
    for start in range(0, size, 64):
        lo, hi = np.uint64(start), np.uint64(min(start + 64, size))
        some, kept = np.int32(0), 0
        for n in range(lo, hi):
            some |= np.int32(bits[n] >= bound)  # no branch: compares a whole vector at once
        for n in range(lo, hi if some > 0 else lo):
            work[kept] = n
            kept += bits[n] >= bound
        for m in range(kept):
            n = work[m]
            item = np.int64(items[n]) if items.shape[0] > 0 else np.int64(n)
            if bits[n] < bound or (allow.shape[0] > 0 and not allow[item]):
                continue
            keys[found] = as_key(np.uint32(bits[n]), popularity_rank[item])
            found += 1
            if found == 2 * k:
                keep_best(keys, found, k)
                least = keys[0]
                for other in range(1, k):
                    least = min(least, keys[other])
                found, bound = k, _bits_of(least)
    if found > k:
        keep_best(keys, found, k)
        found = k
    return found


@kernel
def best_of_all(
    bits: I32,  # as above, for all items in order; padded with zeros to a multiple of 64
    every: I32,  # 0, 1, 2, ...
    size: int,
    popularity_rank: I32,
    k: int,
    keys: U64,  # (items,)
    work: U64,
    out_bits: I32,  # (items + 16,)
    out_items: I32,  # (items + 16,)
) -> int:
    """``best_keys`` if all items are allowed and scored: scores that reach the first bound are packed by vectors."""
    bound, found = np.int64(_first_bound(bits, size, 64, k, work)), 0
    for start in range(0, bits.shape[0], 64):
        if reaching(bits, start, bound) > 0:
            for n in range(start, start + 64, 16):
                found += pack_between(bits, every, n, bound, ABOVE, out_bits, out_items, found)
    for n in range(found):
        keys[n] = as_key(np.uint32(out_bits[n]), popularity_rank[out_items[n]])
    if found > k:
        keep_best(keys, found, k)
        found = k
    return found


@kernel
def _score(key: Any) -> Any:
    """The score in a key."""
    one = np.empty(1, dtype=np.uint32)
    flipped = np.uint32(key >> np.uint64(32))
    one[0] = flipped & np.uint32(0x7FFFFFFF) if flipped >> np.uint32(31) else ~flipped
    return one.view(np.float32)[0]


@kernel
def _fall(keys: U64) -> None:
    """Sort keys in place, best first."""
    if keys.shape[0] > FEW:
        keys.sort()
        for n in range(keys.shape[0] // 2):
            other = keys.shape[0] - 1 - n
            keys[n], keys[other] = keys[other], keys[n]
        return
    for n in range(1, keys.shape[0]):
        key, m = keys[n], n
        while m > 0 and keys[m - 1] < key:
            keys[m] = keys[m - 1]
            m -= 1
        keys[m] = key


@kernel
def write_keys(keys: U64, by_popularity: I32, at: int, out_items: I32, out_scores: F32) -> None:
    """Write keys as items and scores to the positions from ``at``, best first."""
    _fall(keys)
    for n in range(keys.shape[0]):
        key = keys[n]
        out_items[at + n] = by_popularity[np.int64(np.uint64(0xFFFFFFFF) - (key & np.uint64(0xFFFFFFFF)))]
        out_scores[at + n] = _score(key)
