"""Retention: how many events are kept, and for how long. Dropped events are counted."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import bindparam, delete, func, select, tuple_, update

from penchant.errors import PenchantError
from penchant.store.events import EventStore
from penchant.store.losses import Losses
from penchant.store.tables import clock, events

SCAN_SECONDS = 3600.0  # that reading the index of a large store may take
FEW = 100  # events that may always be dropped, however large their share
GAP, SHARE = 30 * 86_400.0, 0.1
AT_ONCE = 2000  # rows of one transaction, so that new events do not wait long


class RetentionError(PenchantError):
    """A run would drop suspiciously much: probably a clock is wrong."""


class Retention:
    """Drops events older than ``keep`` seconds (None: never), and all but the newest ``per_user`` of a person.

    The newest are those with the latest time; among equal times, those accepted last.

    A wrong clock could drop everything. Unless ``confirmed``, ``find`` therefore raises ``RetentionError`` before
    anything is dropped, if the clock is more than ``gap`` seconds ahead of the newest event while something is due, or
    if more than the share ``most`` of the events is too old (and more than ``FEW`` events).
    """

    def __init__(
        self,
        store: EventStore,
        *,
        keep: int | None,
        per_user: int,
        gap: float = GAP,
        most: float = SHARE,
        confirmed: bool = False,
    ) -> None:
        self.store, self.keep, self.per_user = store, keep, per_user
        self.gap, self.most, self.confirmed = gap, most, confirmed
        make, e = store.database.compile, events.c
        self._losses = Losses(store.database)
        old = select(e.person, e.seq).where(e.time < bindparam("before")).limit(AT_ONCE)
        self._drop_old = make(delete(events).where(tuple_(e.person, e.seq).in_(old)))
        self._newest = make(select(func.max(e.time)))
        self._total = make(select(func.count()).select_from(events))
        self._due = make(select(func.count()).select_from(events).where(e.time < bindparam("before")))
        many = select(e.person).group_by(e.person).having(func.count() > bindparam("most"))
        self._many = make(many)
        own = select(e.seq).where(e.person == bindparam("person")).order_by(e.time.desc(), e.seq.desc())
        excess = own.offset(bindparam("most"))
        self._drop_many = make(delete(events).where(e.person == bindparam("person"), e.seq.in_(excess)))
        c = clock.c
        counted = {"dropped_old": c.dropped_old + bindparam("old"), "dropped_many": c.dropped_many + bindparam("many")}
        self._count = make(update(clock).values(counted))

    async def run(self, crowded: list[str]) -> tuple[int, int]:
        """Drop what is due, ``crowded`` being from ``find``; returns how many events were too old, and too many."""
        old, many = 0, 0
        if self.keep is not None:
            before = int(time.time()) - self.keep
            await self.store.writer.do(lambda connection: self._losses.note_before(connection, before))
        while self.keep is not None:
            dropped = await self.store.writer.do(self._old(int(time.time()) - self.keep))
            old += dropped
            if dropped < AT_ONCE:
                break
        await self.store.writer.do(self.store.ledger.expire)
        for person in crowded:
            many += await self.store.writer.do(self._excess(person))
        return old, many

    def find(self) -> list[str]:
        """People with too many events. Scans an index: call it outside the event loop.

        Raises ``RetentionError`` as the class describes.
        """
        self._check()
        return [row[0] for row in self.store.database.read(self._many, seconds=SCAN_SECONDS, most=self.per_user)]

    def _check(self) -> None:
        if self.keep is None or self.confirmed:
            return
        read, now = self.store.database.read, int(time.time())
        ((due,),) = read(self._due, seconds=SCAN_SECONDS, before=now - self.keep)
        if not due:
            return
        ((newest,),), ((total,),) = read(self._newest), read(self._total, seconds=SCAN_SECONDS)
        hint = "nothing was dropped: check the clock, then confirm with --confirm-retention"
        if now - newest > self.gap:
            days = (now - newest) / 86_400
            raise RetentionError(f"the clock is {days:,.0f} days ahead of the newest event and {due:,} are due; {hint}")
        if due > FEW and due > self.most * total:
            raise RetentionError(f"{due:,} of {total:,} events are too old; {hint}")

    def _old(self, before: int) -> Any:
        def work(connection: Any) -> int:
            dropped = int(connection.execute(self._drop_old.sql, self._drop_old.values({"before": before})).rowcount)
            connection.execute(self._count.sql, self._count.values({"old": dropped, "many": 0}))
            return dropped

        return work

    def _excess(self, person: str) -> Any:
        def work(connection: Any) -> int:
            named = {"person": person, "most": self.per_user}
            self._losses.note(connection, person)
            dropped = int(connection.execute(self._drop_many.sql, self._drop_many.values(named)).rowcount)
            connection.execute(self._count.sql, self._count.values({"old": 0, "many": dropped}))
            return dropped

        return work
