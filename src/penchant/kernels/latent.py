"""Gaussian latent factors for ratings: the posterior of one side's vectors given the other side's.

Vectors are (y_1 … y_{f−1}, bias). The expected rating, minus the mean, is x·y + x's bias + y's bias. So the bias of the
other side is an offset, and a row's own bias is one more unknown, with loading 1.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from penchant.kernels import fast_kernel

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]


@fast_kernel
def _add_squares(turned: F32, f: int, length: int, a: F32) -> None:
    """``a[c, k] += turned[c, :length] · turned[k, :length]`` for k ≤ c (and a few k above), eight sums at a time."""
    zero = np.float32(0)
    for c in range(0, f - f % 2, 2):
        t0, t1 = turned[c], turned[c + 1]
        end = min(f, c + 2)
        for k in range(0, end - end % 4, 4):
            b0, b1, b2, b3 = turned[k], turned[k + 1], turned[k + 2], turned[k + 3]
            s00, s01, s02, s03, s10, s11, s12, s13 = zero, zero, zero, zero, zero, zero, zero, zero
            for e in range(length):
                x0, x1 = t0[e], t1[e]
                y0, y1, y2, y3 = b0[e], b1[e], b2[e], b3[e]
                s00 += x0 * y0
                s01 += x0 * y1
                s02 += x0 * y2
                s03 += x0 * y3
                s10 += x1 * y0
                s11 += x1 * y1
                s12 += x1 * y2
                s13 += x1 * y3
            a0, a1 = a[c], a[c + 1]
            a0[k] += s00
            a0[k + 1] += s01
            a0[k + 2] += s02
            a0[k + 3] += s03
            a1[k] += s10
            a1[k + 1] += s11
            a1[k + 2] += s12
            a1[k + 3] += s13
        for k in range(end - end % 4, end):
            s00, s10 = zero, zero
            for e in range(length):
                s00 += t0[e] * turned[k, e]
                s10 += t1[e] * turned[k, e]
            a[c, k] += s00
            a[c + 1, k] += s10
    for c in range(f - f % 2, f):
        for k in range(c + 1):
            s00 = zero
            for e in range(length):
                s00 += turned[c, e] * turned[k, e]
            a[c, k] += s00


@fast_kernel
def _factorise(a: F32, column: F32, f: int) -> None:
    """In-place Cholesky factorisation of the matrices ``a[:, :, lane]``, one per lane; pivots are stored inverted."""
    for k in range(f):
        pivot = a[k, k]
        for lane in range(pivot.shape[0]):
            pivot[lane] = np.float32(1) / np.float32(math.sqrt(max(pivot[lane], np.float32(1e-30))))
        for i in range(k + 1, f):
            below, packed = a[i, k], column[i]
            for lane in range(below.shape[0]):
                below[lane] *= pivot[lane]
                packed[lane] = below[lane]
        for i in range(k + 1, f):
            row, mine = a[i], column[i]
            for j in range(k + 1, i + 1):
                into, other = row[j], column[j]
                for lane in range(into.shape[0]):
                    into[lane] -= mine[lane] * other[lane]


@fast_kernel
def _solve(a: F32, x: F32, f: int) -> None:
    """Replace ``x`` by the solution, with ``a`` as stored by ``_factorise``."""
    for i in range(f):
        mine, pivot = x[i], a[i, i]
        for lane in range(mine.shape[0]):
            mine[lane] *= pivot[lane]
        for j in range(i + 1, f):
            into, below = x[j], a[j, i]
            for lane in range(into.shape[0]):
                into[lane] -= mine[lane] * below[lane]
    for i in range(f - 1, -1, -1):
        mine, pivot = x[i], a[i, i]
        for lane in range(mine.shape[0]):
            mine[lane] *= pivot[lane]
        for j in range(i):
            into, left = x[j], a[i, j]
            for lane in range(into.shape[0]):
                into[lane] -= mine[lane] * left[lane]


@fast_kernel
def _diagonal_of_inverse(a: F32, column: F32, f: int, out: F32) -> None:
    """The diagonal of every inverse: the sums of squares of the columns of L⁻¹, one column after another."""
    for c in range(f):
        total = out[c]
        for lane in range(total.shape[0]):
            total[lane] = 0.0
        for i in range(c, f):
            into = column[i]
            for lane in range(into.shape[0]):
                into[lane] = 1.0 if i == c else 0.0
        for i in range(c, f):
            mine, pivot = column[i], a[i, i]
            for lane in range(mine.shape[0]):
                mine[lane] *= pivot[lane]
            for lane in range(mine.shape[0]):
                total[lane] += mine[lane] * mine[lane]
            for j in range(i + 1, f):
                into, below = column[j], a[j, i]
                for lane in range(into.shape[0]):
                    into[lane] -= mine[lane] * below[lane]


@fast_kernel
def _gather(items: I32, ratings: F32, y: F32, y_variance: F32, turned: F32, off: F32) -> float:
    """Gather up to 64 events: factors and variances, transposed, and ratings minus biases.

    Returns the sum of squares of the latter. Row f - 1 of ``turned`` stays one: the loading of the row's own bias.
    """
    n, f = items.shape[0], y.shape[1]
    b = f - 1
    squared = 0.0
    for e in range(n):
        item = items[e]
        for c in range(b):
            turned[c, e] = y[item, c]
        for c in range(f):
            turned[f + c, e] = y_variance[item, c]
        off[e] = ratings[e] - y[item, b]
        squared += off[e] * off[e]
    return squared


@fast_kernel
def posterior(
    lo: int,
    hi: int,
    indptr: I64,
    items: I32,
    ratings: F32,  # minus the mean
    y: F32,  # (n, f) means of the other side; the last column is its bias
    y_variance: F32,  # (n, f) variances of the other side
    prior: F32,  # (rows, f) or (1, f): prior means of this side
    precision: F32,  # (f,) noise / prior variance of this side
    noise: float,  # variance of a rating around its expected value
    x: F32,  # (rows, f) out: posterior means
    x_variance: F32,  # (rows, f) or (0, f) out: posterior variances
    errors: F64,  # (rows,) or (0,) out: sum of the expected squared errors of the row's ratings
) -> None:
    """Posterior means, variances and errors of the rows ``[lo, hi)``: each row is a ridge regression on its ratings.

    Several rows are solved side by side, one per lane, so that small systems fill the vector unit.
    """
    f = y.shape[1]
    b = f - 1
    lanes = 32 if f <= 32 else 16  # the working set stays in the cache
    a, own = np.zeros((f, f, lanes), np.float32), np.empty((f, f), np.float32)
    column, data = np.empty((f, lanes), np.float32), np.empty((f, lanes), np.float32)
    g = np.empty((f, lanes), np.float32)
    variance, diagonal = np.zeros((f, lanes), np.float32), np.ones((f, lanes), np.float32)
    turned, off = np.ones((2 * f, 64), dtype=np.float32), np.empty(64, dtype=np.float32)
    total, spread = np.empty(lanes, np.float64), np.empty(f, np.float32)
    for first in range(lo, hi, lanes):
        many = min(lanes, hi - first)
        for lane in range(many):
            r = first + lane
            for c in range(f):
                data[c, lane], spread[c] = 0.0, 0.0
                for k in range(c + 1):
                    own[c, k] = 0.0
            total[lane] = 0.0
            for start in range(indptr[r], indptr[r + 1], 64):
                n = min(64, indptr[r + 1] - start)
                stop = start + n
                total[lane] += _gather(items[start:stop], ratings[start:stop], y, y_variance, turned, off)
                _add_squares(turned, f, n, own)
                for c in range(f):
                    loading, unsure = turned[c], turned[f + c]
                    s, t = np.float32(0), np.float32(0)
                    for e in range(n):
                        s += loading[e] * off[e]
                        t += unsure[e]
                    data[c, lane] += s
                    spread[c] += t
            total[lane] += spread[b]
            spread[b] = 0.0
            before = prior[r] if prior.shape[0] > 1 else prior[0]
            for c in range(f):
                for k in range(c):
                    a[c, k, lane] = own[c, k]
                diagonal[c, lane] = own[c, c] + spread[c]
                a[c, c, lane] = diagonal[c, lane] + precision[c]
                g[c, lane] = data[c, lane] + precision[c] * before[c]
        for c in range(f):
            for lane in range(lanes):
                variance[c, lane] = g[c, lane]  # holds the solution for now: g is still needed for the errors
        _factorise(a, column, f)
        _solve(a, variance, f)
        for lane in range(many):
            for c in range(f):
                x[first + lane, c] = variance[c, lane]
        if x_variance.shape[0] == 0 and errors.shape[0] == 0:
            continue
        _diagonal_of_inverse(a, column, f, variance)
        for lane in range(many):
            r = first + lane
            if x_variance.shape[0] > 0:
                for c in range(f):
                    x_variance[r, c] = np.float32(noise) * variance[c, lane]
            if errors.shape[0] > 0:
                # Σ off² − 2 x·data + xᵀ(A + S)x plus the part of the variances; (A + S + P) x = g saves a product
                s = total[lane]
                for c in range(f):
                    mine, d = float(x[r, c]), float(diagonal[c, lane])
                    s += mine * (float(g[c, lane]) - 2.0 * float(data[c, lane]) - float(precision[c]) * mine)
                    s += noise * float(variance[c, lane]) * d
                errors[r] = s


@fast_kernel
def expected(lo: int, hi: int, indptr: I64, items: I32, x: F32, y: F32, out: F32) -> None:
    """``out[e] = x_r · y_i`` plus both biases, for the requested items of the rows ``[lo, hi)``."""
    b = y.shape[1] - 1
    for r in range(lo, hi):
        mine = x[r]
        for e in range(indptr[r], indptr[r + 1]):
            row = y[items[e]]
            s = mine[b] + row[b]
            for c in range(b):
                s += mine[c] * row[c]
            out[e] = s
