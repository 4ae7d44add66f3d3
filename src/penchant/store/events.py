"""Events by person: appended in groups, read in one indexed read."""

from __future__ import annotations

import contextlib
import json
import secrets
import time
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Integer, Text, bindparam, delete, func, select, update

from penchant.errors import ParameterError
from penchant.store.database import ABSENT, Database, Statement
from penchant.store.ledger import CHUNK, FOREVER, Ledger, Refusal
from penchant.store.tables import attributes, clock, events, items, settings
from penchant.store.writer import Writer
from penchant.store.written import NewWritten, Written

PSEUDONYMS, OWN_ID = "pseudonyms", "id"  # settings in the store
MAY_SAY = frozenset(("kind", "value", "context"))  # columns that an event need not have
AHEAD = 86_400  # seconds by which a sender's clock may be ahead
_TIME = attrgetter("time")
COLUMNS = ("person", "seq", "item", "kind", "value", "time", "context", "id", "recommendation", "purpose")


class NewEvent(NamedTuple):
    """An event to append; ``person`` is "u:" + user or "s:" + session."""

    person: str
    item: str
    kind: str | None
    value: float | None
    time: int
    context: str | None  # JSON
    id: str | None
    ms: int = 0  # milliseconds of its second, not stored
    ours: bool = False  # whether the service dated it, because the sender did not
    recommendation: str | None = None  # the exposure that it follows from
    purpose: str | None = None  # what the person agreed to


class StoredEvent(NamedTuple):
    """An event of one person as it is kept; ``seq`` is its place in the order of acceptance."""

    item: str
    kind: str | None
    value: float | None
    time: int  # unix seconds
    seq: int
    context: str | None = None  # JSON


@dataclass(eq=False)
class Batch:
    """Events of one request, those of their items that are new, and what people wrote without an item."""

    rows: list[NewEvent]
    new_items: list[str] = field(default_factory=list)
    written: list[NewWritten] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.rows) + len(self.written)

    @property
    def all(self) -> list[NewEvent | NewWritten]:
        """Both, in the order of their numbers."""
        return [*self.rows, *self.written]


@dataclass(eq=False)
class Appended:
    """The outcome of a batch: the number of new rows and of duplicates, and the rows that are refused because their
    person was erased, by their place: texts without an item follow the events. ``items_clock`` is the clock of items
    after the transaction."""

    items_clock: int = 0
    accepted: int = 0
    duplicates: int = 0
    refused: dict[int, Refusal] = field(default_factory=dict)


class Clock(NamedTuple):
    """Counters of changes. A process that sees one grow reloads what it holds in memory."""

    events: int
    items: int
    erased: int
    keys: int
    models: int
    dropped_old: int
    dropped_many: int
    cleaned: int  # erasures up to this one are in no file


class EventStore:
    """The events of a store; durable once acknowledged. ``open`` starts the writer.

    ``secret`` keys page tokens, cookies and the hashes of erased people. Unless it is given, it is made at the first
    start and kept in the store.
    """

    def __init__(self, url: str, *, secret: str | None = None, most: int = 5000, seconds: float = 30.0) -> None:
        self.database = Database(url, seconds=seconds)
        self.writer = Writer(self.database, self.append_within)
        self.written = Written(self.database, most)
        self._given_secret, self._most = secret, most
        self.pseudonyms: str | None = None  # how every person in the store begins, if people are known by pseudonyms

    def open(self) -> None:
        """Bring the schema up to date, compile the statements, start the writer."""
        self.database.migrate()
        self._prepare()
        self.written.prepare()
        self.secret = (self._given_secret or self.kept_secret()).encode()
        self.ledger = Ledger(self.database, self.secret)
        self.pseudonyms = self.setting(PSEUDONYMS)
        self._name()
        self.writer.start()

    def close(self, seconds: float | None = None, *, connections: bool = True) -> None:
        """Write everything that is queued, in ``seconds`` if given, then close the ``connections``."""
        if self.writer.stop(seconds) and connections:
            self.database.close()

    def _prepare(self) -> None:
        make, e = self.database.compile, events.c
        person, upto = bindparam("person", type_=Text()), bindparam("upto", type_=BigInteger())
        newest = select(*(e[name] for name in StoredEvent._fields)).where(e.person == person, e.seq <= upto)
        most = bindparam("most", type_=Integer())
        self._history = make(newest.order_by(e.seq.desc()).limit(most))
        self._newest = make(newest.order_by(e.time.desc(), e.seq.desc()).limit(most))
        self._by_id = make(select(e.seq).where(e.id == bindparam("id")))
        one = clock.c
        self._clock = make(select(*(one[name] for name in Clock._fields)))
        tick = update(clock).values(events=one.events + bindparam("n"), items=one["items"] + bindparam("m"))
        self._tick = make(tick.returning(one.events, one.erased, one["items"]))
        fresh = self.database.insert(items).values(
            item=bindparam("item"), added=bindparam("added"), document="{}", deleted=False, changed=bindparam("changed")
        )
        self._new_item = make(fresh.on_conflict_do_nothing())
        self._attributes = make(select(attributes.c.name, attributes.c.value).where(attributes.c.person == person))
        self._inserts: dict[int, Statement] = {}
        named = settings.c.name
        self._unsaid = make(select(named).where(named.like(f"{ABSENT}%")))
        self._said = make(delete(settings).where(named == bindparam("name")))
        self._absent = MAY_SAY & {name.removeprefix(ABSENT) for (name,) in self.database.read(self._unsaid)}

    def _insert(self, rows: int) -> Statement:
        found = self._inserts.get(rows)
        if found is None:
            names: list[dict[str, Any]] = [{name: bindparam(f"{name}{n}") for name in COLUMNS} for n in range(rows)]
            found = self.database.compile(self.database.insert(events).values(names).on_conflict_do_nothing())
            found.names = tuple(f"{name}{n}" for n in range(rows) for name in COLUMNS)
            self._inserts[rows] = found
        return found

    def kept_secret(self) -> str:
        """The secret in the store, which stays the same when the service is given another."""
        connection = self.database.mine
        insert = self.database.insert(settings).values(name="secret", value=bindparam("value"))
        fresh = self.database.compile(insert.on_conflict_do_nothing())
        connection.execute(fresh.sql, fresh.values({"value": secrets.token_hex(32)}))
        kept = self.database.compile(select(settings.c.value).where(settings.c.name == "secret"))
        return str(self.database.read(kept)[0][0])

    def _name(self) -> None:
        """Give the store an id of its own, which models that learn from it keep."""
        with contextlib.suppress(*self.database.errors):  # a store that cannot be written is read all the same
            if self.setting(OWN_ID) is None:
                self.keep_setting(self.database.mine, OWN_ID, secrets.token_hex(8))

    def setting(self, name: str) -> str | None:
        """A value that is kept in the store, None if there is none."""
        kept = self.database.compile(select(settings.c.value).where(settings.c.name == bindparam("name")))
        rows = self.database.read(kept, name=name)
        return str(rows[0][0]) if rows else None

    def keep_setting(self, connection: Any, name: str, value: str) -> None:
        """Keep a value inside a transaction of the caller."""
        insert = self.database.insert(settings).values(name=bindparam("name"), value=bindparam("value"))
        again = insert.on_conflict_do_update(index_elements=["name"], set_={"value": bindparam("value")})
        statement = self.database.compile(again)
        connection.execute(statement.sql, statement.values({"name": name, "value": value}))

    def only_pseudonyms(self, people: Iterable[str]) -> None:
        """Raises ``ParameterError`` for an id that is about to enter a store of pseudonyms."""
        prefix = self.pseudonyms
        if prefix is not None and not all(person.startswith(prefix, 2) for person in people):
            raise ParameterError(
                "this store holds pseudonyms, and no other id of a person enters it: set pseudonyms = true and the "
                "current pseudonym_key"
            )

    # -- events in ------------------------------------------------------------------------------------------------

    def append_within(self, connection: Any, batches: Sequence[Batch]) -> list[Appended]:
        """Append batches inside a transaction of the caller. Raises ``ParameterError`` as ``only_pseudonyms``."""
        self.only_pseudonyms(row.person for batch in batches for row in batch.all)
        new_items = dict.fromkeys(item for batch in batches for item in batch.new_items)
        count = sum(map(len, batches))
        tick = self._tick
        ((last, erased_clock, items_clock),) = connection.execute(
            tick.sql, tick.values({"n": count, "m": int(bool(new_items))})
        ).fetchall()
        for item in new_items:
            values = self._new_item.values({"item": item, "added": int(time.time()), "changed": items_clock})
            connection.execute(self._new_item.sql, values)
        self.ledger.follow(connection, erased_clock)
        done = [Appended(items_clock) for _ in batches]
        kept: list[NewEvent] = []
        owners: list[Appended] = []
        texts: list[tuple[NewWritten, Appended]] = []
        refused = self.ledger.refused(connection, [row for batch in batches for row in batch.all])
        place = 0
        for batch, outcome in zip(batches, done, strict=True):
            rows, written = batch.rows, batch.written
            if refused:
                outcome.refused = {n: refused[place + n] for n in range(len(batch)) if place + n in refused}
                written = [row for n, row in enumerate(written, len(rows)) if n not in outcome.refused]
                rows = [row for n, row in enumerate(rows) if n not in outcome.refused]
            kept += rows
            owners += [outcome] * len(rows)
            texts += [(row, outcome) for row in written]
            place += len(batch)
        self.ledger.note(connection, [*kept, *(row for row, _ in texts)])
        if self._absent:
            self.note_said(connection, {n for n in self._absent if any(getattr(one, n) is not None for one in kept)})
        first = last - count + 1
        self._insert_rows(connection, kept, owners, first)
        for seq, (row, outcome) in enumerate(texts, first + len(kept)):
            fresh = self.written.insert_within(connection, row, seq)
            outcome.accepted += fresh
            outcome.duplicates += not fresh
        return done

    def _insert_rows(self, connection: Any, rows: list[NewEvent], owners: list[Appended], seq: int) -> None:
        """Insert rows with the numbers from ``seq`` on, and count them for their owners."""
        start, left = 0, len(rows)
        while left:
            size = CHUNK if left >= CHUNK else 1 << (left.bit_length() - 1)  # few sizes: each is prepared once
            part, of = rows[start : start + size], owners[start : start + size]
            flat = [
                cell
                for n, row in enumerate(part, seq)
                for cell in (row[0], n, *row[1:7], row.recommendation, row.purpose)
            ]
            inserted = connection.execute(self._insert(size).sql, flat).rowcount
            if inserted == size and of[0] is of[-1]:
                of[0].accepted += size
            else:
                for n, (row, outcome) in enumerate(zip(part, of, strict=True), seq):
                    if inserted < size and row.id is not None and self._seq_of(connection, row.id) != n:
                        outcome.duplicates += 1
                    else:
                        outcome.accepted += 1
            start, left, seq = start + size, left - size, seq + size

    def _seq_of(self, connection: Any, event_id: str) -> int:
        return int(connection.execute(self._by_id.sql, self._by_id.values({"id": event_id})).fetchall()[0][0])

    def note_said(self, connection: Any, columns: AbstractSet[str]) -> None:
        """Note in a transaction of the caller that events have some columns: a new store says what none ever had, so
        that reading it as a log need not look. It is forgotten here once the transaction is seen to have been kept."""
        if columns & self._absent:
            rows = connection.execute(self._unsaid.sql, self._unsaid.values({})).fetchall()
            self._absent &= {name.removeprefix(ABSENT) for (name,) in rows}
            for column in columns & self._absent:
                connection.execute(self._said.sql, self._said.values({"name": f"{ABSENT}{column}"}))

    # -- events out -----------------------------------------------------------------------------------------------

    def history(self, person: str, upto: int = FOREVER) -> list[StoredEvent]:
        """One person's events up to ``upto`` (a ``seq``), newest first: by time, then by acceptance."""
        rows = self.database.read(self._history, person=person, upto=upto, most=self._most + 1)
        if len(rows) > self._most:  # until retention runs: the newest may not be those that were accepted last
            rows = self.database.read(self._newest, person=person, upto=upto, most=self._most)
        events = list(map(StoredEvent._make, rows))
        events.sort(key=_TIME, reverse=True)  # stable; cheaper than in SQL, because most are in order already
        return events

    def clock(self) -> Clock:
        """All counters."""
        return Clock(*self.database.read(self._clock)[0])

    def attributes(self, person: str) -> dict[str, Any]:
        """The attributes of a person."""
        return {name: json.loads(value) for name, value in self.database.read(self._attributes, person=person)}

    def count(self) -> int:
        """The number of events; scans an index."""
        return int(self.database.read(self.database.compile(select(func.count()).select_from(events)))[0][0])

    def hash(self, person: str) -> bytes:
        """The keyed hash that recognises an erased person."""
        return self.ledger.hash(person)
