"""A cluster of PostgreSQL, made and thrown away, that can be frozen, ended and started again."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg


def tool(name: str) -> str:
    """A program of PostgreSQL, which Debian keeps out of the path."""
    found = shutil.which(name) or next((str(path) for path in Path("/usr/lib/postgresql").glob(f"*/bin/{name}")), None)
    assert found, f"this test needs PostgreSQL ({name}): apt-get install postgresql"
    return found


class Cluster:
    """A server on a free port of this machine."""

    def __init__(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="penchant-pg-"))
        self._user: Any = (
            {"user": "nobody", "extra_groups": []} if os.getuid() == 0 else {}
        )  # it refuses to run as root
        if self._user:
            shutil.chown(self.root, "nobody")
        make = [tool("initdb"), "-D", self.root / "data", "-U", "penchant", "-A", "trust"]
        subprocess.run(make, check=True, capture_output=True, cwd=self.root, **self._user)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.databases = 0
        self.url = f"postgresql://penchant@127.0.0.1:{self.port}/postgres"
        self.start()

    def new_database(self) -> None:
        """Point ``url`` to an empty database."""
        self.databases += 1
        at, name = self.url.rpartition("/")[0], f"store{self.databases}"
        with psycopg.connect(f"{at}/postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        self.url = f"{at}/{name}"

    def save(self, name: str) -> None:
        """Keep a copy of the database, as a backup; nobody may be connected to it."""
        self._copy(self.url.rpartition("/")[2], name)

    def put_back(self, name: str) -> None:
        """The copy in the place of the database."""
        self._copy(name, self.url.rpartition("/")[2])

    def _copy(self, one: str, into: str) -> None:
        with psycopg.connect(self.url.rpartition("/")[0] + "/postgres", autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {into} WITH (FORCE)")
            others = "FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()"
            for _ in range(200):  # the server may not have noticed yet that somebody left
                connection.execute(f"SELECT pg_terminate_backend(pid) {others}", [one])
                if connection.execute(f"SELECT count(*) {others}", [one]).fetchone() == (0,):
                    break
                time.sleep(0.02)
            connection.execute(f"CREATE DATABASE {into} TEMPLATE {one}")

    def start(self) -> None:
        """Start it, and wait until it takes queries."""
        options = ["-D", self.root / "data", "-p", str(self.port), "-k", self.root, "-c", "listen_addresses=127.0.0.1"]
        self.server = subprocess.Popen(
            [tool("postgres"), *options], stderr=subprocess.DEVNULL, cwd=self.root, **self._user
        )
        ready = [tool("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        for _ in range(200):
            if subprocess.run(ready, check=False).returncode == 0:
                return
            time.sleep(0.05)
        raise AssertionError("PostgreSQL did not start")

    def stop(self, how: int = signal.SIGINT) -> None:
        """End it: SIGINT ends its clients' transactions, SIGQUIT is a crash."""
        self.server.send_signal(how)
        self.server.wait(30)

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """It stands still: connections stay open, nothing is answered."""
        try:
            self.server.send_signal(signal.SIGSTOP)  # first, so that it starts no others
            self._send_all(signal.SIGSTOP)
            yield
        finally:
            self._send_all(signal.SIGCONT)

    def _send_all(self, sent: signal.Signals) -> None:
        """A signal to each of its processes; some end meanwhile."""
        for process in self._processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, sent)

    def _processes(self) -> list[int]:
        """Its processes."""
        parents = {}
        for path in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
        found = [self.server.pid]
        for process in found:
            found += [child for child, parent in parents.items() if parent == process]
        return found

    def throw_away(self) -> None:
        """End it and delete its files."""
        if self.server.poll() is None:
            self.stop()
        shutil.rmtree(self.root, ignore_errors=True)
