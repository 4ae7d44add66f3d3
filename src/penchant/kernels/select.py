"""The k best items of a row, from dense scores or directly from a sparse item→item operator.

Items are always ordered by higher score, then lower ``popularity_rank`` (the item's position by training count,
then by index). So a list never depends on threads, blocks or the algorithm that made it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from penchant.kernels import kernel
from penchant.kernels.instructions import prefetch
from penchant.kernels.keys import as_key, best_keys, best_of_all, keep_best, write_keys

F32 = NDArray[np.float32]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]
U64 = NDArray[np.uint64]
B1 = NDArray[np.bool_]


@kernel
def _sift_down(scores: F32, ranks: I32, items: I32, start: int, size: int) -> None:
    """Restore the heap, whose root is the worst kept item (lowest score, then highest popularity rank)."""
    node = start
    while True:
        child = 2 * node + 1
        if child >= size:
            return
        right = child + 1
        if right < size and (
            scores[right] < scores[child] or (scores[right] == scores[child] and ranks[right] > ranks[child])
        ):
            child = right
        if scores[child] < scores[node] or (scores[child] == scores[node] and ranks[child] > ranks[node]):
            scores[node], scores[child] = scores[child], scores[node]
            ranks[node], ranks[child] = ranks[child], ranks[node]
            items[node], items[child] = items[child], items[node]
            node = child
        else:
            return


@kernel
def _push(scores: F32, ranks: I32, items: I32, size: int, k: int, score: float, rank: int, item: int) -> int:
    """Offer one item to the heap of at most ``k``; returns the new size."""
    if size < k:
        node = size
        scores[node], ranks[node], items[node] = score, rank, item
        while node > 0:
            parent = (node - 1) // 2
            if scores[node] < scores[parent] or (scores[node] == scores[parent] and ranks[node] > ranks[parent]):
                scores[node], scores[parent] = scores[parent], scores[node]
                ranks[node], ranks[parent] = ranks[parent], ranks[node]
                items[node], items[parent] = items[parent], items[node]
                node = parent
            else:
                break
        return size + 1
    if score > scores[0] or (score == scores[0] and rank < ranks[0]):
        scores[0], ranks[0], items[0] = score, rank, item
        _sift_down(scores, ranks, items, 0, k)
    return size


@kernel
def _unheap(scores: F32, ranks: I32, items: I32, size: int) -> None:
    """Sort the heap in place, best first."""
    for end in range(size - 1, 0, -1):
        scores[0], scores[end] = scores[end], scores[0]
        ranks[0], ranks[end] = ranks[end], ranks[0]
        items[0], items[end] = items[end], items[0]
        _sift_down(scores, ranks, items, 0, end)


@kernel
def dense_top(
    lo: int,
    hi: int,
    scores: F32,  # (hi - lo, n_items)
    popularity_rank: I32,  # (n_items,)
    indptr: I64,  # of the excluded items, rows counted from 0
    excluded: I32,
    allow: B1,  # (n_items,) or (0,) for all
    out_items: I32,  # (rows, k), filled with -1
    out_scores: F32,  # (rows, k), filled with -inf
) -> None:
    """Top k of dense rows; an item at -inf never enters the list. A row with a NaN has NaN as its first score."""
    k = out_items.shape[1]
    n_items = scores.shape[1]
    banned = np.zeros(n_items, dtype=np.bool_)
    kept_ranks = np.empty(k, dtype=np.int32)
    for row in range(lo, hi):
        for e in range(indptr[row], indptr[row + 1]):
            banned[excluded[e]] = True
        heap_scores, heap_items = out_scores[row], out_items[row]
        size, broken = 0, False
        for item in range(n_items):
            score = scores[row - lo, item]
            if size == k and score < heap_scores[0]:
                continue
            if np.isnan(score):  # no comparison with NaN holds, so every NaN comes here
                broken = True
                continue
            if banned[item] or score == -np.inf or (allow.shape[0] > 0 and not allow[item]):
                continue
            size = _push(heap_scores, kept_ranks, heap_items, size, k, score, popularity_rank[item], item)
        _unheap(heap_scores, kept_ranks, heap_items, size)
        if broken:
            heap_scores[0] = np.nan
        for e in range(indptr[row], indptr[row + 1]):
            banned[excluded[e]] = False


@kernel
def candidate_top(
    lo: int,
    hi: int,
    scores: F32,  # (hi - lo, n_items)
    popularity_rank: I32,  # (n_items,)
    indptr: I64,  # of what is excluded, rows counted from 0
    excluded: I32,
    allow: B1,  # (n_items,) or (0,) for all
    c_indptr: I64,  # of the candidates, rows counted from 0
    candidates: I32,
    out_items: I32,  # (rows, k), filled with -1
    out_scores: F32,  # (rows, k), filled with -inf
) -> None:
    """``dense_top`` over the candidates of each row. It walks over all scores, as jumping is slower."""
    k = out_items.shape[1]
    n_items = scores.shape[1]
    banned = np.ones(n_items, dtype=np.bool_)
    kept_ranks = np.empty(k, dtype=np.int32)
    for row in range(lo, hi):
        for c in range(c_indptr[row], c_indptr[row + 1]):
            banned[candidates[c]] = allow.shape[0] > 0 and not allow[candidates[c]]
        for e in range(indptr[row], indptr[row + 1]):
            banned[excluded[e]] = True
        heap_scores, heap_items = out_scores[row], out_items[row]
        size, broken = 0, False
        for item in range(n_items):
            score = scores[row - lo, item]
            if size == k and score < heap_scores[0]:
                continue
            if np.isnan(score):
                broken = True
                continue
            if banned[item] or score == -np.inf:
                continue
            size = _push(heap_scores, kept_ranks, heap_items, size, k, score, popularity_rank[item], item)
        _unheap(heap_scores, kept_ranks, heap_items, size)
        if broken:
            heap_scores[0] = np.nan
        for c in range(c_indptr[row], c_indptr[row + 1]):
            banned[candidates[c]] = True


@kernel
def sparse_candidate_top(
    lo: int,
    hi: int,
    indptr: I64,  # histories
    items: I32,
    coefficients: F32,
    w_indptr: I64,  # operator, a row a history item
    w_indices: I32,
    w_data: F32,
    popularity_rank: I32,
    x_indptr: I64,  # excluded
    excluded: I32,
    allow: B1,
    c_indptr: I64,  # candidates
    candidates: I32,
    out_items: I32,
    out_scores: F32,
) -> None:
    """``sparse_scores`` and ``candidate_top`` in one pass over what a history reaches and over the candidates."""
    k = out_items.shape[1]
    total, done = (
        np.zeros(popularity_rank.shape[0], dtype=np.float32),
        np.zeros(popularity_rank.shape[0], dtype=np.bool_),
    )
    kept_ranks = np.empty(k, dtype=np.int32)
    for row in range(lo, hi):
        for e in range(indptr[row], indptr[row + 1]):
            c = coefficients[e]
            for w in range(w_indptr[items[e]], w_indptr[items[e] + 1]):
                total[w_indices[w]] += c * w_data[w]
        for e in range(x_indptr[row], x_indptr[row + 1]):
            done[excluded[e]] = True
        heap_scores, heap_items = out_scores[row], out_items[row]
        size, broken = 0, False
        for n in range(c_indptr[row], c_indptr[row + 1]):
            item = candidates[n]
            score = total[item]
            worst = heap_scores[0] if size == k else np.float32(-np.inf)
            if score < worst or (score == worst and size == k and popularity_rank[item] > kept_ranks[0]):
                continue  # before ``_push``, since a call costs more than all of this
            if np.isnan(score):
                broken = True
            elif not done[item] and score > -np.inf and (allow.shape[0] == 0 or allow[item]):
                done[item] = True  # a candidate may be listed twice
                size = _push(heap_scores, kept_ranks, heap_items, size, k, score, popularity_rank[item], item)
        _unheap(heap_scores, kept_ranks, heap_items, size)
        if broken:
            heap_scores[0] = np.nan
        for e in range(indptr[row], indptr[row + 1]):
            for w in range(w_indptr[items[e]], w_indptr[items[e] + 1]):
                total[w_indices[w]] = 0
        for e in range(x_indptr[row], x_indptr[row + 1]):
            done[excluded[e]] = False
        for n in range(c_indptr[row], c_indptr[row + 1]):
            done[candidates[n]] = False


@kernel
def sparse_scores(
    lo: int,
    hi: int,
    indptr: I64,  # histories
    items: I32,
    coefficients: F32,
    w_indptr: I64,  # the operator: one row per item of a history
    w_indices: I32,
    w_data: F32,
    out: F32,  # (rows, n_items), zeros
) -> None:
    """Dense scores of histories under a sparse operator: the weighted sum of the operator rows of a history's items."""
    for row in range(lo, hi):
        into = out[row]
        for e in range(indptr[row], indptr[row + 1]):
            c = coefficients[e]
            for w in range(w_indptr[items[e]], w_indptr[items[e] + 1]):
                into[w_indices[w]] += c * w_data[w]


@kernel
def _fill(
    total: F32,
    banned: B1,
    allow: B1,
    popularity_rank: I32,
    by_popularity: I32,
    size: int,
    out_items: I32,
    out_scores: F32,
) -> None:
    """Extend a list of ``size`` items by those that score zero, by popularity, and then by those below zero."""
    k = out_items.shape[0]
    for item in by_popularity:
        if size == k:
            return
        if total[item] == 0 and not banned[item] and (allow.shape[0] == 0 or allow[item]):
            out_items[size], out_scores[size] = item, 0.0
            size += 1
    below, bits = np.empty(total.shape[0], dtype=np.uint64), total.view(np.uint32)
    found = 0
    for item in range(total.shape[0]):
        if -np.inf < total[item] < 0 and not banned[item] and (allow.shape[0] == 0 or allow[item]):
            below[found] = as_key(bits[item], popularity_rank[item])
            found += 1
    taken = min(found, k - size)
    keep_best(below, found, taken)
    write_keys(below[:taken], by_popularity, size, out_items, out_scores)


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
    popularity_rank: I32,
    by_popularity: I32,  # items sorted by popularity
    x_indptr: I64,  # of the excluded items
    excluded: I32,
    allow: B1,
    out_items: I32,
    out_scores: F32,
) -> None:
    """``sparse_scores`` and ``dense_top`` in one pass; if a history reaches few items, only those are examined.

    Items that no event reaches score 0. They follow by popularity, then items with negative scores. So the list
    equals that of the dense path.
    """
    n_items, k = popularity_rank.shape[0], out_items.shape[1]
    points, nobody = w_indices.view(np.uint32), np.empty(0, dtype=np.uint32)  # an unsigned index needs no sign check
    whole = np.zeros((n_items + 63) & ~63, dtype=np.float32)
    total, padded = whole[:n_items], whole.view(np.int32)
    bits, every = padded[:n_items], np.empty(whole.shape[0], dtype=np.int32)
    for n in range(every.shape[0]):
        every[n] = n
    packed_bits, packed_items = np.empty(n_items + 16, dtype=np.int32), np.empty(n_items + 16, dtype=np.int32)
    banned = np.zeros(n_items, dtype=np.bool_)
    reached = np.empty(n_items + 1, dtype=np.uint32)  # a spare slot: writes of items already reached land there
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
            soon = items[min(e + 2, indptr[row + 1] - 1)]  # its row can be anywhere in memory: prefetch it
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
                bits[reached[n]] = 0  # an item can occur twice in reached
            size = best_keys(gathered, reached, found, 16, allow, popularity_rank, k, keys, work)
        elif allow.shape[0] > 0:
            size = best_keys(bits, nobody, n_items, 64, allow, popularity_rank, k, keys, work)
        else:
            size = best_of_all(padded, every, n_items, popularity_rank, k, keys, work, packed_bits, packed_items)
        write_keys(keys[:size], by_popularity, 0, out_items[row], out_scores[row])
        if size < k:
            for n in range(found):
                if gathered[n] != 0:
                    bits[reached[n]] = gathered[n]
            for n in range(size):
                banned[out_items[row, n]] = True
            _fill(total, banned, allow, popularity_rank, by_popularity, size, out_items[row], out_scores[row])
            for n in range(size):
                banned[out_items[row, n]] = False
            for n in range(found):
                total[reached[n]] = 0
        if not few:
            total[:] = 0
        for e in range(x_indptr[row], x_indptr[row + 1]):
            banned[excluded[e]] = False
