"""Alternating least squares: many small ridge problems that share one Gram matrix.

All kernels here work in the basis in which the shared Gram matrix is diagonal. The system of one row is then

    (diag(d) + Σ_j w_j y_j y_jᵀ) x = Σ_j w_j y_j,        d = unobserved · eigenvalues + regularisation of the row

so a product with its matrix costs 4·n·f operations for n events and f factors, and no term grows with f².
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from penchant.kernels import fast_kernel

F32 = NDArray[np.float32]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]


@fast_kernel
def _add_dots(a: F32, n: int, b: F32, m: int, length: int, lower: bool, out: F32) -> None:
    """``out[i, j] += a[i, :length] · b[j, :length]`` for i < n, j < m; with ``lower``, only tiles that touch j ≤ i.

    A tile keeps sixteen sums in registers, so eight loads feed sixteen multiply-adds.
    """
    zero = np.float32(0)
    for i in range(0, n - n % 4, 4):
        a0, a1, a2, a3 = a[i], a[i + 1], a[i + 2], a[i + 3]
        end = min(m, i + 4) if lower else m
        for j in range(0, end - end % 4, 4):
            b0, b1, b2, b3 = b[j], b[j + 1], b[j + 2], b[j + 3]
            s00, s01, s02, s03 = zero, zero, zero, zero
            s10, s11, s12, s13 = zero, zero, zero, zero
            s20, s21, s22, s23 = zero, zero, zero, zero
            s30, s31, s32, s33 = zero, zero, zero, zero
            for k in range(length):
                x0, x1, x2, x3 = a0[k], a1[k], a2[k], a3[k]
                y0, y1, y2, y3 = b0[k], b1[k], b2[k], b3[k]
                s00 += x0 * y0
                s01 += x0 * y1
                s02 += x0 * y2
                s03 += x0 * y3
                s10 += x1 * y0
                s11 += x1 * y1
                s12 += x1 * y2
                s13 += x1 * y3
                s20 += x2 * y0
                s21 += x2 * y1
                s22 += x2 * y2
                s23 += x2 * y3
                s30 += x3 * y0
                s31 += x3 * y1
                s32 += x3 * y2
                s33 += x3 * y3
            o0, o1, o2, o3 = out[i], out[i + 1], out[i + 2], out[i + 3]
            o0[j] += s00
            o0[j + 1] += s01
            o0[j + 2] += s02
            o0[j + 3] += s03
            o1[j] += s10
            o1[j + 1] += s11
            o1[j + 2] += s12
            o1[j + 3] += s13
            o2[j] += s20
            o2[j + 1] += s21
            o2[j + 2] += s22
            o2[j + 3] += s23
            o3[j] += s30
            o3[j + 1] += s31
            o3[j + 2] += s32
            o3[j + 3] += s33
        for j in range(end - end % 4, end):
            for r in range(i, i + 4):
                s = zero
                for k in range(length):
                    s += a[r, k] * b[j, k]
                out[r, j] += s
    for i in range(n - n % 4, n):
        for j in range(min(m, i + 1) if lower else m):
            s = zero
            for k in range(length):
                s += a[i, k] * b[j, k]
            out[i, j] += s


@fast_kernel
def rotate(lo: int, hi: int, which: I64, rows: F32, basis: F32) -> None:
    """``rows[r] = basis @ rows[r]`` in place, for the rows r in ``which[lo:hi]``."""
    f = rows.shape[1]
    before, after = np.empty((32, f), dtype=np.float32), np.empty((32, f), dtype=np.float32)
    for start in range(lo, hi, 32):
        n = min(32, hi - start)
        for k in range(n):
            r = which[start + k]
            for c in range(f):
                before[k, c] = rows[r, c]
                after[k, c] = 0.0
        _add_dots(before, n, basis, f, f, False, after)
        for k in range(n):
            r = which[start + k]
            for c in range(f):
                rows[r, c] = after[k, c]


@fast_kernel
def squares(lo: int, hi: int, rows: F32, weights: F32, out: F32) -> None:
    """``out += Σ_r weights[r] · rows[r]²`` over ``[lo, hi)``."""
    for r in range(lo, hi):
        row, w = rows[r], weights[r]
        for c in range(row.shape[0]):
            out[c] += w * row[c] * row[c]


@fast_kernel
def gram(lo: int, hi: int, rows: F32, out: F32) -> None:
    """``out += rows[lo:hi].T @ rows[lo:hi]``, only in the lower triangle (and a few entries above it)."""
    f = rows.shape[1]
    turned = np.empty((f, 64), dtype=np.float32)
    for start in range(lo, hi, 64):
        n = min(64, hi - start)
        for r in range(n):
            for k in range(f):
                turned[k, r] = rows[start + r, k]
        _add_dots(turned, f, turned, f, n, True, out)


@fast_kernel
def _factorise(a: F32, n: int) -> None:
    """In-place Cholesky factorisation of the lower triangle; the diagonal stores the inverses of the pivots."""
    for i in range(n):
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


@fast_kernel
def _substitute(a: F32, n: int, b: F32) -> None:
    """Solve ``L Lᵀ x = b`` in place, with L as stored by ``_factorise``."""
    for i in range(n):
        s = np.float32(0)
        for k in range(i):
            s += a[i, k] * b[k]
        b[i] = (b[i] - s) * a[i, i]
    for i in range(n - 1, -1, -1):
        b[i] *= a[i, i]
        x = b[i]
        for k in range(i):
            b[k] -= x * a[i, k]


@fast_kernel
def _few_events(
    items: I32, weights: F32, y: F32, inverse: F32, scaled: F32, plain: F32, k: F32, z: F32, x: F32
) -> None:
    """Solve a row exactly by the n × n system of its events: x = D⁻¹Yᵀ(W⁻¹ + Y D⁻¹ Yᵀ)⁻¹ 1."""
    n, f = items.shape[0], y.shape[1]
    for j in range(n):
        row = y[items[j]]
        for c in range(f):
            plain[j, c] = row[c]
            scaled[j, c] = row[c] * inverse[c]
        for i in range(n):
            k[j, i] = 0.0
    _add_dots(scaled, n, plain, n, f, True, k)
    for j in range(n):
        k[j, j] += np.float32(1) / weights[j]
        z[j] = 1.0
    _factorise(k, n)
    _substitute(k, n, z)
    for c in range(f):
        x[c] = 0.0
    for j in range(n):
        for c in range(f):
            x[c] += z[j] * scaled[j, c]


@fast_kernel
def _many_events(items: I32, weights: F32, y: F32, d: F32, turned: F32, turned_w: F32, a: F32, x: F32) -> None:
    """Solve a row exactly by the f × f system of its factors."""
    n, f = items.shape[0], y.shape[1]
    for c in range(f):
        x[c] = 0.0
        for e in range(f):
            a[c, e] = 0.0
        a[c, c] = d[c]
    width = turned.shape[1]
    for start in range(0, n, width):
        size = min(width, n - start)
        for r in range(size):
            row, w = y[items[start + r]], weights[start + r]
            for c in range(f):
                turned[c, r] = row[c]
                turned_w[c, r] = row[c] * w
                x[c] += w * row[c]
        _add_dots(turned_w, f, turned, f, size, True, a)
    _factorise(a, f)
    _substitute(a, f, x)


@fast_kernel
def _product(items: I32, weights: F32, y: F32, p: F32, target: float, out: F32) -> None:
    """``out += Σ_j w_j (y_j · p − target) y_j``, four events at a time to read ``out`` a quarter as often."""
    n, f = items.shape[0], y.shape[1]
    zero = np.float32(0)
    t = np.float32(target)
    for j in range(0, n - n % 4, 4):
        r0, r1, r2, r3 = y[items[j]], y[items[j + 1]], y[items[j + 2]], y[items[j + 3]]
        s0, s1, s2, s3 = zero, zero, zero, zero
        for c in range(f):
            s0 += r0[c] * p[c]
            s1 += r1[c] * p[c]
            s2 += r2[c] * p[c]
            s3 += r3[c] * p[c]
        s0 = (s0 - t) * weights[j]
        s1 = (s1 - t) * weights[j + 1]
        s2 = (s2 - t) * weights[j + 2]
        s3 = (s3 - t) * weights[j + 3]
        for c in range(f):
            out[c] += s0 * r0[c] + s1 * r1[c] + s2 * r2[c] + s3 * r3[c]
    for j in range(n - n % 4, n):
        r0 = y[items[j]]
        s0 = zero
        for c in range(f):
            s0 += r0[c] * p[c]
        s0 = (s0 - t) * weights[j]
        for c in range(f):
            out[c] += s0 * r0[c]


@fast_kernel
def _conjugate(items: I32, weights: F32, y: F32, d: F32, m: F32, steps: int, r: F32, p: F32, q: F32, x: F32) -> None:
    """Take ``steps`` conjugate gradient steps from ``x``, or fewer at rounding level, preconditioned by ``m``."""
    f = y.shape[1]
    for c in range(f):
        r[c] = 0.0
    _product(items, weights, y, x, 1.0, r)
    rz = np.float32(0)
    for c in range(f):
        r[c] = -r[c] - d[c] * x[c]
        p[c] = r[c] / m[c]
        rz += r[c] * p[c]
    enough = max(rz * np.float32(1e-13), np.float32(1e-20))
    for step in range(steps):
        if rz < enough:
            break
        for c in range(f):
            q[c] = d[c] * p[c]
        _product(items, weights, y, p, 0.0, q)
        pq = np.float32(0)
        for c in range(f):
            pq += p[c] * q[c]
        alpha = rz / pq
        for c in range(f):
            x[c] += alpha * p[c]
        if step + 1 == steps:
            break
        before = rz
        rz = np.float32(0)
        for c in range(f):
            r[c] -= alpha * q[c]
            rz += r[c] * r[c] / m[c]
        beta = rz / before
        for c in range(f):
            p[c] = r[c] / m[c] + beta * p[c]


@fast_kernel
def _blockwise(
    items: I32, weights: F32, y: F32, d: F32, size: int, t: F32, turned: F32, turned_w: F32, a: F32, g: F32, x: F32
) -> None:
    """From ``x``, solve blocks of ``size`` factors exactly, one pass; ``t`` holds the current scores of the events."""
    n, f = items.shape[0], y.shape[1]
    width = turned.shape[1]
    for j in range(n):
        row = y[items[j]]
        s = np.float32(0)
        for c in range(f):
            s += row[c] * x[c]
        t[j] = s
    for first in range(0, f, size):
        b = min(size, f - first)
        for c in range(b):
            for e in range(b):
                a[c, e] = 0.0
            a[c, c] = d[first + c]
            g[c] = d[first + c] * x[first + c]
        for start in range(0, n, width):
            many = min(width, n - start)
            for r in range(many):
                row, w = y[items[start + r]], weights[start + r]
                off = w * (t[start + r] - np.float32(1))
                for c in range(b):
                    turned[c, r] = row[first + c]
                    turned_w[c, r] = row[first + c] * w
                    g[c] += off * row[first + c]
            _add_dots(turned_w, b, turned, b, many, True, a)
        _factorise(a, b)
        _substitute(a, b, g)
        for c in range(b):
            x[first + c] -= g[c]
        for j in range(n):
            row = y[items[j]]
            s = np.float32(0)
            for c in range(b):
                s += row[first + c] * g[c]
            t[j] -= s


@fast_kernel
def solve(
    lo: int,
    hi: int,
    indptr: I64,
    items: I32,
    weights: F32,
    y: F32,  # (n_items, f), in the basis in which its Gram matrix is diagonal
    spectrum: F32,  # (f,) unobserved weight · eigenvalues of that matrix
    typical: F32,  # (f,) mean square of y over events: roughly what one event adds to the diagonal
    reg: F32,  # (rows,)
    few: int,  # solve rows of at most this many events exactly, by the system of the events
    steps: int,  # conjugate gradient steps for the other rows; 0: block by block
    size: int,  # factors in a block; with all factors, the solution is exact
    x: F32,  # (rows, f) in: start of conjugate gradient and blocks; out: the result
) -> None:
    """Solve the ridge problem of every row in ``[lo, hi)``; a row without events gets zeros."""
    f = y.shape[1]
    d, m = np.empty(f, np.float32), np.empty(f, np.float32)
    r, p, q = np.empty(f, np.float32), np.empty(f, np.float32), np.empty(f, np.float32)
    short, longest = 0, 0
    for row in range(lo, hi):
        n = indptr[row + 1] - indptr[row]
        longest = max(longest, n)
        if n <= few:
            short = max(short, n)
    scaled, plain = np.empty((short, f), np.float32), np.empty((short, f), np.float32)
    k, z = np.empty((short, short), np.float32), np.empty(longest, np.float32)
    side = min(size, f) if steps == 0 else 0
    turned, turned_w = np.empty((side, 64), np.float32), np.empty((side, 64), np.float32)
    a = np.empty((side, side), np.float32)
    for row in range(lo, hi):
        start, stop = indptr[row], indptr[row + 1]
        n = stop - start
        if n == 0:
            x[row] = 0.0
            continue
        of, w = items[start:stop], weights[start:stop]
        for c in range(f):
            d[c] = spectrum[c] + reg[row]
        if n <= few:
            for c in range(f):
                m[c] = np.float32(1) / d[c]
            _few_events(of, w, y, m, scaled, plain, k, z, x[row])
        elif steps == 0 and size >= f:
            _many_events(of, w, y, d, turned, turned_w, a, x[row])
        elif steps == 0:
            _blockwise(of, w, y, d, size, z, turned, turned_w, a, r, x[row])
        else:
            total = np.float32(0)
            for e in range(n):
                total += w[e]
            for c in range(f):
                m[c] = d[c] + total * typical[c]
            _conjugate(of, w, y, d, m, steps, r, p, q, x[row])
