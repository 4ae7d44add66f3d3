"""What was shown: every list that was answered for a person, written in groups beside the events."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import islice
from json.encoder import encode_basestring
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Text, bindparam, delete, select, tuple_, update

from penchant.store.events import EventStore
from penchant.store.tables import clock, exposures

DEFAULT = "default"  # the placement of a list whose request names none
PREFIX = "r_"  # of the id of a recommendation
GROUP = 2000  # exposures of one transaction
WAITING = 100_000  # exposures in memory; beyond that the oldest are lost, and counted


class Exposure(NamedTuple):
    """A list as it was answered, or one page of it: ``start`` is the position of its first item.

    ``person`` is "u:" + user or "s:" + session; ``chances`` are the probabilities with which each item came to its
    position, where there is exploration.
    """

    person: str
    id: str
    start: int
    time: int  # unix seconds
    placement: str
    model: str  # its version
    fallback: bool
    items: Sequence[str]
    scores: Sequence[float]
    chances: Sequence[float] | None = None
    arm: str = ""  # of an experiment

    def to_json(self) -> dict[str, Any]:
        """As exports show it, without the person."""
        document = {name: value for name, value in self._asdict().items() if name != "person"}
        return {"recommendation": document.pop("id"), **document}


class Exposures:
    """The exposures of a store. ``add`` only queues; whoever owns this calls ``flush`` often."""

    def __init__(self, store: EventStore) -> None:
        self.store = store
        self.lost = 0  # that were never written, because the store could not be
        self._waiting: deque[Exposure] = deque()
        make, e = store.database.compile, exposures.c
        person, source = bindparam("person", type_=Text()), bindparam("source", type_=Text())
        names = [column.name for column in exposures.columns]
        fresh = store.database.insert(exposures).values({name: bindparam(name) for name in names})
        self._insert = make(fresh.on_conflict_do_nothing())
        tick = update(clock).values(exposures=clock.c.exposures + bindparam("n", type_=BigInteger()))
        self._tick = make(tick.returning(clock.c.exposures, clock.c.erased))
        columns = (e[name] for name in Exposure._fields)
        self._own = make(select(*columns).where(e.person == person).order_by(e.time, e.id, e.start))
        self._erase = make(delete(exposures).where(e.person == person))
        self._move = make(update(exposures).where(e.person == source).values(person=bindparam("target")))
        self._refuse = make(delete(exposures).where(e.person == source, e.time <= bindparam("since")))
        old = select(e.person, e.id, e.start).where(e.time < bindparam("before")).limit(GROUP)
        self._drop = make(delete(exposures).where(tuple_(e.person, e.id, e.start).in_(old)))

    # -- writing --------------------------------------------------------------------------------------------------

    @property
    def waiting(self) -> int:
        """The number of exposures that are not written yet."""
        return len(self._waiting)

    def add(self, exposure: Exposure) -> None:
        """Queue an exposure; takes a microsecond, in any thread."""
        self._waiting.append(exposure)
        while len(self._waiting) > WAITING:
            self._waiting.popleft()
            self.lost += 1

    async def flush(self) -> None:
        """Write what is queued. Raises ``StoreError``; what could not be written stays queued."""
        while self._waiting:
            some = list(islice(self._waiting, GROUP))
            await self.store.writer.do(lambda connection, some=some: self.write(connection, some))  # type: ignore[misc]  # the default binds it now
            for _ in range(min(len(some), len(self._waiting))):
                self._waiting.popleft()

    def write(self, connection: Any, some: Sequence[Exposure]) -> int:
        """Write exposures in a transaction of the caller; returns how many are new.

        One that is there already is a retry, and one of a person who was erased since does not come back.
        """
        self.store.only_pseudonyms(one.person for one in some)
        ticked = connection.execute(self._tick.sql, self._tick.values({"n": len(some)})).fetchall()
        ((number, erased),) = ticked
        ledger = self.store.ledger
        ledger.follow(connection, erased)
        rows = []
        for one in some:
            if (limit := ledger.of(one.person)) is not None and one.time <= limit.ours // 1000:
                continue
            rows.append(
                (
                    one.person, one.id, one.start, number, one.time, one.placement, one.arm, one.model, one.fallback,
                    _list(map(encode_basestring, one.items)), _numbers(one.scores),
                    None if one.chances is None else _numbers(one.chances),
                )
            )  # fmt: skip
        if not rows:
            return 0
        cursor = connection.cursor()
        cursor.executemany(self._insert.sql, rows)
        return int(cursor.rowcount)

    # -- the data of a person, and retention ----------------------------------------------------------------------

    def of(self, person: str) -> list[Exposure]:
        """What was shown to a person, oldest first."""
        return [_from_row(row) for row in self.store.database.read(self._own, person=person)]

    def erase(self, connection: Any, person: str) -> int:
        """Delete what was shown to a person; returns how many."""
        return int(connection.execute(self._erase.sql, self._erase.values({"person": person})).rowcount)

    def move(self, connection: Any, source: str, target: str, since: int) -> None:
        """What was shown to ``source`` was shown to ``target``, except what is dated up to ``since``."""
        connection.execute(self._refuse.sql, self._refuse.values({"source": source, "since": since}))
        connection.execute(self._move.sql, self._move.values({"source": source, "target": target}))

    async def expire(self, before: int) -> int:
        """Drop exposures dated before a moment; returns how many."""
        named, total = self._drop.values({"before": before}), 0
        while True:
            dropped = await self.store.writer.do(
                lambda connection: int(connection.execute(self._drop.sql, named).rowcount)
            )
            total += dropped
            if dropped < GROUP:
                return total


def _list(texts: Iterable[str]) -> str:
    """A JSON list of values that are JSON already."""
    return f"[{','.join(texts)}]"


def _numbers(values: Iterable[float]) -> str:
    """A JSON list of numbers with six digits: enough to compare, and short."""
    return _list(map("%.6g".__mod__, values))


def _from_row(row: Sequence[Any]) -> Exposure:
    found = Exposure._make(row)
    chances: Any = found.chances
    return found._replace(
        fallback=bool(found.fallback),
        items=json.loads(str(found.items)),
        scores=json.loads(str(found.scores)),
        chances=None if chances is None else json.loads(chances),
    )
