"""From settings to a running process: open everything that may fail, then listen, and drain on SIGTERM."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import uvicorn

from penchant.errors import ParameterError, PenchantError
from penchant.serve.app import make_app
from penchant.serve.common.connection_counts import ConnectionCounts
from penchant.serve.common.logs import configure, tell_settings
from penchant.serve.common.settings import Settings
from penchant.serve.common.shared_metrics import SharedMetrics
from penchant.serve.common.signals import endings
from penchant.serve.common.trainer import Trainer
from penchant.serve.http.listening import BACKLOG, Listener
from penchant.serve.http.protocol import bounded
from penchant.serve.service import Service

GIVEN_UP, DRAINED = 0.7, 0.8  # shares of ``drain`` after which requests get a 503, and nobody waits for clients
YOUNG = 10_000  # new objects before Python looks for unreachable ones: an answer leaves hardly any
SWITCH = 0.0005  # seconds: the thread of the writer gets its turn soon while the event loop is busy


def open_service(settings: Settings) -> Service:
    """A service that is ready to answer. Raises ``PenchantError`` for an invalid store, key or model."""
    service = Service(settings)
    service.open()
    if not len(service.keys) and not settings.loopback:
        service.store.close()
        raise ParameterError(
            f"without a key the service listens on a loopback address only, not on {settings.host}: "
            "make one with penchant keys create --scope admin"
        )
    return service


def serve(
    settings: Settings,
    *,
    sockets: list[socket.socket] | None = None,
    beside: str | None = None,
    opened: Callable[[Service], None] | None = None,
    started: Callable[[int], None] | None = None,
    config: str | None = None,
    worker: tuple[int, Path] | None = None,
) -> None:
    """Run in this process until a signal to end; running requests are answered first.

    ``beside`` names a model to load for comparison; ``opened`` is called with the service before it listens, and
    ``started`` with the port once it does; ``config`` is the file of settings, for trainings. ``worker`` is the number
    of a process that shares ``sockets`` with others, and the folder where they leave their metrics.
    """
    logger = configure(settings.log_level, None if worker is None else worker[0])
    service = open_service(settings)
    if opened is not None:
        try:
            opened(service)
        except BaseException:
            service.store.close()
            raise
    if beside is not None:
        service.models.beside = service.models.read(beside, (), False)
    if settings.train_seconds is not None or settings.update_seconds is not None:
        if service.models.single:
            service.store.close()
            raise ParameterError("train_every and update_every need a folder of models, not one saved recommender")
        service.trainer = Trainer(settings, service.trainings, service.metrics, config)
    if worker is not None:
        service.sharing = SharedMetrics(service.metrics, *worker, measure=service.measure, thread=service.thread)
    else:
        tell_settings(logger, settings)
    if service.keys.unused:
        logger.warning("there is no key: every program on this machine may use the service")
    sys.setswitchinterval(SWITCH)
    gc.collect()
    gc.set_threshold(YOUNG)
    gc.freeze()  # loaded objects stay: scanning them again and again would cost pauses of 40 ms
    served = uvicorn.Config(
        make_app(service),
        host=settings.host,
        port=settings.port,
        http=bounded(settings),
        forwarded_allow_ips=",".join(settings.trusted_proxies) or "none",  # else uvicorn asks the environment
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        timeout_keep_alive=65,
        backlog=BACKLOG,
        ws="none",
        lifespan="on",
    )
    logging.getLogger("uvicorn.error").handlers[:] = logger.handlers
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # its warnings are lines that any stranger can write
    logging.getLogger("uvicorn.error").propagate = False
    try:
        _Server(served, service, started, worker).run(sockets=sockets)
    except SystemExit as ended:  # uvicorn's way to report it
        raise PenchantError(f"cannot listen on {settings.host}, port {settings.port}; the log says why") from ended


class _Server(uvicorn.Server):
    """Logs its address once it listens, and ends quietly on a signal."""

    def __init__(
        self,
        config: uvicorn.Config,
        service: Service,
        notify: Callable[[int], None] | None,
        worker: tuple[int, Path] | None,
    ) -> None:
        super().__init__(config)
        self.service, self.notify, self.worker = service, notify, worker
        # a share is left for the last steps
        config.timeout_graceful_shutdown = DRAINED * service.settings.drain  # type: ignore[assignment]  # float works

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets if self.worker is None else [])
        if self.worker is not None:
            number, folder = self.worker
            counts, connections = ConnectionCounts(folder, own=number), self.server_state.connections
            self.servers = [Listener(one, self._protocol, connections, counts, number) for one in sockets or ()]  # type: ignore[misc]  # uvicorn uses what it has
        if self.started:
            ports = [s.getsockname()[1] for server in self.servers for s in server.sockets]
            where = {"host": self.config.host, "port": ports[0] if ports else None}
            message = "listening" if self.service.sharing is None else "worker ready"
            logging.getLogger("penchant.serve").info(message, extra={"data": where})
            if self.notify is not None and ports:
                self.notify(ports[0])

    def _protocol(self) -> asyncio.Protocol:
        """As uvicorn makes one."""
        made: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg]  # that of httptools takes them
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return made

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.service.turn_away()
        giving_up = asyncio.get_running_loop().call_later(GIVEN_UP * self.service.settings.drain, self._give_up)
        await super().shutdown(sockets)
        giving_up.cancel()

    def _give_up(self) -> None:
        """Requests that are not answered yet get a 503."""
        self.service.give_up()
        for task in self.server_state.tasks:
            task.cancel()

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        for number in endings():  # uvicorn would raise the signal again after draining
            signal.signal(number, self._end)
        super().run(sockets)

    def _end(self, *_: object) -> None:
        self.should_exit = True
