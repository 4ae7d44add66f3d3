"""Non-negative ridge regression."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from penchant.kernels import fast_kernel

F32 = NDArray[np.float32]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]


@fast_kernel
def nonnegative(
    lo: int,
    hi: int,
    indptr: I64,
    items: I32,
    ratings: F32,
    y: F32,  # (n, f) of the other side
    centre: F32,  # (f,) the solution of a row without ratings
    reg: float,
    passes: int,  # passes of coordinate descent, exact in each factor in turn
    x: F32,  # (rows, f) out
) -> None:
    """Minimise Σ (rating − x·y)² + reg · |x − centre|² over x ≥ 0 for the rows ``[lo, hi)``, starting at ``centre``."""
    f = y.shape[1]
    a, g = np.empty((f, f), np.float32), np.empty(f, np.float32)
    for r in range(lo, hi):
        into = x[r]
        for c in range(f):
            into[c] = centre[c]
            g[c] = np.float32(reg) * centre[c]
            for k in range(f):
                a[c, k] = 0.0
            a[c, c] = np.float32(reg)
        for e in range(indptr[r], indptr[r + 1]):
            row, rating = y[items[e]], ratings[e]
            for c in range(f):
                g[c] += rating * row[c]
                for k in range(f):
                    a[c, k] += row[c] * row[k]
        for _ in range(passes):
            for c in range(f):
                s = g[c]
                for k in range(f):
                    s -= a[c, k] * into[k]
                moved = into[c] + s / a[c, c]
                into[c] = moved if moved > 0 else np.float32(0)
