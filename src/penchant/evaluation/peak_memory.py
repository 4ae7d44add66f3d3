"""The peak memory of a piece of work, above what the process held before."""

from __future__ import annotations

import threading
from pathlib import Path
from types import TracebackType
from typing import Self

SECONDS_BETWEEN = 0.005
STATUS = Path("/proc/self/status")


def resident() -> tuple[int, int]:
    """Bytes the process holds now, and its record; without /proc both are the record."""
    try:
        lines = STATUS.read_text(encoding="ascii").splitlines()
    except OSError:
        most = _most_by_resource()
        return most, most
    found = {line[:6]: int(line.split()[1]) * 1024 for line in lines if line.startswith(("VmRSS:", "VmHWM:"))}
    return found["VmRSS:"], found["VmHWM:"]


def _most_by_resource() -> int:
    import sys

    try:
        import resource
    except ImportError:  # Windows: unknown, shown as 0
        return 0
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


class PeakMemory:
    """``with PeakMemory() as peak: ...``; afterwards ``peak.bytes`` is the most by which the process grew.

    Exact where the work sets a new record of the process. Otherwise a thread samples every few milliseconds, also
    while compiled code runs without the interpreter's lock.
    """

    def __init__(self) -> None:
        self.bytes = 0
        self._before = self._record = self._most = 0
        self._done = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="penchant-memory", daemon=True)

    def __enter__(self) -> Self:
        self._before, self._record = resident()
        self._most = self._before
        self._watcher.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._watcher.join()
        now, record = resident()
        most = max(self._most, now, record if record > self._record else 0)
        self.bytes = max(0, most - self._before)

    def _watch(self) -> None:
        while not self._done.wait(SECONDS_BETWEEN):
            self._most = max(self._most, resident()[0])
