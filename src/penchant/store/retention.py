"""Retention: how many events are kept, and for how long. Dropped events are counted."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import Any

from sqlalchemy import and_, bindparam, delete, func, or_, select, update

from penchant.errors import PenchantError
from penchant.store.database import Statement
from penchant.store.events import EventStore
from penchant.store.keep import REST, Keep, of_kind
from penchant.store.losses import Losses
from penchant.store.tables import clock, events

SCAN_SECONDS = 3600.0  # that reading the index of a large store may take
FEW = 100  # events that may always be dropped, however large their share
GAP, SHARE = 30 * 86_400.0, 0.1
AT_ONCE = 2000  # rows that are looked for at once
CHUNK = 250  # rows of one statement
AGAIN = 86_400.0  # seconds after which events are looked for from the oldest on again


class RetentionError(PenchantError):
    """A run would drop suspiciously much: probably a clock is wrong."""


class Retention:
    """Drops events that are past (see ``Keep``; seconds are for every kind, None: never), and all but the newest
    ``per_user`` of a person.

    The newest are those with the latest time; among equal times, those accepted last. ``dropped`` counts the events of
    the last run that were too old, by kind. Texts without an item go as events of their kind do, uncounted.

    A wrong clock could drop everything. Unless ``confirmed``, ``find`` therefore raises ``RetentionError`` before
    anything is dropped, if the clock is more than ``gap`` seconds ahead of the newest event while something is due, or
    if more than the share ``most`` of the events is too old (and more than ``FEW`` events).
    """

    def __init__(
        self,
        store: EventStore,
        *,
        keep: Keep | int | None,
        per_user: int,
        gap: float = GAP,
        most: float = SHARE,
        confirmed: bool = False,
    ) -> None:
        self.store, self.keep, self.per_user = store, Keep.all(keep), per_user
        self.gap, self.most, self.confirmed = gap, most, confirmed
        self.dropped: Counter[str] = Counter()
        self._looked: dict[str | None, int] = {}  # up to where nothing of a kind is left
        self._began = -AGAIN
        make, e = store.database.compile, events.c
        self._losses = Losses(store.database)
        rows = [and_(e.person == bindparam(f"person{n}"), e.seq == bindparam(f"seq{n}")) for n in range(CHUNK)]
        self._drop_old = make(delete(events).where(or_(*rows)))
        self._newest = make(select(func.max(e.time)))
        self._total = make(select(func.count()).select_from(events))
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
        many = 0
        self.dropped.clear()
        cutoffs = self.keep.cutoffs(int(time.time()))
        for kind, before in cutoffs:
            await self._drop(kind, before, of_kind(kind, cutoffs))
            self._looked[kind] = before
        await self.store.writer.do(self.store.ledger.expire)
        await self.store.writer.do(lambda connection: self.store.written.expire(connection, self.keep))
        for person in crowded:
            many += await self.store.writer.do(self._excess(person))
        return self.dropped.total(), many

    async def _drop(self, kind: str | None, before: int, which: str) -> None:
        """Drop the events of a kind that are past, the oldest first. They are looked for outside the writer."""
        low = self._looked.get(kind, 0)
        while True:
            where = f"FROM events WHERE time >= {int(low)} AND time < {int(before)} AND {which}"
            query = f"SELECT person, seq, time {where} ORDER BY time LIMIT {AT_ONCE}"  # checked names
            rows = await asyncio.to_thread(self._read, query)
            for at in range(0, len(rows), CHUNK):
                gone = await self.store.writer.do(self._old([row[:2] for row in rows[at : at + CHUNK]]))
                self.dropped[REST if kind is None else kind] += gone
            if len(rows) < AT_ONCE:
                return
            low = rows[-1][2]

    def _read(self, query: str) -> list[tuple[Any, ...]]:
        return self.store.database.read(Statement(query, (), {}), seconds=SCAN_SECONDS)

    def find(self) -> list[str]:
        """People with too many events. Scans an index: call it outside the event loop.

        Raises ``RetentionError`` as the class describes.
        """
        self._check()
        return [row[0] for row in self.store.database.read(self._many, seconds=SCAN_SECONDS, most=self.per_user)]

    def _check(self) -> None:
        read, now = self.store.database.read, int(time.time())
        if time.monotonic() - self._began > AGAIN:
            self._looked, self._began = {}, time.monotonic()
        due = 0
        cutoffs = self.keep.cutoffs(now)
        for kind, before in cutoffs:
            low = self._looked.get(kind, 0)
            where = f"time >= {int(low)} AND time < {int(before)} AND {of_kind(kind, cutoffs)}"
            ((count,),) = self._read(f"SELECT count(*) FROM events WHERE {where}")  # noqa: S608  # checked names
            due += count
        if not due or self.confirmed:
            return
        ((newest,),), ((total,),) = read(self._newest), read(self._total, seconds=SCAN_SECONDS)
        hint = "nothing was dropped: check the clock, then confirm with --confirm-retention"
        if now - newest > self.gap:
            days = (now - newest) / 86_400
            raise RetentionError(f"the clock is {days:,.0f} days ahead of the newest event and {due:,} are due; {hint}")
        if due > FEW and due > self.most * total:
            raise RetentionError(f"{due:,} of {total:,} events are too old; {hint}")

    def _old(self, rows: list[Any]) -> Any:
        rows = rows + rows[-1:] * (CHUNK - len(rows))  # the last one again: it is dropped once

        def work(connection: Any) -> int:
            for person in dict(rows):
                self._losses.note(connection, person)
            named = {f"person{n}": person for n, (person, _) in enumerate(rows)}
            named |= {f"seq{n}": seq for n, (_, seq) in enumerate(rows)}
            dropped = int(connection.execute(self._drop_old.sql, self._drop_old.values(named)).rowcount)
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
