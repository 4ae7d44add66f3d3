"""Workers that share a socket have about as many connections each; one that hangs, or is gone, is not waited for."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from penchant.serve.common.connection_counts import GONE, ConnectionCounts
from penchant.serve.http import listening
from penchant.serve.http.listening import PATIENCE, TELL, Listener

MANY = 40


class Echo(asyncio.Protocol):
    """Sends back what comes, and stands among the connections of its worker while it is open."""

    def __init__(self, connections: set[Echo]) -> None:
        self.connections = connections

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.connections.add(self)

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.connections.discard(self)


class Shared:
    """A socket, and workers in one event loop that listen on it."""

    def __init__(self, folder: Path, workers: int, *, kind: type[socket.socket] = socket.socket) -> None:
        self.listening = kind()
        self.listening.bind(("127.0.0.1", 0))
        self.parent = ConnectionCounts.make(folder, workers)
        self.connections: list[set[Echo]] = [set() for _ in range(workers)]
        self.folder, self.listeners, self.writers = folder, list[Listener](), list[asyncio.StreamWriter]()

    def start(self, number: int) -> None:
        own = self.connections[number]
        counts = ConnectionCounts(self.folder, own=number)
        sock = self.listening if type(self.listening) is not socket.socket else self.listening.dup()
        self.listeners.append(Listener(sock, lambda: Echo(own), own, counts, number))

    async def connect(self, count: int) -> list[asyncio.StreamWriter]:
        """Open connections at once, and wait until each is answered."""

        async def one() -> asyncio.StreamWriter:
            reader, writer = await asyncio.open_connection(*self.listening.getsockname())
            self.writers.append(writer)
            writer.write(b"x")
            assert await asyncio.wait_for(reader.read(1), 10) == b"x"
            return writer

        return await asyncio.gather(*(one() for _ in range(count)))

    @property
    def shares(self) -> list[int]:
        return [len(each) for each in self.connections]

    async def close(self) -> None:
        for listener in self.listeners:
            listener.close()
            await listener.wait_closed()
        self.listening.close()
        for writer in self.writers:
            writer.close()
        await asyncio.sleep(0.05)  # their other ends are closed


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine is, nobody is taken for one that hangs."""
    monkeypatch.setattr(listening, "PATIENCE", 1e9)


def run(shared: Shared, work: Callable[[], Awaitable[None]]) -> None:
    async def whole() -> None:
        try:
            await work()
        finally:
            await shared.close()

    asyncio.run(whole())


@pytest.mark.usefixtures("patient")
def test_each_worker_has_as_many_connections(tmp_path: Path) -> None:
    shared = Shared(tmp_path, 4)

    async def work() -> None:
        for number in range(4):
            shared.start(number)
        await shared.connect(MANY)
        assert shared.shares == [MANY // 4] * 4

    run(shared, work)


@pytest.mark.usefixtures("patient")
def test_one_that_was_started_again_gets_the_next_connections(tmp_path: Path) -> None:
    shared = Shared(tmp_path, 2)

    async def work() -> None:
        shared.start(0)
        await shared.connect(MANY)
        assert shared.shares == [MANY, 0]
        shared.start(1)
        await shared.connect(MANY)
        assert shared.shares == [MANY, MANY]

    run(shared, work)


@pytest.mark.usefixtures("patient")
def test_nobody_waits_for_one_that_is_gone(tmp_path: Path) -> None:
    shared = Shared(tmp_path, 2)

    async def work() -> None:
        shared.start(0)
        shared.parent.set(1, 0)
        (waiting,) = await asyncio.gather(asyncio.wait_for(shared.connect(2), 0.5), return_exceptions=True)
        assert isinstance(waiting, TimeoutError)  # the other has fewer
        shared.parent.set(1, GONE)
        await shared.connect(1)

    run(shared, work)


def test_one_that_hangs_delays_a_burst_once(tmp_path: Path) -> None:
    shared = Shared(tmp_path, 2)

    async def work() -> None:
        shared.start(0)
        shared.parent.set(1, 0)  # it runs, and takes nothing
        await shared.connect(1)
        loop = asyncio.get_running_loop()
        began = loop.time()
        await shared.connect(MANY)
        assert PATIENCE <= loop.time() - began < MANY * PATIENCE
        assert shared.shares == [MANY + 1, 0]

    run(shared, work)


def test_connections_that_close_are_counted(tmp_path: Path) -> None:
    shared = Shared(tmp_path, 2)

    async def work() -> None:
        shared.start(0)
        assert shared.parent.fewest() == 0  # of both: this process is no worker
        writers = await shared.connect(MANY)
        shared.parent.set(1, 7)
        assert ConnectionCounts(tmp_path, own=0).fewest() == 7
        assert ConnectionCounts(tmp_path, own=1).fewest() == MANY
        for writer in writers[5:]:
            writer.close()
        await asyncio.sleep(5 * TELL)
        assert ConnectionCounts(tmp_path, own=1).fewest() == 5

    run(shared, work)


class Full(socket.socket):
    """A socket of a process that has too many open files at first."""

    left = 3

    def accept(self) -> Any:
        if self.left:
            Full.left -= 1
            raise OSError(errno.EMFILE, "Too many open files")
        return super().accept()


def test_too_many_open_files_are_waited_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(listening, "PAUSE", 0.01)
    monkeypatch.setattr(listening.log, "propagate", True)
    shared = Shared(tmp_path, 1, kind=Full)

    async def work() -> None:
        shared.start(0)
        await shared.connect(1)
        assert shared.shares == [1]

    run(shared, work)
    assert [record.getMessage() for record in caplog.records] == ["a connection could not be accepted"] * 3
