"""A limit on expensive answers: few run at once, few wait, and the others are told when to try again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from penchant.serve.common.problems import Problem, stopping
from penchant.serve.common.threads import DaemonThreads
from penchant.store.event_loop import mark_heavy

T = TypeVar("T")
RETRY_SECONDS = 2  # what Retry-After says


class Places:
    """A thread pool for expensive answers, apart from that of the others.

    ``running`` answers are computed at once, ``waiting`` more may wait; beyond, ``run`` raises ``Problem`` 503.
    """

    def __init__(self, running: int, waiting: int) -> None:
        self._pool, self._ending = DaemonThreads(running, "penchant-heavy", mark_heavy), False
        self._most, self._taken = running + waiting, 0

    async def run(self, work: Callable[[], T]) -> T:
        """The result of ``work``. A place is free again when the work has ended, even if the caller has gone."""
        if self._ending:
            raise stopping()
        if self._taken >= self._most:
            detail = "too many expensive answers are being computed"
            raise Problem(503, detail, kind="busy", headers={"Retry-After": str(RETRY_SECONDS)})
        self._taken += 1
        future = asyncio.get_running_loop().run_in_executor(self._pool, work)
        future.add_done_callback(self._ended)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            if future.cancelled():  # turned away
                raise stopping() from None
            raise

    def _ended(self, future: asyncio.Future[T]) -> None:
        self._taken -= 1
        if not future.cancelled():
            future.exception()  # nobody may be left to ask for it

    def turn_away(self) -> None:
        """Refuse what waits and what comes, with ``Problem`` 503; what is computed goes on."""
        self._ending = True
        self._pool.shutdown(wait=False, cancel_futures=True)

    def close(self, seconds: float) -> bool:
        """Turn away, and wait for what is computed; returns whether it has ended."""
        self.turn_away()
        return self._pool.join(seconds)
