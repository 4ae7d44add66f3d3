"""Columns on disk that grow: ``.npy`` files whose header is written again when their length is known."""

from __future__ import annotations

import errno
import mmap
import os
from io import BytesIO
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.lib import format as npy
from numpy.typing import DTypeLike, NDArray

from penchant.core.memory import MIB, free_bytes
from penchant.errors import FormatError, MemoryLimitError

HEADER = 128  # bytes: NumPy leaves room in it for a length of any size


class Growing:
    """A column to which blocks are appended; use it in ``with``. A file of the name is cut to ``length`` values."""

    def __init__(self, path: Path, dtype: DTypeLike, length: int = 0) -> None:
        self.path, self.dtype, self.length = path, np.dtype(dtype), length
        self._file = path.open("r+b" if path.exists() else "w+b")
        self._header()
        self._file.truncate(HEADER + length * self.dtype.itemsize)
        self._file.seek(0, os.SEEK_END)

    def append(self, block: NDArray[Any]) -> None:
        """Write more values."""
        self._file.write(np.ascontiguousarray(block, dtype=self.dtype).data)
        self.length += len(block)

    def flush(self) -> None:
        """Wait until the disk has all values, under a header of their number."""
        self._header()
        self._file.seek(0, os.SEEK_END)
        self._file.flush()
        os.fsync(self._file.fileno())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _header(self) -> None:
        text = BytesIO()
        described = {"descr": npy.dtype_to_descr(self.dtype), "fortran_order": False, "shape": (self.length,)}
        npy.write_array_header_1_0(text, described)
        assert len(text.getvalue()) == HEADER
        self._file.seek(0)
        self._file.write(text.getvalue())


def mapped(path: Path, dtype: DTypeLike, length: int) -> NDArray[Any]:
    """A column, mapped into memory: pages are read on use, and changes stay private.

    Raises ``FormatError`` for a file that is missing or has another type or length, and ``MemoryLimitError`` where
    ``ulimit -v`` leaves too little address space.
    """
    try:
        found = np.load(path, mmap_mode="c", allow_pickle=False) if length else np.empty(0, dtype)
    except (OSError, ValueError, EOFError) as error:
        if isinstance(error, OSError) and error.errno == errno.ENOMEM:
            needed, free = length * np.dtype(dtype).itemsize, free_bytes() or 0
            raise MemoryLimitError(
                f"mapping {path} needs {needed / MIB:,.0f} MiB of address space, and {free / MIB:,.0f} MiB are left: "
                "raise ulimit -v"
            ) from None
        raise FormatError(f"{path} cannot be read ({error})") from None
    if found.dtype != np.dtype(dtype) or found.shape != (length,):
        raise FormatError(f"{path} holds {found.shape} of {found.dtype}, not {length:,} of {np.dtype(dtype)}")
    return found.view(np.ndarray)


def let_go(array: NDArray[Any]) -> None:
    """Drop the pages of a mapped column from the memory of this process; they are read again on use."""
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, mmap.mmap) and hasattr(base, "madvise"):
        base.madvise(mmap.MADV_DONTNEED)
