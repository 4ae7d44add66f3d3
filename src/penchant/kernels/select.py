"""The k best items of a row, out of dense scores or straight out of a sparse item→item operator.

Order everywhere: higher score, then lower ``place`` (``place[item]`` is the item's position by training count, then
index), so that a list never depends on threads, blocks or the path by which it was made.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from penchant.kernels import kernel

F32 = NDArray[np.float32]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]
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
    """``sparse_scores`` and ``dense_top`` in one pass that touches only what the history reaches.

    Items that no event reaches score 0: they are merged in by place, so the list equals that of the dense path.
    """
    n_items = place.shape[0]
    k = out_items.shape[1]
    total = np.zeros(n_items, dtype=np.float32)
    state = np.zeros(n_items, dtype=np.int8)  # 1: reached, 2: banned
    reached = np.empty(n_items, dtype=np.int32)
    kept_places = np.empty(k, dtype=np.int32)
    for row in range(lo, hi):
        n_reached = 0
        for e in range(x_indptr[row], x_indptr[row + 1]):
            state[excluded[e]] = 2
        for e in range(indptr[row], indptr[row + 1]):
            c = coefficients[e]
            for w in range(w_indptr[items[e]], w_indptr[items[e] + 1]):
                item = w_indices[w]
                if state[item] == 0:
                    state[item] = 1
                    reached[n_reached] = item
                    n_reached += 1
                total[item] += c * w_data[w]
        heap_scores, heap_items = out_scores[row], out_items[row]
        size = 0
        for n in range(n_reached):
            item = reached[n]
            if size == k and total[item] < heap_scores[0]:
                continue
            if allow.shape[0] > 0 and not allow[item]:
                continue
            size = _push(heap_scores, kept_places, heap_items, size, k, total[item], place[item], item)
        if size < k or heap_scores[0] <= 0.0:
            offered = 0
            for item in by_place:
                if offered == k:
                    break
                if state[item] == 0 and (allow.shape[0] == 0 or allow[item]):
                    size = _push(heap_scores, kept_places, heap_items, size, k, 0.0, place[item], item)
                    offered += 1
        _unheap(heap_scores, kept_places, heap_items, size)
        for n in range(n_reached):
            total[reached[n]] = 0.0
            state[reached[n]] = 0
        for e in range(indptr[row], indptr[row + 1]):
            for w in range(w_indptr[items[e]], w_indptr[items[e] + 1]):
                total[w_indices[w]] = 0.0  # banned items were added to as well
        for e in range(x_indptr[row], x_indptr[row + 1]):
            state[excluded[e]] = 0
