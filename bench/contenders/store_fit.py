"""A whole ``penchant fit`` on five million events: from a SQLite store, and from a Parquet file of the same events."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from bench.duel import Goal, Numbers, Question, Side

EVENTS, USERS, ITEMS = 5_000_000, 150_000, 20_000


def log(path: Path, events: int) -> None:
    """Write a log with long tails of users and items, kinds, and times within a year; seed 0."""
    import polars as pl

    rng = np.random.default_rng(0)
    users = (USERS * rng.beta(0.7, 2.0, events)).astype(np.int64)
    items = (ITEMS * rng.beta(0.5, 4.0, events)).astype(np.int64)
    kinds = np.array(["view", "cart", "purchase"])[rng.choice(3, events, p=[0.8, 0.15, 0.05])]
    times = int(time.time()) - rng.integers(0, 360 * 86_400, events)
    columns = {"user": [f"user-{n}" for n in users], "item": [f"item-{n}" for n in items], "kind": kinds, "time": times}
    pl.DataFrame(columns).write_parquet(path)


def prepare(folder: Path) -> None:
    """Import the log into a store, and export the store."""
    if (folder / "events.parquet").exists():
        return
    log(folder / "log.parquet", EVENTS)
    store = ["--store", _url(folder)]
    subprocess.run([_penchant(), "events", "import", str(folder / "log.parquet"), *store], check=True)
    subprocess.run([_penchant(), "events", "export", *store, "-o", str(folder / "events.parquet")], check=True)


def _url(folder: Path) -> str:
    return f"sqlite:///{folder / 'store.db'}"


def _penchant() -> str:
    return str(Path(sys.executable).with_name("penchant"))


def _fit(folder: Path, *source: str) -> Numbers:
    command = [_penchant(), "fit", *source, "-m", "item-knn", "-o", str(folder / "model"), "--force"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"seconds": seconds, "processor seconds": used}


def ours(folder: Path) -> Numbers:
    """From the store."""
    return _fit(folder, "--store", _url(folder))


def parquet(folder: Path) -> Numbers:
    """From the exported file."""
    return _fit(folder, str(folder / "events.parquet"))


def judge(mine: Side, theirs: Side) -> list[Goal]:
    """Goal: a store costs little more than a file."""
    ratio = mine["seconds"] / theirs["seconds"]
    return [Goal("times the seconds from Parquet", ratio, 1.3, at_least=False)]


QUESTION = Question(
    title="item-knn on five million events of a store, and of a Parquet file, each a whole penchant fit",
    how=f"{USERS:,} users, {ITEMS:,} items, three kinds of events; the file is the export of the store",
    prepare=prepare,
    judge=judge,
    peer="parquet",
    rounds=3,
)
