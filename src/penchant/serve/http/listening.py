"""Taking connections from a socket that several workers share, each about as many as the others.

Without this, whichever worker wakes first takes what it finds: of 64 connections that come at once, one worker of two
had between 28 and all 64.
"""

from __future__ import annotations

import asyncio
import logging
import select
import socket
from collections.abc import Callable, Collection

from penchant.serve.common.connection_counts import ConnectionCounts

BACKLOG = 2048  # connections that wait to be accepted
LOOK = 0.001  # seconds between two looks whether another worker took a connection
PATIENCE = 0.02  # seconds that a connection waits for a worker with fewer
FREELY = 0.1  # seconds for which nobody waits after that: the other worker is busy, or hangs
TELL = 0.1  # seconds between two notes of how many connections there are
PAUSE = 1.0  # seconds after which accepting is tried again, when the process has too many open files

log = logging.getLogger("penchant.serve")


class Listener:
    """Accepts connections of a listening socket for ``make``, which makes their protocols; ``connections`` are those
    that are open. It stands among the servers of uvicorn."""

    def __init__(
        self,
        listening: socket.socket,
        make: Callable[[], asyncio.Protocol],
        connections: Collection[object],
        counts: ConnectionCounts,
        number: int,
    ) -> None:
        self.sockets, self._make, self._connections = (listening,), make, connections
        self._socket, self._counts, self._number = listening, counts, number
        self._loop = asyncio.get_running_loop()
        self._beginning: dict[asyncio.Protocol, asyncio.Task[None]] = {}  # until they are among the connections
        self._since: float | None = None  # when the connection that waits was first seen
        self._freely = 0.0  # until when nobody waits
        self._poll = select.poll()
        self._poll.register(listening, select.POLLIN)
        self._timers: dict[Callable[[], None], asyncio.TimerHandle] = {}
        listening.setblocking(False)
        listening.listen(BACKLOG)
        self._tell()
        self._loop.add_reader(listening, self._readable)

    def close(self) -> None:
        """Accept no more."""
        for timer in self._timers.values():
            timer.cancel()
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket)
            self._socket.close()

    async def wait_closed(self) -> None:
        """It is closed at once."""

    # -- inside ---------------------------------------------------------------------------------------------------

    def _later(self, seconds: float, what: Callable[[], None]) -> None:
        self._timers[what] = self._loop.call_later(seconds, what)

    def _tell(self) -> None:
        self._counts.set(self._number, self._own())
        self._later(TELL, self._tell)

    def _own(self) -> int:
        return len(self._connections) + sum(one not in self._connections for one in self._beginning)

    def _readable(self) -> None:
        if self._waits():
            self._loop.remove_reader(self._socket)
            self._later(LOOK, self._look)
            return
        self._since = None
        try:
            accepted, _ = self._socket.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return  # another worker took it, or the client went away
        except OSError as wrong:
            log.warning("a connection could not be accepted", extra={"data": {"reason": wrong.strerror}})
            self._loop.remove_reader(self._socket)
            self._later(PAUSE, self._look)
            return
        accepted.setblocking(False)
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        protocol = self._make()
        self._beginning[protocol] = self._loop.create_task(self._begin(protocol, accepted))
        self._counts.set(self._number, self._own())

    async def _begin(self, protocol: asyncio.Protocol, accepted: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(lambda: protocol, accepted)
        except OSError:  # the client went away
            accepted.close()
        finally:
            del self._beginning[protocol]

    def _waits(self) -> bool:
        """Whether a connection is left to another worker, which has fewer."""
        now = self._loop.time()
        if now < self._freely or self._own() <= self._counts.fewest():
            return False
        self._since = now if self._since is None else self._since
        if now - self._since < PATIENCE:
            return True
        self._freely = now + FREELY
        return False

    def _look(self) -> None:
        """Go on, when nobody has taken the connection; else wait for the next one."""
        if self._poll.poll(0):
            self._loop.add_reader(self._socket, self._readable)
            self._readable()
        else:
            self._since = None
            self._loop.add_reader(self._socket, self._readable)
