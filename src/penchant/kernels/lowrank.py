"""Sparse matrix times thin dense matrix: the only operation on the data in a randomised decomposition."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from penchant.kernels import fast_kernel

F32 = NDArray[np.float32]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]


@fast_kernel
def times(lo: int, hi: int, indptr: I64, indices: I32, data: F32, dense: F32, out: F32) -> None:
    """``out[lo:hi] = sparse[lo:hi] @ dense``; four entries at a time, to touch a result row a quarter as often."""
    width = dense.shape[1]
    for r in range(lo, hi):
        into = out[r]
        for c in range(width):
            into[c] = 0.0
        start, stop = indptr[r], indptr[r + 1]
        even = stop - (stop - start) % 4
        for e in range(start, even, 4):
            r0, r1, r2, r3 = dense[indices[e]], dense[indices[e + 1]], dense[indices[e + 2]], dense[indices[e + 3]]
            w0, w1, w2, w3 = data[e], data[e + 1], data[e + 2], data[e + 3]
            for c in range(width):
                into[c] += w0 * r0[c] + w1 * r1[c] + w2 * r2[c] + w3 * r3[c]
        for e in range(even, stop):
            r0, w0 = dense[indices[e]], data[e]
            for c in range(width):
                into[c] += w0 * r0[c]
