"""What was acknowledged is on the disk: the log is flushed before each 200, and nothing is lost to ``kill -9``."""

from __future__ import annotations

import random
import re
import shutil
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.serve.serving import Process

CALLS = "pwrite64,pwritev,write,writev,fsync,fdatasync,sendto,sendmsg,openat,close"
UNSAFE = """
from penchant.store import database
database.PRAGMAS["synchronous"] = "OFF"
from penchant.cli.main import run
run()
"""
CALL = re.compile(r"^(\d+) +(\w+)\((\d+|AT_FDCWD)(.*)$")
RESUMED = re.compile(r"^(\d+) +<\.\.\. (\w+) resumed>")
FLUSHES = {"fsync", "fdatasync"}


def unflushed(trace: str) -> tuple[int, int]:
    """How many acknowledgements a trace holds, and how many of them came when the log was written but not flushed.

    A flush counts when it has returned, a write when it has begun.
    """
    logs: set[str] = set()
    flushing: set[str] = set()  # threads
    dirty, told, wrong = False, 0, 0
    for line in trace.splitlines():
        if (back := RESUMED.match(line)) is not None:
            if back[2] in FLUSHES and back[1] in flushing:
                flushing.discard(back[1])
                dirty = False
            continue
        if (found := CALL.match(line)) is None:
            continue
        thread, call, handle, rest = found.groups()
        if call == "openat":
            opened = re.search(r'-wal".*= (\d+)$', rest)
            logs |= {opened[1]} if opened else set()
        elif handle in logs and call == "close":
            logs.discard(handle)
        elif handle in logs and call.startswith("pwrite"):
            dirty = True
        elif handle in logs and call in FLUSHES:
            if "unfinished" in rest:
                flushing.add(thread)
            else:
                dirty = False
        elif "accepted" in rest and call in {"write", "writev", "sendto", "sendmsg"}:
            told += 1
            wrong += dirty
    return told, wrong


def traced(folder: Path, tmp_path: Path, *, code: str | None = None) -> tuple[int, int]:
    """Serve under strace, send events one after the other, and look at the order of the calls."""
    strace = shutil.which("strace")
    assert strace, "this test needs strace: apt-get install strace"
    log = tmp_path / "trace"
    before = (strace, "-f", "-q", "-s", "600", "-e", f"trace={CALLS}", "-o", str(log))
    process = Process(folder, tmp_path / "store.db", before=before, **({} if code is None else {"code": code}))
    try:
        for n in range(20):
            status, told = process.ask("POST", "/v1/events", {"events": [{"user": f"u{n}", "item": "i00"}]})
            assert (status, told["accepted"]) == (200, 1)
    finally:
        process.stop()
    return unflushed(log.read_text(errors="replace"))


def test_the_log_is_flushed_between_each_commit_and_its_answer(knn: Path, tmp_path: Path) -> None:
    assert traced(knn, tmp_path) == (20, 0)


def test_the_trace_would_show_a_log_that_is_not_flushed(knn: Path, tmp_path: Path) -> None:
    told, wrong = traced(knn, tmp_path, code=UNSAFE)
    assert told == 20
    assert wrong == 20


class Writer(threading.Thread):
    """Sends events with ids, again until they are acknowledged, and remembers which were."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name, self.process = name, None
        self.number, self.acknowledged = 0, set[str]()
        self.stopping = threading.Event()

    def run(self) -> None:
        while not self.stopping.is_set():
            event_id = f"{self.name}-{self.number}"
            try:
                status, _ = self.process.ask(  # type: ignore[attr-defined]  # set before it starts
                    "POST", "/v1/events", {"events": [{"user": self.name, "item": "i00", "id": event_id}]}
                )
            except (OSError, ValueError, AttributeError, Exception):  # noqa: BLE001  # whatever a killed server leaves
                time.sleep(0.01)
                continue
            if status == 200:
                self.acknowledged.add(event_id)
                self.number += 1


def kill_while_writing(folder: Path, store: Path, times: int, seed: int) -> None:
    dice = random.Random(seed)
    writers = [Writer(f"w{n}") for n in range(4)]
    restarts: list[float] = []
    process: Any = None
    for n in range(times):
        process = Process(folder, store)
        restarts.append(process.start_seconds)
        for writer in writers:
            writer.process = process
            if n == 0:
                writer.start()
        time.sleep(dice.uniform(0.05, 0.4))
        process.kill()
    process = Process(folder, store)
    for writer in writers:
        writer.process = process
    time.sleep(0.3)
    for writer in writers:
        writer.stopping.set()
    for writer in writers:
        writer.join()
    process.stop()
    connection = sqlite3.connect(store)
    kept = [row[0] for row in connection.execute("SELECT id FROM events")]
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()
    acknowledged = set[str]().union(*(writer.acknowledged for writer in writers))
    assert len(acknowledged) > 10 * times
    assert acknowledged <= set(kept), "an acknowledged event was lost"
    assert len(kept) == len(set(kept)), "an event was kept twice"
    assert len(kept) <= len(acknowledged) + len(writers), "an event is kept that nobody sent"
    assert max(restarts) < 3, "a restart takes three seconds or more"


@pytest.mark.parametrize("times", [5, pytest.param(25, marks=pytest.mark.slow)])  # make test-durable
def test_nothing_acknowledged_is_lost_to_kill_9(knn: Path, tmp_path: Path, times: int) -> None:
    """Two stores side by side, to use the time in which a process starts."""
    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(kill_while_writing, knn, tmp_path / f"{n}.db", times, n) for n in range(2)]:
            done.result()
