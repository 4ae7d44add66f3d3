"""A limit on expensive answers: few run at once, few wait, and the others are told when to try again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from penchant.serve.common.problems import Problem

T = TypeVar("T")
RETRY_SECONDS = 2  # what Retry-After says


class Places:
    """A thread pool for expensive answers, apart from that of the others.

    ``running`` answers are computed at once, ``waiting`` more may wait; beyond, ``run`` raises ``Problem`` 503.
    """

    def __init__(self, running: int, waiting: int) -> None:
        self._pool = ThreadPoolExecutor(running, "penchant-heavy")
        self._most, self._taken = running + waiting, 0

    async def run(self, work: Callable[[], T]) -> T:
        """The result of ``work``. A place is free again when the work has ended, even if the caller has gone."""
        if self._taken >= self._most:
            detail = "too many expensive answers are being computed"
            raise Problem(503, detail, kind="busy", headers={"Retry-After": str(RETRY_SECONDS)})
        self._taken += 1
        future = asyncio.get_running_loop().run_in_executor(self._pool, work)
        future.add_done_callback(self._ended)
        return await asyncio.shield(future)

    def _ended(self, future: asyncio.Future[T]) -> None:
        self._taken -= 1
        if not future.cancelled():
            future.exception()  # nobody may be left to ask for it

    def close(self) -> None:
        """End the threads; what waits is not computed any more."""
        self._pool.shutdown(cancel_futures=True)
