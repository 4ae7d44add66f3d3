"""Ridge regressions of items on a few other items and on shared directions, one independent problem per item.

The weights of a target j are w = s + V·c with w_j = 0: s is non-zero only on the nearest items N of j, and V (n, r) is
the same for every target. With B = (unit vectors of N, V without its row j) and H = G + penalty, (s, c) solves
(Bᵀ H B) y = Bᵀ G_j, which is optimal in this span. Of V, only H V and Vᵀ H V are needed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from penchant.kernels import fast_kernel, kernel
from penchant.kernels.keys import kth_largest

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]


@fast_kernel
def _solve(a: F64, b: F64, sure: int, size: int) -> bool:
    """``b[:size] = a⁻¹ b`` by Cholesky factorisation in the lower triangle of ``a``; false if the first ``sure`` rows
    are not positive definite. Of the other rows, those that nearly depend on the rows before them get zero."""
    for i in range(size):
        enough = 0.0 if i < sure else 1e-5 * a[i, i]
        for j in range(i + 1):
            total = a[i, j]
            for m in range(j):
                total -= a[i, m] * a[j, m]
            if i == j:
                if total > enough:
                    a[i, i] = np.sqrt(total)
                elif i < sure:
                    return False
                else:
                    a[i, i] = np.inf
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


@fast_kernel
def _share(a: F64, b: F64, near: I32, size: int, j: int, square: float, v: F32, hv: F64, vhv: F64) -> None:
    """Fill the rows of ``a`` and ``b`` for the shared directions, below those of ``near``; ``square`` is H_jj."""
    for q in range(v.shape[1]):
        mine, image, row = v[j, q], hv[j, q], a[size + q]
        for c in range(size):
            row[c] = hv[near[c], q] - b[c] * mine
        for p in range(q + 1):
            row[size + p] = vhv[q, p] - mine * hv[j, p] - image * v[j, p] + square * mine * v[j, p]
        b[size + q] = image - square * mine


@kernel
def _write(
    b: F64, near: I32, size: int, j: int, v: F32, at: int, found: I32, values: F32, pull: F32
) -> int:  # fmt: skip
    """Write the solution of target j: the weights of ``near``, and a weight of j itself that cancels its shared part.
    Returns the next free index."""
    own = 0.0
    for q in range(v.shape[1]):
        pull[q, j] = b[size + q]
        own -= v[j, q] * b[size + q]
    for c in range(size + 1):
        if v.shape[1] > 0 and (c == 0 or near[c - 1] < j) and (c == size or near[c] > j):
            found[at], values[at] = j, own
            at += 1
        if c < size:
            found[at], values[at] = near[c], b[c]
            at += 1
    return at


@kernel
def _keep(near: I32, explained: F32, met: int, k: int) -> int:
    """Move the ``k`` items that explain most to the front of ``near``, ascending; ties go to lower items. Return how
    many."""
    size = met
    if met > k:
        least = kth_largest(explained[:met], k)
        size, tied = 0, 0
        ties = np.empty(met, np.int32)
        for c in range(met):
            if explained[c] > least:
                near[size] = near[c]
                size += 1
            elif explained[c] == least:
                ties[tied] = near[c]
                tied += 1
        first = np.sort(ties[:tied])
        for c in range(k - size):
            near[size + c] = first[c]
        size = k
    near[:size].sort()
    return size


@kernel
def columns_of_matrix(
    lo: int,
    hi: int,
    dense: F32,  # (n, n) symmetric Gram matrix G
    diagonal: F32,  # (n,) of G
    penalty: F32,  # (n,)
    v: F32,  # (n, r) shared directions
    hv: F64,  # (n, r) (G + penalty) v
    vhv: F64,  # (r, r)
    k: int,
    sizes: I64,  # (hi - lo,) out
    found: I32,  # (at most (k + 1) · (hi - lo),) out: items, target by target, ascending
    values: F32,
    pull: F32,  # (r, n) out: weight of every direction for a target
) -> int:
    """Regress each target in ``[lo, hi)`` on ``v`` and on the ``k`` items that explain most of it individually.
    Returns the number of weights written, or -1 if the system of the items is not positive definite."""
    n = diagonal.shape[0]
    near, explained = np.empty(n, np.int32), np.empty(n, np.float32)
    width = v.shape[1]
    a, b = np.empty((k + width, k + width), np.float64), np.empty(k + width, np.float64)
    written = 0
    for j in range(lo, hi):
        met, row = 0, dense[j]
        for i in range(n):
            if i != j and row[i] != 0:
                near[met], explained[met] = i, row[i] * row[i] / (diagonal[i] + penalty[i])
                met += 1
        size = _keep(near, explained, met, k)
        for r in range(size):
            i = near[r]
            b[r] = row[i]
            for c in range(r):
                a[r, c] = dense[i, near[c]]
            a[r, r] = diagonal[i] + penalty[i]
        _share(a, b, near, size, j, diagonal[j] + penalty[j], v, hv, vhv)
        if not _solve(a, b, size, size + width):
            return -1
        end = _write(b, near, size, j, v, written, found, values, pull)
        sizes[j - lo], written = end - written, end
    return written


@kernel
def columns_of_events(
    lo: int,
    hi: int,
    indptr: I64,  # histories of distinct items
    items: I32,
    x: F32,  # weight of an event
    i_indptr: I64,  # the same by item
    i_rows: I32,
    i_x: F32,
    diagonal: F32,  # (n,) of G = XᵀX
    penalty: F32,  # (n,)
    v: F32,  # (n, r) shared directions
    hv: F64,  # (n, r) (G + penalty) v
    vhv: F64,  # (r, r)
    k: int,
    sizes: I64,  # (hi - lo,) out
    found: I32,  # (at most (k + 1) · (hi - lo),) out: items, target by target, ascending
    values: F32,
    pull: F32,  # (r, n) out: weight of every direction for a target
) -> int:
    """Like ``columns_of_matrix``, without the matrix: the entries that a target needs are summed from the events.

    Each history has a linked list of its events with chosen items. Two chosen items that are in the same list occur in
    the same history.
    """
    n = diagonal.shape[0]
    near, explained, met_with = np.empty(n, np.int32), np.empty(n, np.float32), np.zeros(n, np.float32)
    head, chained = np.full(indptr.shape[0] - 1, -1, np.int32), np.empty(1024, np.int32)
    chosen, weight = np.empty(1024, np.int32), np.empty(1024, np.float32)
    width = v.shape[1]
    a, b = np.empty((k + width, k + width), np.float64), np.empty(k + width, np.float64)
    written = 0
    for j in range(lo, hi):
        met = 0
        for f in range(i_indptr[j], i_indptr[j + 1]):
            row = i_rows[f]
            for e in range(indptr[row], indptr[row + 1]):
                i, product = items[e], i_x[f] * x[e]
                if product == 0 or i == j:
                    continue
                if met_with[i] == 0:
                    near[met] = i
                    met += 1
                met_with[i] += product
        for c in range(met):
            i = near[c]
            explained[c] = met_with[i] * met_with[i] / (diagonal[i] + penalty[i])
        everyone = near[:met].copy()
        size = _keep(near, explained, met, k)
        room = 0
        for r in range(size):
            room += i_indptr[near[r] + 1] - i_indptr[near[r]]
        if room > chained.shape[0]:
            chained, chosen = np.empty(2 * room, np.int32), np.empty(2 * room, np.int32)
            weight = np.empty(2 * room, np.float32)
        at = 0
        for r in range(size):
            i = near[r]
            b[r] = met_with[i]
            for c in range(r):
                a[r, c] = 0.0
            for f in range(i_indptr[i], i_indptr[i + 1]):
                row = i_rows[f]
                link = head[row]
                while link >= 0:
                    a[r, chosen[link]] += i_x[f] * weight[link]
                    link = chained[link]
                chained[at], chosen[at], weight[at] = head[row], r, i_x[f]
                head[row] = at
                at += 1
            a[r, r] = diagonal[i] + penalty[i]
        for r in range(size):
            for f in range(i_indptr[near[r]], i_indptr[near[r] + 1]):
                head[i_rows[f]] = -1
        for i in everyone:
            met_with[i] = 0
        _share(a, b, near, size, j, diagonal[j] + penalty[j], v, hv, vhv)
        if not _solve(a, b, size, size + width):
            return -1
        end = _write(b, near, size, j, v, written, found, values, pull)
        sizes[j - lo], written = end - written, end
    return written
