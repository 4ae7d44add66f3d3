"""Boosted trees over dense features: their sums, and the exact contribution of every feature."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from penchant.kernels import kernel
from penchant.kernels.instructions import lowest

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Ints = NDArray[np.int32]
Longs = NDArray[np.int64]
Bools = NDArray[np.bool_]
Words = NDArray[np.uint64]
AT_ONCE = 256  # rows that pass one tree after the other
DEEPEST = 64  # features on a path, at most


@kernel
def sum_trees(
    lo: int,
    hi: int,
    columns: F32,
    roots: Longs,
    feature: Ints,
    threshold: F32,
    missing_left: Bools,
    keeps: Words,
    leaves: Longs,
    values: F64,
    out: F64,
) -> None:
    """Add to ``out[lo:hi]`` the leaf of every tree that each row reaches; ``columns`` are ``(features, rows)``.

    Tree ``t`` has the nodes ``[roots[t], roots[t + 1])`` and, from left to right, at most 64 leaves from ``leaves[t]``
    on. A row goes right at a node if its value is above the threshold, or missing (NaN) and not ``missing_left``; then
    only the leaves in ``keeps`` remain. The first that remains is the one it reaches, so that no step waits for another
    (Lucchese et al., "QuickScorer", SIGIR 2015).
    """
    left = np.empty(AT_ONCE, np.uint64)
    everything = np.uint64(0xFFFFFFFFFFFFFFFF)
    for first in range(lo, hi, AT_ONCE):
        n = min(AT_ONCE, hi - first)
        for t in range(len(roots) - 1):
            for r in range(n):
                left[r] = everything
            for node in range(roots[t], roots[t + 1]):
                column, bound, keep = feature[node], threshold[node], keeps[node]
                if missing_left[node]:
                    for r in range(n):
                        left[r] &= keep if columns[column, first + r] > bound else everything
                else:
                    for r in range(n):
                        left[r] &= everything if columns[column, first + r] <= bound else keep
            for r in range(n):
                out[first + r] += values[leaves[t] + np.int64(lowest(left[r]))]


@kernel
def shares(
    lo: int,
    hi: int,
    rows: F32,
    starts: Longs,
    feature: Ints,
    low: F32,
    high: F32,
    takes_missing: Bools,
    cover: F64,
    values: F64,
    out: F64,
) -> None:
    """Add to ``out[lo:hi]`` ``(rows, features)`` the Shapley values of the features in the sum of all trees.

    Leaf ``l`` of value ``values[l]`` is reached if every condition ``c`` in ``[starts[l], starts[l + 1])`` holds, one
    for each feature on its path: the feature lies in ``(low[c], high[c]]``, or is missing and ``takes_missing[c]``.
    ``cover[c]`` is the share of training rows that pass the splits on that feature. With m conditions, indicators o and
    covers z, feature j gets value · (o_j − z_j) · Σ_S |S|! (m − |S| − 1)! / m! Π_{k ∈ S} o_k Π_{k ∉ S} z_k over the
    sets S of other conditions (Lundberg et al., "Consistent individualized feature attribution for tree ensembles",
    2018), summed by size through the coefficients of Π (z_k + o_k t).
    """
    holds = np.empty(DEEPEST, np.float64)
    terms = np.empty(DEEPEST + 1, np.float64)
    for r in range(lo, hi):
        for leaf in range(len(values)):
            begin = starts[leaf]
            m = starts[leaf + 1] - begin
            for k in range(m):
                c = begin + k
                x = rows[r, feature[c]]
                if math.isnan(x):
                    holds[k] = 1.0 if takes_missing[c] else 0.0
                else:
                    holds[k] = 1.0 if low[c] < x <= high[c] else 0.0
            for j in range(m):
                if holds[j] == cover[begin + j]:
                    continue
                terms[0] = 1.0
                size = 0
                for k in range(m):
                    if k == j:
                        continue
                    z = cover[begin + k]
                    terms[size + 1] = terms[size] * holds[k]
                    for s in range(size, 0, -1):
                        terms[s] = terms[s] * z + terms[s - 1] * holds[k]
                    terms[0] *= z
                    size += 1
                weight = 1.0 / m  # |S|! (m - |S| - 1)! / m! of the empty set
                total = 0.0
                for s in range(m):
                    total += weight * terms[s]
                    if s < m - 1:
                        weight *= (s + 1.0) / (m - s - 1.0)
                out[r, feature[begin + j]] += values[leaf] * (holds[j] - cover[begin + j]) * total
