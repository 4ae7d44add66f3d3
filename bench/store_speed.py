"""A log of five million events into a SQLite store, and a fit from the store against the same fit from Parquet.

python -m bench store-import [--events N]    `penchant events import` into an empty store; goal: 50,000 events a second
python -m bench store-fit [--rounds N]       `penchant fit` from both in turn; goal: 1.3 times the time of Parquet

The log is that of ``bench/zipf.py`` without ratings: repeated items of a person are left out, so it has some 5 million
rows of 5.6 million drawn. Each command is a process of its own; its processor time is that of the process and its
children. Writes ``bench/results/serve/store-import.json`` and ``store-fit.json``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from bench import machine, zipf
from bench.duel import RESULTS, WORK
from bench.serve_load import PENCHANT

EVENTS, ROUNDS = 5_000_000, 3
MODEL = "item-knn:neighbours=100"
AT_LEAST, AT_MOST = 50_000, 1.3  # events a second; times the seconds from Parquet
DRAWN = 1.12  # rows drawn for each that is left


def log(events: int) -> Path:
    """The log, written once for each size."""
    path = WORK / "store" / f"{events}.parquet"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        zipf.write(path, round(DRAWN * events), users=events // 12, plain=True)
    return path


def timed(command: list[str]) -> dict[str, float]:
    """Seconds and processor time of a command; raises ``CalledProcessError`` if it fails."""
    start = time.perf_counter()
    process = subprocess.Popen([str(PENCHANT), *command], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return {
        "seconds": round(time.perf_counter() - start, 2),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 2),
        "peak_mib": round(used.ru_maxrss / 1024, 1),
    }


def imported(path: Path, store: Path) -> dict[str, float]:
    """Import a log into a new store."""
    return timed(["events", "import", str(path), "--store", f"sqlite:///{store}", "--keep", "0"])


def _told(what: str, busy: float, path: Path) -> dict[str, Any]:
    import polars as pl

    return {
        "what": what,
        "command": "python -m bench " + " ".join(sys.argv[1:]),
        "machine": machine.describe(),
        "versions": machine.versions("penchant", "numpy", "polars", "sqlalchemy"),
        "busy_before": round(busy, 3),
        "events": pl.scan_parquet(path).select(pl.len()).collect().item(),
    }


def _write(name: str, told: dict[str, Any]) -> None:
    target = RESULTS / "serve" / f"{name}.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(told, indent=1) + "\n")


def store_import(*, events: int | None, force: bool) -> int:
    """Measure an import, write the result, and return 1 if the goal was missed."""
    busy, path = machine.require_quiet(force=force), log(events or EVENTS)
    told = _told("a log into an empty SQLite store", busy, path)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        found = imported(path, Path(folder) / "store.db")
        size = (Path(folder) / "store.db").stat().st_size
    told |= found | {"store_mib": round(size / 2**20, 1), "goal": AT_LEAST}
    told["events_a_second"] = round(told["events"] / found["seconds"])
    told["events_a_cpu_second"] = round(told["events"] / found["cpu_seconds"])
    _write("store-import", told)
    met = told["events_a_second"] >= AT_LEAST
    print(
        f"store-import: {told['events']:,} events, {told['events_a_second']:,} a second, "
        f"{told['events_a_cpu_second']:,} a second of processor time ({'met' if met else 'MISSED'}, limit {AT_LEAST:,})"
    )
    return int(not met)


def store_fit(*, events: int | None, rounds: int | None, force: bool) -> int:
    """Measure fits from both in turn, write the result, and return 1 if the goal was missed."""
    busy, path = machine.require_quiet(force=force), log(events or EVENTS)
    told = _told(f"{MODEL} from a SQLite store and from Parquet, in turn", busy, path)
    subprocess.run([str(PENCHANT), "warm"], check=True)  # no side loads a compiler that the other does not need
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        store = Path(folder) / "store.db"
        imported(path, store)
        sources = {"parquet": [str(path)], "store": ["--store", f"sqlite:///{store}"]}
        for name in sources:
            told[name] = []
        for _ in range(rounds or ROUNDS):
            for name, source in sources.items():
                saved = ["-m", MODEL, "-o", f"{folder}/{name}", "--force"]
                told[name].append(timed(["fit", *source, *saved]))
        items = {
            name: json.loads((Path(folder) / name / "manifest.json").read_text())["fitted_on"]["positives"]
            for name in sources
        }
    if len(set(items.values())) != 1:
        raise RuntimeError(f"the fits learned from different events: {items}")
    ratios = {
        kind: round(median(a[kind] / b[kind] for a, b in zip(told["store"], told["parquet"], strict=True)), 3)
        for kind in ("seconds", "cpu_seconds", "peak_mib")
    }
    told |= {"ratio": ratios["seconds"], "cpu_ratio": ratios["cpu_seconds"], "memory_ratio": ratios["peak_mib"]}
    told["goal"] = AT_MOST
    _write("store-fit", told)
    met = told["ratio"] <= AT_MOST
    print(
        f"store-fit: {told['ratio']}× the seconds, {told['cpu_ratio']}× the processor time of Parquet "
        f"({'met' if met else 'MISSED'}, limit {AT_MOST})"
    )
    return int(not met)
