"""Factorisation machines over sparse rows in fields: sums, exact gradients, steps, and the vectors of fields.

A group is one request: its own entries, and pairs ``[starts[g], starts[g + 1])`` with theirs. An entry has a feature, a
field and a value; the entries of one field are adjacent, and no field is in both the request and its pairs. With
e_f = Σ value · vector over the entries of a field, score = Σ value · linear + Σ_{f < g} e_f · e_g.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from penchant.kernels import fast_kernel, kernel

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]


@fast_kernel
def _gather(
    lo: int, hi: int, feature: I32, field: I32, value: F32, linear: F32, vectors: F32, total: F64, one: F64
) -> tuple[float, float]:
    """Add the vectors of the entries ``[lo, hi)`` to ``total``; the linear sum, and Σ_f |e_f|²."""
    d = total.shape[0]
    flat, squares = 0.0, 0.0
    at = lo
    while at < hi:
        f = field[at]
        for c in range(d):
            one[c] = 0.0
        while at < hi and field[at] == f:
            x = value[at]
            j = feature[at]
            flat += x * linear[j]
            for c in range(d):
                one[c] += x * vectors[j, c]
            at += 1
        for c in range(d):
            total[c] += one[c]
            squares += one[c] * one[c]
    return flat, squares


@kernel
def sums(
    lo: int,
    hi: int,
    starts: I64,
    request: I64,
    request_feature: I32,
    request_field: I32,
    request_value: F32,
    pair: I64,
    pair_feature: I32,
    pair_field: I32,
    pair_value: F32,
    linear: F32,
    vectors: F32,
    out: F64,
) -> None:
    """The scores ``(pairs,)`` of the groups ``[lo, hi)``."""
    d = vectors.shape[1]
    common, total, one = np.empty(d), np.empty(d), np.empty(d)
    for g in range(lo, hi):
        for c in range(d):
            common[c] = 0.0
        flat, squares = _gather(
            request[g], request[g + 1], request_feature, request_field, request_value, linear, vectors, common, one
        )
        for p in range(starts[g], starts[g + 1]):
            for c in range(d):
                total[c] = common[c]
            more, own = _gather(pair[p], pair[p + 1], pair_feature, pair_field, pair_value, linear, vectors, total, one)
            whole = 0.0
            for c in range(d):
                whole += total[c] * total[c]
            out[p] = flat + more + 0.5 * (whole - squares - own)


@fast_kernel
def _spread(
    lo: int, hi: int, feature: I32, field: I32, value: F32, vectors: F32, pull: F64, weight: float, d_linear: F64,
    d_vectors: F64, one: F64,
) -> None:  # fmt: skip
    """Add value · weight to the linear gradients of entries, and value · (pull − weight · e_f) to those of vectors."""
    d = pull.shape[0]
    at = lo
    while at < hi:
        f = field[at]
        begin = at
        for c in range(d):
            one[c] = 0.0
        while at < hi and field[at] == f:
            for c in range(d):
                one[c] += value[at] * vectors[feature[at], c]
            at += 1
        for entry in range(begin, at):
            x, j = value[entry], feature[entry]
            d_linear[j] += weight * x
            for c in range(d):
                d_vectors[j, c] += x * (pull[c] - weight * one[c])


@kernel
def gradients(
    groups: I64,
    starts: I64,
    request: I64,
    request_feature: I32,
    request_field: I32,
    request_value: F32,
    pair: I64,
    pair_feature: I32,
    pair_field: I32,
    pair_value: F32,
    target: F32,
    softmax: bool,
    linear: F32,
    vectors: F32,
    d_linear: F64,
    d_vectors: F64,
) -> float:
    """Add the gradient of the loss over ``groups`` to ``d_linear`` and ``d_vectors``; the loss.

    The loss of a pair is (score − target)² / 2; with ``softmax`` that of a group is −Σ_p target · log softmax(score)_p.
    """
    d = vectors.shape[1]
    most = 0
    for g in groups:
        most = max(most, starts[g + 1] - starts[g])
    common, one, pull = np.empty(d), np.empty(d), np.empty(d)
    totals, scores = np.empty((most, d)), np.empty(most)
    loss = 0.0
    for g in groups:
        base, n = starts[g], starts[g + 1] - starts[g]
        for c in range(d):
            common[c] = 0.0
            pull[c] = 0.0
        flat, squares = _gather(
            request[g], request[g + 1], request_feature, request_field, request_value, linear, vectors, common, one
        )
        highest, positives = -np.inf, 0.0
        for k in range(n):
            p = base + k
            for c in range(d):
                totals[k, c] = common[c]
            more, own = _gather(
                pair[p], pair[p + 1], pair_feature, pair_field, pair_value, linear, vectors, totals[k], one
            )
            whole = 0.0
            for c in range(d):
                whole += totals[k, c] * totals[k, c]
            scores[k] = flat + more + 0.5 * (whole - squares - own)
            highest = max(highest, scores[k])
            positives += target[p]
        if softmax:
            mass = 0.0
            for k in range(n):
                mass += math.exp(scores[k] - highest)
            for k in range(n):
                log = scores[k] - highest - math.log(mass)
                loss -= target[base + k] * log
                scores[k] = positives * math.exp(log) - target[base + k]
        else:
            for k in range(n):
                scores[k] -= target[base + k]
                loss += 0.5 * scores[k] * scores[k]
        weight = 0.0
        for k in range(n):
            p = base + k
            weight += scores[k]
            for c in range(d):
                totals[k, c] *= scores[k]
                pull[c] += totals[k, c]
            _spread(
                pair[p], pair[p + 1], pair_feature, pair_field, pair_value, vectors, totals[k], scores[k], d_linear,
                d_vectors, one,
            )  # fmt: skip
        _spread(
            request[g], request[g + 1], request_feature, request_field, request_value, vectors, pull, weight, d_linear,
            d_vectors, one,
        )  # fmt: skip
    return loss


@kernel
def step(
    linear: F32,
    vectors: F32,
    d_linear: F64,
    d_vectors: F64,
    linear_sum: F64,
    vector_sum: F64,
    rate: float,
    reg: float,
    share: float,
) -> None:
    """A step of Adagrad against ``share`` times the gradients plus ``reg`` times what is learned; gradients become 0.

    Features without a gradient stay as they are.
    """
    d = vectors.shape[1]
    for j in range(len(linear)):
        touched = d_linear[j] != 0.0
        for c in range(d):
            touched = touched or d_vectors[j, c] != 0.0
        if not touched:
            continue
        g = share * d_linear[j] + reg * linear[j]
        linear_sum[j] += g * g
        linear[j] -= rate * g / math.sqrt(linear_sum[j] + 1e-8)
        d_linear[j] = 0.0
        for c in range(d):
            g = share * d_vectors[j, c] + reg * vectors[j, c]
            vector_sum[j, c] += g * g
            vectors[j, c] -= rate * g / math.sqrt(vector_sum[j, c] + 1e-8)
            d_vectors[j, c] = 0.0


@kernel
def of_fields(lo: int, hi: int, indptr: I64, feature: I32, field: I32, value: F32, vectors: F32, out: F32) -> None:
    """The vector of every field ``(rows, fields, factors)`` of the rows ``[lo, hi)``, added to ``out``."""
    d = vectors.shape[1]
    for r in range(lo, hi):
        for at in range(indptr[r], indptr[r + 1]):
            for c in range(d):
                out[r, field[at], c] += value[at] * vectors[feature[at], c]
