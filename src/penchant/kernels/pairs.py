"""Sums over pairs of events of one history, kept by rows that have room to grow."""

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
    indptr: I64,  # into the next three: the events of every row item
    events: I64,  # where each stands in the log
    starts: I64,  # where its history begins there
    ends: I64,  # and ends
    items: I32,  # (events,) of the log
    x: F64,  # (events,)
    of_history: F64,  # (events,) what a pair of the event's history counts
    signs: I32,  # (events,) 1 for a history that is added, -1 for one that is removed
    forward: F64,  # (reach + 1,) by distance: what an item that came later counts
    backward: F64,
    sizes: I64,  # (hi - lo,) out
    found: I32,  # out, row after row: items, rising within a row
    sums: F64,
    counts: I32,  # pairs
) -> int:
    """Rows ``[lo, hi)``: Σ x · x · of_history · by distance, and how many pairs; returns how many were written."""
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
    rows: I64,  # which rows change
    indptr: I64,  # (len(rows) + 1,) of the change
    d_items: I32,
    d_sums: F64,
    d_counts: I32,
    starts: I64,  # (n,) of the rows kept
    sizes: I64,
    rooms: I64,
    items: I32,
    sums: F64,
    counts: I32,
    used: int,  # how much of the arrays is given to rows
) -> int:
    """Add the change to the rows; a row that outgrows its room moves behind the others. Returns what is used then."""
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
            if pairs != 0:  # what rounding may have left of a sum goes with the last pair
                m_items[size], m_sums[size], m_counts[size] = item, total, pairs
                size += 1
        if size > rooms[row]:
            starts[row], rooms[row] = used, size + size // 8 + 4
            used += rooms[row]
        start = starts[row]
        items[start : start + size] = m_items[:size]
        sums[start : start + size] = m_sums[:size]
        counts[start : start + size] = m_counts[:size]
        sizes[row] = size
    return used


@kernel
def _similarity(
    c: float, pairs: int, mine: float, other: float, form: int, shrink: float, by_sum: bool, min_overlap: int
) -> float:
    """What a sum says of two items; 0 where it says nothing."""
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
    of_history: F64,  # (n,) factor of the row; of jaccard and dice the size
    of_candidate: F64,  # (n,) factor of the column; the size
    form: int,  # 0: product, 1: jaccard, 2: dice
    shrink: float,
    by_sum: bool,  # shrink against the sum rather than against the pairs
    min_overlap: int,
    place: I32,  # (n,) what an item is called in the result
    out_sizes: I64,  # (hi - lo,)
    out_points: I32,
    out_scores: F32,
) -> int:
    """Positive similarities of the rows ``rows[lo:hi]`` out of their sums; returns how many were written."""
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
    rows: I64,  # whose own sums did not change
    changed: I64,  # items whose size did, rising
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
    w_data: F32,  # written
    again: B1,  # (len(rows),) out: the row has to be chosen afresh
) -> None:
    """Write the new similarities to changed items where a row surely keeps the neighbours that it has.

    What a full row leaves out lies at or below its least similarity; so the row keeps what it has if every changed
    neighbour stays above that, and every changed item outside stays below all that are in. Similarities that differ by
    rounding alone count as equal: then the row is chosen afresh, and its ties go to the popular.
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
    which: I64,  # (n,) which of the new rows takes the place of a row, -1: the old one stays
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
    """A sparse matrix with some of its rows replaced."""
    for row in range(which.shape[0]):
        at, size = out_indptr[row], out_indptr[row + 1] - out_indptr[row]
        new = which[row]
        if new >= 0:
            start = n_indptr[new]
            out_indices[at : at + size] = n_indices[start : start + size]
            out_data[at : at + size] = n_data[start : start + size]
        else:
            start = indptr[row]
            out_indices[at : at + size] = indices[start : start + size]
            out_data[at : at + size] = data[start : start + size]
