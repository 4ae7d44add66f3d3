"""How much memory is free, and an error with numbers for work that would not fit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from penchant.errors import MemoryLimitError, ParameterError

SHARE = 0.8  # of the free memory, at most, for one piece of work
MIB = 2**20


START = 1024 * MIB  # address space that polars and its threads reserve, most of it never touched
RESERVE = 256 * MIB  # and what they may take while they read a batch: they abort the process where they get none
_SIZE = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?\s*$", re.IGNORECASE)
_allowed: list[int] = []  # limits in force, in bytes of this process
_regardless: list[bool] = []  # contexts in which ``require`` lets everything pass


def free_bytes(root: Path = Path("/")) -> int | None:
    """Free bytes: the least of what the machine, the container, ``ulimit -v`` and ``limited`` leave.

    None if none of these is known. ``root`` is where ``proc`` and ``sys`` are found; containers are cgroups 1 and 2.
    """
    known = [_machine(root), _container(root)]
    if root == Path("/"):
        known += [_address_space(), *(max(0, limit - _used(1)) for limit in _allowed)]
    found = [free for free in known if free is not None]
    return min(found) if found else None


def budget() -> int | None:
    """Bytes that reading may take: all that ``limited`` leaves, otherwise half of what is free; None if unknown."""
    free = free_bytes()
    return free if free is None or _allowed else free // 2


@contextmanager
def limited(size: int | str | None) -> Iterator[None]:
    """Within this context, the process is to stay below ``size``: bytes, or a text such as ``4GiB``; None: no limit.

    Raises ``ParameterError`` for a size that is not one.
    """
    limit = None if size is None else parse_size(size)
    if limit is not None:
        _allowed.append(limit)
    try:
        yield
    finally:
        if limit is not None:
            _allowed.remove(limit)


@contextmanager
def regardless(go: bool = True) -> Iterator[None]:
    """Within this context, ``require`` lets everything pass; without ``go`` it changes nothing."""
    if go:
        _regardless.append(go)
    try:
        yield
    finally:
        if go:
            _regardless.pop()


def parse_size(size: int | str) -> int:
    """A number of bytes: ``4GiB``, ``500M``, ``1000000``; raises ``ParameterError`` for anything else."""
    match = _SIZE.match(str(size))
    found = int(float(match[1]) * 1024 ** " KMGT".index(match[2].upper() or " ")) if match else 0
    if found <= 0:
        raise ParameterError(f"{size!r} is not an amount of memory: write 4GiB, 500MiB or a number of bytes")
    return found


def require_start() -> None:
    """Raise ``MemoryLimitError`` if ``ulimit -v`` leaves too little for polars, which would abort the process."""
    left = _address_space()
    if left is not None and left < START:
        raise MemoryLimitError(
            f"reading needs {START // MIB} MiB of address space, and ulimit -v leaves {left // MIB:,} MiB: raise it"
        )


class Meter:
    """Adds up what a piece of work holds in memory, and refuses to go beyond the budget."""

    def __init__(self, what: str, *, factor: float = 1.0) -> None:
        self.what, self.factor = what, factor  # the work takes `factor` times what it holds
        self.limit, self.held = budget(), 0

    def add(self, size: int, where: str = "") -> None:
        """Count ``size`` more bytes; raises ``MemoryLimitError`` with the budget if they are too many.

        Also where ``ulimit -v`` leaves so little that the next batch might end the process.
        """
        self.held += size
        if self.limit is not None and self.factor * self.held > self.limit:
            raise MemoryLimitError(
                f"{self.what} needs more than the {self.limit / MIB:,.0f} MiB of memory that it may take{where}: "
                "read fewer rows or columns, allow more (--memory, memory=...), or use a larger machine"
            )
        left = _address_space()
        if left is not None and left < RESERVE:
            raise MemoryLimitError(
                f"{self.what} needs more address space than ulimit -v leaves{where}, which is {left / MIB:,.0f} MiB: "
                "raise it"
            )


def fits(needed: int) -> bool:
    """Whether that many bytes are at most 80 % of the free memory."""
    free = free_bytes()
    return free is None or needed <= SHARE * free


def require(needed: int, what: str, instead: str) -> None:
    """Raise ``MemoryLimitError`` if ``needed`` bytes exceed 80 % of the free memory; ``instead`` says what to do."""
    free = free_bytes()
    if free is not None and needed > SHARE * free and not _regardless:
        raise MemoryLimitError(
            f"{what} needs {needed / MIB:,.0f} MiB, {free / MIB:,.0f} MiB are free and at most {SHARE:.0%} of that "
            f"({SHARE * free / MIB:,.0f} MiB) may be taken: {instead}"
        )


def _address_space() -> int | None:
    """What ``ulimit -v`` leaves; None if it sets no limit."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return None if limit == resource.RLIM_INFINITY else max(0, limit - _used(0))


def _used(which: int) -> int:
    """Bytes of this process: 0 its address space, 1 its resident memory; 0 if unknown."""
    import os

    try:
        return int(Path("/proc/self/statm").read_text().split()[which]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        return 0


def _machine(root: Path) -> int | None:
    try:
        lines = (root / "proc/meminfo").read_text().splitlines()
    except OSError:
        return _of_sysconf() if root == Path("/") else None
    for line in lines:
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return None


def _of_sysconf() -> int | None:
    """Without ``/proc``, half of the physical memory is assumed to be free."""
    import os

    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (AttributeError, ValueError, OSError):
        return None


def _container(root: Path) -> int | None:
    """The smallest limit minus usage over this process's cgroup and its parents; page cache counts as free."""
    try:
        groups = [line.split(":", 2) for line in (root / "proc/self/cgroup").read_text().splitlines()]
    except OSError:
        return None
    free: list[int] = []
    for _, controllers, path in (group for group in groups if len(group) == 3):
        if controllers == "":
            base, limit, used, cache = root / "sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"
        elif "memory" in controllers.split(","):
            base = root / "sys/fs/cgroup/memory"
            limit, used, cache = "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
        else:
            continue
        folder = base / path.lstrip("/")
        # inside a container the path may name folders of the host; missing ones are skipped
        for group in (folder, *(parent for parent in folder.parents if parent.is_relative_to(base))):
            most, now = _number(group / limit), _number(group / used)
            if most is not None and now is not None and most < 2**60:
                free.append(max(0, most - now + _of_stat(group / "memory.stat", cache)))
    return min(free) if free else None


def _number(file: Path) -> int | None:
    try:
        return int(file.read_text())
    except (OSError, ValueError):  # not there, or "max"
        return None


def _of_stat(file: Path, key: str) -> int:
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.split()[0] == key), 0)
