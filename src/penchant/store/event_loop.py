"""Keeps slow work off the event loop, where every request would wait for it."""

from __future__ import annotations

import asyncio
import threading

QUICK = 0.004  # seconds: faster work runs on the event loop, slower work in a thread


class Slow(Exception):  # noqa: N818  # not an error: the work starts again in a thread
    """Work that started on the event loop is too slow for it."""


_light = threading.local()


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
