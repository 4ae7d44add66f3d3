"""The k nearest points of every query, out of what they have in common, without ever holding all pairs.

Queries and points are sparse vectors over the same keys: for item neighbourhoods items over histories, for user
neighbourhoods histories over items. A query walks its keys, and each key lists the points that have it. Equal
similarities go to the lower point, so that results depend on nothing else.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from penchant.kernels import kernel

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]
U32 = NDArray[np.uint32]
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
def _take_best(size: int, k: int, points: I32, bits: U32, buckets: I32, ties: U64, out: U64) -> int:
    """The k largest of ``size`` positive scores (as the bits of floats, which order as they do) into ``out``, unsorted.

    A histogram of the bits finds the bucket that holds the k-th; only within that bucket is anything compared. Keys in
    ``out``: score bits, then the complement of the point, so that a larger key is a better neighbour.
    """
    low, high = np.uint32(0xFFFFFFFF), np.uint32(0)
    for n in range(size):
        low, high = min(low, bits[n]), max(high, bits[n])
    shift = np.uint32(0)
    while ((high - low) >> shift) >= buckets.shape[0]:
        shift += np.uint32(1)
    edge = -1  # everything is taken
    if size > k:
        buckets[:] = 0
        for n in range(size):
            buckets[(bits[n] - low) >> shift] += 1
        above = 0
        edge = buckets.shape[0] - 1
        while above + buckets[edge] < k:
            above += buckets[edge]
            edge -= 1
    taken, tied = 0, 0
    for n in range(size):
        key = (np.uint64(bits[n]) << np.uint64(32)) | np.uint64(0xFFFFFFFF - points[n])
        bucket = np.int64((bits[n] - low) >> shift)
        out[taken] = key
        taken += int(bucket > edge)
        ties[tied] = key
        tied += int(bucket == edge)
    if tied > k - taken:
        _keep_best(ties, tied, k - taken)
        tied = k - taken
    for n in range(tied):
        out[taken + n] = ties[n]
    return taken + tied


@kernel
def _sort(keys: U64, spare: U64, counts: I64, size: int, first_byte: int, last_byte: int) -> None:
    """Sort ``keys[:size]`` upwards by the bytes ``first_byte`` to ``last_byte``, the lowest being 0."""
    for byte in range(first_byte, last_byte + 1):
        shift = np.uint64(8 * byte)
        counts[:] = 0
        for n in range(size):
            counts[np.int64((keys[n] >> shift) & np.uint64(255)) + 1] += 1
        for value in range(1, 256):
            counts[value] += counts[value - 1]
        for n in range(size):
            digit = np.int64((keys[n] >> shift) & np.uint64(255))
            spare[counts[digit]] = keys[n]
            counts[digit] += 1
        keys[:size] = spare[:size]


@kernel
def _put(
    best: U64, spare: U64, counts: I64, size: int, names: I32, by_score: bool, out_points: I32, out_scores: F32, at: int
) -> None:
    """Write the neighbours of one query: the best first, or by rising name."""
    one = np.zeros(1, dtype=np.float32)
    bits = one.view(np.uint32)
    if by_score:
        _sort(best, spare, counts, size, 0, 7)
    else:
        for n in range(size):
            point = np.int64(np.uint64(0xFFFFFFFF) - (best[n] & np.uint64(0xFFFFFFFF)))
            best[n] = (np.uint64(names[point]) << np.uint64(32)) | (best[n] >> np.uint64(32))
        last_byte = 4
        while names.shape[0] >> (8 * (last_byte - 3)) > 0:
            last_byte += 1
        _sort(best, spare, counts, size, 4, last_byte)
    for n in range(size):
        if by_score:
            key = best[size - 1 - n]
            bits[0] = np.uint32(key >> np.uint64(32))
            out_points[at + n] = names[np.int64(np.uint64(0xFFFFFFFF) - (key & np.uint64(0xFFFFFFFF)))]
        else:
            bits[0] = np.uint32(best[n] & np.uint64(0xFFFFFFFF))
            out_points[at + n] = np.int32(best[n] >> np.uint64(32))
        out_scores[at + n] = one[0]


@kernel
def _score(dot: Any, other: Any, both: Any, mine: Any, form: int, shrink: float, min_overlap: int) -> Any:
    """One similarity: from the sum of products, the sizes of both sides and how many keys are common."""
    if form == 0:
        s = dot * mine * other
    elif form == 1:
        s = dot / (mine + other - dot)
    else:
        s = np.float32(2) * dot / (mine + other)
    if shrink > 0 or min_overlap > 1:
        s *= np.float32(both >= np.float32(min_overlap)) * both / (both + np.float32(shrink))
    return s


@kernel
def _scores(
    met: F32, sizes: F32, both: F32, mine: Any, form: int, shrink: float, min_overlap: int, bound: Any, out: F32
) -> bool:
    """The similarities of neighbouring points, and whether any reaches the bound; vectors at a time."""
    for n in range(out.shape[0]):
        out[n] = _score(met[n], sizes[n], both[n], mine, form, shrink, min_overlap)
    found = np.int32(0)
    for n in range(out.shape[0]):
        found |= np.int32(out[n] >= bound)
    return bool(found > 0)


@kernel
def _better_half(keys: U64, size: int, k: int) -> tuple[int, Any]:
    """Keep the k largest of the keys; how many are left, and the score that the least of them has."""
    _keep_best(keys, size, k)
    least = np.empty(1, dtype=np.uint32)
    least[0] = np.uint32(keys[:k].min() >> np.uint64(32))
    return k, least.view(np.float32)[0]


@kernel
def _best_of_all(
    total: F32,
    overlap: F32,
    right: F32,
    mine: float,
    form: int,
    shrink: float,
    min_overlap: int,
    k: int,
    score: F32,
    best: U64,
) -> int:
    """The k best of all points into ``best``, unsorted, and the sums back to zero; how many there are.

    Similarities become keys (their bits, then the complement of the point) where they reach a bound: whenever there are
    twice as many as are wanted the better half stays, and its least is what the next must reach.
    """
    n_points, width, size = total.shape[0], 64, 0
    bits, bound = score.view(np.uint32), np.float32(1e-45)  # the least float above zero
    for start in range(0, n_points, width):
        stop = min(start + width, n_points)
        met, some = total[start:stop], score[: stop - start]
        both = overlap[start:stop] if overlap.shape[0] > 0 else met
        reach = _scores(met, right[start:stop], both, mine, form, shrink, min_overlap, bound, some)
        met[:] = 0
        both[:] = 0
        for n in range(stop - start if reach else 0):
            if some[n] >= bound:
                best[size] = (np.uint64(bits[n]) << np.uint64(32)) | np.uint64(0xFFFFFFFF - start - n)
                size += 1
        if size >= 2 * k:
            size, bound = _better_half(best, size, k)
    if size > k:
        size, bound = _better_half(best, size, k)
    return size


@kernel
def nearest_by_product(
    lo: int,
    hi: int,
    q_starts: I64,  # (queries,) where in ``q_keys`` the keys of a query begin
    q_stops: I64,  # (queries,) and end
    q_keys: I32,
    q_values: F32,  # (0,) where all are one
    k_indptr: I64,  # key → points
    k_points: I32,
    k_values: F32,  # (0,) where all are one
    left: F32,  # (queries,)
    right: F32,  # (points,)
    form: int,  # 0: Σxy · left · right; 1: Σxy / (left + right − Σxy); 2: 2 · Σxy / (left + right)
    shrink: float,
    min_overlap: int,
    myself: I32,  # (queries,) the point that a query is, which cannot be its neighbour; -1 or (0,) if none
    names: I32,  # (points,) what a point is called in the result
    by_score: bool,  # the best first; else by rising name
    k: int,
    out_points: I32,  # (at most k · (hi - lo),) one query after the other
    out_scores: F32,
    out_sizes: I64,  # (hi - lo,)
) -> None:
    """Neighbours by a function of the sum of products over common keys, and of how many keys are common.

    Products are positive, so a point is reached exactly when its sum is above zero.
    """
    n_points, width = right.shape[0], 64
    points = k_points.view(np.uint32)  # an index without a sign needs no check for being negative
    weighted = q_values.shape[0] > 0
    counted = weighted and (shrink > 0 or min_overlap > 1)
    total = np.zeros(n_points, dtype=np.float32)
    overlap = np.zeros(n_points if counted else 0, dtype=np.float32)
    reached = np.empty(n_points + 1, dtype=np.int32)  # one more: what is not new is written there and overwritten
    score = np.empty(n_points + width, dtype=np.float32)
    bits = score.view(np.uint32)
    counts = np.empty(257, dtype=np.int64)
    buckets = np.empty(512, dtype=np.int32)
    ties = np.empty(n_points + width, dtype=np.uint64)
    best = np.empty(n_points + width, dtype=np.uint64)
    at = 0
    for query in range(lo, hi):
        found, pairs = 0, 0
        for e in range(q_starts[query], q_stops[query]):
            pairs += k_indptr[q_keys[e] + 1] - k_indptr[q_keys[e]]
        many = pairs > n_points  # most points are met: looking at all, many at once, is cheaper than noting which
        for e in range(q_starts[query], q_stops[query]):
            key = q_keys[e]
            if many:
                some = points[k_indptr[key] : k_indptr[key + 1]]
                if not weighted:
                    for f in range(some.shape[0]):
                        total[some[f]] += np.float32(1)
                    continue
                value, values = q_values[e], k_values[k_indptr[key] : k_indptr[key + 1]]
                for f in range(some.shape[0]):
                    total[some[f]] += value * values[f]
                if counted:
                    for f in range(some.shape[0]):
                        overlap[some[f]] += np.float32(1)
                continue
            if not weighted:
                for f in range(k_indptr[key], k_indptr[key + 1]):
                    point = k_points[f]
                    before = total[point]
                    reached[found] = point
                    found += before == 0
                    total[point] = before + np.float32(1)
                continue
            value = q_values[e]
            for f in range(k_indptr[key], k_indptr[key + 1]):
                point = k_points[f]
                before = total[point]
                reached[found] = point
                found += before == 0
                total[point] = before + value * k_values[f]
            if counted:
                for f in range(k_indptr[key], k_indptr[key + 1]):
                    overlap[k_points[f]] += np.float32(1)
        if myself.shape[0] > 0 and myself[query] >= 0:
            total[myself[query]] = 0
        mine = left[query]
        size = 0
        for n in range(found):
            point = reached[n]
            dot = total[point]
            total[point] = 0
            if form == 0:
                s = dot * mine * right[point]
            elif form == 1:
                s = dot / (mine + right[point] - dot)
            else:
                s = np.float32(2) * dot / (mine + right[point])
            if shrink > 0 or min_overlap > 1:
                common = dot
                if counted:
                    common = overlap[point]
                    overlap[point] = 0
                s *= np.float32(common >= min_overlap) * common / (common + np.float32(shrink))
            score[size] = s
            reached[size] = point
            size += s > 0
        if many:
            taken = _best_of_all(total, overlap, right, mine, form, shrink, min_overlap, k, score, best)
        else:
            taken = _take_best(size, k, reached, bits, buckets, ties, best)
        _put(best, ties, counts, taken, names, by_score, out_points, out_scores, at)
        out_sizes[query - lo] = taken
        at += taken


@kernel
def nearest_of_counts(
    lo: int,
    hi: int,
    order: I32,  # which points ask, and in which order
    dense: F32,  # (points, points) how many keys each pair has in common; used up
    left: F32,
    right: F32,
    form: int,
    shrink: float,
    min_overlap: int,
    names: I32,
    by_score: bool,
    k: int,
    out_points: I32,
    out_scores: F32,
    out_sizes: I64,
) -> None:
    """As ``nearest_by_product`` where the points ask themselves, all values are one and the sums are there."""
    n_points, at = right.shape[0], 0
    score, counts = np.empty(64, dtype=np.float32), np.empty(257, dtype=np.int64)
    best, spare = np.empty(n_points + 64, dtype=np.uint64), np.empty(n_points + 64, dtype=np.uint64)
    none = np.empty(0, dtype=np.float32)
    for n in range(lo, hi):
        query = order[n]
        dense[query, query] = 0  # it cannot be its own neighbour
        taken = _best_of_all(dense[query], none, right, left[query], form, shrink, min_overlap, k, score, best)
        _put(best, spare, counts, taken, names, by_score, out_points, out_scores, at)
        out_sizes[n - lo] = taken
        at += taken


@kernel
def best_of(
    sizes: I64,  # (queries,) how many points each query reached
    points: I32,  # one query after the other
    scores: F32,  # positive
    names: I32,
    by_score: bool,
    k: int,
    out_points: I32,
    out_scores: F32,
    out_sizes: I64,
) -> None:
    """The k best of scores that were computed elsewhere, written as ``nearest_by_product`` writes them."""
    bits = scores.view(np.uint32)
    most = 1
    for query in range(sizes.shape[0]):
        most = max(most, sizes[query])
    counts = np.empty(257, dtype=np.int64)
    buckets = np.empty(512, dtype=np.int32)
    ties = np.empty(most + 1, dtype=np.uint64)
    best = np.empty(most + 1, dtype=np.uint64)
    start, at = 0, 0
    for query in range(sizes.shape[0]):
        stop = start + sizes[query]
        taken = _take_best(sizes[query], k, points[start:stop], bits[start:stop], buckets, ties, best)
        _put(best, ties, counts, taken, names, by_score, out_points, out_scores, at)
        out_sizes[query] = taken
        at += taken
        start = stop
