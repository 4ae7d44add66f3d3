"""The data of one person: read, export, set attributes, merge, erase with a receipt."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Text, bindparam, delete, select, tuple_, update

from penchant.store.choices import Choices, Chosen
from penchant.store.cleaning import DATABASE, PENDING
from penchant.store.events import EventStore
from penchant.store.exposures import Exposures
from penchant.store.losses import Losses
from penchant.store.tables import attributes, clock, events
from penchant.store.written import KeptWritten

KEPT = (
    "a keyed hash, the time of erasure and how far the sender's clock was ahead, and keyed hashes of the ids of the "
    "events as long as events are kept: to refuse late events of this person"
)


def subject(person: str) -> dict[str, str]:
    """``{"user": id}`` or ``{"session": id}`` of a person in the store's notation."""
    return {"user" if person.startswith("u:") else "session": person[2:]}


class KeptEvent(NamedTuple):
    """Everything that is stored of one event; ``seq`` is its place in the order of acceptance."""

    seq: int
    item: str
    kind: str | None
    value: float | None
    time: int  # unix seconds
    context: str | None  # JSON
    id: str | None
    recommendation: str | None
    purpose: str | None

    def to_json(self) -> dict[str, Any]:
        """As answers and exports show it."""
        return {**self._asdict(), "context": self.context and json.loads(self.context)}


class Gone(NamedTuple):
    """What an erasure removed: the events, and the numbers of other rows."""

    number: int  # the clock of erasures
    time: int  # unix seconds
    events: list[KeptEvent]
    attributes: int
    exposures: int
    choices: int
    changed: int  # the clock of events when the history last changed in its middle; 0: never
    written: list[KeptWritten]  # texts without an item

    @property
    def named(self) -> dict[str, int]:
        """The ids of everything that had one, and its time."""
        both: list[KeptEvent | KeptWritten] = [*self.events, *self.written]
        return {one.id: one.time for one in both if one.id is not None}


class People:
    """Operations on one person; ``person`` is "u:" + user or "s:" + session.

    ``keep`` is how long events are kept, in seconds (None: for ever); so long the ids of erased events are refused.
    """

    def __init__(self, store: EventStore, *, keep: int | None = None) -> None:
        self.store, self.keep, self.exposures = store, keep, Exposures(store)
        self.losses, self.choices = Losses(store.database), Choices(store.database)
        make, e, a = store.database.compile, events.c, attributes.c
        person, source = bindparam("person", type_=Text()), bindparam("source", type_=Text())
        listed = select(*(e[name] for name in KeptEvent._fields)).where(e.person == person)
        newest = listed.order_by(e.time.desc(), e.seq.desc()).limit(bindparam("most"))
        before = bindparam("before", type_=BigInteger())
        moment = select(e.time).where(e.person == person, e.seq == before).scalar_subquery()
        self._listed = make(newest)
        self._later = make(newest.where(tuple_(e.time, e.seq) < tuple_(moment, before)))
        self._there = make(select(e.seq).where(e.person == person, e.seq == before))
        self._all = make(listed.order_by(e.seq))
        self._unset = make(delete(attributes).where(a.person == person, a.name == bindparam("name")))
        fresh = store.database.insert(attributes).values(
            person=person, name=bindparam("name"), value=bindparam("value")
        )
        again = fresh.on_conflict_do_update(index_elements=["person", "name"], set_={"value": bindparam("value")})
        self._set, self._set_new = make(again), make(fresh.on_conflict_do_nothing())
        self._names = make(select(a.name, a.value).where(a.person == person))
        since = bindparam("since", type_=BigInteger())
        self._refuse = make(delete(events).where(e.person == source, e.time <= since))
        self._move = make(update(events).where(e.person == source).values(person=bindparam("target")))
        self._drop_events = make(delete(events).where(e.person == person))
        self._drop_one = make(delete(events).where(e.person == person, e.seq == bindparam("seq", type_=BigInteger())))
        self._drop_attributes = make(delete(attributes).where(a.person == person))
        self._tick = make(update(clock).values(erased=clock.c.erased + 1).returning(clock.c.erased))

    # -- reading --------------------------------------------------------------------------------------------------

    def events(self, person: str, k: int, before: int | None = None) -> list[KeptEvent]:
        """The newest k events, newest first: by time, then by acceptance.

        ``before`` is the ``seq`` of an event of the person: only events that are older follow. Raises ``KeyError`` if
        that event is gone.
        """
        read = self.store.database.read
        if before is None:
            return list(map(KeptEvent._make, read(self._listed, person=person, most=k)))
        if not read(self._there, person=person, before=before):
            raise KeyError(before)
        return list(map(KeptEvent._make, read(self._later, person=person, before=before, most=k)))

    def export(self, person: str) -> dict[str, Any]:
        """Everything that is stored about a person, events in the order of acceptance."""
        events = map(KeptEvent._make, self.store.database.read(self._all, person=person))
        return {
            **subject(person),
            "identities": [subject(person)],
            "attributes": self.store.attributes(person),
            "events": [event.to_json() for event in events],
            "written": [one.to_json() for one in self.store.written.of(person)],
            "exposures": [one.to_json() for one in self.exposures.of(person)],
            "choices": self.choices.of(person).to_json(),
            "clock_ahead": self.store.ledger.clock_ahead(person),
            "exported_at": int(time.time()),
        }

    # -- changing -------------------------------------------------------------------------------------------------

    async def set_attributes(self, person: str, attributes: Mapping[str, Any]) -> None:
        """Set attributes; None removes one."""
        await self.store.writer.do(lambda connection: self.set_within(connection, person, attributes))

    def set_within(self, connection: Any, person: str, attributes: Mapping[str, Any]) -> None:
        """``set_attributes`` inside a transaction of the caller."""
        for name, value in attributes.items():
            named = {"person": person, "name": name, "value": json.dumps(value)}
            statement = self._unset if value is None else self._set
            connection.execute(statement.sql, statement.values(named))

    def put_within(self, connection: Any, person: str, attributes: Mapping[str, Any]) -> bool:
        """Set attributes in the place of those there, in a transaction of the caller; returns whether any changed."""
        rows = connection.execute(self._names.sql, self._names.values({"person": person})).fetchall()
        before = {name: json.loads(value) for name, value in rows}
        if before != attributes:
            self.set_within(connection, person, {**dict.fromkeys(before), **attributes})
        return before != attributes

    async def merge(self, source: str, target: str) -> dict[str, Any]:
        """Move everything of ``source`` to ``target``. Attributes and choices of the target win over those of the
        source. Events dated before an erasure of the target are dropped, to the second, as late events of the target
        are refused."""
        moved, named, dropped = await self.store.writer.do(lambda one: self.merge_within(one, source, target))
        counts = {"events": moved, "attributes": named, "refused": dropped}
        return {"from": subject(source), "to": subject(target), **counts}

    def merge_within(self, connection: Any, source: str, target: str) -> tuple[int, int, int]:
        """``merge`` inside a transaction of the caller: events moved, attributes moved, events dropped."""
        ledger = self.store.ledger
        limit = ledger.limit(connection, target)
        upto = -1 if limit is None else max(limit.theirs, limit.ours + ledger.ahead(connection, source)) // 1000
        before = {"source": source, "since": upto}
        ledger.move(connection, source, target)
        self.exposures.move(connection, source, target, upto)
        self.store.written.move(connection, source, target, upto)
        self.losses.move(connection, source, target)
        self.choices.move(connection, source, target)
        dropped = connection.execute(self._refuse.sql, self._refuse.values(before)).rowcount
        moved = connection.execute(self._move.sql, self._move.values({"source": source, "target": target})).rowcount
        rows = connection.execute(self._names.sql, self._names.values({"person": source})).fetchall()
        for name, value in rows:
            named = {"person": target, "name": name, "value": value}
            connection.execute(self._set_new.sql, self._set_new.values(named))
        connection.execute(self._drop_attributes.sql, self._drop_attributes.values({"person": source}))
        return moved, len(rows), dropped

    async def erase(self, person: str) -> dict[str, Any]:
        """Delete everything of a person. The receipt lists what was removed and what is left, which refuses events of
        the person that are dated up to now.
        """
        gone = await self.store.writer.do(lambda connection: self.erase_within(connection, person))
        return self.receipt(person, gone)

    def receipt(self, person: str, gone: Gone) -> dict[str, Any]:
        """What was removed of a person, and what is left."""
        removed = {name: getattr(gone, name) for name in ("attributes", "exposures", "choices")}
        return {
            **subject(person),
            "erased_at": gone.time,
            "removed": {"events": len(gone.events), "written": len(gone.written), **removed},
            "kept": KEPT,
            "hash": self.store.hash(person).hex(),
            "files": PENDING if self.store.database.sqlite else DATABASE,
        }

    def erase_within(self, connection: Any, person: str) -> Gone:
        """``erase`` inside a transaction of the caller."""
        tick = self._tick  # first, as for events: no deadlock
        ((number,),) = connection.execute(tick.sql, tick.values({})).fetchall()
        changed = self.losses.of(connection, person)
        now = self.store.ledger.enter(connection, person, number, self.keep)
        rows = connection.execute(self._all.sql, self._all.values({"person": person})).fetchall()
        counts = [
            connection.execute(statement.sql, statement.values({"person": person})).rowcount
            for statement in (self._drop_events, self._drop_attributes)
        ]
        self.losses.forget(connection, person)
        events = [KeptEvent._make(row) for row in rows]
        chosen, shown = self.choices.erase(connection, person), self.exposures.erase(connection, person)
        written = self.store.written.erase(connection, person)
        return Gone(number, now, events, counts[1], shown, chosen, changed, written)

    def choose_within(self, connection: Any, person: str, change: dict[str, Any]) -> Chosen:
        """Change what a person chose in a transaction of the caller; returns all. Raises ``ParameterError``."""
        before = self.choices.within(connection, person)
        chosen = self.choices.set_within(connection, person, change)
        if chosen.training != before.training:  # what may be learned of the history changes
            self.losses.note(connection, person)
        return chosen

    # -- single events --------------------------------------------------------------------------------------------

    def remove_within(self, connection: Any, person: str, seq: int) -> bool:
        """Remove one event of a person in a transaction of the caller; returns whether it was there."""
        statement = self._drop_one
        named = statement.values({"person": person, "seq": seq})
        found = bool(connection.execute(statement.sql, named).rowcount)
        if found:
            self.losses.note(connection, person)
            connection.execute(self._tick.sql, self._tick.values({})).fetchall()  # its row leaves the files too
        return found

    def correct_within(self, connection: Any, person: str, seq: int, change: dict[str, Any]) -> bool:
        """Correct the item, kind or value of one event in a transaction of the caller; returns whether it was there."""
        values: dict[str, Any] = {name: bindparam(f"the_{name}") for name in change}
        own = update(events).where(events.c.person == bindparam("whose"), events.c.seq == bindparam("which"))
        statement = self.store.database.compile(own.values(values))
        named = {"whose": person, "which": seq, **{f"the_{name}": value for name, value in change.items()}}
        found = bool(connection.execute(statement.sql, statement.values(named)).rowcount)
        if found:
            self.store.note_said(connection, {name for name, value in change.items() if value is not None})
            self.losses.note(connection, person)
            connection.execute(self._tick.sql, self._tick.values({})).fetchall()
        return found
