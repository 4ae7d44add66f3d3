"""Background work that one process of a store does, by a lease; another takes over when it ends or is killed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

from penchant.store.database import StoreError
from penchant.store.events import EventStore
from penchant.store.lease import Lease

NAME = "background"
LOOK = 2.0  # seconds between two looks at the lease


class Caretaker:
    """Runs ``works`` while this process holds the lease. ``thread`` runs what blocks; ``patience`` is how long, in
    seconds, giving the lease back may take."""

    def __init__(
        self,
        store: EventStore,
        works: Sequence[Callable[[], Coroutine[Any, Any, None]]],
        thread: Callable[[Callable[[], Any]], Awaitable[Any]],
        patience: float,
    ) -> None:
        self.store, self.works, self.thread, self.patience = store, works, thread, patience

    async def run(self) -> None:
        """Try to get the lease for ever, and work while it is held."""
        while True:
            lease = Lease(self.store, NAME)
            try:
                await self.thread(lease.take)
            except StoreError:  # another process has it, or the store cannot be written
                await asyncio.sleep(LOOK)
                continue
            tasks = [asyncio.create_task(work()) for work in self.works]
            try:
                await self._lost(lease)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                with contextlib.suppress(TimeoutError):  # then it expires, or is taken from a process that is gone
                    await asyncio.wait_for(self.thread(lease.give_back), self.patience)

    async def _lost(self, lease: Lease) -> None:
        """Return when another process has the lease."""
        held = True
        while held:
            await asyncio.sleep(LOOK)
            with contextlib.suppress(StoreError):  # then nobody else can take it either
                held = await self.thread(lease.held)
