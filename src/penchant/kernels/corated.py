"""Similarities from the values that two vectors have for their common keys: Pearson correlation and related measures.

Queries, keys and points are those of ``kernels.nearest``. The sums of a pair are one row of 64 bytes, so
every common key touches one cache line; where two sums are enough, they are two arrays.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from penchant.kernels import kernel

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]
U32 = NDArray[np.uint32]


@kernel
def _similarity(form: int, sums: F64) -> float:
    """0: Pearson over common keys · 1: cosine over common keys · 2: 1 / (1 + distance) · 3: 1 / (1 + mean squared
    difference)."""
    n, xy, x, y, xx, yy = sums[0], sums[1], sums[2], sums[3], sums[4], sums[5]
    if form == 0:
        spread = (n * xx - x * x) * (n * yy - y * y)
        # a vector that is constant over the common keys has no direction; rounding must not create one
        if spread <= 1e-9 * (n * xx) * (n * yy):
            return 0.0
        return float((n * xy - x * y) / np.sqrt(spread))
    if form == 1:
        norms = xx * yy
        return float(xy / np.sqrt(norms)) if norms > 0 else 0.0
    if form == 2:
        return float(1.0 / (1.0 + np.sqrt(max(xx + yy - 2.0 * xy, 0.0))))
    return float(1.0 / (1.0 + max(xx + yy - 2.0 * xy, 0.0) / n))


@kernel
def _by_products(
    start: int, stop: int, q_keys: I32, q_values: F32, k_indptr: I64, points: U32, k_values: F32, left: float,
    right: F32, shrink: float, min_overlap: int, myself: int, common: F32, dots: F32, reached: U32, out_points: I32,
    out_scores: F32, at: int,
) -> int:  # fmt: skip
    """Form 4 of ``corated_scores`` for one query: Σxy · left · right, a cosine if these are the inverse norms."""
    n_points, found, pairs = common.shape[0], 0, 0
    for e in range(start, stop):
        pairs += k_indptr[q_keys[e] + 1] - k_indptr[q_keys[e]]
    many = pairs > n_points  # most points are reached: scanning all is cheaper than listing them
    for e in range(start, stop):
        x = q_values[e]
        some = points[k_indptr[q_keys[e]] : k_indptr[q_keys[e] + 1]]
        values = k_values[k_indptr[q_keys[e]] : k_indptr[q_keys[e] + 1]]
        if many:
            for f in range(some.shape[0]):
                common[some[f]] += np.float32(1)
                dots[some[f]] += x * values[f]
            continue
        for f in range(some.shape[0]):
            reached[found] = some[f]
            found += common[some[f]] == 0
            common[some[f]] += np.float32(1)
            dots[some[f]] += x * values[f]
    if myself >= 0:
        common[myself] = 0
    for point in range(n_points if many else 0):
        reached[found] = point
        found += dots[point] > 0
    for n in range(found):
        point = reached[n]
        times, xy = np.float64(common[point]), np.float64(dots[point])
        if not many:
            common[point], dots[point] = 0, 0
        if times >= min_overlap and times > 0:
            score = xy * left * right[point] * (times / (times + shrink))
            out_points[at] = point
            out_scores[at] = score
            at += int(np.float32(score) > 0)
    if many:
        common[:] = 0
        dots[:] = 0
    return at


@kernel
def corated_scores(
    lo: int,
    hi: int,
    q_starts: I64,  # (queries,) start of a query's keys in ``q_keys``
    q_stops: I64,  # (queries,) their end
    q_keys: I32,
    q_values: F32,
    k_indptr: I64,  # key → points
    k_points: I32,
    k_values: F32,
    left: F32,  # (queries,) used by form 4
    right: F32,  # (points,) used by form 4
    form: int,
    shrink: float,
    min_overlap: int,
    myself: I32,  # (queries,) the point that is the query itself; -1 or (0,) if none
    out_points: I32,  # query by query: every point with a positive similarity
    out_scores: F32,
    out_sizes: I64,
) -> None:
    """Similarity · n / (n + shrink) of the queries ``[lo, hi)`` to all points with n ≥ min_overlap common keys."""
    n_points = right.shape[0]
    # n, Σxy, Σx, Σy, Σxx, Σyy and two unused, to fill the cache line
    sums = np.zeros((n_points if form < 4 else 0, 8), dtype=np.float64)
    counted = n_points if form == 4 else 0
    times, dots = np.zeros(counted, dtype=np.float32), np.zeros(counted, dtype=np.float32)  # n, Σxy
    points = k_points.view(np.uint32)  # an unsigned index needs no sign check
    reached = np.empty(n_points + 1, dtype=np.uint32)  # one spare slot
    at = 0
    for query in range(lo, hi):
        if form == 4:
            start = at
            at = _by_products(
                q_starts[query], q_stops[query], q_keys, q_values, k_indptr, points, k_values, left[query], right,
                shrink, min_overlap, myself[query] if myself.shape[0] > 0 else -1, times, dots, reached, out_points,
                out_scores, at,
            )  # fmt: skip
            out_sizes[query - lo] = at - start
            continue
        found = 0
        for e in range(q_starts[query], q_stops[query]):
            key = q_keys[e]
            x = np.float64(q_values[e])
            for f in range(k_indptr[key], k_indptr[key + 1]):
                point = points[f]
                y = np.float64(k_values[f])
                s = sums[point]
                reached[found] = point
                found += s[0] == 0
                s[0] += 1.0
                s[1] += x * y
                s[2] += x
                s[3] += y
                s[4] += x * x
                s[5] += y * y
        if myself.shape[0] > 0 and myself[query] >= 0:
            sums[myself[query], 0] = 0.0
        start = at
        for n in range(found):
            point = reached[n]
            common = sums[point, 0]
            if common >= min_overlap and common > 0:
                score = _similarity(form, sums[point]) * (common / (common + shrink))
                out_points[at] = point
                out_scores[at] = score
                at += int(np.float32(score) > 0)
            sums[point] = 0.0
        out_sizes[query - lo] = at - start
