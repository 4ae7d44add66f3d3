"""Elastic-net regression of each item on the others, by coordinate descent on their Gram matrix."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from penchant.kernels import fast_kernel, kernel

F32 = NDArray[np.float32]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]


@fast_kernel
def _descend(
    inner: F32,  # (cap, cap) Gram matrix of the active items
    size: int,
    gradient: F32,  # (cap,) of the active items, updated in place
    weights: F32,  # (cap,)
    l1: float,
    l2: float,
    positive: bool,
    tolerance: float,
    share: float,
    sweeps: int,
) -> bool:
    """Sweep over the active items until every change is below ``tolerance`` (return true), or below ``share`` times the
    largest change in the first sweep, or after ``sweeps`` (return false). All data fits in the nearest cache."""
    enough = np.float32(0.0)
    for sweep in range(sweeps):
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
            return True
        if sweep == 0:
            enough = np.float32(share) * largest
        elif largest < enough:
            return False
    return False


@fast_kernel
def _subtract(rows: F32, start: int, step: float, gradient: F32, size: int) -> None:
    """``gradient -= step · rows[start:start + size]``."""
    by = np.float32(step)
    for c in range(size):
        gradient[c] -= by * rows[start + c]


@kernel
def _grown(array: F32, size: int) -> F32:
    """A larger copy."""
    out = np.zeros(size, dtype=np.float32)
    for n in range(array.shape[0]):
        out[n] = array[n]
    return out


@kernel
def elastic_columns(
    lo: int,
    hi: int,
    targets: I32,
    dense: F32,  # (n, n) symmetric Gram matrix G, or (0, 0)
    indptr: I64,  # else G by rows, without its diagonal
    indices: I32,
    data: F32,
    diagonal: F32,  # (n,) of G
    l1: float,
    l2: float,
    positive: bool,
    tolerance: float,
    sweeps: int,
    rounds: int,
    sizes: I64,  # (hi - lo,) out: number of weights of every target
    found: I32,  # ((hi - lo) · n,) out: items, target by target
    values: F32,
) -> int:
    """Solve min_w ½ wᵀGw − G_j·w + l1 |w| + ½ l2 |w|² with w_j = 0, for ``targets[lo:hi]``; return the weights written.

    Only candidates can have a weight. For positive weights, these are the items with G_ij > l1. A round has two steps:

    1. Activate candidates that would get a weight above ``tolerance``: those with at least a tenth of the largest gain.
       The row of G of a new active item is read once, for the candidates only.
    2. Solve the small problem of the active items, only roughly while their set still grows.
    """
    n = diagonal.shape[0]
    is_dense = dense.shape[0] > 0
    candidates, where = np.empty(n, np.int32), np.full(n, -1, np.int32)
    gradient, scale = np.empty(n, np.float32), np.empty(n, np.float32)
    is_active = np.zeros(n, dtype=np.bool_)
    cap = 64
    active = np.empty(n, dtype=np.int32)  # indices into candidates
    rows = np.empty(cap * 512, dtype=np.float32)  # rows of G of the active items, for the candidates
    inner = np.zeros((cap, cap), dtype=np.float32)
    weights, applied, local = np.zeros(cap, np.float32), np.zeros(cap, np.float32), np.zeros(cap, np.float32)
    written = 0
    for t in range(lo, hi):
        target = targets[t]
        width = 0
        if is_dense:
            row = dense[target]
            for i in range(n):
                if i != target and (not positive or row[i] > l1):
                    candidates[width] = i
                    gradient[width] = row[i]
                    width += 1
        elif positive:
            for e in range(indptr[target], indptr[target + 1]):
                if data[e] > l1:
                    candidates[width] = indices[e]
                    gradient[width] = data[e]
                    width += 1
        else:
            for i in range(n):
                if i != target:
                    candidates[width] = i
                    gradient[width] = np.float32(0.0)
                    where[i] = width
                    width += 1
            for e in range(indptr[target], indptr[target + 1]):
                gradient[where[indices[e]]] = data[e]
        for c in range(width):
            where[candidates[c]] = c
            scale[c] = diagonal[candidates[c]] + l2
        size = 0
        done = False
        for _ in range(rounds):
            best = 0.0
            for c in range(width):
                q = gradient[c]
                over = abs(q) - l1 if not positive else q - l1
                if over > tolerance * scale[c] and not is_active[c]:
                    best = max(best, over * over / scale[c])
            if best == 0 and done:  # the last solution may have made an item a candidate, so look before stopping
                break
            before = size
            if best > 0:
                for c in range(width):
                    q = gradient[c]
                    over = abs(q) - l1 if not positive else q - l1
                    if over > tolerance * scale[c] and not is_active[c] and over * over >= 0.1 * best * scale[c]:
                        active[size] = c
                        is_active[c] = True
                        size += 1
            if size > cap:
                while size > cap:
                    cap *= 2
                more = np.zeros((cap, cap), dtype=np.float32)
                for a in range(before):
                    for b in range(before):
                        more[a, b] = inner[a, b]
                inner, local = more, np.zeros(cap, np.float32)
                weights, applied = _grown(weights, cap), _grown(applied, cap)
            if size * width > rows.shape[0]:
                rows = _grown(rows, 2 * size * width)
            for a in range(before, size):
                k, start = candidates[active[a]], a * width
                weights[a] = applied[a] = np.float32(0.0)
                if is_dense:
                    for c in range(width):
                        rows[start + c] = dense[k, candidates[c]]
                else:
                    rows[start : start + width] = np.float32(0.0)
                    for e in range(indptr[k], indptr[k + 1]):
                        c = where[indices[e]]
                        if c >= 0:
                            rows[start + c] = data[e]
                    rows[start + active[a]] = diagonal[k]
                for b in range(a + 1):
                    inner[a, b] = inner[b, a] = rows[start + active[b]]
            for a in range(size):
                local[a] = gradient[active[a]]
            done = _descend(
                inner, size, local, weights, l1, l2, positive, tolerance, 0.1 if size > before else 0.0, sweeps
            )
            for a in range(size):
                if weights[a] != applied[a]:
                    _subtract(rows, a * width, weights[a] - applied[a], gradient, width)
                    applied[a] = weights[a]
        used = 0
        for a in range(size):
            is_active[active[a]] = False
            if weights[a] != 0:
                found[written] = candidates[active[a]]
                values[written] = weights[a]
                written += 1
                used += 1
        for c in range(width):
            where[candidates[c]] = -1
        sizes[t - lo] = used
    return written
