"""Gaussian latent factors for ratings: the posterior of one side's vectors given the other side's.

Vectors are (y_1 … y_{f−1}, bias). A rating, less the mean, is expected to be x·y + x's bias + y's bias, so that the
bias of the other side is an offset and one's own bias is one more unknown whose loading is 1.
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
    """``a[c, k] += turned[c, :length] · turned[k, :length]`` for k ≤ c (and a few above), eight sums at a time."""
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
def _invert(a: F32, inverse: F32, g: F32, variance: F32) -> None:
    """Solve ``A x = g`` in place by Cholesky, and leave the diagonal of A⁻¹ in ``variance``."""
    f = g.shape[0]
    for i in range(f):
        row = a[i]
        for j in range(i):
            other = a[j]
            s = np.float32(0)
            for k in range(j):
                s += row[k] * other[k]
            row[j] = (row[j] - s) * other[j]
        s = np.float32(0)
        for k in range(i):
            s += row[k] * row[k]
        row[i] = np.float32(1) / np.float32(math.sqrt(max(row[i] - s, np.float32(1e-30))))
    for i in range(f):
        s = np.float32(0)
        for k in range(i):
            s += a[i, k] * g[k]
        g[i] = (g[i] - s) * a[i, i]
    for i in range(f - 1, -1, -1):
        g[i] *= a[i, i]
        x = g[i]
        for k in range(i):
            g[k] -= x * a[i, k]
    # rows of L⁻¹, each from the rows above it
    for c in range(f):
        variance[c] = 0.0
    for i in range(f):
        into = inverse[i]
        for c in range(f):
            into[c] = 0.0
        for k in range(i):
            factor, above = a[i, k], inverse[k]
            for c in range(k + 1):
                into[c] -= factor * above[c]
        for c in range(i):
            into[c] *= a[i, i]
        into[i] = a[i, i]
        for c in range(i + 1):
            variance[c] += into[c] * into[c]


@fast_kernel
def posterior(
    lo: int,
    hi: int,
    indptr: I64,
    items: I32,
    ratings: F32,  # less the mean
    y: F32,  # (n, f) means of the other side, the last column its bias
    y_variance: F32,  # (n, f)
    prior: F32,  # (rows, f) or (1, f): means of this side before the ratings
    precision: F32,  # (f,) noise over the variance of this side before the ratings
    noise: float,  # variance of a rating around what is expected
    x: F32,  # (rows, f) the result: means
    x_variance: F32,  # (rows, f) or (0, f): variances
    errors: F64,  # (rows,) or (0,): expected squared errors of the row's ratings, summed
) -> None:
    """Means, variances and errors of the rows ``[lo, hi)``, each the ridge solution of its own ratings."""
    f = y.shape[1]
    b = f - 1
    a, inverse, g = np.empty((f, f), np.float32), np.empty((f, f), np.float32), np.empty(f, np.float32)
    variance, spread = np.empty(f, np.float32), np.empty(f, np.float32)
    turned = np.ones((f, 64), dtype=np.float32)
    zero = np.float32(0)
    for r in range(lo, hi):
        start, stop = indptr[r], indptr[r + 1]
        before = prior[r] if prior.shape[0] > 1 else prior[0]
        for c in range(f):
            g[c] = precision[c] * before[c]
            spread[c] = 0.0
            for k in range(c + 1):
                a[c, k] = 0.0
        for first in range(start, stop, 64):
            many = min(64, stop - first)
            for e in range(many):
                row, s = y[items[first + e]], y_variance[items[first + e]]
                off = ratings[first + e] - row[b]
                for c in range(b):
                    turned[c, e] = row[c]
                    g[c] += off * row[c]
                    spread[c] += s[c]
                g[b] += off
            _add_squares(turned, f, many, a)
        for c in range(f):
            a[c, c] += precision[c] + spread[c]
        _invert(a, inverse, g, variance)
        for c in range(f):
            x[r, c] = g[c]
            variance[c] *= np.float32(noise)
        if x_variance.shape[0] > 0:
            for c in range(f):
                x_variance[r, c] = variance[c]
        if errors.shape[0] > 0:
            total = 0.0
            for e in range(start, stop):
                row, s = y[items[e]], y_variance[items[e]]
                off, unsure = ratings[e] - row[b] - g[b], s[b] + variance[b]
                product = zero
                for c in range(b):
                    product += row[c] * g[c]
                    unsure += s[c] * (g[c] * g[c] + variance[c]) + row[c] * row[c] * variance[c]
                off -= product
                total += off * off + unsure
            errors[r] = total


@fast_kernel
def expected(lo: int, hi: int, indptr: I64, items: I32, x: F32, y: F32, out: F32) -> None:
    """``out[e] = x_r · y_i`` with both biases, for the items asked of the rows ``[lo, hi)``."""
    b = y.shape[1] - 1
    for r in range(lo, hi):
        mine = x[r]
        for e in range(indptr[r], indptr[r + 1]):
            row = y[items[e]]
            s = mine[b] + row[b]
            for c in range(b):
                s += mine[c] * row[c]
            out[e] = s
