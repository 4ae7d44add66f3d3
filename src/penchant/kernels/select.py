"""The k best items of a row, out of dense scores or straight out of a sparse item→item operator.

Order everywhere: higher score, then lower ``place`` (``place[item]`` is the item's position by training count, then
index), so that a list never depends on threads, blocks or the path by which it was made.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from penchant.kernels import kernel

F32 = NDArray[np.float32]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]
U64 = NDArray[np.uint64]
B1 = NDArray[np.bool_]


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
def _some_reach(scores: F32, bound: Any) -> bool:
    """Whether any score reaches the bound: without a branch, so that a whole vector is compared at once."""
    found = np.int32(0)
    for n in range(scores.shape[0]):
        found |= np.int32(scores[n] >= bound)
    return bool(found > 0)


@kernel
def _key(score: F32, place: int) -> Any:
    """One score and its place as one number: of two keys the larger is the better item."""
    bits = score.view(np.uint32)[0]
    flipped = ~bits if bits >> np.uint32(31) else bits | np.uint32(0x80000000)
    return (np.uint64(flipped) << np.uint64(32)) | np.uint64(0xFFFFFFFF - place)


@kernel
def _score(key: Any) -> Any:
    """The score in a key."""
    one = np.empty(1, dtype=np.uint32)
    flipped = np.uint32(key >> np.uint64(32))
    one[0] = flipped & np.uint32(0x7FFFFFFF) if flipped >> np.uint32(31) else ~flipped
    return one.view(np.float32)[0]


@kernel
def _write_keys(keys: U64, by_place: I32, at: int, out_items: I32, out_scores: F32) -> None:
    """Keys as items and scores from ``at`` on, the best first."""
    best = np.sort(keys)
    for n in range(best.shape[0]):
        key = best[best.shape[0] - 1 - n]
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
    below = np.empty(total.shape[0], dtype=np.uint64)
    found = 0
    for item in range(total.shape[0]):
        if -np.inf < total[item] < 0 and not banned[item] and (allow.shape[0] == 0 or allow[item]):
            below[found] = _key(total[item : item + 1], place[item])
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

    Scores above zero are collected as keys (the bits of the score, then the complement of the place), and whenever
    there are twice as many as are wanted the better half stays, and its least is what the next must reach. Items that
    no event reaches score 0: they follow by place, then those below zero, so the list equals that of the dense path.
    """
    n_items, k, width = place.shape[0], out_items.shape[1], 64
    points = w_indices.view(np.uint32)  # an index without a sign needs no check for being negative
    total = np.zeros(n_items, dtype=np.float32)
    banned = np.zeros(n_items, dtype=np.bool_)
    reached = np.empty(n_items + 1, dtype=np.uint32)
    keys = np.empty(2 * k, dtype=np.uint64)
    for row in range(lo, hi):
        additions, found = 0, 0
        for e in range(indptr[row], indptr[row + 1]):
            additions += w_indptr[items[e] + 1] - w_indptr[items[e]]
        few = 4 * additions < n_items
        for e in range(indptr[row], indptr[row + 1]):
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
        size, bound = 0, np.float32(1e-45)  # the least float above zero
        for start in range(0, found if few else n_items, width):
            stop = min(start + width, found if few else n_items)
            if not few and not _some_reach(total[start:stop], bound):
                continue
            for n in range(start, stop):
                item = np.int64(reached[n]) if few else n
                if total[item] >= bound and (allow.shape[0] == 0 or allow[item]):
                    keys[size] = _key(total[item : item + 1], place[item])
                    size += 1
                    if few:
                        total[item] = 0  # it may stand there twice
                    if size == 2 * k:
                        _keep_best(keys, size, k)
                        size, bound = k, _score(keys[:k].min())
        if size > k:
            _keep_best(keys, size, k)
            size = k
        _write_keys(keys[:size], by_place, 0, out_items[row], out_scores[row])
        if size < k:
            for n in range(size):
                banned[out_items[row, n]] = True
            _fill(total, banned, allow, place, by_place, size, out_items[row], out_scores[row])
            for n in range(size):
                banned[out_items[row, n]] = False
        if few:
            for n in range(found):
                total[reached[n]] = 0
        else:
            total[:] = 0
        for e in range(x_indptr[row], x_indptr[row + 1]):
            banned[excluded[e]] = False
