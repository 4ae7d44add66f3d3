"""Long queries of a file in processes of their own: same rows, a lower priority, deadlines, and no process left."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from penchant.store.database import Database, StoreError
from penchant.store.long_query import NICE, ROWS

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
MANY = ENDLESS.replace("SELECT count(*)", "SELECT i, i / 3.0") + " LIMIT " + str(3 * ROWS + 1)
LONG = 60.0


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(f"sqlite:///{tmp_path / 'a store?#%.db'}")
    opened.migrate()
    yield opened
    opened.close()


def child(database: Database) -> int:
    (process,) = {*database._apart._idle, *database._apart._busy}
    return process.pid


def test_the_rows_are_those_of_this_process(database: Database) -> None:
    database.mine.execute("CREATE TABLE t (a TEXT, b DOUBLE)")
    database.mine.executemany("INSERT INTO t VALUES (?, ?)", [("é\n\0\U0001f600", 0.1 + 0.2), (None, 1e300)])
    for sql in (MANY, "SELECT a, b FROM t ORDER BY b", "SELECT 1 WHERE 0"):
        query = database.compile(text(sql))
        assert database.read(query, seconds=LONG) == database.read(query)
    first = child(database)
    database.mine.execute("DELETE FROM t")
    assert database.read(database.compile(text("SELECT * FROM t")), seconds=LONG) == []
    assert child(database) == first  # one process for all


def test_it_only_reads_and_stands_back(database: Database) -> None:
    database.mine.execute("CREATE TABLE t (a TEXT)")
    with pytest.raises(StoreError, match="readonly"):
        database.read(database.compile(text("INSERT INTO t VALUES (1)")), seconds=LONG)
    with pytest.raises(StoreError, match="no such table"):
        database.read(database.compile(text("SELECT * FROM missing")), seconds=LONG)
    assert database.read(database.compile(text("SELECT 7")), seconds=LONG) == [(7,)]
    if sys.platform == "linux":
        assert os.getpriority(os.PRIO_PROCESS, child(database)) == min(19, os.getpriority(os.PRIO_PROCESS, 0) + NICE)


def asked(database: Database, failures: list[str]) -> threading.Thread:
    """A thread that asks a query without an end; returns once it runs."""

    def ask() -> None:
        with pytest.raises(StoreError) as failed:
            database.read(database.compile(text(ENDLESS)), seconds=LONG)
        failures.append(str(failed.value))

    thread = threading.Thread(target=ask)
    thread.start()
    while not database._apart._busy:
        time.sleep(0.01)
    return thread


def test_interrupting_and_closing_end_the_processes(database: Database) -> None:
    failures: list[str] = []
    thread = asked(database, failures)
    database.interrupt()
    thread.join(20)
    with pytest.raises(StoreError, match="interrupted"):
        database.read(database.compile(text("SELECT 7")), seconds=LONG)
    assert failures == ["the store cannot be read: interrupted"]
    database.close()
    assert database.read(database.compile(text("SELECT 7")), seconds=LONG) == [(7,)]
    left = database._apart._idle[0]
    database.close()
    assert left.poll() is not None
    assert not database._apart._idle and not database._apart._busy


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_process_that_was_killed_is_replaced(database: Database) -> None:
    failures: list[str] = []
    thread = asked(database, failures)
    os.kill(child(database), signal.SIGKILL)
    thread.join(20)
    assert failures == ["the store cannot be read: the process that reads it has ended"]
    for _ in range(2):
        assert database.read(database.compile(text("SELECT 7")), seconds=LONG) == [(7,)]
        os.kill(child(database), signal.SIGKILL)  # an idle one
        time.sleep(0.2)


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_process_that_hangs_is_killed_after_its_deadline(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penchant.store.apart.LATE", 0.2)
    assert database.read(database.compile(text("SELECT 7")), seconds=LONG) == [(7,)]
    os.kill(child(database), signal.SIGSTOP)
    start = time.monotonic()
    with pytest.raises(StoreError, match="interrupted"):
        database.read(database.compile(text("SELECT 7")), seconds=0.2)
    assert time.monotonic() - start < 20
