"""Long arrays a block at a time, so that what is computed from them takes little memory beside them."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from typing import IO, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

EVENTS = 1 << 22  # of a block
IN_MEMORY = 2**29  # bytes of what is computed; more goes to files
CHOSEN = 2**25  # the same of each array that is chosen of a mapped one
T = TypeVar("T", bound=np.generic)


def row_blocks(indptr: NDArray[np.int64], events: int | None = None) -> Iterator[tuple[int, int]]:
    """Rows ``[lo, hi)`` that follow each other, with about ``EVENTS`` events or one row."""
    most, lo, rows = events or EVENTS, 0, len(indptr) - 1
    while lo < rows:
        hi = int(np.searchsorted(indptr, indptr[lo] + most, side="right")) - 1
        hi = min(max(hi, lo + 1), rows)
        yield lo, hi
        lo = hi


def is_mapped(array: NDArray[Any]) -> bool:
    """Whether an array is, or is part of, a mapped file."""
    base: Any = array
    while isinstance(base, np.ndarray):
        if isinstance(base, np.memmap):
            return True
        base = base.base
    return False


def chosen(array: NDArray[T], places: Iterator[NDArray[np.int64]], size: int) -> NDArray[T]:
    """``array`` at ``size`` places, which come in blocks.

    What is chosen of a mapped array is mapped, too, from a file without a name, where it takes more than ``CHOSEN``.
    Raises ``OSError`` where the disk is full.
    """
    shape = (size, *array.shape[1:])
    if not is_mapped(array) or array.itemsize * math.prod(shape) <= CHOSEN:
        out, at = np.empty(shape, array.dtype), 0
        for some in places:
            out[at : at + len(some)] = array[some]
            at += len(some)
        return out
    with tempfile.TemporaryFile() as file:
        for some in places:
            file.write(np.ascontiguousarray(array[some]).data)
        return mapped(file, array.dtype, shape)


def mapped(file: IO[bytes], dtype: np.dtype[T], shape: tuple[int, ...]) -> NDArray[T]:
    """What was written to a file without a name, mapped; the content stays when the file is closed."""
    file.flush()
    return np.asarray(np.memmap(file, dtype, "r+", shape=shape))


def places_of(keep: NDArray[np.bool_]) -> Iterator[NDArray[np.int64]]:
    """The places where a long mask is true, in blocks."""
    for lo in range(0, len(keep), EVENTS):
        yield lo + np.flatnonzero(keep[lo : lo + EVENTS])


def counted(numbers: NDArray[np.int32], size: int) -> NDArray[np.int64]:
    """How often each number from 0 below ``size`` occurs, as ``np.bincount`` counts it, which would copy them all."""
    out = np.zeros(size, dtype=np.int64)
    for lo in range(0, len(numbers), EVENTS):
        out += np.bincount(numbers[lo : lo + EVENTS], minlength=size)
    return out
