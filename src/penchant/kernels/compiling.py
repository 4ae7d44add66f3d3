"""Word of kernels being compiled, which the first run on a machine waits seconds for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from numba.core import event


class _Once(event.Listener):
    """Calls ``tell`` when the first kernel is compiled; those that come from the cache are none."""

    def __init__(self, tell: Callable[[], None]) -> None:
        self.tell: Callable[[], None] | None = tell

    def on_start(self, event: event.Event) -> None:
        if self.tell is not None:
            self.tell()
        self.tell = None

    def on_end(self, event: event.Event) -> None:
        pass


@contextmanager
def told_of_compiling(tell: Callable[[], None]) -> Iterator[None]:
    """Until it ends, ``tell`` is called once if anything is compiled."""
    with event.install_listener("numba:compile", _Once(tell)):
        yield
