"""The k nearest points of every point, for binary values where most pairs of points share at most one key.

The similarity then depends only on the sizes of the two points and on their number of common keys. Points are numbered
such that, with one common key, a later point is never less similar: among points met once, only the last can be among
the best. Points met twice or more are scored. The other pairs are only counted.

A point is "met" once for every key that it shares with the query.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from penchant.kernels import kernel
from penchant.kernels.instructions import copy_eight, filled, lowest, ones, pack_between, pack_met, prefetch, reaching

F32 = NDArray[np.float32]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]
U64 = NDArray[np.uint64]


@kernel
def rows_by_popularity(indptr: I64, items: I32, popularity_rank: I32, starts: I64, out_rows: I32) -> None:
    """For every popularity rank, list the rows with its item, ascending; the lists begin at ``starts`` (ranks + 1,)."""
    cursor = np.empty(popularity_rank.shape[0], dtype=np.int32)
    for item in range(popularity_rank.shape[0]):
        cursor[item] = starts[popularity_rank[item]]
    for row in range(indptr.shape[0] - 1):
        for e in range(indptr[row], indptr[row + 1]):
            at = cursor[items[e]]
            out_rows[at] = row
            cursor[items[e]] = at + 1


@kernel
def lists_by_row(starts: I64, rows: I32, blocks: I32, out: Any) -> None:
    """For every row, list its places, ascending, in blocks of eight; row r begins at block ``blocks[r]`` (rows + 1,).

    The rest of a row's last block is padded with distinct numbers above the last rank.
    """
    n = starts.shape[0] - 1
    cursor = np.empty(blocks.shape[0] - 1, dtype=np.int32)
    for row in range(cursor.shape[0]):
        cursor[row] = 8 * blocks[row]
    for rank in range(n):
        for e in range(starts[rank], starts[rank + 1]):
            at = cursor[rows[e]]
            out[at] = rank
            cursor[rows[e]] = at + 1
    for row in range(cursor.shape[0]):
        for at in range(cursor[row], 8 * blocks[row + 1]):
            out[at] = n + (at & 7)


@kernel
def _meet(count: Any, lists: Any, at: Any, before: Any, to: Any) -> None:
    """Count one more meeting of a point, and write its count before to ``before[to]``."""
    point = lists[at]
    met = count[point]
    count[point] = met + 1
    before[to] = met


@kernel
def _walk(count: Any, first: int, stop: int, rows: I32, blocks: I32, lists: Any, flat: Any, before: Any) -> Any:
    """Write the points of all rows of a point to ``flat`` and their counts so far to ``before``; return how many."""
    to, one = np.uint64(0), np.uint64(1)
    for e in range(first, stop):
        soon = rows[min(e + 2, rows.shape[0] - 1)]  # its list can be anywhere in memory: prefetch it
        for b in range(blocks[soon], min(blocks[soon] + 16, blocks[soon + 1]), 4):
            prefetch(lists, 8 * b)
        for b in range(blocks[rows[e]], blocks[rows[e] + 1]):
            at = np.uint64(8 * b)
            copy_eight(lists, np.int64(at), flat, np.int64(to))
            _meet(count, lists, at, before, to)
            _meet(count, lists, at + one, before, to + one)
            _meet(count, lists, at + np.uint64(2), before, to + np.uint64(2))
            _meet(count, lists, at + np.uint64(3), before, to + np.uint64(3))
            _meet(count, lists, at + np.uint64(4), before, to + np.uint64(4))
            _meet(count, lists, at + np.uint64(5), before, to + np.uint64(5))
            _meet(count, lists, at + np.uint64(6), before, to + np.uint64(6))
            _meet(count, lists, at + np.uint64(7), before, to + np.uint64(7))
            to += np.uint64(8)
    return np.int64(to)


@kernel
def _similarity(form: int, dot: Any, mine: Any, other: Any, shrink: Any, min_overlap: Any) -> Any:
    """The similarity as computed by ``nearest_by_product``, operation by operation."""
    if form == 0:
        s = dot * mine * other
    elif form == 1:
        s = dot / (mine + other - dot)
    else:
        s = np.float32(2) * dot / (mine + other)
    if shrink > 0 or min_overlap > np.float32(1):
        s *= np.float32(dot >= min_overlap) * dot / (dot + shrink)
    return s


@kernel
def _pad(bits: I32, size: int) -> int:
    """Pad with zeros up to the next multiple of 64, and 16 more; return that multiple."""
    full = (size + 63) & ~63
    bits[size : full + 16] = 0
    return full


@kernel
def _count_reaching(numbers: I32, full: int, bound: int) -> int:
    found = 0
    for n in range(0, full, 64):
        found += reaching(numbers, n, bound)
    return found


@kernel
def _most(numbers: I32, full: int) -> Any:
    most = np.int32(0)
    for n in range(full):
        most = max(most, numbers[n])
    return np.int64(most)


@kernel
def _least_from(numbers: I32, full: int, bound: Any) -> Any:
    """The smallest number that is at least ``bound`` (int32)."""
    none = np.int32(0x7FFFFFFF)
    least = none
    for n in range(full):
        least = min(least, numbers[n] if numbers[n] >= bound else none)
    return np.int64(least)


@kernel
def _kth(numbers: I32, full: int, k: int, low: int, high: int, rounds: int) -> tuple[Any, Any]:
    """Return a bound that exactly k of the positive ``numbers`` reach, or the k-th largest number if others equal it;
    and a bound that fewer reach.

    On input, at least k numbers reach ``low`` and fewer reach ``high``. The interval is bisected; every four steps, its
    lower end rises to the next number that occurs. After ``rounds`` (0: no limit) the current interval is returned.
    """
    while True:
        low = _least_from(numbers, full, np.int32(low))
        if high - low <= 1 or _count_reaching(numbers, full, low + 1) < k:
            return low, low + 1
        low += 1
        for _ in range(4):
            middle = (low + high) >> 1
            found = _count_reaching(numbers, full, middle)
            if found >= k:
                low = middle
            else:
                high = middle
            if found == k:
                return low, high
        rounds -= 1
        if rounds == 0:
            return low, high


@kernel
def _score(
    count: Any, points: Any, first: int, stop: int, once: bool, mine: Any, right: F32, form: int, shrink: Any,
    min_overlap: Any, score: F32,
) -> None:  # fmt: skip
    """Score the points ``[first, stop)``; with ``once``, score points met once and set the others to zero."""
    one, plain = np.float32(1), form == 0 and not (shrink > 0 or min_overlap > np.float32(1))
    if once:
        for n in range(first, stop):
            met = np.float32(count[points[n]] == 1)
            score[n] = met * _similarity(form, one, mine, right[points[n]], shrink, min_overlap)
    elif plain:
        for n in range(first, stop):
            score[n] = np.float32(count[points[n]]) * mine * right[points[n]]
    else:
        for n in range(first, stop):
            met = np.float32(count[points[n]])
            score[n] = _similarity(form, met, mine, right[points[n]], shrink, min_overlap)


@kernel
def _candidates(
    count: Any, before: Any, total: int, flat: Any, mine: Any, right: F32, form: int, shrink: Any, min_overlap: Any,
    k: int, out: Any, score: F32, bits: I32,
) -> tuple[Any, Any, Any]:  # fmt: skip
    """Write the points that can be among the k best to ``out``, and their scores to ``score``.

    These are all points met at least twice, and the points met once that reach a score that k of the former reach.
    Returns their number and (as bits) that score and a score that fewer of the former reach; both are 0 if fewer than k
    were met twice.
    """
    lanes, n_points, size = 64 // flat.itemsize, right.shape[0] - 8, 0
    before[total : total + lanes] = 9
    for n in range(0, total, lanes):
        size += pack_met(flat, before, n, 1, 0, out, size)
    _score(count, out, 0, size, False, mine, right, form, shrink, min_overlap, score)
    rare, low, high, least = 0, 0, 0, np.empty(1, dtype=np.float32)
    full = _pad(bits, size)
    if size >= k and _count_reaching(bits, full, 1) >= k:
        low, high = _kth(bits, full, k, 1, _most(bits, full) + 1, 1)
        least.view(np.int32)[0] = low
        stop = n_points
        while rare < stop:
            middle = (rare + stop) >> 1
            if _similarity(form, np.float32(1), mine, right[middle], shrink, min_overlap) >= least[0]:
                stop = middle
            else:
                rare = middle + 1
    twice = size
    for n in range(0, total if rare < n_points else 0, lanes):
        size += pack_met(flat, before, n, 0, rare, out, size)
    # points met again are in the list already
    _score(count, out, twice, size, True, mine, right, form, shrink, min_overlap, score)
    if 32 * total < n_points:
        for n in range(total):
            count[flat[n]] = 0
    else:
        count[:] = 0
    return size, low, high


@kernel
def _choose(
    n_points: int, points: Any, bits: I32, size: int, k: int, low: int, high: int, out: I32, kept: I32, work: I32
) -> int:  # fmt: skip
    """Write the k best points to ``out`` and their scores (as bits) to ``kept``, in any order; ties go to lower points.
    Returns how many."""
    taken, full, top = 0, _pad(bits, size), 0x7FFFFFFF
    if size <= k or (low == 0 and _count_reaching(bits, full, 1) <= k):
        for n in range(0, size, 16):
            taken += pack_between(bits, points, n, 1, top, kept, out, taken)
        return taken
    if high == 0 or _count_reaching(bits, full, high) >= k:
        low, high = max(1, high), _most(bits, full) + 1
    last, _ = _kth(bits, full, k, low, high, 0)
    for n in range(0, size, 16):
        taken += pack_between(bits, points, n, last + 1, top, kept, out, taken)
    tied = taken
    for n in range(0, size, 16):
        tied += pack_between(bits, points, n, last, last + 1, kept, out, tied)
    if tied <= k:
        return tied
    for n in range(taken, tied):
        work[n] = n_points - out[n]
    work[:taken] = 0
    low, _ = _kth(work, _pad(work, tied), k - taken, 1, n_points + 1, 0)
    first = taken
    for n in range(first, tied, 16):
        taken += pack_between(work, out, n, low, top, kept, out, taken)
    kept[first:taken] = last
    return taken


@kernel
def _write_rising(
    points: I32, scores: F32, size: int, names: I32, marks: U64, begins: I32, out_points: I32, out_scores: F32, at: int
) -> None:  # fmt: skip
    """Write names and scores by ascending name.

    Each name sets one bit of ``marks``. Its position is the number of names in earlier words, kept in ``begins``, plus
    the number of lower bits in its own word. ``marks`` is all zeros before and after; its length is a multiple of 64.
    """
    one = np.uint64(1)
    for n in range(size):
        name = np.uint32(names[points[n]])
        points[n] = name
        marks[name >> 6] |= one << np.uint64(name & 63)
    below: Any = at
    for start in range(0, marks.shape[0], 64):
        some = filled(marks, start)
        while some > 0:
            word = start + np.int64(lowest(some))
            some &= some - one
            begins[word] = below
            below += np.int64(ones(marks[word]))
    for n in range(size):
        name = np.uint32(points[n])
        lower = marks[name >> 6] & ((one << np.uint64(name & 63)) - one)
        to = np.uint64(begins[name >> 6] + np.int64(ones(lower)))
        out_points[to], out_scores[to] = name, scores[n]
    for n in range(size):
        marks[np.uint32(points[n]) >> 6] = 0


@kernel
def nearest_by_count(
    lo: int,
    hi: int,
    order: I32,  # (queries,) the point of each query
    starts: I64,  # point → rows
    rows: I32,
    blocks: I32,  # row → points, as made by ``lists_by_row``
    lists: Any,
    left: F32,  # (points,)
    right: F32,  # (points + 8,); padding points have no similarity to any point
    form: int,  # as in ``nearest_by_product``
    shrink: float,
    min_overlap: int,
    names: I32,  # (points,) name of a point in the result
    k: int,
    out_points: I32,  # (k · (hi - lo),) query by query, by ascending name
    out_scores: F32,
    out_sizes: I64,  # (hi - lo,)
) -> None:
    """Find the nearest neighbours by a similarity of the number of common rows.

    With one common row, later points must not be less similar.
    """
    n_points, room, longest = left.shape[0], 0, 0
    for query in range(lo, hi):
        first, stop, met = starts[order[query]], starts[order[query] + 1], 0
        for e in range(first, stop):
            met += 8 * (blocks[rows[e] + 1] - blocks[rows[e]])
        room, longest = max(room, met), max(longest, stop - first)
    room += 128  # vector loads and stores reach beyond the end
    flat, candidates = np.empty(room, dtype=lists.dtype), np.empty(room, dtype=lists.dtype)
    count, before = np.zeros(n_points + 64, dtype=np.uint8), np.empty(room, dtype=np.uint8)
    wide = longest > 253  # a count can reach two more than the rows, and must fit into a byte
    count2 = np.zeros(n_points + 64 if wide else 0, dtype=np.uint16)
    before2 = np.empty(room if wide else 0, dtype=np.uint16)
    score, work = np.zeros(room, dtype=np.float32), np.empty(room, dtype=np.int32)
    best, kept = np.empty(room, dtype=np.int32), np.empty(room, dtype=np.int32)
    bits, chosen = score.view(np.int32), kept.view(np.float32)
    marks = np.zeros(((n_points >> 12) + 1) * 64, dtype=np.uint64)
    begins = np.empty(marks.shape[0], dtype=np.int32)
    least, damp, at = np.float32(min_overlap), np.float32(shrink), 0
    for query in range(lo, hi):
        me = order[query]
        first, stop, mine = starts[me], starts[me + 1], left[me]
        if stop - first <= 253:
            count[me] = 2  # as if it had been met twice before, so that it never becomes a candidate
            total = _walk(count, first, stop, rows, blocks, lists, flat, before)
            size, low, high = _candidates(
                count, before, total, flat, mine, right, form, damp, least, k, candidates, score, bits
            )
            count[me] = 0
        else:
            count2[me] = 2
            total = _walk(count2, first, stop, rows, blocks, lists, flat, before2)
            size, low, high = _candidates(
                count2, before2, total, flat, mine, right, form, damp, least, k, candidates, score, bits
            )
            count2[me] = 0
        taken = _choose(n_points, candidates, bits, size, k, low, high, best, kept, work)
        _write_rising(best, chosen, taken, names, marks, begins, out_points, out_scores, at)
        out_sizes[query - lo] = taken
        at += taken
