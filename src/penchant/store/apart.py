"""Long queries of a SQLite file in processes of their own, so that nothing in this process waits for them."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

PROGRAM = Path(__file__).with_name("long_query.py")
LATE = 2.0  # seconds after its deadline at which a query that is still running is killed
INTERRUPTED = "interrupted"
ENDED = "the process that reads it has ended"


class QueryError(Exception):
    """A query failed, or was ended; the message says which."""


class QueryProcesses:
    """Processes that answer queries of one SQLite file: one for each that runs at the same time, started when needed.

    A thread that counts would share the interpreter and a processor with the event loop. A process has its own
    interpreter and a lower priority.
    """

    def __init__(self, file: str, *, timeout: float, pragmas: Mapping[str, str]) -> None:
        uri = Path(file).absolute().as_uri() + "?mode=rw"
        self._setup = {"uri": uri, "timeout": timeout, "pragmas": dict(pragmas)}
        self._idle: list[subprocess.Popen[bytes]] = []
        self._busy: set[subprocess.Popen[bytes]] = set()
        self._lock, self._ended = threading.Lock(), False

    def read(self, sql: str, values: Sequence[Any], seconds: float) -> list[tuple[Any, ...]]:
        """All rows of a query. Raises ``QueryError``, also if it takes longer than ``seconds``."""
        process, ended = self._take(), threading.Event()

        def end() -> None:
            ended.set()
            process.kill()

        late = threading.Timer(seconds + LATE, end)
        late.daemon = True
        late.start()
        rows: list[tuple[Any, ...]] = []
        try:
            _send(process, {"sql": sql, "values": values, "seconds": seconds})
            while isinstance(found := _receive(process), list):
                rows.extend(map(tuple, found))
        except (OSError, ValueError):
            late.cancel()
            self._drop(process)
            raise QueryError(INTERRUPTED if self._ended or ended.is_set() else ENDED) from None
        late.cancel()
        self._put_back(process)
        if found["error"] is not None:
            raise QueryError(str(found["error"]))
        return rows

    def interrupt(self) -> None:
        """End every query, now and from now on."""
        with self._lock:
            self._ended = True
            for process in self._busy:
                process.kill()
            while self._idle:
                _end(self._idle.pop())

    def close(self) -> None:
        """End the processes. A later query starts new ones."""
        self.interrupt()
        self._ended = False

    def _take(self) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._ended:
                raise QueryError(INTERRUPTED)
            while self._idle:
                process = self._idle.pop()
                if process.poll() is None:
                    self._busy.add(process)
                    return process
                _end(process)
            process = subprocess.Popen(  # noqa: S603  # our own program
                [sys.executable, "-I", "-S", str(PROGRAM)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            self._busy.add(process)
        with contextlib.suppress(OSError):  # the query says so
            _send(process, self._setup)
        return process

    def _put_back(self, process: subprocess.Popen[bytes]) -> None:
        with self._lock:
            self._busy.discard(process)
            if not self._ended:
                self._idle.append(process)
                return
        _end(process)

    def _drop(self, process: subprocess.Popen[bytes]) -> None:
        with self._lock:
            self._busy.discard(process)
        _end(process)


def _send(process: subprocess.Popen[bytes], document: object) -> None:
    assert process.stdin is not None  # a pipe
    process.stdin.write(json.dumps(document).encode() + b"\n")
    process.stdin.flush()


def _receive(process: subprocess.Popen[bytes]) -> Any:
    """The next line; raises ``ValueError`` if there is none."""
    assert process.stdout is not None  # a pipe
    return json.loads(process.stdout.readline())


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    for pipe in (process.stdin, process.stdout):
        with contextlib.suppress(OSError):
            pipe.close()  # type: ignore[union-attr]  # both are pipes
    process.wait()
