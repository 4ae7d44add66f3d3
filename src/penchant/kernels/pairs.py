"""Sums over pairs of events in the same history, stored in sparse rows with spare room to grow."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from penchant.kernels import kernel

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]
B1 = NDArray[np.bool_]


@kernel
def pair_rows(
    lo: int,
    hi: int,
    n: int,
    indptr: I64,  # offsets into the next three arrays: the events of every row item
    events: I64,  # index of an event in the log
    starts: I64,  # start of its history in the log
    ends: I64,  # end of its history
    items: I32,  # (events,) of the log
    x: F64,  # (events,)
    of_history: F64,  # (events,) weight of a pair in the event's history
    signs: I32,  # (events,) 1 for an added history, -1 for a removed one
    forward: F64,  # (reach + 1,) by distance: weight of a later item
    backward: F64,  # (reach + 1,) by distance: weight of an earlier item
    sizes: I64,  # (hi - lo,) out
    found: I32,  # out, row by row: items, ascending within a row
    sums: F64,
    counts: I32,  # numbers of pairs
) -> int:
    """Rows ``[lo, hi)``: Σ x · x · of_history · weight by distance, and the number of pairs; return entries written."""
    reach = forward.shape[0] - 1
    total, pairs = np.zeros(n, dtype=np.float64), np.zeros(n, dtype=np.int32)
    seen = np.zeros(n, dtype=np.bool_)
    touched = np.empty(n, dtype=np.int32)
    written = 0
    for row in range(lo, hi):
        reached = 0
        for h in range(indptr[row], indptr[row + 1]):
            at = events[h]
            mine = x[at] * of_history[at] * signs[at]
            for other in range(max(starts[h], at - reach), min(ends[h], at + reach + 1)):
                if other == at:
                    continue
                j = items[other]
                if not seen[j]:
                    seen[j] = True
                    touched[reached] = j
                    reached += 1
                total[j] += mine * x[other] * (forward[other - at] if other > at else backward[at - other])
                pairs[j] += signs[at]
        for j in np.sort(touched[:reached]):
            found[written], sums[written], counts[written] = j, total[j], pairs[j]
            written += 1
            total[j], pairs[j], seen[j] = 0.0, 0, False
        sizes[row - lo] = reached
    return written


@kernel
def merge_rows(
    rows: I64,  # the rows that change
    indptr: I64,  # (len(rows) + 1,) of the change
    d_items: I32,
    d_sums: F64,
    d_counts: I32,
    starts: I64,  # (n,) of the stored rows
    sizes: I64,
    rooms: I64,
    items: I32,
    sums: F64,
    counts: I32,
    used: int,  # length of the arrays that rows occupy
) -> int:
    """Add the change to the rows; move a row that outgrows its room to the end. Returns the new ``used``."""
    longest = 0
    for r in range(rows.shape[0]):
        longest = max(longest, sizes[rows[r]] + indptr[r + 1] - indptr[r])
    m_items, m_sums, m_counts = np.empty(longest, np.int32), np.empty(longest, np.float64), np.empty(longest, np.int32)
    for r in range(rows.shape[0]):
        row = rows[r]
        a, a_end = starts[row], starts[row] + sizes[row]
        b, b_end = indptr[r], indptr[r + 1]
        size = 0
        while a < a_end or b < b_end:
            if b == b_end or (a < a_end and items[a] < d_items[b]):
                item, total, pairs = items[a], sums[a], counts[a]
                a += 1
            elif a == a_end or d_items[b] < items[a]:
                item, total, pairs = d_items[b], d_sums[b], d_counts[b]
                b += 1
            else:
                item, total, pairs = items[a], sums[a] + d_sums[b], counts[a] + d_counts[b]
                a += 1
                b += 1
            if pairs != 0:  # drop an entry with its last pair: its sum may be a rounding residue
                m_items[size], m_sums[size], m_counts[size] = item, total, pairs
                size += 1
        if size > rooms[row]:
            starts[row], rooms[row] = used, size + size // 8 + 4
            used += rooms[row]
        start = starts[row]
        for n in range(size):
            items[start + n], sums[start + n], counts[start + n] = m_items[n], m_sums[n], m_counts[n]
        sizes[row] = size
    return used


@kernel
def _similarity(
    c: float, pairs: int, mine: float, other: float, form: int, shrink: float, by_sum: bool, min_overlap: int
) -> float:
    """The similarity of two items; 0 if undefined or below ``min_overlap``."""
    if pairs < min_overlap or c <= 0:
        return 0.0
    if form == 0:
        s = c * mine * other
    elif form == 1:
        s = c / (mine + other - c)
    else:
        s = 2.0 * c / (mine + other)
    common = c if by_sum else float(pairs)
    return s * common / (common + shrink)


@kernel
def similarities(
    lo: int,
    hi: int,
    rows: I64,
    starts: I64,
    sizes: I64,
    items: I32,
    sums: F64,
    counts: I32,
    of_history: F64,  # (n,) factor of the row; for jaccard and dice, the size
    of_candidate: F64,  # (n,) factor of the column; for jaccard and dice, the size
    form: int,  # 0: product, 1: jaccard, 2: dice
    shrink: float,
    by_sum: bool,  # shrink by the sum instead of the number of pairs
    min_overlap: int,
    place: I32,  # (n,) name of an item in the result
    out_sizes: I64,  # (hi - lo,)
    out_points: I32,
    out_scores: F32,
) -> int:
    """Write the positive similarities of ``rows[lo:hi]``, computed from their sums; return how many were written."""
    written = 0
    for r in range(lo, hi):
        row, before = rows[r], written
        mine = of_history[row]
        for e in range(starts[row], starts[row] + sizes[row]):
            s = _similarity(sums[e], counts[e], mine, of_candidate[items[e]], form, shrink, by_sum, min_overlap)
            if np.float32(s) > 0:
                out_points[written] = place[items[e]]
                out_scores[written] = s
                written += 1
        out_sizes[r - lo] = written - before
    return written


@kernel
def patch_rows(
    lo: int,
    hi: int,
    rows: I64,  # rows whose own sums did not change
    changed: I64,  # items whose size changed, ascending
    is_changed: B1,  # (n,)
    starts: I64,
    sizes: I64,
    items: I32,
    sums: F64,
    counts: I32,
    of_history: F64,
    of_candidate: F64,
    form: int,
    shrink: float,
    by_sum: bool,
    min_overlap: int,
    k: int,
    w_indptr: I64,  # the operator
    w_indices: I32,
    w_data: F32,  # in and out
    again: B1,  # (len(rows),) out: neighbours of the row must be selected again
) -> None:
    """Update the similarities to changed items in rows that are certain to keep their neighbours.

    Items outside a full row have at most its lowest similarity. So the row keeps its neighbours if every changed
    neighbour stays above that, and every changed item outside stays below all neighbours. Similarities that differ
    only by rounding count as equal: then the row is chosen afresh, and ties go to the popular.
    """
    above = np.float32(1.000001)
    for r in range(lo, hi):
        row = rows[r]
        first, last = w_indptr[row], w_indptr[row + 1]
        full = last - first >= k
        least = np.float32(np.inf)
        for e in range(first, last):
            least = min(least, w_data[e])
        outside, lost = np.float32(0.0), False
        start, stop = starts[row], starts[row] + sizes[row]
        few = changed.shape[0] * 8 < stop - start
        for n in range(changed.shape[0] if few else stop - start):
            if few:
                e = start + np.searchsorted(items[start:stop], changed[n])
                if e == stop or items[e] != changed[n]:
                    continue
            else:
                e = start + n
                if not is_changed[items[e]]:
                    continue
            item = items[e]
            s = np.float32(
                _similarity(sums[e], counts[e], of_history[row], of_candidate[item], form, shrink, by_sum, min_overlap)
            )
            at = first + np.searchsorted(w_indices[first:last], item)
            if at < last and w_indices[at] == item:
                lost = bool(lost or s <= 0 or (full and s <= least * above))
                w_data[at] = s
            else:
                outside = max(outside, s)
        if outside > 0:
            now = np.float32(np.inf)
            for e in range(first, last):
                now = min(now, w_data[e])
            lost = bool(lost or not full or outside * above >= now)
        again[r] = lost


@kernel
def spliced(
    which: I64,  # (n,) number of the new row that replaces a row; -1: keep the old row
    indptr: I64,
    indices: I32,
    data: F32,
    n_indptr: I64,  # of the new rows
    n_indices: I32,
    n_data: F32,
    out_indptr: I64,  # (n + 1,)
    out_indices: I32,
    out_data: F32,
) -> None:
    """Copy a sparse matrix with some rows replaced."""
    for row in range(which.shape[0]):
        at, size = out_indptr[row], out_indptr[row + 1] - out_indptr[row]
        new = which[row]
        if new >= 0:
            start = n_indptr[new]
            for n in range(size):
                out_indices[at + n], out_data[at + n] = n_indices[start + n], n_data[start + n]
        else:
            start = indptr[row]
            for n in range(size):
                out_indices[at + n], out_data[at + n] = indices[start + n], data[start + n]
