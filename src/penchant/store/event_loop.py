"""Keeps slow work off the event loop, where every request would wait for it."""

from __future__ import annotations

import asyncio
import threading
import time

QUICK = 0.004  # seconds: faster work runs on the event loop, slower work in a thread
TURN = 0.001  # seconds of a processor that expensive work takes at a time
SHARE = 0.2  # of the time that one thread with expensive work takes
LONGEST = 0.1  # seconds of one pause


class Slow(Exception):  # noqa: N818  # not an error: the work starts again in a thread
    """Work that started on the event loop is too slow for it."""


_light = threading.local()
_heavy = threading.local()


def mark_light() -> None:
    """From now on the calling thread counts as one for light work: slow work raises ``Slow`` there too."""
    _light.here = True


def off_the_event_loop() -> None:
    """Raises ``Slow`` if this runs on the event loop or in a thread for light work."""
    if getattr(_light, "here", False):
        raise Slow
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise Slow


def mark_heavy() -> None:
    """From now on the calling thread counts as one for expensive work: it pauses when it is asked to."""
    _heavy.since = time.thread_time()


def breathe() -> None:
    """Between two steps of expensive work: pause, if the thread has had its turn. Elsewhere this does nothing.

    While a thread computes, the event loop waits for the interpreter again and again: each read of a row and each write
    to a socket gives it away. In the pauses it does not wait.
    """
    since = getattr(_heavy, "since", None)
    if since is not None and (spent := time.thread_time() - since) > TURN:
        time.sleep(min(LONGEST, spent * (1 / SHARE - 1)))
        _heavy.since = time.thread_time()
