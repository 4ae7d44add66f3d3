"""A whole ``penchant events import`` of a million events into an empty SQLite store."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path

from bench.contenders import store_fit
from bench.duel import Goal, Numbers, Question, Side

EVENTS = 1_000_000


def prepare(folder: Path) -> None:
    """Write the log."""
    if not (folder / "log.parquet").exists():
        store_fit.log(folder / "log.parquet", EVENTS)


def ours(folder: Path) -> Numbers:
    """Import it."""
    for file in folder.glob("store.db*"):
        file.unlink()
    program = str(Path(sys.executable).with_name("penchant"))
    command = [program, "events", "import", str(folder / "log.parquet"), "--store", f"sqlite:///{folder / 'store.db'}"]
    start = time.perf_counter()
    done = subprocess.run([*command, "--json"], check=True, capture_output=True)
    seconds = time.perf_counter() - start
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "seconds": seconds,
        "processor seconds": used.ru_utime + used.ru_stime,
        "events a second": json.loads(done.stdout)["imported"] / seconds,
    }


def judge(mine: Side, theirs: Side) -> list[Goal]:
    """Goal: a year of a large shop arrives in minutes."""
    return [Goal("events a second", mine["events a second"], 50_000, at_least=True)]


QUESTION = Question(
    title="A million events imported into an empty SQLite store, as a whole process",
    how="from Parquet; the log of store-fit, shorter",
    prepare=prepare,
    judge=judge,
    rounds=3,
)
