"""Long arrays a block at a time, so that what is computed from them takes little memory beside them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

EVENTS = 1 << 22  # of a block


def row_blocks(indptr: NDArray[np.int64], events: int | None = None) -> Iterator[tuple[int, int]]:
    """Rows ``[lo, hi)`` that follow each other, with about ``EVENTS`` events or one row."""
    most, lo, rows = events or EVENTS, 0, len(indptr) - 1
    while lo < rows:
        hi = int(np.searchsorted(indptr, indptr[lo] + most, side="right")) - 1
        hi = min(max(hi, lo + 1), rows)
        yield lo, hi
        lo = hi


def counted(numbers: NDArray[np.int32], size: int) -> NDArray[np.int64]:
    """How often each number from 0 below ``size`` occurs, as ``np.bincount`` counts it, which would copy them all."""
    out = np.zeros(size, dtype=np.int64)
    for lo in range(0, len(numbers), EVENTS):
        out += np.bincount(numbers[lo : lo + EVENTS], minlength=size)
    return out
