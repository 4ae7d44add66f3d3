"""The program of a process that answers long queries of a SQLite file, one after the other (see ``apart``).

It runs by itself, with the standard library only, so that it starts at once and stays small. Every line on its input
and output is JSON: first what to open, then a query a line; each is answered by lines of rows and a last line that says
how it ended.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import sys
import time
from pathlib import Path
from typing import IO, Any

NICE = 10  # beside the service: it gets the processor first, and these queries get what is left
PROGRESS = 10_000  # steps of SQLite between two looks at the clock
ROWS = 250  # of one line: short enough to be read in a moment
MEMORY = "/proc/self/oom_score_adj", "1000"  # what the system ends first if memory runs out


def main() -> None:
    """Answer until the input ends, or until the process that asks is gone."""
    with contextlib.suppress(OSError, AttributeError):
        os.nice(NICE)
    with contextlib.suppress(OSError):
        Path(MEMORY[0]).write_text(MEMORY[1])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to everybody; the end of the input is enough
    setup, connection = json.loads(sys.stdin.buffer.readline()), None
    for line in sys.stdin.buffer:
        try:
            if connection is None:
                connection = connect(**setup)
            answer(connection, json.loads(line), sys.stdout.buffer)
        except sqlite3.Error as failed:
            put(sys.stdout.buffer, {"error": str(failed)})


def connect(uri: str, timeout: float, pragmas: dict[str, str]) -> sqlite3.Connection:
    """A connection to a file that exists, only for reading."""
    connection = sqlite3.connect(uri, uri=True, timeout=timeout, isolation_level=None)
    for name, value in pragmas.items():
        connection.execute(f"PRAGMA {name}={value}")
    connection.execute("PRAGMA query_only=ON")
    return connection


def answer(connection: sqlite3.Connection, asked: dict[str, Any], out: IO[bytes]) -> None:
    """Write the rows of one query, unless it takes too long."""
    until, parent = time.monotonic() + asked["seconds"], os.getppid()
    connection.set_progress_handler(lambda: time.monotonic() > until or os.getppid() != parent, PROGRESS)
    cursor = connection.execute(asked["sql"], asked["values"])
    try:
        while rows := cursor.fetchmany(ROWS):
            put(out, rows)
    finally:
        cursor.close()
    put(out, {"error": None})


def put(out: IO[bytes], document: object) -> None:
    """Write one line."""
    out.write(json.dumps(document).encode() + b"\n")
    out.flush()


if __name__ == "__main__":
    main()
