"""The k best items of a row, out of dense scores or straight out of a sparse item→item operator.

Order everywhere: higher score, then lower ``place`` (``place[item]`` is the item's position by training count, then
index), so that a list never depends on threads, blocks or the path by which it was made.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from penchant.kernels import kernel
from penchant.kernels.instructions import pack_between, prefetch, reaching

F32 = NDArray[np.float32]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]
U32 = NDArray[np.uint32]
U64 = NDArray[np.uint64]
B1 = NDArray[np.bool_]

ABOVE = 0x7FFFFFFF  # the bits of every score
FEW = 64  # keys that are put in order where they lie: a sort would ask for memory first


@kernel
def _sift_down(scores: F32, places: I32, items: I32, start: int, size: int) -> None:
    """Restore the heap whose root is the worst of the kept (lowest score, then highest place)."""
    node = start
    while True:
        child = 2 * node + 1
        if child >= size:
            return
        right = child + 1
        if right < size and (
            scores[right] < scores[child] or (scores[right] == scores[child] and places[right] > places[child])
        ):
            child = right
        if scores[child] < scores[node] or (scores[child] == scores[node] and places[child] > places[node]):
            scores[node], scores[child] = scores[child], scores[node]
            places[node], places[child] = places[child], places[node]
            items[node], items[child] = items[child], items[node]
            node = child
        else:
            return


@kernel
def _push(scores: F32, places: I32, items: I32, size: int, k: int, score: float, place: int, item: int) -> int:
    """Offer one item to the heap of at most ``k``; returns the new size."""
    if size < k:
        node = size
        scores[node], places[node], items[node] = score, place, item
        while node > 0:
            parent = (node - 1) // 2
            if scores[node] < scores[parent] or (scores[node] == scores[parent] and places[node] > places[parent]):
                scores[node], scores[parent] = scores[parent], scores[node]
                places[node], places[parent] = places[parent], places[node]
                items[node], items[parent] = items[parent], items[node]
                node = parent
            else:
                break
        return size + 1
    if score > scores[0] or (score == scores[0] and place < places[0]):
        scores[0], places[0], items[0] = score, place, item
        _sift_down(scores, places, items, 0, k)
    return size


@kernel
def _unheap(scores: F32, places: I32, items: I32, size: int) -> None:
    """Sort the heap in place, best first."""
    for end in range(size - 1, 0, -1):
        scores[0], scores[end] = scores[end], scores[0]
        places[0], places[end] = places[end], places[0]
        items[0], items[end] = items[end], items[0]
        _sift_down(scores, places, items, 0, end)


@kernel
def dense_top(
    lo: int,
    hi: int,
    scores: F32,  # (hi - lo, n_items)
    place: I32,  # (n_items,)
    indptr: I64,  # of what is excluded, rows counted from 0
    excluded: I32,
    allow: B1,  # (n_items,) or (0,) for all
    out_items: I32,  # (rows, k), filled with -1
    out_scores: F32,  # (rows, k), filled with -inf
) -> None:
    """Top k of dense rows; an item at -inf cannot be had and never enters the list."""
    k = out_items.shape[1]
    n_items = scores.shape[1]
    banned = np.zeros(n_items, dtype=np.bool_)
    kept_places = np.empty(k, dtype=np.int32)
    for row in range(lo, hi):
        for e in range(indptr[row], indptr[row + 1]):
            banned[excluded[e]] = True
        heap_scores, heap_items = out_scores[row], out_items[row]
        size = 0
        for item in range(n_items):
            score = scores[row - lo, item]
            if size == k and score < heap_scores[0]:
                continue
            if banned[item] or score == -np.inf or (allow.shape[0] > 0 and not allow[item]):
                continue
            size = _push(heap_scores, kept_places, heap_items, size, k, score, place[item], item)
        _unheap(heap_scores, kept_places, heap_items, size)
        for e in range(indptr[row], indptr[row + 1]):
            banned[excluded[e]] = False


@kernel
def sparse_scores(
    lo: int,
    hi: int,
    indptr: I64,  # histories
    items: I32,
    coefficients: F32,
    w_indptr: I64,  # operator, a row a history item
    w_indices: I32,
    w_data: F32,
    out: F32,  # (rows, n_items), zeros
) -> None:
    """Dense scores of histories under a sparse operator: a row is the sum of its items' operator rows."""
    for row in range(lo, hi):
        into = out[row]
        for e in range(indptr[row], indptr[row + 1]):
            c = coefficients[e]
            for w in range(w_indptr[items[e]], w_indptr[items[e] + 1]):
                into[w_indices[w]] += c * w_data[w]


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
def _key(bits: Any, place: int) -> Any:
    """The bits of a score and a place as one number: of two keys the larger is the better item."""
    flipped = ~bits if bits >> np.uint32(31) else bits | np.uint32(0x80000000)
    return (np.uint64(flipped) << np.uint64(32)) | np.uint64(0xFFFFFFFF - place)


@kernel
def _bits_of(key: Any) -> Any:
    """The bits of a score above zero, as a whole number, in a key."""
    return np.int32(np.uint32(key >> np.uint64(32)) & np.uint32(0x7FFFFFFF))


@kernel
def _first_bound(bits: I32, size: int, width: int, k: int, maxima: U64) -> Any:
    """What at least k scores reach: the k-th of the greatest of every ``width``; 1 where there are not so many."""
    blocks = (size + width - 1) // width
    if blocks < k:
        return np.int32(1)
    for b in range(blocks):
        most = np.int32(0)
        for n in range(np.uint64(b * width), np.uint64(min(size, (b + 1) * width))):
            most = max(most, bits[n])
        maxima[b] = np.uint64(most)
    _keep_best(maxima, blocks, k)
    least = maxima[0]
    for b in range(1, k):
        least = min(least, maxima[b])
    return max(np.int32(1), np.int32(least))


@kernel
def _best_keys(
    bits: I32,  # of scores: above zero they order as whole numbers do, below it they are below
    items: U32,  # whose they are; (0,): of every item in turn
    size: int,
    width: int,
    allow: B1,
    place: I32,
    k: int,
    keys: U64,  # (2k,)
    work: U64,
) -> int:
    """The k best of the scores above zero as keys, in any order; how many there are.

    What reaches a bound is collected, and whenever there are twice as many as are wanted the better half stays, and its
    least is what the next must reach.
    """
    found = 0
    bound = _first_bound(bits, size, width, k, work) if allow.shape[0] == 0 else np.int32(1)
    for start in range(0, size, 64):
        lo, hi = np.uint64(start), np.uint64(min(start + 64, size))
        some, kept = np.int32(0), 0
        for n in range(lo, hi):
            some |= np.int32(bits[n] >= bound)  # without a branch: a whole vector at once
        for n in range(lo, hi if some > 0 else lo):
            work[kept] = n
            kept += bits[n] >= bound
        for m in range(kept):
            n = work[m]
            item = np.int64(items[n]) if items.shape[0] > 0 else np.int64(n)
            if bits[n] < bound or (allow.shape[0] > 0 and not allow[item]):
                continue
            keys[found] = _key(np.uint32(bits[n]), place[item])
            found += 1
            if found == 2 * k:
                _keep_best(keys, found, k)
                found, bound = k, _bits_of(keys[:k].min())
    if found > k:
        _keep_best(keys, found, k)
        found = k
    return found


@kernel
def _best_of_all(
    bits: I32,  # as above, of every item in turn; a multiple of 64, what follows the last item zero
    every: I32,  # 0, 1, 2, ...
    size: int,
    place: I32,
    k: int,
    keys: U64,  # (items,)
    work: U64,
    out_bits: I32,  # (items + 16,)
    out_items: I32,  # the same
) -> int:
    """The same where all items are allowed and have a score: what reaches the first bound is packed in vectors."""
    bound, found = np.int64(_first_bound(bits, size, 64, k, work)), 0
    for start in range(0, bits.shape[0], 64):
        if reaching(bits, start, bound) > 0:
            for n in range(start, start + 64, 16):
                found += pack_between(bits, every, n, bound, ABOVE, out_bits, out_items, found)
    for n in range(found):
        keys[n] = _key(np.uint32(out_bits[n]), place[out_items[n]])
    if found > k:
        _keep_best(keys, found, k)
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
    """Sort keys in place, the best first."""
    if keys.shape[0] > FEW:
        keys[:] = np.sort(keys)[::-1]
        return
    for n in range(1, keys.shape[0]):
        key, m = keys[n], n
        while m > 0 and keys[m - 1] < key:
            keys[m] = keys[m - 1]
            m -= 1
        keys[m] = key


@kernel
def _write_keys(keys: U64, by_place: I32, at: int, out_items: I32, out_scores: F32) -> None:
    """Keys as items and scores from ``at`` on, the best first."""
    _fall(keys)
    for n in range(keys.shape[0]):
        key = keys[n]
        out_items[at + n] = by_place[np.int64(np.uint64(0xFFFFFFFF) - (key & np.uint64(0xFFFFFFFF)))]
        out_scores[at + n] = _score(key)


@kernel
def _fill(
    total: F32, banned: B1, allow: B1, place: I32, by_place: I32, size: int, out_items: I32, out_scores: F32
) -> None:
    """A list of ``size`` items goes on with those that score zero, by place, and then with those below."""
    k = out_items.shape[0]
    for item in by_place:
        if size == k:
            return
        if total[item] == 0 and not banned[item] and (allow.shape[0] == 0 or allow[item]):
            out_items[size], out_scores[size] = item, 0.0
            size += 1
    below, bits = np.empty(total.shape[0], dtype=np.uint64), total.view(np.uint32)
    found = 0
    for item in range(total.shape[0]):
        if -np.inf < total[item] < 0 and not banned[item] and (allow.shape[0] == 0 or allow[item]):
            below[found] = _key(bits[item], place[item])
            found += 1
    taken = min(found, k - size)
    _keep_best(below, found, taken)
    _write_keys(below[:taken], by_place, size, out_items, out_scores)


@kernel
def sparse_top(
    lo: int,
    hi: int,
    indptr: I64,
    items: I32,
    coefficients: F32,
    w_indptr: I64,
    w_indices: I32,
    w_data: F32,
    place: I32,
    by_place: I32,  # items in the order of their place
    x_indptr: I64,  # excluded
    excluded: I32,
    allow: B1,
    out_items: I32,
    out_scores: F32,
) -> None:
    """``sparse_scores`` and ``dense_top`` in one pass; where a history reaches little, only that is looked at.

    Items that no event reaches score 0: they follow by place, then those below zero, so the list equals that of the
    dense path.
    """
    n_items, k = place.shape[0], out_items.shape[1]
    points, nobody = w_indices.view(np.uint32), np.empty(0, dtype=np.uint32)  # an index without a sign needs no check
    whole = np.zeros((n_items + 63) & ~63, dtype=np.float32)
    total, padded = whole[:n_items], whole.view(np.int32)
    bits, every = padded[:n_items], np.arange(whole.shape[0], dtype=np.int32)
    packed_bits, packed_items = np.empty(n_items + 16, dtype=np.int32), np.empty(n_items + 16, dtype=np.int32)
    banned = np.zeros(n_items, dtype=np.bool_)
    reached = np.empty(n_items + 1, dtype=np.uint32)  # one more: what is not new is written there and overwritten
    gathered = np.empty(n_items, dtype=np.int32)
    keys, work = np.empty(max(n_items, 2 * k), dtype=np.uint64), np.empty(max(65, n_items // 16 + 1), dtype=np.uint64)
    for row in range(lo, hi):
        additions, found = 0, 0
        for e in range(indptr[row], indptr[row + 1]):
            additions += w_indptr[items[e] + 1] - w_indptr[items[e]]
            if 4 * additions >= n_items:
                break
        few = 4 * additions < n_items
        for e in range(indptr[row], indptr[row + 1]):
            soon = items[min(e + 2, indptr[row + 1] - 1)]  # its row lies anywhere: asked for in time, it is there
            for w in range(w_indptr[soon], min(w_indptr[soon] + 128, w_indptr[soon + 1]), 16):
                prefetch(w_indices, w)
                prefetch(w_data, w)
            c, start, stop = coefficients[e], w_indptr[items[e]], w_indptr[items[e] + 1]
            some, values = points[start:stop], w_data[start:stop]
            if few:
                for w in range(some.shape[0]):
                    before = total[some[w]]
                    reached[found] = some[w]
                    found += before == 0
                    total[some[w]] = before + c * values[w]
            else:
                for w in range(some.shape[0]):
                    total[some[w]] += c * values[w]
        for e in range(x_indptr[row], x_indptr[row + 1]):
            banned[excluded[e]] = True
            total[excluded[e]] = 0
        if few:
            for n in range(found):
                gathered[n] = bits[reached[n]]
                bits[reached[n]] = 0  # it may stand there twice
            size = _best_keys(gathered, reached, found, 16, allow, place, k, keys, work)
        elif allow.shape[0] > 0:
            size = _best_keys(bits, nobody, n_items, 64, allow, place, k, keys, work)
        else:
            size = _best_of_all(padded, every, n_items, place, k, keys, work, packed_bits, packed_items)
        _write_keys(keys[:size], by_place, 0, out_items[row], out_scores[row])
        if size < k:
            for n in range(found):
                if gathered[n] != 0:
                    bits[reached[n]] = gathered[n]
            for n in range(size):
                banned[out_items[row, n]] = True
            _fill(total, banned, allow, place, by_place, size, out_items[row], out_scores[row])
            for n in range(size):
                banned[out_items[row, n]] = False
            for n in range(found):
                total[reached[n]] = 0
        if not few:
            total[:] = 0
        for e in range(x_indptr[row], x_indptr[row + 1]):
            banned[excluded[e]] = False
