"""How fast this machine is: three short benchmarks, at most three seconds, kept in the user's cache folder."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np

from penchant.planning.coefficients import coefficients

ROUNDS = 5  # of each benchmark; the fastest counts
LONGEST = 0.9  # seconds after which a benchmark is not repeated
RANDOM = 2**21  # entries that are read in random order: more than a cache holds
SIDE = 768  # of the matrices that are multiplied
KINDS = ("scattered", "sorting", "products")


def seconds_here(*, calibrate: bool = True) -> Mapping[str, float]:
    """The seconds of each benchmark on this machine, from the cache or measured now.

    Without ``calibrate``, those of the machine of the coefficients where this one was not measured yet.
    """
    key, file = _key(), cache_file()
    kept = _read(file)
    if key in kept:
        return kept[key]
    if not calibrate:
        return coefficients().machine
    found = measure()
    _write(file, {**kept, key: found})
    return found


def measure() -> dict[str, float]:
    """Run the benchmarks: processor seconds, so that other programs disturb them little."""
    rng = np.random.default_rng(0)
    table, order = rng.random(RANDOM, dtype=np.float32), rng.permutation(RANDOM).astype(np.int32)
    square = rng.random((SIDE, SIDE), dtype=np.float32)
    counts = (RANDOM * rng.random(RANDOM) ** 3).astype(np.int32)
    return {
        "scattered": _fastest(lambda: np.bincount(counts, weights=table[order], minlength=RANDOM)),
        "sorting": _fastest(lambda: np.sort(order[: RANDOM // 2])),
        "products": _fastest(lambda: _one_thread(square)),
    }


def slowness(here: Mapping[str, float], kinds: Mapping[str, float]) -> float:
    """How many times longer work takes here than on the machine of the coefficients, by shares of the benchmarks."""
    there = coefficients().machine
    return sum(share * here[kind] / there[kind] for kind, share in kinds.items())


def cache_file() -> Path:
    """Where the seconds are kept: in ``PENCHANT_CACHE``, ``XDG_CACHE_HOME`` or ``~/.cache``."""
    named = os.environ.get("PENCHANT_CACHE")
    if named:
        return Path(named) / "speed.json"
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "penchant" / "speed.json"


def _one_thread(square: np.ndarray) -> np.ndarray:
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"):
        return np.asarray(square @ square)


def _fastest(work: Callable[[], object]) -> float:
    times: list[float] = []
    while len(times) < ROUNDS and sum(times) < LONGEST:
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return max(min(times), 1e-6)


def _key() -> str:
    """The processor, its cores, and the versions whose speed is measured."""
    from penchant import __version__
    from penchant.kernels.threads import available

    return f"{processor()}, {available()} cores, numpy {np.__version__}, penchant {__version__}"


def processor() -> str:
    """The name of the processor."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _read(file: Path) -> dict[str, dict[str, float]]:
    """The machines of the file; none if it is not there or not what was written."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        return {
            key: {kind: float(of[kind]) for kind in KINDS}
            for key, of in found.items()
            if all(0 < float(of[kind]) < np.inf for kind in KINDS)
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}


def _write(file: Path, found: Mapping[str, Mapping[str, float]]) -> None:
    """Keep what was measured; a folder that cannot be written costs another calibration, nothing else."""
    from penchant.core.outputs import replacing_file

    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        with replacing_file(file) as fresh:
            fresh.write_text(json.dumps(found, indent=1), encoding="utf-8")
