"""What only a real process over real connections shows: models that change under load, limits, a full disk, its end."""

from __future__ import annotations

import contextlib
import http.client
import json
import resource
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.serve.serving import RUN, Process

MIB = 2**20
SLOW = """
import asyncio
from penchant.serve.service import Service
answer = Service.recommend
async def slowly(self, person, query):
    await asyncio.sleep(1.0)
    return await answer(self, person, query)
Service.recommend = slowly
from penchant.cli.main import run
run()
"""


@pytest.fixture
def process(knn: Path, tmp_path: Path) -> Iterator[Process]:
    started = Process(knn, tmp_path / "store.db")
    yield started
    started.kill()


class Client(threading.Thread):
    """Asks over one connection until it is stopped; counts statuses, and the model versions that answered."""

    def __init__(self, port: int, method: str, path: str, document: Any = None) -> None:
        super().__init__()
        self.port, self.asked = port, (method, path, document and json.dumps(document))
        self.statuses, self.models = Counter[str](), Counter[str]()
        self.stopping = threading.Event()

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        while not self.stopping.is_set():
            try:
                connection.request(*self.asked, {"content-type": "application/json"})
                response = connection.getresponse()
                told = json.loads(response.read())
            except OSError as failed:
                self.statuses[str(failed)] += 1
                continue
            self.statuses[str(response.status)] += 1
            if "model" in told:
                self.models[told["model"]["version"]] += 1
        connection.close()


def test_models_change_under_load_without_a_failed_request(models: Path, tmp_path: Path) -> None:
    own = Path(shutil.copytree(models, tmp_path / "own"))
    broken = own / "broken" / "model.safetensors"
    shutil.copytree(own / "knn", broken.parent)
    broken.write_bytes(broken.read_bytes()[:-1] + b"\x01")
    process = Process(own, tmp_path / "store.db")
    answers = [Client(process.port, "GET", f"/v1/users/u{n}/recommendations") for n in range(3)]
    events = Client(process.port, "POST", "/v1/events", {"events": [{"user": "u0", "item": "i00"}]})
    for client in (*answers, events):
        client.start()
    changes = [process.ask("POST", f"/v1/models/{name}/activate")[0] for name in ("knn", "second", "broken") * 5]
    for client in (*answers, events):
        client.stopping.set()
        client.join()
    process.stop()
    assert changes == [200, 200, 409] * 5
    assert all(set(client.statuses) == {"200"} for client in (*answers, events))
    assert len(set().union(*(client.models for client in answers))) >= 2


@pytest.mark.parametrize("stated", [True, False])
def test_a_body_of_100_mb_is_refused_and_not_held(process: Process, stated: bool) -> None:
    before = _peak_mib(process)
    connection = http.client.HTTPConnection("127.0.0.1", process.port, timeout=20)
    chunks = (b" " * MIB for _ in range(100))
    headers = {"content-type": "application/json", **({"content-length": str(100 * MIB)} if stated else {})}
    connection.request("POST", "/v1/events", chunks, headers, encode_chunked=not stated)
    response = connection.getresponse()
    told = json.loads(response.read())
    connection.close()
    assert response.status == 413
    assert told["errors"][0]["field"] == "body"
    assert _peak_mib(process) < before + 20
    assert process.ask("GET", "/livez")[0] == 200


def _peak_mib(process: Process) -> float:
    status = Path(f"/proc/{process.process.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def test_a_disk_that_is_full_is_told_and_nothing_acknowledged_is_lost(process: Process, tmp_path: Path) -> None:
    def send(start: int) -> int:
        events = [{"user": "ann", "item": "i00", "id": f"{start}-{n}", "context": {"a": "x" * 500}} for n in range(500)]
        return int(process.ask("POST", "/v1/events", {"events": events})[0])

    assert send(0) == 200
    unlimited = resource.RLIM_INFINITY
    size = (tmp_path / "store.db-wal").stat().st_size
    resource.prlimit(process.process.pid, resource.RLIMIT_FSIZE, (size + MIB, unlimited))  # no file may grow further
    statuses = [send(n) for n in range(1, 12)]
    assert set(statuses) == {200, 503}
    status, told = process.ask("GET", "/v1/users/ann/recommendations")
    assert (status, told["removed"]["seen"]) == (200, 1)
    assert process.ask("GET", "/readyz")[0] == 200
    resource.prlimit(process.process.pid, resource.RLIMIT_FSIZE, (unlimited, unlimited))
    assert send(100) == 200
    assert process.stop() == 0
    kept = _kept(tmp_path / "store.db")
    assert kept == 500 * (2 + statuses.count(200))


def _kept(store: Path) -> int:
    connection = sqlite3.connect(store)
    count = connection.execute("SELECT count(*) FROM events").fetchone()[0]
    connection.close()
    return int(count)


def test_sigterm_answers_what_has_begun_and_takes_nothing_new(knn: Path, tmp_path: Path) -> None:
    process = Process(knn, tmp_path / "store.db", code=SLOW)
    results: list[tuple[int, Any]] = []
    asking = threading.Thread(
        target=lambda: results.append(process.ask("GET", "/v1/users/ann/recommendations")), daemon=True
    )
    asking.start()
    time.sleep(0.4)
    process.process.terminate()
    time.sleep(0.3)
    with pytest.raises(ConnectionRefusedError):
        process.ask("GET", "/livez")
    assert process.process.wait(20) == 0
    asking.join()
    assert results[0][0] == 200
    assert results[0][1]["items"]
    process.stop()


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_end_writes_what_was_accepted(knn: Path, tmp_path: Path, by: signal.Signals) -> None:
    process = Process(knn, tmp_path / "store.db")
    results: list[tuple[int, Any]] = []

    def send(n: int) -> None:
        events = [{"user": f"u{n}", "item": f"i{m % 30:02d}"} for m in range(500)]
        with contextlib.suppress(OSError, http.client.HTTPException):  # until it listens no longer
            while True:
                results.append(process.ask("POST", "/v1/events", {"events": events}))

    threads = [threading.Thread(target=send, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    assert process.stop(by) == 0
    for thread in threads:
        thread.join()
    assert {status for status, _ in results} == {200}
    assert len(results) * 500 == _kept(tmp_path / "store.db")


def test_a_port_that_is_taken_is_told(knn: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = ["--store", f"sqlite:///{tmp_path / 'store.db'}", "--port", str(taken.getsockname()[1])]
        ended = subprocess.run(
            [sys.executable, "-c", RUN, "serve", str(knn), *where],
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].startswith("penchant: cannot listen on 127.0.0.1, port ")


def test_a_customer_of_an_imported_log_is_known_from_the_first_request(knn: Path, tmp_path: Path) -> None:
    now = int(time.time())
    lines = [f"ann,i0{n},view,{now - 100 + n}" for n in range(4)] + [f"ann,brand new,view,{now - 50}"]
    (tmp_path / "log.csv").write_text("\n".join(["user,item,kind,time", *lines]) + "\n")
    imported = ("--import", str(tmp_path / "log.csv"))
    for turn in range(2):  # at the second start the store has events
        process = Process(knn, tmp_path / "store.db", more=imported)
        status, told = process.ask("GET", "/v1/users/ann/recommendations?k=5&why=true")
        assert (status, told["fallback"], told["removed"]["seen"]) == (200, False, 5 if turn else 4)
        assert {part["item"] for part in told["items"][0]["why"]["parts"]} <= {"i00", "i01", "i02", "i03"}
        assert process.stop() == 0
        assert _kept(tmp_path / "store.db") == 5


def test_ids_of_every_kind_pass_a_real_server(process: Process) -> None:
    for encoded, plain in (("a%2Fb", "a/b"), ("a%20b", "a b"), ("%F0%9F%99%82", "🙂"), ("%25", "%"), ("%3F%23", "?#")):
        assert process.ask("POST", "/v1/events", {"events": [{"user": plain, "item": plain}]})[0] == 200
        status, told = process.ask("GET", f"/v1/users/{encoded}/recommendations")
        assert (status, told["user"], told["unknown"]) == (200, plain, [plain])
        assert process.ask("GET", f"/v1/items/{encoded}")[1]["item"] == plain
    for wrong in ("%00", "%FF", "x" * 10_000):
        status, told = process.ask("GET", f"/v1/users/{wrong}/recommendations")
        assert (status, told["errors"][0]["field"]) == (422, "id")


def test_the_demo_serves_the_bundled_films_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    process = Process(tmp_path, tmp_path, demo=True)
    status, told = process.ask("POST", "/v1/recommendations", {"history": ["1"], "why": True})
    assert status == 200
    assert told["items"][0]["why"]["parts"][0]["title"] == "Toy Story (1995)"
    assert process.stop() == 0
    assert not list(tmp_path.glob("penchant-demo-*"))
