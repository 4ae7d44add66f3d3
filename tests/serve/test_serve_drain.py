"""SIGTERM while expensive answers are computed: those that wait and those that last too long get a 503, and the process
ends in time, without a traceback."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from penchant.serve.common.threads import DaemonThreads
from tests.serve.serving import Process

DRAIN = 4.0
COUNTING = """
from penchant.serve.answers import lists
from penchant.store.trends import Trends
from sqlalchemy import text
made = Trends.__init__
def endless(self, store, **more):
    made(self, store, **more)
    query = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    statement = store.database.compile(text(query))
    self._count = lambda of, kinds: statement
Trends.__init__ = endless
from penchant.cli.main import run
run()
"""
COMPUTING = """
import time
from penchant.serve.service import Service
heavy = Service.heavy
async def slowly(self, work, *arguments):
    return await heavy(self, time.sleep, 60)
Service.heavy = slowly
from penchant.cli.main import run
run()
"""
SLOW_MODEL = """
import time
from penchant.serve.answers.personal import Personal
Personal.for_person = lambda *_: time.sleep(60)
from penchant.serve.service import Service
Service.run = Service.thread
from penchant.cli.main import run
run()
"""
Answer = tuple[int, str | None, Any, float]


def asked(process: Process, path: str, answers: list[Answer]) -> threading.Thread:
    def ask() -> None:
        start = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", process.port, timeout=60)
        connection.request("GET", path)
        response = connection.getresponse()
        told = json.loads(response.read())
        answers.append((response.status, response.headers["retry-after"], told, time.monotonic() - start))

    thread = threading.Thread(target=ask)
    thread.start()
    return thread


@pytest.mark.parametrize(
    ("code", "path"),
    [
        (COUNTING, "/v1/popular?days={}"),
        (COMPUTING, "/v1/popular?days={}"),
        (SLOW_MODEL, "/v1/users/{}/recommendations"),
    ],
)
def test_sigterm_during_expensive_answers(knn: Path, tmp_path: Path, code: str, path: str) -> None:
    settings = {"drain": DRAIN, "heavy_running": 2, "heavy_seconds": 60}
    process = Process(knn, tmp_path / "store.db", code=code, settings=settings)
    answers: list[Answer] = []
    threads = [asked(process, path.format(n + 1), answers) for n in range(6)]
    time.sleep(1)
    assert not answers
    start = time.monotonic()
    process.process.terminate()
    ended = process.process.wait(30)
    assert ended == 0
    assert time.monotonic() - start < DRAIN
    for thread in threads:
        thread.join()
    process.stop()
    assert [(status, retry) for status, retry, _, _ in answers] == [(503, "2")] * 6
    assert {told["type"] for _, _, told, _ in answers} <= {
        "urn:penchant:problem:stopping",
        "urn:penchant:problem:store",
    }
    if code == COUNTING:
        assert sorted(seconds < 2.5 for _, _, _, seconds in answers) == [False] * 2 + [True] * 4  # four waited
    assert "Traceback" not in json.dumps(process.lines)
    assert not [line for line in process.lines if line["level"] == "error" and line["message"] != "request"]


def test_threads_are_left_behind() -> None:
    code = (
        "import time\nfrom penchant.serve.common.threads import DaemonThreads\n"
        "DaemonThreads(1, 'x').submit(time.sleep, 60)"
    )
    start = time.monotonic()
    subprocess.run([sys.executable, "-c", code], check=True)
    assert time.monotonic() - start < 30


def test_threads_are_an_executor() -> None:
    pool, release, begun = DaemonThreads(2, "x"), threading.Event(), threading.Event()
    first = [pool.submit(lambda: begun.set() or release.wait(20)) for _ in range(2)]
    begun.wait(20)
    time.sleep(0.1)
    waiting = pool.submit(int)
    with pytest.raises(ZeroDivisionError):
        DaemonThreads(1, "y").submit(lambda: 1 / 0).result(20)
    pool.shutdown(wait=False, cancel_futures=True)
    assert waiting.cancelled()
    assert not pool.join(0.05)
    with pytest.raises(RuntimeError):
        pool.submit(int)
    release.set()
    assert pool.join(20)
    pool.shutdown()
    assert [one.result() for one in first] == [True] * 2
