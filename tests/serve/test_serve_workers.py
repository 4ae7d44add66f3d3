"""Several workers on one socket and one store: they agree, one dies alone, all end together."""

from __future__ import annotations

import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from penchant.errors import PenchantError
from penchant.serve.common.limits import Buckets
from penchant.serve.common.shared_metrics import merged
from penchant.serve.workers import FIRST_PAUSE, LONGEST_PAUSE, bind, pause
from tests.serve.serving import RUN
from tests.serve.workers import SOON, Line, Workers, kill_under_load, wait


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("workers") / "store.db"


@pytest.fixture(scope="module")
def workers(models: Path, store: Path) -> Iterator[Workers]:
    started = Workers(models, store)
    yield started
    started.kill()


def test_an_event_that_one_acknowledges_is_in_the_next_answer_of_every_other(workers: Workers) -> None:
    one, other = workers.lines_to_each()
    for n in range(60):
        item, (to, at) = f"i{n % 30:02d}", ((one, other), (other, one))[n % 2]
        assert to.ask("POST", "/v1/events", {"events": [{"user": f"r{n // 30}", "item": item}]})[0] == 200
        status, told = at.ask("GET", f"/v1/users/r{n // 30}/recommendations?k=30")
        assert (status, told["removed"]["seen"]) == (200, n % 30 + 1 - (n % 30 >= 9))  # i09 is unavailable
        assert item not in [entry["item"] for entry in told["items"]]


def test_items_and_models_are_the_same_everywhere_within_a_second(workers: Workers) -> None:
    one, other = workers.lines_to_each()

    def shown(line: Line) -> list[str]:
        return [entry["item"] for entry in line.ask("GET", "/v1/users/nobody/recommendations?k=30")[1]["items"]]

    first = shown(other)[0]
    assert one.ask("PATCH", f"/v1/items/{first}", {"hidden": True})[0] == 200
    assert first not in shown(one)
    assert wait(lambda: first not in shown(other), 5) < SOON
    assert other.ask("PATCH", f"/v1/items/{first}", {"hidden": False})[0] == 200
    assert wait(lambda: first in shown(one), 5) < SOON
    versions = {line: line.ask("GET", "/readyz")[1]["version"] for line in (one, other)}
    assert len(set(versions.values())) == 1
    status, active = one.ask("POST", "/v1/models/second/activate")
    assert status == 200, active
    assert other.ask("GET", "/readyz")[1]["version"] in {versions[one], one.ask("GET", "/readyz")[1]["version"]}
    assert wait(lambda: other.ask("GET", "/readyz")[1]["version"] != versions[one], 5) < SOON


def test_a_key_that_is_made_closes_every_worker_within_a_second(models: Path, tmp_path: Path) -> None:
    workers = Workers(models, tmp_path / "store.db")
    try:
        lines = workers.lines_to_each()
        assert {line.ask("GET", "/v1/users/ann/recommendations")[0] for line in lines} == {200}
        create = ["keys", "create", "x", "--scope", "admin", "--store", f"sqlite:///{tmp_path / 'store.db'}"]
        subprocess.run([sys.executable, "-c", RUN, *create], check=True, capture_output=True)
        closed = lambda: {line.ask("GET", "/v1/users/ann/recommendations")[0] for line in lines} == {401}  # noqa: E731
        assert wait(closed, 5) < SOON
    finally:
        workers.kill()


def test_the_metrics_of_every_worker_are_in_every_answer(workers: Workers) -> None:
    lines = workers.lines_to_each()
    for n, line in enumerate(lines):
        for _ in range(3 + n):
            line.ask("GET", f"/v1/items/i0{n}")

    def counted(line: Line) -> dict[str, float]:
        found = re.findall(
            r'^penchant_requests_total\{.*route="/v1/items/\{id.*\}",.*worker="(\d)"\} (\S+)$',
            line.ask("GET", "/metrics")[1],
            re.MULTILINE,
        )
        return {worker: float(count) for worker, count in found}

    wait(lambda: all(sorted(counted(line).values()) == [3.0, 4.0] for line in lines), 5)
    text = lines[0].ask("GET", "/metrics")[1]
    assert text.count("# TYPE penchant_requests_total counter") == 1


def test_one_that_is_killed_loses_no_acknowledged_event_and_fails_only_its_own_requests(
    models: Path, tmp_path: Path
) -> None:
    workers = Workers(models, tmp_path / "store.db")
    acknowledged = kill_under_load(workers, kills=3)
    connection = sqlite3.connect(tmp_path / "store.db")
    kept = {row[0] for row in connection.execute("SELECT id FROM events")}
    connection.close()
    assert len(acknowledged) > 100
    assert acknowledged <= kept


def _holder(store: Path) -> int:
    connection = sqlite3.connect(store)
    rows = connection.execute("SELECT holder FROM leases WHERE name = 'background'").fetchall()
    connection.close()
    return int(rows[0][0].split()[1]) if rows else 0


def test_background_work_runs_in_one_and_moves_when_that_is_killed(models: Path, tmp_path: Path) -> None:
    workers = Workers(models, tmp_path / "store.db")
    try:
        wait(lambda: _holder(tmp_path / "store.db") in workers.pids, 10)
        before = _holder(tmp_path / "store.db")
        os.kill(before, signal.SIGKILL)
        wait(lambda: _holder(tmp_path / "store.db") not in {0, before}, 10)
        assert _holder(tmp_path / "store.db") in workers.pids
        assert workers.stop() == 0
        assert _holder(tmp_path / "store.db") == 0
    finally:
        workers.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_to_the_parent_ends_all(models: Path, tmp_path: Path, number: int) -> None:
    workers = Workers(models, tmp_path / "store.db", more=("--workers", "3"))
    pids = workers.pids
    assert len(pids) == 3
    os.kill(workers.process.pid, number)
    assert workers.process.wait(20) == 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    assert not any(
        line["level"] in {"warning", "error"} and "worker ended" in line["message"] for line in workers.lines
    )
    workers.kill()


def test_nobody_waits_for_workers_that_drain(models: Path, tmp_path: Path) -> None:
    workers = Workers(models, tmp_path / "store.db")
    try:
        head = b"POST /v1/events HTTP/1.1\r\nhost: localhost\r\ncontent-length: 99\r\n"
        with socket.create_connection(("127.0.0.1", workers.port)) as unfinished:
            unfinished.sendall(head + b"content-type: application/json\r\n\r\n")
            time.sleep(0.3)
            os.kill(workers.process.pid, signal.SIGTERM)
            wait(lambda: _refused(workers.port), 5)
            assert workers.process.poll() is None  # it waits for the request
        assert workers.process.wait(20) == 0
    finally:
        workers.kill()


def _refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return True
    return False


def test_workers_end_when_their_parent_is_killed(models: Path, tmp_path: Path) -> None:
    workers = Workers(models, tmp_path / "store.db")
    pids = workers.pids
    os.kill(workers.process.pid, signal.SIGKILL)
    wait(lambda: not any(_runs(pid) for pid in pids), 20)
    workers.kill()


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _started(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", RUN, "serve", *arguments, "--workers", "2"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_what_keeps_the_first_from_starting_is_told_and_ends_all(models: Path, tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path / 'store.db'}"
    found = _started(str(models), "--store", store, "--port", "0")  # which model is not said
    assert found.returncode == 2
    assert "say which model is to be active" in found.stderr
    found = _started(str(models / "knn"), "--store", store, "--host", "0.0.0.0", "--port", "0")  # noqa: S104  # it is refused
    assert found.returncode == 2
    assert "listens on a loopback address only" in found.stderr
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        found = _started(str(models / "knn"), "--store", store, "--port", str(taken.getsockname()[1]))
    assert found.returncode == 1
    assert "cannot listen on 127.0.0.1" in found.stderr


def test_a_log_is_imported_once(knn: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text("user,item\nann,i00\nann,i01\nbob,i02\n")
    workers = Workers(knn, tmp_path / "store.db", more=("--workers", "2", "--import", str(log)))
    try:
        for line in workers.lines_to_each():
            assert line.ask("GET", "/v1/users/ann/recommendations")[1]["removed"]["seen"] == 2
    finally:
        workers.kill()
    connection = sqlite3.connect(tmp_path / "store.db")
    assert connection.execute("SELECT count(*) FROM events").fetchone() == (3,)
    connection.close()


def test_all_together_allow_no_more_than_the_limit(models: Path, tmp_path: Path) -> None:
    workers = Workers(models, tmp_path / "store.db", settings={"rate": 20})
    try:
        lines, began = workers.lines_to_each(), time.monotonic()
        statuses = Counter[Any]()
        while time.monotonic() - began < 2:
            statuses.update(line.ask("GET", "/v1/popular")[0] for line in lines)
        assert set(statuses) == {200, 429}
        assert statuses[200] <= 20 + 20 * (time.monotonic() - began)
    finally:
        workers.kill()


def test_parts_of_a_limit_add_up_to_it() -> None:
    taken = []
    for processes in (1, 2, 3, 12, 100):
        buckets = Buckets(processes)
        taken.append(sum(buckets.take("ann", 0.012, 12.0) == 0 for _ in range(20)))
    assert taken == [12, 6, 4, 1, 1]
    assert Buckets(4).take("ann", 0.5) == 0
    buckets = Buckets(4)
    assert [buckets.take("ann", 0.5) > 7 for _ in range(2)] == [False, True]


def test_one_that_dies_again_and_again_is_started_less_and_less_often() -> None:
    assert [pause(n) for n in (1, 2, 3)] == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE]
    assert pause(12) == pause(10_000) == LONGEST_PAUSE


def test_a_host_is_bound_at_every_address_on_one_port() -> None:
    sockets = bind("localhost", 0)
    assert len({each.getsockname()[1] for each in sockets}) == 1
    for each in sockets:
        each.close()
    with pytest.raises(PenchantError, match=r"cannot listen on 203\.0\.113\.7, port 8000"):
        bind("203.0.113.7", 8000)


def test_texts_of_workers_become_one() -> None:
    text = '# HELP a_total A.\n# TYPE a_total counter\na_total{x="1"} 2.0\n'
    both = merged({0: text, 3: text}).decode()
    assert both.count("# TYPE a_total counter") == 1
    assert 'a_total{worker="0",x="1"} 2.0' in both
    assert 'a_total{worker="3",x="1"} 2.0' in both
