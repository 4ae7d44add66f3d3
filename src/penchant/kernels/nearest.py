"""The k nearest points of every query by their common keys, without holding all pairs in memory.

Queries and points are sparse vectors over the same keys: items over histories for item neighbourhoods, histories over
items for user neighbourhoods. A query visits its keys, and each key lists the points that have it. Of points with equal
similarity, the lower one is nearer, so results are deterministic.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from penchant.kernels import kernel
from penchant.kernels.instructions import lowest, ones, prefetch
from penchant.kernels.keys import keep_best

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]
U32 = NDArray[np.uint32]
U64 = NDArray[np.uint64]

PAIR = 6  # number of words of bits compared in the time of adding one pair


@kernel
def _take_best(size: int, k: int, points: I32, bits: U32, buckets: I32, ties: U64, out: U64) -> int:
    """Write the k largest of ``size`` positive scores to ``out``, unsorted; return how many.

    Scores are given as the bits of floats, which sort like the floats. A histogram of the bits finds the bucket with
    the k-th score; only scores in that bucket are compared. A key in ``out`` is the score bits followed by the
    complement of the point, so a larger key is a better neighbour.
    """
    if size <= k:
        for n in range(size):
            out[n] = (np.uint64(bits[n]) << np.uint64(32)) | np.uint64(0xFFFFFFFF - points[n])
        return size
    low, high = np.uint32(0xFFFFFFFF), np.uint32(0)
    for n in range(size):
        low, high = min(low, bits[n]), max(high, bits[n])
    shift = np.uint32(0)
    while ((high - low) >> shift) >= buckets.shape[0]:
        shift += np.uint32(1)
    buckets[:] = 0
    for n in range(size):
        buckets[(bits[n] - low) >> shift] += 1
    above, edge = 0, buckets.shape[0] - 1
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
        keep_best(ties, tied, k - taken)
        tied = k - taken
    for n in range(tied):
        out[taken + n] = ties[n]
    return taken + tied


@kernel
def _sorted(keys: U64, size: int, spare: U64) -> U64:
    """The first ``size`` keys, ascending, in ``keys`` or in ``spare``: by one byte after another, where they differ."""
    if size < 64:
        keys[:size].sort()
        return keys
    byte, differ = np.uint64(0xFF), np.uint64(0)
    for n in range(size):
        differ |= keys[n] ^ keys[0]
    ends = np.empty(256, dtype=np.int64)
    given, taken = keys, spare
    for digit in range(8):
        shift = np.uint64(8 * digit)
        if (differ >> shift) & byte == 0:
            continue
        ends[:] = 0
        for n in range(size):
            ends[(given[n] >> shift) & byte] += 1
        at = 0
        for value in range(256):
            at, ends[value] = at + ends[value], at
        for n in range(size):
            value = (given[n] >> shift) & byte
            taken[ends[value]] = given[n]
            ends[value] += 1
        given, taken = taken, given
    return given


@kernel
def _put(
    best: U64, size: int, spare: U64, names: I32, by_score: bool, marks: U64, words: U64, named: F32, out_points: I32,
    out_scores: F32, at: int,
) -> None:  # fmt: skip
    """Write the neighbours of one query: best first, or by ascending name.

    Names are sorted with bit sets: one bit of ``marks`` per name, one bit of ``words`` per non-zero word of ``marks``.
    Both are all zeros before and after. ``named`` (points,) holds the scores by name. ``spare`` is as long as ``best``.
    """
    one = np.zeros(1, dtype=np.float32)
    bits = one.view(np.uint32)
    if by_score:
        best = _sorted(best, size, spare)
    for n in range(size):
        key = best[size - 1 - n]
        name = names[np.int64(np.uint64(0xFFFFFFFF) - (key & np.uint64(0xFFFFFFFF)))]
        bits[0] = np.uint32(key >> np.uint64(32))
        if by_score:
            out_points[at + n], out_scores[at + n] = name, one[0]
            continue
        named[name] = one[0]
        marks[name >> 6] |= np.uint64(1) << np.uint64(name & 63)
        words[name >> 12] |= np.uint64(1) << np.uint64((name >> 6) & 63)
    for w in range(0 if by_score else words.shape[0]):
        some = words[w]
        while some > 0:
            word = 64 * w + np.int64(lowest(some))
            some &= some - np.uint64(1)
            left = marks[word]
            marks[word] = 0
            while left > 0:
                name = 64 * word + np.int64(lowest(left))
                left &= left - np.uint64(1)
                out_points[at], out_scores[at] = name, named[name]
                at += 1
        words[w] = 0


@kernel
def _scores(
    total: F32, right: F32, overlap: F32, mine: Any, form: int, shrink: Any, min_overlap: Any, score: F32
) -> None:
    """The similarities of all points, in vectorised loops."""
    n_points = total.shape[0]
    if form == 0:
        for n in range(n_points):
            score[n] = total[n] * mine * right[n]
    elif form == 1:
        for n in range(n_points):
            score[n] = total[n] / (mine + right[n] - total[n])
    else:
        for n in range(n_points):
            score[n] = np.float32(2) * total[n] / (mine + right[n])
    if shrink > 0 or min_overlap > np.float32(1):
        for n in range(n_points):
            score[n] *= np.float32(overlap[n] >= min_overlap) * overlap[n] / (overlap[n] + shrink)


@kernel
def _better_half(keys: U64, size: int, k: int) -> tuple[int, Any]:
    """Keep the k largest keys; return how many are left, and the lowest score among them, as bits."""
    keep_best(keys, size, k)
    least = keys[0]
    for n in range(1, k):
        least = min(least, keys[n])
    return k, np.uint32(least >> np.uint64(32))


@kernel
def _best_of_all(n_points: int, bits: U32, k: int, best: U64) -> int:
    """Write the k best of all points with positive scores to ``best``, unsorted; return how many.

    Similarities that reach a bound become keys: their bits, followed by the complement of the point. Whenever there are
    2k keys, the better half stays and its lowest score becomes the new bound.
    """
    width, size, bound = 64, 0, np.uint32(1)  # the smallest positive float
    for start in range(0, n_points, width):
        reach = np.int32(0)
        for n in range(width):  # scores beyond the last point are zero
            reach |= np.int32(bits[start + n] >= bound)
        for n in range(width if reach > 0 else 0):
            if bits[start + n] >= bound:
                best[size] = (np.uint64(bits[start + n]) << np.uint64(32)) | np.uint64(0xFFFFFFFF - start - n)
                size += 1
        if size >= 2 * k:
            size, bound = _better_half(best, size, k)
    if size > k:
        size, bound = _better_half(best, size, k)
    return size


@kernel
def _pairs(start: int, stop: int, q_keys: I32, k_indptr: I64) -> int:
    """The number of points listed by all keys of a query, with repetition."""
    pairs = 0
    for e in range(start, stop):
        pairs += k_indptr[q_keys[e] + 1] - k_indptr[q_keys[e]]
    return pairs


@kernel
def set_bits(indptr: I64, points: I32, bits: U64) -> None:
    """Set bit ``key`` of ``bits[point]`` (points, words) if the point has the key; ``bits`` must be all zeros."""
    for key in range(indptr.shape[0] - 1):
        for f in range(indptr[key], indptr[key + 1]):
            bits[points[f], key >> 6] |= np.uint64(1) << np.uint64(key & 63)


@kernel
def _common(four: U64, bits: U64, out: F32) -> None:
    """Write the number of bits that four queries (4, words) share with every point to the rows of ``out``. One read of
    a point serves all four."""
    b0, b1, b2, b3 = four[0], four[1], four[2], four[3]
    for j in range(bits.shape[0]):
        other = bits[j]
        n0, n1, n2, n3 = np.uint64(0), np.uint64(0), np.uint64(0), np.uint64(0)
        for w in range(other.shape[0]):
            word = other[w]
            n0 += ones(b0[w] & word)
            n1 += ones(b1[w] & word)
            n2 += ones(b2[w] & word)
            n3 += ones(b3[w] & word)
        out[0, j], out[1, j], out[2, j], out[3, j] = np.float32(n0), np.float32(n1), np.float32(n2), np.float32(n3)


@kernel
def nearest_by_product(
    lo: int,
    hi: int,
    q_starts: I64,  # (queries,) start of a query's keys in ``q_keys``
    q_stops: I64,  # (queries,) their end
    q_keys: I32,
    q_values: F32,  # (0,) if all are one
    k_indptr: I64,  # key → points
    k_points: Any,  # (entries,) unsigned: such an index needs no sign check
    k_values: F32,  # (0,) if all are one
    left: F32,  # (queries,)
    right: F32,  # (points,)
    form: int,  # 0: Σxy · left · right; 1: Σxy / (left + right − Σxy); 2: 2 · Σxy / (left + right)
    shrink: float,
    min_overlap: int,
    myself: I32,  # (queries,) the point that is the query itself, never its neighbour; -1 or (0,) if none
    k_bits: U64,  # (points, words) from ``set_bits``, for binary values; or (0, 0) to work without bits
    names: I32,  # (points,) name of a point in the result
    by_score: bool,  # best first; otherwise by ascending name
    k: int,
    out_points: I32,  # (at most k · (hi - lo),) query by query
    out_scores: F32,
    out_sizes: I64,  # (hi - lo,)
) -> None:
    """Find the nearest neighbours by the sum of products over common keys and the number of common keys.

    Products are positive, so a point is reached if and only if its sum is positive.
    """
    n_points, width = right.shape[0], 64
    ahead, line = 2, 64 // k_points.itemsize
    weighted = q_values.shape[0] > 0
    counted = weighted and (shrink > 0 or min_overlap > 1)
    total = np.zeros(n_points, dtype=np.float32)
    overlap = np.zeros(n_points, dtype=np.float32) if counted else total
    reached = np.empty(n_points + 1, dtype=np.int32)  # one spare slot: writes of points already reached land there
    score = np.zeros(n_points + width, dtype=np.float32)
    bits = score.view(np.uint32)
    buckets = np.empty(512, dtype=np.int32)
    ties = np.empty(n_points + width, dtype=np.uint64)
    best = np.empty(n_points + width, dtype=np.uint64)
    marks, words = np.zeros((n_points >> 6) + 1, dtype=np.uint64), np.zeros((n_points >> 12) + 1, dtype=np.uint64)
    named = np.empty(n_points, dtype=np.float32)
    sums = np.empty((4, n_points if k_bits.shape[0] > 0 else 0), dtype=np.float32)
    asked, four = np.full(4, -1, dtype=np.int64), np.zeros((4, k_bits.shape[1]), dtype=np.uint64)
    turn, at = 0, 0
    for query in range(lo, hi):
        pairs, size = _pairs(q_starts[query], q_stops[query], q_keys, k_indptr), 0
        by_bits = k_bits.shape[0] > 0 and PAIR * pairs > k_bits.size
        if by_bits:
            if turn == 4 or asked[turn] != query:  # count this query and the next three for which bits pay
                turn, waiting = 0, 0
                four[:] = 0
                for q in range(query, hi):
                    if waiting == 4:
                        break
                    if PAIR * _pairs(q_starts[q], q_stops[q], q_keys, k_indptr) > k_bits.size:
                        for e in range(q_starts[q], q_stops[q]):
                            four[waiting, q_keys[e] >> 6] |= np.uint64(1) << np.uint64(q_keys[e] & 63)
                        asked[waiting] = q
                        waiting += 1
                _common(four, k_bits, sums)
            for point in range(total.shape[0]):
                total[point] = sums[turn, point]
            turn += 1
        for e in range(q_starts[query], q_starts[query] if by_bits else q_stops[query]):
            # the points of a key can be anywhere in memory: prefetch those of a later key
            next_key = q_keys[min(e + ahead, q_stops[query] - 1)]
            soon = k_indptr[next_key]
            lines = min(8, (k_indptr[next_key + 1] - soon) // line + 1)
            for n in range(lines):
                prefetch(k_points, soon + line * n)
            start, stop = k_indptr[q_keys[e]], k_indptr[q_keys[e] + 1]
            some = k_points[start:stop]
            if not weighted:
                for f in range(some.shape[0]):
                    total[some[f]] += np.float32(1)
                continue
            for n in range(2 * lines):
                prefetch(k_values, soon + 16 * n)
            value, values = q_values[e], k_values[start:stop]
            for f in range(some.shape[0]):
                total[some[f]] += value * values[f]
            if counted:
                for f in range(some.shape[0]):
                    overlap[some[f]] += np.float32(1)
        if myself.shape[0] > 0 and myself[query] >= 0:
            total[myself[query]] = 0
        mine = left[query]
        many = by_bits or 2 * pairs > n_points  # a vectorised loop over all is cheaper than the pairs again
        for e in range(q_starts[query], q_starts[query] if many else q_stops[query]):
            some = k_points[k_indptr[q_keys[e]] : k_indptr[q_keys[e] + 1]]
            for f in range(some.shape[0]):
                point = some[f]
                dot = total[point]
                total[point] = 0  # a repeated point then scores zero
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
            _scores(total, right, overlap, mine, form, np.float32(shrink), np.float32(min_overlap), score)
            total[:] = 0
            overlap[:] = 0
            taken = _best_of_all(n_points, bits, k, best)
        else:
            taken = _take_best(size, k, reached, bits, buckets, ties, best)
        _put(best, taken, ties, names, by_score, marks, words, named, out_points, out_scores, at)
        out_sizes[query - lo] = taken
        at += taken


@kernel
def best_of(
    sizes: I64,  # (queries,) number of points each query reached
    points: I32,  # query by query
    scores: F32,  # positive
    names: I32,
    by_score: bool,
    k: int,
    out_points: I32,
    out_scores: F32,
    out_sizes: I64,
) -> None:
    """Select the k best of scores computed elsewhere, in the output format of ``nearest_by_product``."""
    bits = scores.view(np.uint32)
    most = 1
    for query in range(sizes.shape[0]):
        most = max(most, sizes[query])
    n_names = names.shape[0]
    marks, words = np.zeros((n_names >> 6) + 1, dtype=np.uint64), np.zeros((n_names >> 12) + 1, dtype=np.uint64)
    named = np.empty(n_names, dtype=np.float32)
    buckets = np.empty(512, dtype=np.int32)
    ties = np.empty(most + 1, dtype=np.uint64)
    best = np.empty(most + 1, dtype=np.uint64)
    start, at = 0, 0
    for query in range(sizes.shape[0]):
        stop = start + sizes[query]
        taken = _take_best(sizes[query], k, points[start:stop], bits[start:stop], buckets, ties, best)
        _put(best, taken, ties, names, by_score, marks, words, named, out_points, out_scores, at)
        out_sizes[query] = taken
        at += taken
        start = stop
