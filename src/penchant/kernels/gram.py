"""The upper triangle of the dense Gram matrix XᵀX of sparse histories."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from penchant.kernels import kernel
from penchant.kernels.instructions import ones

F32 = NDArray[np.float32]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]
U64 = NDArray[np.uint64]


@kernel
def set_bits(lo: int, hi: int, indptr: I64, rows: I32, bits: U64) -> None:
    """Set bit ``u`` of ``bits[i]`` (n, words) if history u contains item i; ``bits`` must be all zeros."""
    for i in range(lo, hi):
        for h in range(indptr[i], indptr[i + 1]):
            bits[i, rows[h] >> 6] |= np.uint64(1) << np.uint64(rows[h] & 63)


@kernel
def gram_rows(
    lo: int,
    hi: int,
    indptr: I64,  # (n + 1,) into the next two: the events of every item
    events: I64,  # its index in ``items``
    ends: I64,  # the end of its history in ``items``
    items: I32,  # items of the histories, ascending within each history
    values: F32,  # parallel to ``items``; (0,) if all are one
    bits: U64,  # from ``set_bits``, or (n, 0) to work without bits
    out: F32,  # (n, n) zeros
) -> None:
    """``out[i, j] = Σ_u x_ui · x_uj`` for ``lo <= i < hi`` and ``j >= i``; a row of ``out`` stays in the cache.

    Adding one pair costs about as much as comparing sixteen words of bits. So popular items are counted by bits.
    """
    n, words = bits.shape
    four, waiting = np.empty(4, np.int64), 0
    for i in range(lo, hi):
        into = out[i]
        start, end = indptr[i], indptr[i + 1]
        if values.shape[0] > 0:
            for h in range(start, end):
                x = values[events[h]]
                for e in range(events[h], ends[h]):
                    into[items[e]] += x * values[e]
            continue
        pairs = 0
        for h in range(start, end):
            pairs += ends[h] - events[h]
        if words > 0 and 16 * pairs > (n - i) * words:
            four[waiting] = i
            waiting += 1
            if waiting == 4:
                rows_of_bits(four, bits, out)
                waiting = 0
        else:
            for h in range(start, end):
                for e in range(events[h], ends[h]):
                    into[items[e]] += np.float32(1.0)
    if waiting > 0:
        four[waiting:] = four[waiting - 1]  # fill up with the last item: its row is computed more than once
        rows_of_bits(four, bits, out)


@kernel
def rows_of_bits(four: I64, bits: U64, out: F32) -> None:
    """Count the rows of four items, in ascending order, by bits; one read of another item serves all four."""
    n, words = bits.shape
    i0, i1, i2, i3 = four[0], four[1], four[2], four[3]
    b0, b1, b2, b3 = bits[i0], bits[i1], bits[i2], bits[i3]
    for j in range(i0, n):
        other = bits[j]
        n0, n1, n2, n3 = np.uint64(0), np.uint64(0), np.uint64(0), np.uint64(0)
        for w in range(words):
            word = other[w]
            n0 += ones(b0[w] & word)
            n1 += ones(b1[w] & word)
            n2 += ones(b2[w] & word)
            n3 += ones(b3[w] & word)
        out[i0, j] = np.float32(n0)
        if j >= i1:
            out[i1, j] = np.float32(n1)
        if j >= i2:
            out[i2, j] = np.float32(n2)
        if j >= i3:
            out[i3, j] = np.float32(n3)


@kernel
def gram_to_weights(lo: int, hi: int, inverse: F32, scale: F32) -> None:
    """Turn the upper triangle of P = (XᵀX + Λ)⁻¹ into the full matrix W_ij = −P_ij / P_jj, W_ii = 0, in place.

    ``scale`` is −1 / diag(P). Processes the tiles ``[lo, hi)`` of the upper triangle, numbered row by row.
    """
    n = inverse.shape[0]
    side = 64  # a tile and its mirror image fit into the cache
    tiles = (n + side - 1) // side
    row, first = 0, 0
    while first + tiles - row <= lo:
        first += tiles - row
        row += 1
    column = row + lo - first
    for _ in range(lo, hi):
        for i in range(row * side, min(n, (row + 1) * side)):
            for j in range(max(i, column * side), min(n, (column + 1) * side)):
                value = inverse[i, j]
                inverse[i, j] = value * scale[j]
                inverse[j, i] = value * scale[i]
            if row == column:
                inverse[i, i] = 0.0
        column += 1
        if column == tiles:
            row += 1
            column = row
