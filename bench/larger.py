"""Logs larger than memory: time and memory of preparing and fitting against rows, each step in a process of its own.

A log of n rows has n / 10 people and n / 100 items: Zipf's law with exponent 0.9, log-normal history lengths, no
repeats. Results are kept in ``bench/results/growth/rows.json``; steps already there are not measured again.
"""

from __future__ import annotations

import json
import resource
import shutil
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench import child, machine, zipf
from bench.peers import ROOT

RESULTS = ROOT / "bench" / "results" / "growth" / "rows.json"
ROWS = (10**6, 10**7, 10**8)
DISK = 300  # bytes a row that a size needs, the log and lists included
SECONDS_BETWEEN = 0.02


@dataclass(frozen=True)
class Step:
    """A command, and the rows beyond which it is not run, because of its memory or its time."""

    name: str
    words: tuple[str, ...]
    most: int = 10**8


KNN = ("fit", "{folder}", "-m", "item-knn", "-o", "{model}", "--lists", "{lists}", "-k", "20")
STEPS = [
    Step("prepare", ("prepare", "{log}", "-o", "{folder}")),
    Step("popular", ("fit", "{folder}", "-m", "popular", "-o", "{model}")),
    Step("transitions", ("fit", "{folder}", "-m", "transitions", "-o", "{model}")),
    Step("item-knn and lists", KNN),
    Step("als", ("fit", "{folder}", "-m", "als:factors=32,epochs=5", "-o", "{model}")),
    Step("rp3beta", ("fit", "{folder}", "-m", "rp3beta", "-o", "{model}"), 10**7),
    Step("ease", ("fit", "{folder}", "-m", "ease", "-o", "{model}"), 10**6),  # beyond, its matrix takes 40 GB
    Step("sparse-ease", ("fit", "{folder}", "-m", "sparse-ease", "-o", "{model}"), 10**6),  # beyond, hours
    Step("graph-filter", ("fit", "{folder}", "-m", "graph-filter", "-o", "{model}"), 10**7),
    Step("bpr", ("fit", "{folder}", "-m", "bpr:epochs=5", "-o", "{model}"), 10**7),
]  # fmt: skip


def work(rows: list[int], *, force: bool = False, limit: float | None = None) -> int:
    """Measure the missing steps, the smallest log first; returns how many failed."""
    busy = machine.require_quiet(force=force)
    done = load()
    done["busy"] = done.get("busy", False) or busy > machine.BUSY
    failed = 0
    for n in rows or ROWS:
        waiting = [step for step in STEPS if n <= step.most and f"{step.name}, {n}" not in done["steps"]]
        if not waiting:
            continue
        home = Path(tempfile.mkdtemp(prefix="penchant-growth-"))
        try:
            if shutil.disk_usage(home).free < DISK * n:
                raise FileNotFoundError(f"{n:,} rows need {DISK * n / 2**30:.0f} GiB of disk in {home.parent}")
            zipf.write(home / "log.parquet", n, users=n // 10, items=n // 100, plain=True)
            failed += _steps(home, n, waiting, done, limit)
        finally:
            shutil.rmtree(home, ignore_errors=True)
    return failed


def load() -> dict[str, Any]:
    """The results so far."""
    empty: dict[str, Any] = {"command": "python -m bench growth", "steps": {}}
    found: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else empty
    return found


def points(done: dict[str, Any], step: str, what: str) -> list[tuple[int, float]]:
    """The rows and a figure of every measured size of a step, the smallest first."""
    keys = [(int(key.rpartition(", ")[2]), key) for key in done["steps"] if key.rpartition(", ")[0] == step]
    return [(rows, done["steps"][key][what]) for rows, key in sorted(keys)]


def exponent(found: list[tuple[int, float]]) -> float | None:
    """The slope of a figure against rows on logarithmic axes, by least squares; None for fewer than two sizes."""
    if len(found) < 2:
        return None
    rows, values = np.log(np.array(found)).T
    return float(np.polyfit(rows, values, 1)[0])


def _steps(home: Path, rows: int, waiting: list[Step], done: dict[str, Any], limit: float | None) -> int:
    places = {
        "log": home / "log.parquet",
        "folder": home / "log",
        "model": home / "model",
        "lists": home / "lists.parquet",
    }
    if all(step.name != "prepare" for step in waiting):
        waiting = [STEPS[0], *waiting]
    for step in waiting:
        words = [word.format(**places) for word in step.words]
        try:
            found = child.run([sys.executable, "-m", "bench.larger", *words], limit=limit)
        except child.ChildError as error:
            print(f"{rows:,} rows, {step.name}: {error}", file=sys.stderr)
            return 1
        if step.name == "prepare":
            found["disk_mib"] = round(sum(file.stat().st_size for file in places["folder"].rglob("*")) / 2**20, 1)
        done["steps"][f"{step.name}, {rows}"] = found
        done |= {"machine": machine.describe(), "versions": machine.versions("penchant", "numpy", "polars", "numba")}
        RESULTS.parent.mkdir(parents=True, exist_ok=True)
        RESULTS.write_text(json.dumps(done, indent=1) + "\n")
        print(f"{rows:,} rows, {step.name}: {found}", file=sys.stderr)
        shutil.rmtree(places["model"], ignore_errors=True)
        places["lists"].unlink(missing_ok=True)
    return 0


def measure(words: list[str]) -> dict[str, float]:
    """Run a command in this process: seconds by the clock and of the processors, and the memory at its peak.

    ``own_mib`` leaves out pages of mapped files, which the system takes back when it needs them.
    """
    from penchant.cli.main import main

    own, over = [0], threading.Event()

    def watch() -> None:
        status = Path("/proc/self/status")
        while not over.wait(SECONDS_BETWEEN):
            own[0] = max(own[0], int(status.read_text().partition("RssAnon:")[2].split()[0]))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    start = time.perf_counter()
    code = main(words)
    seconds = time.perf_counter() - start
    over.set()
    watcher.join()
    if code:
        raise SystemExit(code)
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "seconds": round(seconds, 2), "cpu_seconds": round(used.ru_utime + used.ru_stime, 2),
        "peak_mib": machine.peak_mib(), "own_mib": round(own[0] / 1024, 1),
    }  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1:])))
