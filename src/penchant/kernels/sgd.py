"""Stochastic gradient steps for implicit-feedback factors: pairwise (BPR, WARP) and pointwise (logistic).

A step updates one row of ``x`` and two rows of ``y`` (one for the logistic loss). Step sizes are divided by the square
root of the row's accumulated squared gradients (Adagrad, one number per row). Every random stream has its own seed.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from penchant.kernels import fast_kernel

F32 = NDArray[np.float32]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]
U64 = NDArray[np.uint64]

BPR, WARP, LOGISTIC = 0, 1, 2


@fast_kernel
def _next(state: U64) -> np.int64:
    """The next 31 random bits (splitmix64)."""
    state[0] += np.uint64(0x9E3779B97F4A7C15)
    z = state[0]
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.int64((z ^ (z >> np.uint64(31))) >> np.uint64(33))


@fast_kernel
def _holds(items: I32, lo: int, hi: int, item: int) -> bool:
    """Whether ``item`` is in ``items[lo:hi]``, which is ascending (binary search)."""
    end = hi
    while lo < hi:
        middle = (lo + hi) >> 1
        if items[middle] < item:
            lo = middle + 1
        else:
            hi = middle
    return lo < end and items[lo] == item


@fast_kernel
def _dot(a: F32, b: F32) -> np.float32:
    s = np.float32(0)
    for c in range(a.shape[0]):
        s += a[c] * b[c]
    return s


@fast_kernel
def _sigmoid(v: float) -> float:
    return 1.0 / (1.0 + math.exp(-v))


@fast_kernel
def _pair(
    x: F32,
    x_sum: F32,
    r: int,
    y: F32,
    y_sum: F32,
    bias: F32,
    i: int,
    j: int,
    g: float,
    logistic: bool,
    rate: float,
    reg: float,
    learn: bool,
) -> None:
    """One ascent step on ``g · d`` for d = score of i − score of j; with ``logistic``, on ``g · log σ(d)``.

    With ``learn``, item vectors are updated too. One pass computes all sums for the scores and the three squared
    gradients.
    """
    f = x.shape[1]
    xr, yi, yj = x[r], y[i], y[j]
    zero = np.float32(0)
    xi, xj, ij, xx, ii, jj = zero, zero, zero, zero, zero, zero
    for c in range(f):
        vx, vi, vj = xr[c], yi[c], yj[c]
        xi += vx * vi
        xj += vx * vj
        ij += vi * vj
        xx += vx * vx
        ii += vi * vi
        jj += vj * vj
    if logistic:
        g *= _sigmoid(xj + bias[j] - xi - bias[i])
    gx, gi, size = np.float32(g), np.float32(reg), np.float32(1.0 / f)
    g2, gr, r2 = gx * gx, np.float32(2) * gx * gi, gi * gi
    x_sum[r] += max(g2 * (ii + jj - np.float32(2) * ij) - gr * (xi - xj) + r2 * xx, zero) * size
    step = np.float32(rate) / np.sqrt(x_sum[r])
    if not learn:
        for c in range(f):
            xr[c] += step * (gx * (yi[c] - yj[c]) - gi * xr[c])
        return
    y_sum[i] += max(g2 * xx - gr * xi + r2 * ii, zero) * size
    y_sum[j] += max(g2 * xx + gr * xj + r2 * jj, zero) * size
    up, down = np.float32(rate) / np.sqrt(y_sum[i]), np.float32(rate) / np.sqrt(y_sum[j])
    for c in range(f):
        xc, ic, jc = xr[c], yi[c], yj[c]
        xr[c] = xc + step * (gx * (ic - jc) - gi * xc)
        yi[c] = ic + up * (gx * xc - gi * ic)
        yj[c] = jc + down * (-gx * xc - gi * jc)
    bias[i] += up * (gx - gi * bias[i])
    bias[j] += down * (-gx - gi * bias[j])


@fast_kernel
def _point(
    x: F32, x_sum: F32, r: int, y: F32, y_sum: F32, bias: F32, i: int, g: float, rate: float, reg: float, learn: bool
) -> None:
    """One ascent step on ``g · score of i``; with ``learn``, the item vector is updated too."""
    f = x.shape[1]
    xr, yi = x[r], y[i]
    gx, gi, size = np.float32(g), np.float32(reg), np.float32(1.0 / f)
    sx, si = np.float32(0), np.float32(0)
    for c in range(f):
        dx, di = gx * yi[c] - gi * xr[c], gx * xr[c] - gi * yi[c]
        sx += dx * dx
        si += di * di
    x_sum[r] += sx * size
    step = np.float32(rate / math.sqrt(x_sum[r]))
    if not learn:
        for c in range(f):
            xr[c] += step * (gx * yi[c] - gi * xr[c])
        return
    y_sum[i] += si * size
    up = np.float32(rate / math.sqrt(y_sum[i]))
    for c in range(f):
        xc, ic = xr[c], yi[c]
        xr[c] = xc + step * (gx * ic - gi * xc)
        yi[c] = ic + up * (gx * xc - gi * ic)
    bias[i] += up * (gx - gi * bias[i])


@fast_kernel
def _learn_event(
    loss: int,
    r: int,
    i: int,
    weight: float,
    indptr: I64,
    items: I32,
    own: int,  # row of ``indptr`` whose items are never drawn as negatives
    pool: I32,
    x: F32,
    x_sum: F32,
    y: F32,
    y_sum: F32,
    bias: F32,
    rate: float,
    reg: float,
    tries: int,
    learn: bool,
    state: U64,
    shown: I32,  # negatives may come from ``shown[first:last]``
    first: int,
    last: int,
    from_shown: float,
) -> None:
    lo, hi, size = indptr[own], indptr[own + 1], pool.shape[0]
    score = np.float32(0) if loss == 0 else _dot(x[r], y[i]) + bias[i]
    if loss == 2:
        _point(x, x_sum, r, y, y_sum, bias, i, weight * _sigmoid(-float(score)), rate, reg, learn)
    for trial in range(tries):
        if last > first and _next(state) < from_shown * 2147483648.0:
            j = shown[first + ((_next(state) * (last - first)) >> 31)]
        else:
            j = pool[(_next(state) * size) >> 31]
            if _holds(items, lo, hi, j):
                continue
        if loss == 0:
            _pair(x, x_sum, r, y, y_sum, bias, i, j, weight, True, rate, reg, learn)
            return
        other = _dot(x[r], y[j]) + bias[j]
        if loss == 2:
            _point(x, x_sum, r, y, y_sum, bias, j, -_sigmoid(other), rate, reg, learn)
        elif other > score - 1.0:
            # estimate of the number of items above, from the number of tries until one was found
            above = max((y.shape[0] - 1) // (trial + 1), 1)
            _pair(x, x_sum, r, y, y_sum, bias, i, j, weight * math.log(1.0 + above), False, rate, reg, learn)
            return


@fast_kernel
def learn_events(
    lo: int,
    hi: int,
    loss: int,  # 0 BPR, 1 WARP, 2 logistic
    order: I64,  # event indices, in the order of this pass
    rows: I32,  # (events,)
    indptr: I64,
    items: I32,  # ascending within a row
    weights: F32,
    pool: I32,  # items from which negatives are drawn
    x: F32,
    x_sum: F32,
    y: F32,
    y_sum: F32,
    bias: F32,
    rate: float,
    reg: float,
    tries: int,  # draws per event: until one is not of the row (BPR) or scores above (WARP); all (logistic)
    seed: int,
    shown_at: I64,  # (rows * groups + 1,) or (0,): where in ``shown`` those of a row and a group of items begin
    shown: I32,  # shown to a row and not taken
    group: int,  # that of the items that may be drawn
    groups: int,
    from_shown: float,  # the share of the negatives that come from ``shown``
) -> None:
    """Learn from the events ``order[lo:hi]``, one after another."""
    state = np.empty(1, dtype=np.uint64)
    state[0] = np.uint64(seed)
    for at in range(lo, hi):
        e = order[at]
        r = rows[e]
        first, last = 0, 0
        if from_shown > 0.0:
            first, last = int(shown_at[r * groups + group]), int(shown_at[r * groups + group + 1])
        _learn_event(
            loss, r, items[e], weights[e], indptr, items, r, pool,
            x, x_sum, y, y_sum, bias, rate, reg, tries, True, state, shown, first, last, from_shown,
        )  # fmt: skip


@fast_kernel
def fold_rows(
    lo: int,
    hi: int,
    loss: int,
    passes: int,
    indptr: I64,
    items: I32,
    weights: F32,
    pool: I32,
    x: F32,  # (rows, f) in: the start; out: the result
    y: F32,
    bias: F32,
    rate: float,
    reg: float,
    tries: int,
) -> None:
    """Make ``passes`` over the events of every row with fixed items; the draws depend only on the row's items."""
    state = np.empty(1, dtype=np.uint64)
    x_sum = np.empty(1, dtype=np.float32)
    for row in range(lo, hi):
        mine = x[row : row + 1]
        x_sum[0] = 1.0
        state[0] = np.uint64(1)
        for e in range(indptr[row], indptr[row + 1]):
            state[0] = state[0] * np.uint64(6364136223846793005) + np.uint64(items[e])
        for _ in range(passes):
            for e in range(indptr[row], indptr[row + 1]):
                _learn_event(
                    loss, 0, items[e], weights[e], indptr, items, row, pool,
                    mine, x_sum, y, x_sum, bias, rate, reg, tries, False, state, items, 0, 0, 0.0,
                )  # fmt: skip


@fast_kernel
def learn_histories(
    lo: int,
    hi: int,
    order: I64,  # row indices, in the order of this pass
    indptr: I64,
    items: I32,
    weights: F32,
    pool: I32,
    power: float,  # x = Σ y / (events)^power
    shown_at: I64,  # (rows + 1,) or (0,): where in ``shown`` each row's items are
    shown: I32,  # shown to a row and not taken
    from_shown: float,  # the share of the negatives that come from ``shown``
    y: F32,
    y_sum: F32,
    bias: F32,
    rate: float,
    reg: float,
    tries: int,
    seed: int,
) -> None:
    """BPR in which the vector of a row is the scaled sum of the vectors of its other items; one row after another."""
    f = y.shape[1]
    state = np.empty(1, dtype=np.uint64)
    state[0] = np.uint64(seed)
    total, x, pull = np.empty(f, np.float32), np.empty(f, np.float32), np.empty(f, np.float32)
    lam, size = np.float32(reg), np.float32(1.0 / f)
    for at in range(lo, hi):
        row = order[at]
        start, stop = indptr[row], indptr[row + 1]
        n = stop - start
        if n < 2:
            continue
        share = np.float32(float(n - 1) ** -power)
        for c in range(f):
            total[c], pull[c] = 0.0, 0.0
        for e in range(start, stop):
            yi = y[items[e]]
            for c in range(f):
                total[c] += yi[c]
        for e in range(start, stop):
            i = items[e]
            j = -1
            others = shown_at[row + 1] - shown_at[row] if from_shown > 0.0 else 0
            if others > 0 and _next(state) < from_shown * 2147483648.0:
                j = shown[shown_at[row] + ((_next(state) * others) >> 31)]
            for _ in range(0 if j >= 0 else tries):
                drawn = pool[(_next(state) * pool.shape[0]) >> 31]
                if not _holds(items, start, stop, drawn):
                    j = drawn
                    break
            if j < 0:
                continue
            yi, yj = y[i], y[j]
            s = bias[i] - bias[j]
            for c in range(f):
                x[c] = share * (total[c] - yi[c])
                s += x[c] * (yi[c] - yj[c])
            g = np.float32(weights[e] * _sigmoid(-s))
            si, sj = np.float32(0), np.float32(0)
            for c in range(f):
                pull[c] += g * (yi[c] - yj[c])
                di, dj = g * x[c] - lam * yi[c], -g * x[c] - lam * yj[c]
                si += di * di
                sj += dj * dj
            y_sum[i] += si * size
            y_sum[j] += sj * size
            up, down = np.float32(rate / math.sqrt(y_sum[i])), np.float32(rate / math.sqrt(y_sum[j]))
            for c in range(f):
                before = yi[c]
                yi[c] += up * (g * x[c] - lam * yi[c])
                yj[c] += down * (-g * x[c] - lam * yj[c])
                total[c] += yi[c] - before
            bias[i] += up * (g - lam * bias[i])
            bias[j] += down * (-g - lam * bias[j])
        # distribute the gradient of the row's vector, summed over its events, to the items that compose it
        s2 = np.float32(0)
        for c in range(f):
            pull[c] *= share
            s2 += pull[c] * pull[c]
        for e in range(start, stop):
            yi = y[items[e]]
            y_sum[items[e]] += s2 * size
            up = np.float32(rate / math.sqrt(y_sum[items[e]]))
            for c in range(f):
                yi[c] += up * pull[c]
