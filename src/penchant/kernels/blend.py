"""Add the scores of several models on a common scale."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from penchant.kernels import fast_kernel

F32 = NDArray[np.float32]
Bools = NDArray[np.bool_]


@fast_kernel
def add_scaled(lo: int, hi: int, scores: F32, by_deviation: bool, weight: float, total: F32, able: Bools) -> None:
    """Add ``weight`` times the scaled rows ``[lo, hi)`` of ``scores`` to ``total``; mark finite scores in ``able``.

    A row is divided by its largest absolute score or, with ``by_deviation``, standardised: less the mean, divided by
    the standard deviation. Both use finite scores only; other scores count as the row's lowest finite score.
    """
    n = scores.shape[1]
    for r in range(lo, hi):
        row = scores[r]
        count, mean = 0, 0.0
        lowest, largest = np.float32(np.inf), np.float32(0)
        for j in range(n):
            if math.isfinite(row[j]):
                count += 1
                mean += row[j]
                lowest = min(lowest, row[j])
                largest = max(largest, abs(row[j]))
        if count == 0:
            continue
        centre, size = np.float32(0), largest
        if by_deviation:
            centre = np.float32(mean / count)
            squares = 0.0
            for j in range(n):
                if math.isfinite(row[j]):
                    off = np.float64(row[j] - centre)
                    squares += off * off
            size = np.float32(math.sqrt(squares / count))
        factor = np.float32(weight) / (size if size > 0 else np.float32(1))
        for j in range(n):
            finite = math.isfinite(row[j])
            able[r, j] |= finite
            total[r, j] += ((row[j] if finite else lowest) - centre) * factor
