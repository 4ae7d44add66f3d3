"""The machine that the numbers were measured on, and whether it was quiet enough to measure."""

from __future__ import annotations

import os
import platform
import resource
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

BUSY = 0.15  # share of the processors that other programs may use
_STAT = Path("/proc/stat")


class BusyError(RuntimeError):
    """Other programs are using the processors, so timings would be meaningless."""


def describe() -> dict[str, Any]:
    """Processor, cores, memory, system and Python version, with nothing that identifies the machine or its owner."""
    return {
        "processor": _processor(),
        "cores": cores(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def versions(*packages: str) -> dict[str, str]:
    """The versions of the given packages that are installed."""
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def busy(seconds: float = 2.0) -> float:
    """The share of all cores in use by others now, including time stolen by the host; this process sleeps meanwhile."""
    if not _STAT.exists():
        return min(1.0, os.getloadavg()[0] / cores())
    before = _ticks()
    time.sleep(seconds)
    after = _ticks()
    total = sum(after) - sum(before)
    idle = sum(after[3:5]) - sum(before[3:5])  # idle and waiting for a disk
    return (total - idle) / total if total else 0.0


def stolen() -> float:
    """Seconds of processor time that the host has withheld from this machine since boot."""
    return _ticks()[7] / os.sysconf("SC_CLK_TCK") if _STAT.exists() else 0.0


def peak_mib() -> float:
    """The peak memory of this process so far, in MiB; its parent and its children do not count."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage also counts the parent if that was larger when it started this process
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return round(int(line.split()[1]) / 2**10, 1)
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit, 1)


def require_quiet(*, force: bool) -> float:
    """Refuse to measure on a busy machine, unless forced; return the busy share."""
    share = busy()
    if share > BUSY and not force:
        raise BusyError(
            f"{share:.0%} of the processors are in use by something else (limit {BUSY:.0%}): "
            "wait until the machine is quiet, or measure all the same with --force"
        )
    return share


def _ticks() -> list[int]:
    """The first line of ``/proc/stat``: user, nice, system, idle, iowait, irq, softirq, steal."""
    with _STAT.open() as stat:
        return [int(word) for word in stat.readline().split()[1:9]]


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
