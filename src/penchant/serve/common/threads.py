"""Threads that do not keep a process from ending: what computes too long is left behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
Task = tuple[Future[Any], Callable[[], Any]]


class DaemonThreads(Executor):
    """At most ``most`` daemon threads, which begin with ``initializer``; the interpreter does not wait for them."""

    def __init__(self, most: int, name: str, initializer: Callable[[], None] | None = None) -> None:
        self._most, self._name, self._initializer = most, name, initializer
        self._tasks: SimpleQueue[Task | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._lock, self._closed = threading.Lock(), False

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """As ``Executor.submit``: raises ``RuntimeError`` after the shutdown."""
        future: Future[T] = Future()
        with self._lock:
            if self._closed:
                raise RuntimeError("cannot schedule new futures after shutdown")
            self._tasks.put((future, lambda: fn(*args, **kwargs)))
            if len(self._threads) < self._most:
                name = f"{self._name}_{len(self._threads)}"
                self._threads.append(threading.Thread(target=self._run, name=name, daemon=True))
                self._threads[-1].start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """As ``Executor.shutdown``."""
        with self._lock:
            waiting: list[Task] = []
            while cancel_futures and not self._tasks.empty():
                if (task := self._tasks.get()) is not None:
                    waiting.append(task)
            if not self._closed or cancel_futures:
                for _ in self._threads:
                    self._tasks.put(None)
            self._closed = True
        for future, _ in waiting:
            future.cancel()
        if wait:
            self.join(None)

    def join(self, seconds: float | None) -> bool:
        """Wait for the threads to end, after the shutdown; returns whether they have."""
        until = None if seconds is None else time.monotonic() + seconds
        for thread in self._threads:
            thread.join(None if until is None else max(0.0, until - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _run(self) -> None:
        if self._initializer is not None:
            self._initializer()
        while (task := self._tasks.get()) is not None:
            future, work = task
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(work())
            except BaseException as failed:  # noqa: BLE001  # whoever waits gets it
                future.set_exception(failed)
            del future, work, task
