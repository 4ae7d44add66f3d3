"""Feedback: events of which a person has at most one of each kind for each item, as Gorse keeps them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Integer, Text, bindparam, delete, select, tuple_, update

from penchant.store.events import Appended, Batch, EventStore, NewEvent
from penchant.store.losses import Losses
from penchant.store.tables import attributes, clock, events

COLUMNS = ("person", "seq", "item", "kind", "value", "time", "context")
FIRST = "first"  # in the context: when there was such feedback for the first time, in unix seconds
BY_ITEM = "events_item ON events (item)"
START = ("u:", -1)  # before the first event of the first user


class Given(NamedTuple):
    """An event as it is listed."""

    person: str
    seq: int
    item: str
    kind: str | None
    value: float | None
    time: int  # unix seconds
    context: str | None  # JSON


class Brought(NamedTuple):
    """What became of imported feedback."""

    written: int
    there: int  # the same, or a later one, was in the store or follows in the dump
    erased: int  # of people who were erased after its time


class Feedback:
    """Feedback in the events of a store."""

    def __init__(self, store: EventStore) -> None:
        self.store, self._losses = store, Losses(store.database)
        make, e, a = store.database.compile, events.c, attributes.c
        person, item = bindparam("person", type_=Text()), bindparam("item", type_=Text())
        kind, most = bindparam("kind", type_=Text()), bindparam("most", type_=Integer())
        seq = bindparam("seq", type_=BigInteger())
        listed = select(*(e[name] for name in COLUMNS))
        users = e.person.startswith("u:")
        after = listed.where(tuple_(e.person, e.seq) > tuple_(person, seq), users)
        paged = [part.order_by(e.person, e.seq).limit(most) for part in (after, after.where(e.kind == kind))]
        self._page, self._page_of_kind = map(make, paged)
        self._of_person = make(listed.where(e.person == person).order_by(e.time.desc(), e.seq.desc()))
        self._of_item = make(listed.where(e.item == item, users).order_by(e.time.desc(), e.seq.desc()))
        self._of_pair = make(listed.where(e.person == person, e.item == item).order_by(e.seq))
        self._drop = make(delete(events).where(e.person == person, e.seq == seq))
        self._lock = make(update(clock).values(events=clock.c.events))
        self._acted = make(select(e.person).where(e.person > person, users).distinct().order_by(e.person).limit(most))
        named = select(a.person).where(a.person > person, a.person.startswith("u:"))
        self._named = make(named.distinct().order_by(a.person).limit(most))
        self._any = make(select(e.seq).where(e.person == person).limit(1))

    def index(self) -> None:
        """Make the index of items, which only ``of_item`` needs, where it is missing. It makes every event dearer."""
        self.store.writer.do_now(lambda connection: connection.execute(f"CREATE INDEX IF NOT EXISTS {BY_ITEM}"))

    # -- reading --------------------------------------------------------------------------------------------------

    def page(self, after: tuple[str, int], most: int, kind: str | None = None) -> list[Given]:
        """The feedback of all users after a place, in the order of person and acceptance."""
        about: dict[str, Any] = {"person": after[0], "seq": after[1], "most": most}
        read = self.store.database.read
        rows = read(self._page, **about) if kind is None else read(self._page_of_kind, **about, kind=kind)
        return list(map(Given._make, rows))

    def of_person(self, person: str) -> list[Given]:
        """All feedback of a person, the latest first."""
        return list(map(Given._make, self.store.database.read(self._of_person, person=person)))

    def of_item(self, item: str) -> list[Given]:
        """All feedback on an item, the latest first; without ``index`` it reads all events."""
        return list(map(Given._make, self.store.database.read(self._of_item, item=item)))

    def of_pair(self, person: str, item: str, kind: str | None = None) -> list[Given]:
        """The feedback of a person on an item, of all kinds or of one."""
        return _of_kind(self.store.database.read(self._of_pair, person=person, item=item), kind)

    def users(self, after: str, most: int) -> list[str]:
        """The users with events or attributes after one, by id."""
        read, found = self.store.database.read, dict[str, None]()
        for statement in (self._acted, self._named):
            found |= dict.fromkeys(person for (person,) in read(statement, person=after, most=most))
        return [person.removeprefix("u:") for person in sorted(found)[:most]]

    def knows(self, person: str) -> bool:
        """Whether a person has events or attributes."""
        return bool(self.store.database.read(self._any, person=person) or self.store.attributes(person))

    # -- changing -------------------------------------------------------------------------------------------------

    def append_within(self, connection: Any, batch: Batch, *, overwrite: bool) -> Appended:
        """Append feedback inside a transaction of the caller. What is there already is replaced, or added to: values
        are summed, the latest time and comment count, and the first time is kept in the context."""
        connection.execute(self._lock.sql, self._lock.values({}))  # first, as for events: no deadlock
        merged: dict[tuple[str, str, str | None], NewEvent] = {}
        old: dict[tuple[str, str, str | None], list[Given]] = {}
        for row in batch.rows:
            key = row.person, row.item, row.kind
            if key not in old:
                about = self._of_pair.values({"person": row.person, "item": row.item})
                old[key] = _of_kind(connection.execute(self._of_pair.sql, about).fetchall(), row.kind)
                for one in () if overwrite else old[key]:
                    before = NewEvent(*key, one.value, one.time, one.context, None)
                    merged[key] = _added(merged[key], before) if key in merged else before
            merged[key] = _added(merged[key], row) if key in merged and not overwrite else row
        rows = list(merged.values())
        (outcome,) = self.store.append_within(connection, [Batch(rows, batch.new_items)])
        refused = {(rows[n].person, rows[n].item, rows[n].kind): refusal for n, refusal in outcome.refused.items()}
        for key, replaced in old.items():
            for one in () if key in refused else replaced:
                self._remove(connection, one.person, one.seq)
        keys = [(row.person, row.item, row.kind) for row in batch.rows]
        told = {n: refused[key] for n, key in enumerate(keys) if key in refused}
        return Appended(outcome.items_clock, len(keys) - len(told), 0, told)

    def import_within(self, connection: Any, rows: Iterable[NewEvent]) -> Brought:
        """Bring in feedback inside a transaction of the caller. Of the same feedback the latest stays, so that a second
        import changes nothing, and what the service took since is kept."""
        connection.execute(self._lock.sql, self._lock.values({}))
        fresh: dict[str, dict[tuple[str, str | None], NewEvent]] = {}
        there = 0
        for row in rows:
            its = fresh.setdefault(row.person, {})
            earlier = its.get((row.item, row.kind))
            there += earlier is not None
            if earlier is None or earlier.time <= row.time:
                its[row.item, row.kind] = row
        new: list[NewEvent] = []
        old: dict[int, list[Given]] = {}  # what the new row of this number replaces
        for person, its in fresh.items():
            found: dict[tuple[str, str | None], list[Given]] = {}
            listed = connection.execute(self._of_person.sql, self._of_person.values({"person": person})).fetchall()
            for one in map(Given._make, listed):
                found.setdefault((one.item, one.kind), []).append(one)
            for key, row in its.items():
                before = found.get(key, [])
                same = bool(before) and (before[0].value, before[0].context) == (row.value, row.context)
                if before and (before[0].time > row.time or (same and (row.ours or before[0].time == row.time))):
                    there += 1
                    continue
                old |= {len(new): before} if before else {}
                new.append(row)
        refused = self.store.append_within(connection, [Batch(new)])[0].refused
        for number, replaces in old.items():
            for one in replaces if number not in refused else ():
                self._remove(connection, one.person, one.seq)
        return Brought(len(new) - len(refused), there, len(refused))

    def append(self, *, overwrite: bool) -> Callable[[Batch], Any]:
        """How to append a batch in a transaction of its own; awaits until it is durable."""
        return lambda batch: self.store.writer.do(
            lambda connection: self.append_within(connection, batch, overwrite=overwrite)
        )

    async def delete(self, person: str, item: str, kind: str | None = None) -> int:
        """Delete the feedback of a person on an item, of all kinds or of one; returns how many there were."""

        def work(connection: Any) -> int:
            connection.execute(self._lock.sql, self._lock.values({}))
            about = self._of_pair.values({"person": person, "item": item})
            found = _of_kind(connection.execute(self._of_pair.sql, about).fetchall(), kind)
            for one in found:
                self._remove(connection, person, one.seq)
            return len(found)

        return await self.store.writer.do(work)

    def _remove(self, connection: Any, person: str, seq: int) -> None:
        self._losses.note(connection, person)
        connection.execute(self._drop.sql, self._drop.values({"person": person, "seq": seq}))


def _of_kind(rows: Any, kind: str | None) -> list[Given]:
    found = map(Given._make, rows)
    return list(found) if kind is None else [row for row in found if row.kind == kind]


def _added(before: NewEvent, row: NewEvent) -> NewEvent:
    """Feedback on top of the same feedback before."""
    value = (before.value or 0.0) + (row.value or 0.0)
    then = json.loads(before.context or "{}").get(FIRST, before.time)
    context = json.loads(row.context or "{}")
    times, now = (before.time, row.time), int(time.time())
    first = min(then, *times)
    latest = max((one for one in times if one <= now), default=min(times))  # what counts already counts on
    if first < latest:
        context[FIRST] = first
    text = json.dumps(context, ensure_ascii=False) if context else None
    return row._replace(value=value or None, time=latest, context=text)
