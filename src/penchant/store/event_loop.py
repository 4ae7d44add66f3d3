"""What may run on the event loop, where everybody waits for it, and what must not."""

from __future__ import annotations

import asyncio

QUICK = 0.004  # seconds: what takes less is done on the event loop, what takes longer in a thread


class Slow(Exception):  # noqa: N818  # not an error: the work is begun anew in a thread
    """The work that was begun on the event loop takes long."""


def off_the_event_loop() -> None:
    """Raises ``Slow`` on the event loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise Slow
