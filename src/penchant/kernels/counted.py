"""The k nearest points of every point where all values are one and most pairs meet once or not at all.

A similarity is then a function of two sizes and of how many keys are common. Points are numbered so that, with one key
in common, a later one is never less similar: of those met once only the last can be among the best. What is met twice
is looked at, and the rest of the pairs is counted and never looked at again.
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
    """For every popularity rank, the rows that hold its item, ascending; they begin at ``starts`` (ranks + 1,)."""
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
    """For every row its places, rising: eight a block, and ``blocks`` (rows + 1,) says with which block a row begins.

    What is left of a row's last block is filled with numbers above the last rank, all different.
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
    """One point is met once more; how often it was met before is written down."""
    point = lists[at]
    met = count[point]
    count[point] = met + 1
    before[to] = met


@kernel
def _walk(count: Any, first: int, stop: int, rows: I32, blocks: I32, lists: Any, flat: Any, before: Any) -> Any:
    """Every point of every row of a point, in ``flat``, and how often it was met ``before``; how many they are."""
    to, one = np.uint64(0), np.uint64(1)
    for e in range(first, stop):
        soon = rows[min(e + 2, rows.shape[0] - 1)]  # its list lies anywhere: asked for in time, it is there
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
    """As the neighbours by products have it, operation by operation."""
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
    """Zeros up to the next multiple of 64, which is told, and a little beyond."""
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
    """The least of the numbers that are ``bound`` (int32) or more."""
    none = np.int32(0x7FFFFFFF)
    least = none
    for n in range(full):
        least = min(least, numbers[n] if numbers[n] >= bound else none)
    return np.int64(least)


@kernel
def _kth(numbers: I32, full: int, k: int, low: int, high: int, rounds: int) -> tuple[Any, Any]:
    """What exactly k of the positive ``numbers`` reach, or the k-th largest itself where others equal it; and what
    fewer reach.

    ``low`` is reached by at least k, ``high`` by fewer. The interval is halved; now and then its lower end moves up to
    a number that is there. After ``rounds`` (0: as many as it takes) the lower end is given, wherever it is.
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
    """The similarities of points ``[first, stop)``; ``once``: of those that were met once, zero for the others."""
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
    """The points that may be among the k best into ``out`` and ``score``: all that were met twice, and of those met
    once the ones that reach what k of the former reach. How many they are, and (as bits) a score that k of them reach
    and one that fewer of the former do; 0 where there are not so many."""
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
    # those that were met again stand there already
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
    """The k best points into ``out``, their scores (as bits) into ``kept``, in any order; of equals the lower ones."""
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
    """Names and scores by rising name: a bit of ``marks`` for each, and how many names lie below a word of them is
    counted. ``marks`` are zeros before and after, in multiples of 64 words."""
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
    order: I32,  # (queries,) which point each is
    starts: I64,  # point → rows
    rows: I32,
    blocks: I32,  # row → points, as ``lists_by_row`` makes them
    lists: Any,
    left: F32,  # (points,)
    right: F32,  # (points + 8,); what fills lists has no similarity to anything
    form: int,  # as in ``nearest_by_product``
    shrink: float,
    min_overlap: int,
    names: I32,  # (points,) what a point is called in the result
    k: int,
    out_points: I32,  # (k · (hi - lo),) one query after the other, by rising name
    out_scores: F32,
    out_sizes: I64,  # (hi - lo,)
) -> None:
    """Neighbours by a function of how many rows two points have in common, which must not be less for later points."""
    n_points, room, longest = left.shape[0], 0, 0
    for query in range(lo, hi):
        first, stop, met = starts[order[query]], starts[order[query] + 1], 0
        for e in range(first, stop):
            met += 8 * (blocks[rows[e] + 1] - blocks[rows[e]])
        room, longest = max(room, met), max(longest, stop - first)
    room += 128  # vectors reach beyond the end
    flat, candidates = np.empty(room, dtype=lists.dtype), np.empty(room, dtype=lists.dtype)
    count, before = np.zeros(n_points + 64, dtype=np.uint8), np.empty(room, dtype=np.uint8)
    wide = longest > 253  # two more than rows have to fit into a byte
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
            count[me] = 2  # as if it had been met twice before: it is nobody new
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
