"""The compiler: loaded when a kernel is first compiled, and those who want to know of it."""

from __future__ import annotations

import importlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Self

_waiting: dict[object, tuple[str, _Listener]] = {}  # listeners that Numba will get when it is loaded


@cache
def numba() -> Any:
    """Numba, loaded at the first call: only compiling needs it."""
    loaded = importlib.import_module("numba")
    importlib.import_module("penchant.kernels.intrinsics")  # known to Numba before anything is compiled
    for kind, listener in list(_waiting.values()):
        listener.install(kind)
    return loaded


class _Listener:
    """Hears of the start and end of one kind of Numba's events, once there is a Numba."""

    def __init__(self, on_start: Callable[[], None], on_end: Callable[[], None]) -> None:
        self._calls = on_start, on_end
        self._installed: tuple[str, Any] | None = None

    def install(self, kind: str) -> None:
        event: Any = importlib.import_module("numba.core.event")
        begin, end = self._calls

        class Heard(event.Listener):  # type: ignore[misc]  # Numba publishes no types
            def on_start(self, event: Any) -> None:
                begin()

            def on_end(self, event: Any) -> None:
                end()

        self._installed = kind, Heard()
        event.register(*self._installed)

    def remove(self) -> None:
        if self._installed is not None:
            importlib.import_module("numba.core.event").unregister(*self._installed)


@contextmanager
def _listening(kind: str, on_start: Callable[[], None], on_end: Callable[[], None]) -> Iterator[None]:
    listener, key = _Listener(on_start, on_end), object()
    _waiting[key] = kind, listener
    if "numba.core.event" in sys.modules:
        listener.install(kind)
    try:
        yield
    finally:
        del _waiting[key]
        listener.remove()


class CompileClock:
    """``with CompileClock() as clock: ...``; afterwards ``clock.seconds`` went into compiling kernels or loading them.

    Threads that wait for a kernel at the same time count once: the seconds are those of the wall clock.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._depth = 0
        self._since = 0.0
        self._lock = threading.Lock()
        self._listening = _listening("numba:compiler_lock", self._start, self._end)

    def __enter__(self) -> Self:
        self._listening.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.__exit__(None, None, None)

    def _start(self) -> None:
        with self._lock:
            self._since = time.perf_counter() if self._depth == 0 else self._since
            self._depth += 1

    def _end(self) -> None:
        with self._lock:
            self._depth -= 1
            if self._depth == 0:
                self.seconds += time.perf_counter() - self._since


@contextmanager
def told_of_compiling(tell: Callable[[], None]) -> Iterator[None]:
    """Within this context, call ``tell`` once if any kernel is compiled; loading from the cache does not count."""
    told: list[bool] = []

    def once() -> None:
        if not told:
            told.append(True)
            tell()

    with _listening("numba:compile", once, lambda: None):
        yield
