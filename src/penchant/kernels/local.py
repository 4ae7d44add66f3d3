"""Ridge regressions of items on few others, each solved by itself."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from penchant.kernels import fast_kernel, kernel

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]


@fast_kernel
def _solve(a: F64, b: F64, size: int) -> bool:
    """``b[:size] = a⁻¹ b`` by Cholesky in the lower triangle of ``a``; false where it is not positive definite."""
    for i in range(size):
        for j in range(i + 1):
            total = a[i, j]
            for m in range(j):
                total -= a[i, m] * a[j, m]
            if i == j:
                if total <= 0:
                    return False
                a[i, i] = np.sqrt(total)
            else:
                a[i, j] = total / a[j, j]
    for i in range(size):
        for m in range(i):
            b[i] -= a[i, m] * b[m]
        b[i] /= a[i, i]
    for i in range(size - 1, -1, -1):
        for m in range(i + 1, size):
            b[i] -= a[m, i] * b[m]
        b[i] /= a[i, i]
    return True


@kernel
def local_columns(
    lo: int,
    hi: int,
    dense: F32,  # (n, n) symmetric Gram matrix G, or (0, 0)
    indptr: I64,  # else G without its diagonal by rows
    indices: I32,
    data: F32,
    diagonal: F32,  # (n,) of G
    penalty: F32,  # (n,)
    k: int,
    sizes: I64,  # (hi - lo,) out
    found: I32,  # (at most k · (hi - lo),) out: items, one target after the other, rising
    values: F32,
) -> int:
    """(G + penalty)⁻¹ G_j over the ``k`` items that alone explain most of j; returns how many were written, -1 where
    a system is not positive definite."""
    n = diagonal.shape[0]
    is_dense = dense.shape[0] > 0
    near, explained = np.empty(n, np.int32), np.empty(n, np.float32)
    pair, where = np.empty(n, np.float32), np.full(n, -1, np.int32)
    a, b = np.empty((k, k), np.float64), np.empty(k, np.float64)
    written = 0
    for j in range(lo, hi):
        met = 0
        if is_dense:
            row = dense[j]
            for i in range(n):
                if i != j and row[i] != 0:
                    near[met], pair[met] = i, row[i]
                    met += 1
        else:
            for e in range(indptr[j], indptr[j + 1]):
                near[met], pair[met] = indices[e], data[e]
                met += 1
        for c in range(met):
            explained[c] = pair[c] * pair[c] / (diagonal[near[c]] + penalty[near[c]])
        size = met
        if met > k:
            least = np.partition(explained[:met], met - k)[met - k]
            room = k
            for c in range(met):
                room -= int(explained[c] > least)
            size = 0
            for c in range(met):
                tie = explained[c] == least and room > 0
                if explained[c] > least or tie:
                    room -= int(tie)
                    near[size], pair[size] = near[c], pair[c]
                    size += 1
        if not is_dense:
            for c in range(size):
                where[near[c]] = c
        for r in range(size):
            i = near[r]
            b[r] = pair[r]
            if is_dense:
                for c in range(r):
                    a[r, c] = dense[i, near[c]]
            else:
                for c in range(r):
                    a[r, c] = 0.0
                for e in range(indptr[i], indptr[i + 1]):
                    c = where[indices[e]]
                    if 0 <= c < r:
                        a[r, c] = data[e]
            a[r, r] = diagonal[i] + penalty[i]
        if not is_dense:
            for c in range(size):
                where[near[c]] = -1
        if not _solve(a, b, size):
            return -1
        for c in range(size):
            found[written], values[written] = near[c], b[c]
            written += 1
        sizes[j - lo] = size
    return written
