"""Group commit: one thread writes everything that is queued when the last commit returns in one transaction."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from penchant.store.database import Database, StoreError, first_line, transaction

T = TypeVar("T")
GROUP = 4096  # events of one transaction, so that nobody waits long behind a flood
WAITING = 65_536  # events that may be queued; beyond that the service is busy


class BusyError(StoreError):
    """The queue of the writer is full."""


@dataclass(eq=False)
class Job:
    """Work for the writer, and the future that is resolved once it is committed."""

    future: Any
    loop: asyncio.AbstractEventLoop | None
    work: Callable[[Any], Any] | None = None  # work(connection), under its own savepoint
    batch: Any = None  # or a batch of events, written together with its neighbours
    size: int = 1
    outside: bool = False  # work outside any transaction
    result: Any = None
    error: BaseException | None = None
    started: float = field(default_factory=time.perf_counter)


class Writer:
    """Group commit. ``append(connection, batches)`` writes many batches of events and returns a result for each.

    A future is resolved only after its transaction was committed; with ``synchronous=FULL`` the log is on disk then.
    Work that raises is rolled back alone.
    """

    def __init__(self, database: Database, append: Callable[[Any, Sequence[Any]], list[Any]]) -> None:
        self.database, self._append = database, append
        self.on_commit: Callable[[int, float], None] | None = None  # events, seconds
        self._jobs: deque[Job] = deque()
        self._waiting = 0
        self._changed = threading.Condition()
        self._stopping = self._given_up = False
        self._connection: Any = None  # of the thread
        self._thread = threading.Thread(target=self._run, name="penchant-writer", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, seconds: float | None = None) -> bool:
        """Write everything that is queued, then end. After ``seconds``, what is being done is interrupted, and what is
        left is not done. Returns whether the thread has ended."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread.ident is None:
            return True
        self._thread.join(seconds)
        if self._thread.is_alive():
            self._given_up = True
            if self.database.sqlite and self._connection is not None:
                self._connection.interrupt()
            self._thread.join(seconds)
        return not self._thread.is_alive()

    # -- queueing -------------------------------------------------------------------------------------------------

    async def append(self, batch: Any, size: int) -> Any:
        """Write a batch of events; returns its outcome once it is durable. Raises ``StoreError``."""
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self._put(Job(future, loop, batch=batch, size=size))
        return await future

    async def do(self, work: Callable[[Any], T]) -> T:
        """Run ``work(connection)`` in the next transaction; returns its result once it is durable."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._put(Job(future, loop, work=work))
        return await future

    def do_now(self, work: Callable[[Any], T]) -> T:
        """As ``do``, without an event loop."""
        future: concurrent.futures.Future[T] = concurrent.futures.Future()
        self._put(Job(future, None, work=work))
        return future.result()

    def outside_now(self, work: Callable[[Any], T]) -> T:
        """Run ``work(connection)`` between two transactions, for what cannot run in one; blocks until it is done."""
        future: concurrent.futures.Future[T] = concurrent.futures.Future()
        self._put(Job(future, None, work=work, outside=True))
        return future.result()

    @property
    def waiting(self) -> int:
        """The number of queued events."""
        return self._waiting

    def _put(self, job: Job) -> None:
        with self._changed:
            if self._stopping:
                raise StoreError("the service is stopping")
            if self._waiting + job.size > WAITING:
                raise BusyError("too many events are waiting to be written")
            self._jobs.append(job)
            self._waiting += job.size
            self._changed.notify()

    # -- writing --------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while jobs := self._take():
            if self._given_up:
                for job in jobs:
                    job.error = StoreError("the service is stopping")
            else:
                self._commit(jobs)
            _resolve(jobs)
        self.database.drop_mine()

    def _take(self) -> list[Job]:
        with self._changed:
            while not self._jobs and not self._stopping:
                self._changed.wait()
            jobs: list[Job] = []
            size = 0
            while self._jobs and (not jobs or (size + self._jobs[0].size <= GROUP and not self._jobs[0].outside)):
                size += self._jobs[0].size
                jobs.append(self._jobs.popleft())
                if jobs[-1].outside:
                    break
            self._waiting -= size
            return jobs

    def _commit(self, jobs: list[Job]) -> None:
        start = time.perf_counter()
        try:
            connection = self._connection = self.database.alive()
            if jobs[0].work is not None and jobs[0].outside:
                jobs[0].result = jobs[0].work(connection)
                return
            with transaction(connection, immediate=self.database.sqlite):
                self._write(connection, jobs)
        except Exception as failed:  # noqa: BLE001  # every waiting request gets the error
            self.database.drop_mine()
            self._failed(jobs, failed)
        else:
            if self.on_commit is not None:
                events = sum(job.size for job in jobs if job.batch is not None)
                self.on_commit(events, time.perf_counter() - start)

    def _write(self, connection: Any, jobs: list[Job]) -> None:
        n = 0
        while n < len(jobs):
            if jobs[n].work is not None:
                _alone(connection, jobs[n])
                n += 1
                continue
            stop = n
            while stop < len(jobs) and jobs[stop].work is None:
                stop += 1
            results = self._append(connection, [job.batch for job in jobs[n:stop]])
            for job, result in zip(jobs[n:stop], results, strict=True):
                job.result = result
            n = stop

    def _failed(self, jobs: list[Job], failed: Exception) -> None:
        """The transaction failed. Unless the store itself failed, run each job alone, so that only the faulty fails."""
        dbapi = self.database.engine.dialect.dbapi
        lasting = isinstance(failed, StoreError) or (dbapi is not None and isinstance(failed, dbapi.OperationalError))
        if len(jobs) > 1 and not lasting:
            for job in jobs:
                job.error = job.result = None
                self._commit([job])
            return
        known = isinstance(failed, (*self.database.errors, StoreError))
        error = StoreError(f"the store cannot be written: {first_line(failed)}") if known else failed
        for job in jobs:
            job.error = error


def _alone(connection: Any, job: Job) -> None:
    assert job.work is not None  # the caller saw it
    connection.execute("SAVEPOINT alone")
    try:
        job.result = job.work(connection)
    except Exception as refused:  # noqa: BLE001  # the caller gets it
        job.error = refused
        connection.execute("ROLLBACK TO SAVEPOINT alone")
    connection.execute("RELEASE SAVEPOINT alone")


def _resolve(jobs: list[Job]) -> None:
    """Resolve the futures of one transaction, waking each event loop once."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Job]] = {}
    for job in jobs:
        if job.loop is None:
            _settle([job])
        else:
            by_loop.setdefault(job.loop, []).append(job)
    for loop, of_loop in by_loop.items():
        with contextlib.suppress(RuntimeError):  # the loop was closed: nobody waits
            loop.call_soon_threadsafe(_settle, of_loop)


def _settle(jobs: list[Job]) -> None:
    for job in jobs:
        if job.future.done():  # the caller is gone
            continue
        if job.error is not None:
            job.future.set_exception(job.error)
        else:
            job.future.set_result(job.result)
