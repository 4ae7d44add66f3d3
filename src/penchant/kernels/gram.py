"""The dense Gram matrix XᵀX of sparse histories, one triangle."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.extending import intrinsic
from numpy.typing import NDArray

from penchant.kernels import kernel

F32 = NDArray[np.float32]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]
U64 = NDArray[np.uint64]


def _ones(_context: Any, word: Any) -> Any:
    """How many bits of a word are set: one instruction, or one for several words where the processor has it."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return word(word), generate


ones: Any = intrinsic(_ones)  # inside kernels it takes the word alone


@kernel
def set_bits(lo: int, hi: int, indptr: I64, rows: I32, bits: U64) -> None:
    """Bit ``u`` of ``bits[i]`` (n, words) says whether history u holds item i; ``bits`` begins as zeros."""
    for i in range(lo, hi):
        for h in range(indptr[i], indptr[i + 1]):
            bits[i, rows[h] >> 6] |= np.uint64(1) << np.uint64(rows[h] & 63)


@kernel
def gram_rows(
    lo: int,
    hi: int,
    indptr: I64,  # (n + 1,) into the next two: the events of every item
    events: I32,  # where each stands among ``items``
    ends: I32,  # and where its history ends there
    items: I32,  # items of the histories, ascending within each
    values: F32,  # beside ``items``, or (0,) for ones
    bits: U64,  # as ``set_bits`` makes them, or (n, 0) to do without
    out: F32,  # (n, n) zeros
) -> None:
    """``out[i, j] = Σ_u x_ui · x_uj`` for ``lo <= i < hi`` and ``j >= i``; a row of ``out`` stays in the cache.

    A pair costs about four times what a word of bits costs, so the rows of popular items are counted by their bits.
    """
    n, words = bits.shape
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
        if words > 0 and 4 * pairs > (n - i) * words:
            mine = bits[i]
            for j in range(i, n):
                other = bits[j]
                both = np.uint64(0)
                for w in range(words):
                    both += ones(mine[w] & other[w])
                into[j] = np.float32(both)
        else:
            for h in range(start, end):
                for e in range(events[h], ends[h]):
                    into[items[e]] += np.float32(1.0)


@kernel
def gram_to_weights(lo: int, hi: int, inverse: F32, scale: F32) -> None:
    """Turn the upper triangle of P = (XᵀX + Λ)⁻¹ into W_ij = −P_ij / P_jj, W_ii = 0, in place and in full.

    ``scale`` is −1 / diag(P). Works on the tiles ``[lo, hi)`` of the upper triangle, counted row by row.
    """
    n = inverse.shape[0]
    side = 64  # a tile and its mirror image fit into the cache together
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
