"""Several processes that answer on one socket: started, started again when one dies, and ended together.

The parent binds the socket and answers nothing itself. A connection that no worker has accepted yet waits in the
socket, which outlives each of them: a worker that is killed takes only its own connections with it.
"""

from __future__ import annotations

import contextlib
import json
import logging
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penchant.errors import ParameterError, PenchantError
from penchant.serve.common.connection_counts import GONE, ConnectionCounts
from penchant.serve.common.logs import configure, tell_settings
from penchant.serve.common.settings import Settings
from penchant.serve.common.shared_metrics import file_of
from penchant.serve.common.signals import endings

if TYPE_CHECKING:
    from penchant.serve.service import Service

PROGRAM = "from penchant.serve.worker import main; main()"
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 30.0  # seconds before a worker that died is started again
STEADY = 30.0  # seconds after which a worker counts as one that works
GRACE = 2.0  # seconds beyond ``drain`` after which a worker is killed

log = logging.getLogger("penchant.serve")


@dataclass(eq=False)
class _Worker:
    number: int
    process: subprocess.Popen[bytes]
    channel: socket.socket
    began: float
    ready: bool = False
    failed: PenchantError | None = None
    unread: bytes = b""


class Workers:
    """The parent of ``settings.workers`` processes. ``run`` returns after a signal to end, when all have ended."""

    def __init__(
        self,
        settings: Settings,
        *,
        beside: str | None = None,
        started: Callable[[int], None] | None = None,
        config: str | None = None,
    ) -> None:
        self.settings, self.beside, self.started, self.config = settings, beside, started, config
        self.running: dict[int, _Worker] = {}
        self._due: dict[int, float] = {}  # when a worker is to be started, monotonic
        self._deaths: dict[int, int] = {}  # of a worker since it was last steady
        self._tried: set[int] = set()  # workers that were ready, or failed, once
        self._first: PenchantError | None = None  # why none could be started
        self._announced, self._ending = False, False
        self._until = float("inf")  # when workers that are still there are killed
        self._selector = selectors.DefaultSelector()

    def run(self) -> None:
        """Serve. Raises ``PenchantError`` if the address cannot be had, or if the first worker cannot start."""
        if sys.platform == "win32":
            raise ParameterError("workers: several processes need sockets that Windows cannot pass on; leave it at 1")
        configure(self.settings.log_level)
        tell_settings(log, self.settings)
        self._sockets = bind(self.settings.host, self.settings.port)
        self._folder = Path(tempfile.mkdtemp(prefix="penchant-workers-"))
        self._counts = ConnectionCounts.make(self._folder, self.settings.workers)
        here, there = socket.socketpair()
        there.setblocking(False)
        before = signal.set_wakeup_fd(there.fileno(), warn_on_full_buffer=False)
        handlers = {number: signal.signal(number, self._end) for number in endings()}
        self._selector.register(here, selectors.EVENT_READ)
        try:
            self._due[0] = time.monotonic()
            while not (self._ending and not self.running):
                self._step(here)
        finally:
            for worker in list(self.running.values()):
                worker.process.kill()
                worker.process.wait()
            signal.set_wakeup_fd(before)
            for number, handler in handlers.items():
                signal.signal(number, handler)
            for each in (here, there, *self._sockets):
                each.close()
            self._selector.close()
            shutil.rmtree(self._folder, ignore_errors=True)
        if self._first is not None:
            raise self._first

    # -- the loop -------------------------------------------------------------------------------------------------

    def _step(self, wakes: socket.socket) -> None:
        now = time.monotonic()
        wait = min([*self._due.values(), self._until], default=float("inf")) - now
        for key, _ in self._selector.select(None if wait == float("inf") else max(0.0, wait)):
            if key.fileobj is wakes:
                wakes.recv(4096)
            else:
                self._listen(key.data)
        if self._ending:  # as soon as the workers have closed them, too, clients are refused and do not wait
            for each in self._sockets:
                each.close()
        now = time.monotonic()
        if now >= self._until:
            for worker in self.running.values():
                log.warning("a worker did not end in time", extra={"data": {"number": worker.number}})
                worker.process.kill()
            self._until = float("inf")
        for number in [number for number, due in self._due.items() if due <= now]:
            del self._due[number]
            if not self._ending:
                self._start(number)

    def _end(self, *_: object) -> None:
        """Pass a signal on; each worker drains by itself."""
        if self._ending:
            return
        self._ending = True
        self._due.clear()
        self._until = time.monotonic() + self.settings.drain + GRACE
        for worker in self.running.values():
            with contextlib.suppress(ProcessLookupError):
                worker.process.terminate()

    def _start(self, number: int) -> None:
        ours, theirs = socket.socketpair()
        handles = [each.fileno() for each in (*self._sockets, theirs)]
        told = {
            "number": number, "sockets": handles[:-1], "settings": asdict(self.settings), "beside": self.beside,
            "config": self.config, "metrics": str(self._folder),
        }  # fmt: skip
        with theirs:  # settings may hold a secret: neither arguments nor environment have them
            process = subprocess.Popen(  # noqa: S603  # our own program
                [sys.executable, "-P", "-c", PROGRAM, str(handles[-1])], stdin=subprocess.DEVNULL, pass_fds=handles
            )
        worker = self.running[number] = _Worker(number, process, ours, time.monotonic())
        with contextlib.suppress(OSError):  # it has died, and the end of the channel says so
            ours.sendall(json.dumps(told).encode() + b"\n")
        self._selector.register(ours, selectors.EVENT_READ, worker)
        if self._ending:  # a signal came meanwhile
            process.terminate()

    # -- what workers say -----------------------------------------------------------------------------------------

    def _listen(self, worker: _Worker) -> None:
        try:
            data = worker.channel.recv(65_536)
        except OSError:
            data = b""
        if not data:
            self._gone(worker)
            return
        *lines, worker.unread = (worker.unread + data).split(b"\n")
        for line in lines:
            told: dict[str, Any] = json.loads(line)
            if "ready" in told:
                worker.ready = True
                self._settled(worker.number, told["ready"])
            else:
                kind = ParameterError if told["input"] else PenchantError
                worker.failed = kind(told["failed"])

    def _gone(self, worker: _Worker) -> None:
        self._selector.unregister(worker.channel)
        worker.channel.close()
        code = worker.process.wait()
        del self.running[worker.number]
        self._counts.set(worker.number, GONE)
        file_of(self._folder, worker.number).unlink(missing_ok=True)
        if self._ending:
            return
        if not self._tried:  # the first, before it was ready
            self._first = worker.failed or PenchantError(f"the first worker ended with {code} before it was ready")
            self._ending = True
            return
        lived = time.monotonic() - worker.began
        deaths = 1 if worker.ready and lived >= STEADY else self._deaths.get(worker.number, 0) + 1
        self._deaths[worker.number] = deaths
        wait = pause(deaths)
        self._due[worker.number] = time.monotonic() + wait
        data = {"number": worker.number, "code": code, "again_in": wait, "reason": str(worker.failed or "")}
        log.warning("a worker ended", extra={"data": data})
        self._settled(worker.number, None)

    def _settled(self, number: int, port: int | None) -> None:
        """A worker is ready, or failed: the first prepares the store for the others, and the last of them is told."""
        if not self._tried:
            self._due |= dict.fromkeys(range(1, self.settings.workers), time.monotonic())
        self._tried.add(number)
        if self._announced or len(self._tried) < self.settings.workers:
            return
        self._announced = True
        port = port or self._sockets[0].getsockname()[1]
        log.info("listening", extra={"data": {"host": self.settings.host, "port": port, "workers": len(self._tried)}})
        if self.started is not None:
            self.started(port)


def serve(
    settings: Settings,
    *,
    beside: str | None = None,
    opened: Callable[[Service], None] | None = None,
    started: Callable[[int], None] | None = None,
    config: str | None = None,
) -> None:
    """Run until a signal to end, in this process or in ``settings.workers`` of them; see ``run.serve``."""
    if settings.workers > 1 and opened is None:
        Workers(settings, beside=beside, started=started, config=config).run()
        return
    from penchant.serve import run  # the parent of workers has no use for it

    if settings.workers == 1:
        run.serve(settings, beside=beside, opened=opened, started=started, config=config)
        return
    service = run.open_service(settings)
    try:
        opened(service)  # type: ignore[misc]  # it is not None here
    finally:
        service.store.close()
    del service
    serve(settings, beside=beside, started=started, config=config)


def pause(deaths: int) -> float:
    """Seconds before a worker is started again that died so often, one time soon after the other."""
    return min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(deaths - 1, 20))


def bind(host: str, port: int) -> list[socket.socket]:
    """Sockets at every address of a host, not listening yet; ``port`` 0 takes a free one. Raises ``PenchantError``."""
    bound: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, address in dict.fromkeys(found):
            made = socket.socket(family, kind, protocol)
            bound.append(made)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            taken = port or bound[0].getsockname()[1] or port
            made.bind((address[0], taken, *address[2:]))
            made.setblocking(False)
    except OSError as failed:
        for each in bound:
            each.close()
        raise PenchantError(f"cannot listen on {host}, port {port}: {failed.strerror}") from failed
    return bound
