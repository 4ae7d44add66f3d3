"""A parent with its workers, and connections of which it is known which worker has them."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.serve.serving import Process

PROGRAM = b"penchant.serve.worker"
TRIES = 200  # connections until every worker has one
SOON = 1.0  # seconds within which a change is to be seen everywhere
BROKEN = (OSError, http.client.HTTPException)  # a connection that was reset, or closed before the whole answer
NOBODY = 0  # the process that refused a connection
SENDERS = 8


class Line:
    """A connection that stays open; ``worker`` is the process at its other end."""

    def __init__(self, workers: Workers) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", workers.port, timeout=20)
        workers.lines_open.append(self.connection)
        self.ask("GET", "/livez")  # it is accepted now
        sock: Any = self.connection.sock
        self.worker = owner(sock, workers.pids)

    def ask(self, method: str, path: str, document: Any = None) -> tuple[int, Any]:
        """One request."""
        body = None if document is None else json.dumps(document)
        self.connection.request(method, path, body, {"content-type": "application/json"} if body else {})
        response = self.connection.getresponse()
        content = response.read()
        return response.status, json.loads(content) if path != "/metrics" else content.decode()


def owner(sock: socket.socket, pids: list[int]) -> int:
    """The process that has accepted a connection, by the inode of its socket."""
    ends = [f"0100007F:{port:04X}" for _, port in (sock.getpeername(), sock.getsockname())]
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
    inode = next((row[9] for row in rows if row[1:3] == ends), "")
    for pid in pids:
        with contextlib.suppress(OSError):  # it has ended
            for handle in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(OSError):
                    if str(handle.readlink()) == f"socket:[{inode}]":
                        return pid
    raise ConnectionError("no worker has this connection: the one that had it has ended")


def command_of(pid: str) -> bytes:
    """The command of a process, empty if it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


class Workers(Process):
    """``penchant serve --workers 2``, unless ``more`` names another number."""

    def __init__(
        self,
        folder: Path,
        store: Path | str,
        *,
        more: tuple[str, ...] = ("--workers", "2"),
        settings: Mapping[str, object] | None = None,
    ) -> None:
        self.lines_open: list[http.client.HTTPConnection] = []
        super().__init__(folder, store, more=more, settings=settings)

    def _ended(self) -> int:
        for connection in self.lines_open:
            connection.close()
        return super()._ended()

    @property
    def pids(self) -> list[int]:
        """The workers that run."""
        parent = self.process.pid
        found = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        return [int(pid) for pid in found if PROGRAM in command_of(pid)]

    def lines_to_each(self) -> list[Line]:
        """One connection to each worker."""
        found: dict[int, Line] = {}
        for _ in range(TRIES):
            line = Line(self)
            found.setdefault(line.worker, line)
            if set(found) == set(self.pids):
                return list(found.values())
        raise AssertionError("a worker accepts nothing")

    def wait_for(self, message: str, count: int = 1, seconds: float = 20) -> None:
        """Wait until the log has a message so often."""
        wait(lambda: sum(line["message"] == message for line in self.lines) >= count, seconds)


def wait(true: Callable[[], bool], seconds: float) -> float:
    """Wait until something is true; returns how long that took."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < seconds, "it never became true"
        time.sleep(0.02)
    return time.monotonic() - began


class Sender(threading.Thread):
    """Sends events, and asks for an answer after each, over one connection at a time; counts failures by the worker
    that had the connection."""

    def __init__(self, workers: Workers, name: str) -> None:
        super().__init__(daemon=True)
        self.workers, self.name = workers, name
        self.acknowledged, self.failures, self.statuses = set[str](), list[int](), Counter[int]()
        self.worker = NOBODY  # that has its connection
        self.stopping = threading.Event()

    def run(self) -> None:
        line, n = None, 0
        while not self.stopping.is_set():
            if line is None:
                try:
                    line = Line(self.workers)
                except ConnectionRefusedError:
                    self.failures.append(NOBODY)
                except BROKEN:
                    continue  # its worker ended just now
                continue
            n, self.worker = n + 1, line.worker
            event = {"user": self.name, "item": f"i{n % 30:02d}", "id": f"{self.name}-{n}"}
            try:
                status, _ = line.ask("POST", "/v1/events", {"events": [event]})
                self.statuses[status] += 1
                self.acknowledged.add(event["id"])
                status, _ = line.ask("GET", f"/v1/users/{self.name}/recommendations")
                self.statuses[status] += 1
            except BROKEN:
                self.failures.append(line.worker)
                line = None


def kill_under_load(workers: Workers, *, kills: int) -> set[str]:
    """Kill the oldest worker so often while events and requests come in, then end all; returns acknowledged ids.

    Each kill fails at most the request that each of its connections had open, and nothing else fails.
    """
    senders = [Sender(workers, f"s{n}") for n in range(SENDERS)]
    allowed = Counter[int]()
    try:
        for sender in senders:
            sender.start()
        for _ in range(kills):
            time.sleep(0.7)
            wait(lambda: {sender.worker for sender in senders} <= set(workers.pids), 20)
            ready = sum(line["message"] == "worker ready" for line in workers.lines)
            oldest = workers.pids[0]
            allowed[oldest] = sum(sender.worker == oldest for sender in senders)
            os.kill(oldest, signal.SIGKILL)
            workers.wait_for("worker ready", ready + 1, 60)
        for sender in senders:
            sender.stopping.set()
        for sender in senders:
            sender.join(20)
            assert not sender.is_alive()
        assert workers.stop() == 0
    finally:
        workers.kill()
    failed = Counter(worker for sender in senders for worker in sender.failures)
    assert failed <= allowed, (failed, allowed)
    assert sum(allowed.values()) >= SENDERS  # some were killed with open connections
    assert {status for sender in senders for status in sender.statuses} == {200}
    return set[str]().union(*(sender.acknowledged for sender in senders))
