"""Notification that kernels are being compiled, which takes some seconds in the first run on a machine."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Self

from numba.core import event


class _Once(event.Listener):
    """Calls ``tell`` when the first kernel is compiled; loading from the cache does not count."""

    def __init__(self, tell: Callable[[], None]) -> None:
        self.tell: Callable[[], None] | None = tell

    def on_start(self, event: event.Event) -> None:
        if self.tell is not None:
            self.tell()
        self.tell = None

    def on_end(self, event: event.Event) -> None:
        pass


class CompileClock(event.Listener):
    """``with CompileClock() as clock: ...``; afterwards ``clock.seconds`` went into compiling kernels or loading them.

    Threads that wait for a kernel at the same time count once: the seconds are those of the wall clock.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._depth = 0
        self._since = 0.0
        self._lock = threading.Lock()
        self._installed = ExitStack()

    def __enter__(self) -> Self:
        self._installed.enter_context(event.install_listener("numba:compiler_lock", self))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._installed.close()

    def on_start(self, event: event.Event) -> None:
        with self._lock:
            self._since = time.perf_counter() if self._depth == 0 else self._since
            self._depth += 1

    def on_end(self, event: event.Event) -> None:
        with self._lock:
            self._depth -= 1
            if self._depth == 0:
                self.seconds += time.perf_counter() - self._since


@contextmanager
def told_of_compiling(tell: Callable[[], None]) -> Iterator[None]:
    """Within this context, call ``tell`` once if any kernel is compiled."""
    with event.install_listener("numba:compile", _Once(tell)):
        yield
