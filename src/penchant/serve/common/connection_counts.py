"""How many connections each worker has, in a file that all of them map."""

from __future__ import annotations

import mmap
from pathlib import Path

GONE = 2**62  # connections of a worker that does not run: nobody waits for it to take one
BYTES = 8


class ConnectionCounts:
    """A number for each worker. ``own`` is the worker that this process is, if it is one."""

    def __init__(self, folder: Path, *, own: int | None = None) -> None:
        with _file(folder).open("r+b") as file:
            self._counts = memoryview(mmap.mmap(file.fileno(), 0)).cast("q")
        self._own = own

    @classmethod
    def make(cls, folder: Path, workers: int) -> ConnectionCounts:
        """Make the file, for workers none of which runs yet."""
        _file(folder).write_bytes(bytes(BYTES * workers))
        made = cls(folder)
        for number in range(workers):
            made.set(number, GONE)
        return made

    def set(self, number: int, count: int) -> None:
        """Note the connections of a worker."""
        self._counts[number] = count

    def fewest(self) -> int:
        """The smallest number of the other workers, ``GONE`` if none of them runs."""
        return min((count for number, count in enumerate(self._counts) if number != self._own), default=GONE)


def _file(folder: Path) -> Path:
    return folder / "connections"
