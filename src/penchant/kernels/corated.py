"""Similarities out of the values that two vectors give to the keys they share: Pearson and its relatives.

Queries, keys and points are those of ``kernels.nearest``. What is summed of a pair is one row of 64 bytes, so that
every common key touches one cache line.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from penchant.kernels import kernel

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]


@kernel
def _similarity(form: int, sums: F64, scale: float) -> float:
    """0: Pearson over common keys · 1: cosine over common keys · 2: 1 / (1 + distance) · 3: 1 / (1 + mean squared
    difference) · 4: Σxy · scale, a cosine where scale is one over the norms."""
    n, x, y, xx, yy, xy = sums[0], sums[1], sums[2], sums[3], sums[4], sums[5]
    if form == 0:
        spread = (n * xx - x * x) * (n * yy - y * y)
        # a vector that is constant over the common keys has no direction; rounding must not give it one
        if spread <= 1e-9 * (n * xx) * (n * yy):
            return 0.0
        return float((n * xy - x * y) / np.sqrt(spread))
    if form == 1:
        norms = xx * yy
        return float(xy / np.sqrt(norms)) if norms > 0 else 0.0
    if form == 2:
        return float(1.0 / (1.0 + np.sqrt(max(xx + yy - 2.0 * xy, 0.0))))
    if form == 3:
        return float(1.0 / (1.0 + max(xx + yy - 2.0 * xy, 0.0) / n))
    return float(xy * scale)


@kernel
def corated_scores(
    lo: int,
    hi: int,
    q_starts: I64,  # (queries,) where in ``q_keys`` the keys of a query begin
    q_stops: I64,  # (queries,) and end
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
    myself: I32,  # (queries,) the point that a query is; -1 or (0,) if none
    out_points: I32,  # one query after the other: every point with a positive similarity
    out_scores: F32,
    out_sizes: I64,
) -> None:
    """Similarity · n / (n + shrink) of the queries ``[lo, hi)`` with all points that share n ≥ min_overlap keys."""
    n_points = right.shape[0]
    sums = np.zeros((n_points, 8), dtype=np.float64)  # n, Σx, Σy, Σxx, Σyy, Σxy, two to fill the line
    reached = np.empty(n_points + 1, dtype=np.int32)
    at = 0
    for query in range(lo, hi):
        found = 0
        for e in range(q_starts[query], q_stops[query]):
            key = q_keys[e]
            x = np.float64(q_values[e])
            for f in range(k_indptr[key], k_indptr[key + 1]):
                point = k_points[f]
                y = np.float64(k_values[f])
                s = sums[point]
                reached[found] = point
                found += s[0] == 0
                s[0] += 1.0
                s[5] += x * y
                if form < 4:
                    s[1] += x
                    s[2] += y
                    s[3] += x * x
                    s[4] += y * y
        if myself.shape[0] > 0 and myself[query] >= 0:
            sums[myself[query], 0] = 0.0
        start = at
        for n in range(found):
            point = reached[n]
            common = sums[point, 0]
            if common >= min_overlap and common > 0:
                scale = np.float64(left[query]) * np.float64(right[point])
                score = _similarity(form, sums[point], scale) * (common / (common + shrink))
                out_points[at] = point
                out_scores[at] = score
                at += int(np.float32(score) > 0)
            sums[point] = 0.0
        out_sizes[query - lo] = at - start
