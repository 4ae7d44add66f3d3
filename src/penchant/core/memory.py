"""How much memory is free, and an error with numbers for work that would not fit."""

from __future__ import annotations

from pathlib import Path

from penchant.errors import MemoryLimitError

SHARE = 0.8  # of the free memory, at most, for one piece of work
MIB = 2**20


def free_bytes(root: Path = Path("/")) -> int | None:
    """Free bytes of the machine, or of the container (cgroup 1 or 2) if that is less; None if both are unknown.

    ``root`` is the folder of ``proc`` and ``sys``.
    """
    known = [free for free in (_machine(root), _container(root)) if free is not None]
    return min(known) if known else None


def fits(needed: int) -> bool:
    """Whether that many bytes are at most 80 % of the free memory."""
    free = free_bytes()
    return free is None or needed <= SHARE * free


def require(needed: int, what: str, instead: str) -> None:
    """Raise ``MemoryLimitError`` if ``needed`` bytes exceed 80 % of the free memory; ``instead`` says what to do."""
    free = free_bytes()
    if free is not None and needed > SHARE * free:
        raise MemoryLimitError(
            f"{what} needs {needed / MIB:,.0f} MiB, {free / MIB:,.0f} MiB are free and at most {SHARE:.0%} of that "
            f"({SHARE * free / MIB:,.0f} MiB) may be taken: {instead}"
        )


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
