"""Elastic nets of items on one another, by coordinate descent on their Gram matrix."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from penchant.kernels import fast_kernel, kernel

F32 = NDArray[np.float32]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]
B1 = NDArray[np.bool_]


@kernel
def _add_row(k: int, by: float, dense: F32, indptr: I64, indices: I32, data: F32, gradient: F32) -> None:
    """``gradient -= by · G[k]``, the diagonal of a sparse G left out."""
    step = np.float32(by)
    if dense.shape[0] > 0:
        row = dense[k]
        for i in range(row.shape[0]):
            gradient[i] -= step * row[i]
    else:
        for e in range(indptr[k], indptr[k + 1]):
            gradient[indices[e]] -= step * data[e]


@kernel
def _shrunk(q: float, l1: float, positive: bool) -> float:
    """Soft thresholding."""
    if q > l1:
        return q - l1
    return q + l1 if q < -l1 and not positive else 0.0


@fast_kernel
def descend(
    inner: F32,  # (cap, cap) Gram matrix of the active items
    size: int,
    gradient: F32,  # (cap,) of the active items, kept up to date
    weights: F32,  # (cap,)
    l1: float,
    l2: float,
    positive: bool,
    tolerance: float,
    sweeps: int,
) -> None:
    """Sweeps over the active items until none moves by ``tolerance``; everything lies in the nearest cache."""
    for _ in range(sweeps):
        largest = np.float32(0.0)
        for a in range(size):
            row = inner[a]
            own = row[a]
            q = gradient[a] + own * weights[a]
            to = np.float32(0.0)
            if q > l1:
                to = np.float32((q - l1) / (own + l2))
            elif q < -l1 and not positive:
                to = np.float32((q + l1) / (own + l2))
            step = to - weights[a]
            if step != 0:
                weights[a] = to
                for b in range(size):
                    gradient[b] -= step * row[b]
                largest = max(largest, abs(step))
        if largest < tolerance:
            return


@kernel
def elastic_columns(
    lo: int,
    hi: int,
    targets: I32,
    dense: F32,  # (n, n) symmetric Gram matrix G, or (0, 0)
    indptr: I64,  # else G without its diagonal by rows
    indices: I32,
    data: F32,
    diagonal: F32,  # (n,) of G
    l1: float,
    l2: float,
    positive: bool,
    tolerance: float,
    sweeps: int,
    rounds: int,
    sizes: I64,  # (hi - lo,) out: weights of every target
    found: I32,  # ((hi - lo) · n,) out: items, one target after the other
    values: F32,
) -> int:
    """min_w ½ wᵀGw − G_j·w + l1 |w| + ½ l2 |w|² without j, for the targets j of ``[lo, hi)``; returns weights written.

    Items enter the active set when they would get a weight above ``tolerance``, the most useful first: those within a
    tenth of the best. Between rounds the small problem of the active set is solved to the end, so that whole rows of G
    are read once an item and round rather than once a step.
    """
    n = diagonal.shape[0]
    gradient = np.empty(n, dtype=np.float32)
    slot = np.full(n, -1, dtype=np.int32)
    cap = 128
    active = np.empty(cap, dtype=np.int32)
    inner = np.zeros((cap, cap), dtype=np.float32)
    weights, applied, local = np.empty(cap, np.float32), np.empty(cap, np.float32), np.empty(cap, np.float32)
    written = 0
    for t in range(lo, hi):
        target = targets[t]
        gradient[:] = np.float32(0.0)
        _add_row(target, -1.0, dense, indptr, indices, data, gradient)
        size = 0
        for _ in range(rounds):
            best = 0.0
            for i in range(n):
                q = gradient[i]
                if (q > l1 or (q < -l1 and not positive)) and i != target and slot[i] < 0:
                    over = _shrunk(q, l1, positive)
                    if abs(over) > tolerance * (diagonal[i] + l2):
                        best = max(best, over * over / (diagonal[i] + l2))
            if best == 0:
                break
            before = size
            for i in range(n):
                q = gradient[i]
                if (q > l1 or (q < -l1 and not positive)) and i != target and slot[i] < 0:
                    over = _shrunk(q, l1, positive)
                    useful = over * over / (diagonal[i] + l2)
                    if abs(over) <= tolerance * (diagonal[i] + l2) or useful < 0.1 * best:
                        continue
                    if size == cap:
                        cap *= 2
                        more = np.zeros((cap, cap), dtype=np.float32)
                        more[:size, :size] = inner[:size, :size]
                        inner = more
                        kept = active
                        active = np.empty(cap, dtype=np.int32)
                        active[:size] = kept[:size]
                        old = weights
                        weights = np.empty(cap, np.float32)
                        weights[:size] = old[:size]
                        old = applied
                        applied = np.empty(cap, np.float32)
                        applied[:size] = old[:size]
                        local = np.empty(cap, np.float32)
                    active[size] = i
                    slot[i] = size
                    weights[size] = applied[size] = np.float32(0.0)
                    size += 1
            for a in range(before, size):
                k = active[a]
                if dense.shape[0] > 0:
                    for b in range(size):
                        inner[a, b] = inner[b, a] = dense[k, active[b]]
                else:
                    for b in range(size):
                        inner[a, b] = inner[b, a] = np.float32(0.0)
                    for e in range(indptr[k], indptr[k + 1]):
                        b = slot[indices[e]]
                        if b >= 0:
                            inner[a, b] = inner[b, a] = data[e]
                    inner[a, a] = diagonal[k]
            for a in range(size):
                local[a] = gradient[active[a]]
            descend(inner, size, local, weights, l1, l2, positive, tolerance, sweeps)
            for a in range(size):
                step = weights[a] - applied[a]
                if step != 0:
                    _add_row(active[a], step, dense, indptr, indices, data, gradient)
                    applied[a] = weights[a]
            if dense.shape[0] == 0:
                for a in range(size):  # the diagonal was left out, and the small problem knows it
                    gradient[active[a]] = local[a]
        used = 0
        for a in range(size):
            slot[active[a]] = -1
            if weights[a] != 0:
                found[written] = active[a]
                values[written] = weights[a]
                written += 1
                used += 1
        sizes[t - lo] = used
    return written
