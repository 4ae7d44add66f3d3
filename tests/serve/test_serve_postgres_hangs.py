"""PostgreSQL that freezes, restarts or crashes under a real service: it answers in time, and nothing acknowledged is
lost."""

from __future__ import annotations

import http.client
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from penchant.store.database import Database, StoreError
from penchant.store.events import EventStore
from penchant.store.postgres import SLACK
from tests.serve.postgres import Cluster
from tests.serve.serving import Process

pytestmark = pytest.mark.slow  # make test-postgres
SECONDS = 3.0  # store_seconds


@pytest.fixture
def process(cluster: Cluster, knn: Path, tmp_path: Path) -> Iterator[Process]:
    with closing(EventStore(cluster.url)) as store:
        store.open()  # makes its tables, without a deadline of seconds
    copies = {"model_copies": tmp_path / "copies"}
    started = Process(knn, cluster.url, settings={"store_seconds": SECONDS, "drain": 4, **copies})
    yield started
    started.kill()


def timed(process: Process, method: str, path: str, document: Any = None) -> tuple[int, float, Any]:
    start = time.monotonic()
    status, told = process.ask(method, path, document)
    return status, time.monotonic() - start, told


def send(process: Process, name: str) -> int:
    return process.ask("POST", "/v1/events", {"events": [{"user": "ann", "item": "i00", "id": name}]})[0]


def until_200(process: Process, path: str, seconds: float) -> None:
    until = time.monotonic() + seconds
    while process.ask("GET", path)[0] != 200:
        assert time.monotonic() < until, process.ask("GET", path)
        time.sleep(0.1)


class Sender(threading.Thread):
    """Sends one event after the other until it is stopped, and remembers which were acknowledged."""

    def __init__(self, process: Process, name: str) -> None:
        super().__init__()
        self.process, self.name, self.slowest = process, name, 0.0
        self.acknowledged: set[str] = set()
        self.statuses: set[int] = set()
        self.stopping = threading.Event()
        self.start()

    def run(self) -> None:
        n = 0
        while not self.stopping.is_set():
            start = time.monotonic()
            try:
                status = send(self.process, f"{self.name}-{n}")
            except (OSError, http.client.HTTPException):
                continue
            self.slowest = max(self.slowest, time.monotonic() - start)
            self.statuses.add(status)
            if status == 200:
                self.acknowledged.add(f"{self.name}-{n}")
            n += 1
            time.sleep(0.002 if status == 200 else 0.05)

    def stop(self) -> set[str]:
        self.stopping.set()
        self.join()
        return self.acknowledged


def kept(cluster: Cluster) -> set[str]:
    with psycopg.connect(cluster.url) as connection:
        rows = connection.execute("SELECT id FROM events WHERE id IS NOT NULL").fetchall()
    assert len(rows) == len({row[0] for row in rows})
    return {row[0] for row in rows}


def test_a_frozen_database_is_given_up_and_found_again(process: Process, cluster: Cluster) -> None:
    assert send(process, "before") == 200
    senders = [Sender(process, f"frozen{n}") for n in range(2)]
    time.sleep(0.5)
    with cluster.frozen():
        spent = []
        for _ in range(12):  # more than there are threads to read
            status, seconds, told = timed(process, "GET", "/readyz")
            assert (status, told["type"]) == (503, "urn:penchant:problem:store")
            spent.append(seconds)
        assert sorted(spent)[6] < 1
        assert max(spent) < 2  # where others use the machine
        status, seconds, _ = timed(process, "GET", "/livez")
        assert status == 200 and seconds < 1
        time.sleep(SECONDS + SLACK)
        status, seconds, told = timed(process, "GET", "/v1/users/ann/recommendations")
        assert (status, seconds < 3 * (SECONDS + SLACK)) == (200, True)
        assert "store" in told["degraded"]
    until_200(process, "/readyz", 3 * (SECONDS + SLACK))
    time.sleep(0.5)
    acknowledged = set().union(*(sender.stop() for sender in senders))
    assert send(process, "after") == 200
    assert {"before", "after", *acknowledged} <= kept(cluster)
    assert {status for sender in senders for status in sender.statuses} == {200, 503}
    assert max(sender.slowest for sender in senders) < 5 * (SECONDS + SLACK)
    assert "Traceback" not in str(process.lines)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
def test_writes_reconnect_after_a_restart(process: Process, cluster: Cluster, how: int) -> None:
    assert send(process, "before") == 200
    cluster.stop(how)
    cluster.start()
    assert send(process, "first") == 200  # no request pays for it
    assert process.ask("GET", "/v1/users/ann/recommendations")[1]["degraded"] is None
    assert kept(cluster) == {"before", "first"}


def test_nothing_acknowledged_is_lost_to_restarts_under_load(process: Process, cluster: Cluster) -> None:
    senders = [Sender(process, f"load{n}") for n in range(4)]
    for how in (signal.SIGINT, signal.SIGQUIT, signal.SIGQUIT):
        time.sleep(0.7)
        cluster.stop(how)
        time.sleep(0.3)
        cluster.start()
    time.sleep(1)
    acknowledged = set().union(*(sender.stop() for sender in senders))
    assert len(acknowledged) > 50
    assert acknowledged <= kept(cluster)
    assert {status for sender in senders for status in sender.statuses} == {200, 503}


def test_the_service_ends_in_time_while_the_database_is_frozen(process: Process, cluster: Cluster) -> None:
    sender = Sender(process, "ending")
    time.sleep(0.3)
    with cluster.frozen():
        time.sleep(0.3)
        start = time.monotonic()
        process.process.terminate()
        assert process.process.wait(20) == 0
        assert time.monotonic() - start < 4
    sender.stop()
    assert "Traceback" not in str(process.lines)


def test_a_start_with_a_frozen_database_says_so(cluster: Cluster) -> None:
    database = Database(cluster.url, seconds=2.0)
    with cluster.frozen():
        start = time.monotonic()
        with pytest.raises(StoreError, match=r"cannot be opened: .*timeout"):
            database.connect()
        assert time.monotonic() - start < 8
    connection = database.mine
    with cluster.frozen():
        start = time.monotonic()
        with pytest.raises(psycopg.OperationalError, match="timeout: no answer within 2 s"):
            connection.execute("SELECT 1")
        assert 2.0 <= time.monotonic() - start < 2.0 + SLACK + 1
    database.drop_mine()
    assert database.mine.execute("SELECT 1").fetchall() == [(1,)]
    database.close()
