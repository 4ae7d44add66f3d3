"""Connections to PostgreSQL that give up: a server or a network that stands still must not hold a thread."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from typing import Any, TypeVar

import psycopg

T = TypeVar("T")
SLACK = 1.0  # seconds more than the server has: where it lives, it ends a statement itself


class PatientConnection(psycopg.Connection[Any]):
    """Closes itself if the answer to a statement takes longer than ``seconds``. The server's own limit is of no use
    when the server is frozen, and TCP notices nothing as long as its host confirms what it receives."""

    seconds = 30.0

    def wait(self, gen: Generator[Any, Any, T], *arguments: Any, **named: Any) -> T:
        """Run the steps of a statement as they become possible. Raises ``OperationalError``."""
        limited = _limited(gen, time.monotonic() + self.seconds + SLACK, self._timed_out)
        return super().wait(limited, *arguments, **named)

    def __del__(self, *_: Any) -> None:
        """Close what a thread left behind when it ended after the store: the server need not keep its session."""
        if (raw := getattr(self, "pgconn", None)) is not None:
            raw.finish()

    def _timed_out(self) -> psycopg.OperationalError:
        self.pgconn.finish()
        return psycopg.OperationalError(f"timeout: no answer within {self.seconds:g} s")


def _limited(
    gen: Generator[Any, Any, T], until: float, timed_out: Callable[[], psycopg.OperationalError]
) -> Generator[Any, Any, T]:
    """The steps of ``gen``, until a moment."""
    try:
        state = next(gen)
        while True:
            ready = yield state
            if time.monotonic() > until:
                raise timed_out()
            state = gen.send(ready)
    except StopIteration as ended:
        return ended.value  # type: ignore[no-any-return]  # what a generator returns has no type here
