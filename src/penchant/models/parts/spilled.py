"""Rows of a sparse operator that are kept in files once they are many, mapped into memory."""

from __future__ import annotations

import tempfile
from typing import IO, Self

import numpy as np

from penchant.core.blocks import IN_MEMORY, mapped
from penchant.core.histories import Floats, Ints


class SpilledRows:
    """Collects the columns and numbers of rows, in order; ``arrays`` are in memory, or mapped from files.

    Usage: ``with SpilledRows() as rows: ...; return rows.arrays()``. A file has no name, so it is gone when the arrays
    are, and after a kill. Pages of mapped files are given back when the system needs the memory. Raises ``OSError``
    where the disk is full.
    """

    def __init__(self, in_memory: int | None = None) -> None:
        self.in_memory = IN_MEMORY if in_memory is None else in_memory
        self._parts: list[tuple[Ints, Floats]] = []
        self._held = 0
        self._files: tuple[IO[bytes], IO[bytes]] | None = None
        self.size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files or ():
            file.close()

    def append(self, indices: Ints, data: Floats) -> None:
        """Take the entries of the next rows."""
        self.size += len(indices)
        self._parts.append((indices, data))
        self._held += indices.nbytes + data.nbytes
        if self._files is not None or self._held > self.in_memory:
            self._write()

    def arrays(self) -> tuple[Ints, Floats]:
        """All entries; to be asked for once, at the end. Every part is let go once it is copied."""
        if self._files is not None:
            of_indices, of_data = self._files
            shape = (self.size,)
            return mapped(of_indices, np.dtype(np.int32), shape), mapped(of_data, np.dtype(np.float32), shape)
        indices, data = np.empty(self.size, np.int32), np.empty(self.size, np.float32)
        at = 0
        self._parts.reverse()
        while self._parts:
            some, numbers = self._parts.pop()
            indices[at : at + len(some)], data[at : at + len(some)] = some, numbers
            at += len(some)
        return indices, data

    def _write(self) -> None:
        if self._files is None:
            self._files = (tempfile.TemporaryFile(), tempfile.TemporaryFile())  # noqa: SIM115  # they outlive this
        for part in self._parts:
            for file, array in zip(self._files, part, strict=True):
                file.write(np.ascontiguousarray(array).data)
        self._parts, self._held = [], 0
