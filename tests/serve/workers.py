"""A parent with its workers, and connections of which it is known which worker has them."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.serve.serving import Process

PROGRAM = b"penchant.serve.worker"
TRIES = 200  # connections until every worker has one
SOON = 1.0  # seconds within which a change is to be seen everywhere


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
