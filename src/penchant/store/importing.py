"""A log into a store: each row once, however often the log is imported."""

from __future__ import annotations

import gc
import hashlib
import itertools
import time
from collections import Counter
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
from sqlalchemy import bindparam, func, or_, select

from penchant.core.histories import Bools, Longs
from penchant.data.reading.raw import RawLog
from penchant.store.database import StoreError, first_line, transaction
from penchant.store.events import AHEAD, Batch, EventStore, NewEvent
from penchant.store.keep import Keep
from penchant.store.tables import events

AT_ONCE = 50_000  # events of one transaction, so that a service that runs does not wait long
INTO_EMPTY = 250_000  # into a store without events: fewer transactions write fewer pages twice
ID_BYTES = 8  # for the person, and for the row
PREFIX = "i."  # of the ids of imported events
# KiB: indexes are written at random places. A crash may undo the last transactions, which the next import repeats.
PRAGMAS = "PRAGMA cache_size=-524288", "PRAGMA synchronous=NORMAL"
DAY = 86_400
OLDER = "older than events are kept"
PEOPLE = 500  # whose events are looked up at once
_Content = tuple[str, str, str | None, float | None, int]  # person, item, kind, value and time of a row
_Row = tuple[str, str, str | None, float | None, int, int]  # and the number of equal rows before it
Told = Callable[[str], None]
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Imported:
    """What became of the rows of a log."""

    events: int  # rows that could be read
    imported: int
    duplicates: int  # already in the store
    erased: int  # of people who were erased after the time of the row
    left_out: dict[str, int] = field(default_factory=dict)  # reason: rows

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "events": self.events,
            "imported": self.imported,
            "duplicates": self.duplicates,
            "erased": self.erased,
            "left_out": self.left_out,
        }


@contextmanager
def _uncollected() -> Iterator[None]:
    """No garbage collection inside: millions of tuples would be searched for cycles, and have none."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@contextmanager
def bulk(store: EventStore, done: Callable[[], str]) -> Iterator[Any]:
    """A connection for many transactions. All are on disk at the end; a crash before may undo the last ones.

    Raises ``StoreError`` that says what is ``done``.
    """
    connection, sqlite = store.database.connect(), store.database.sqlite
    try:
        for pragma in PRAGMAS if sqlite else ():
            connection.execute(pragma)
        yield connection
        if sqlite:  # everything before reaches the disk with it
            connection.execute("PRAGMA synchronous=FULL")
        with transaction(connection, immediate=sqlite):
            connection.execute("UPDATE clock SET events = events")
    except store.database.errors as failed:
        told = f"the store cannot be written ({first_line(failed)}); {done()}: run it again"
        raise StoreError(told) from failed
    finally:
        connection.close()


def import_log(
    store: EventStore,
    log: RawLog,
    *,
    keep: Keep | int | None = None,
    known: Container[str] | None = None,
    told: Told = print,
    progress: Progress | None = None,
    named: Callable[[str], str] | None = None,
) -> Imported:
    """Append the rows of a log to an open store, people by id, the events of each in order.

    The id of an event is a keyed hash of its person, item, kind, value and time, and of the number of equal rows before
    it. So a second import adds nothing, and rows that the log repeats stay. Equal events that the service accepted
    count before them, so that an export of a store adds nothing to it. Rows that the service would refuse are left out:
    older than ``keep`` (seconds, or by kind), before 1970, or over a day in the future. Before anything is written,
    ``told`` gets a line about them, and about a log without times, whose events are dated now.

    ``named`` gives the name under which the store knows a person, such as a pseudonym.
    ``known`` are the items of a catalogue, and others enter it; None: none does. Raises ``StoreError``; what was
    committed before stays, and the next import goes on.
    """
    now = int(time.time())
    times = np.full(len(log), now, dtype=np.int64) if log.times is None else log.times
    if log.times is None:
        told("the log has no times: its events are dated now, in the order of their rows")
    use, left_out = _usable(log, times, now, Keep.all(keep))
    for reason, count in left_out.items():
        told(f"{count:,} of {len(log):,} events are {reason}: they are left out")
    if OLDER in left_out and (longest := Keep.all(keep).longest) is not None:
        told(f'the setting keep keeps events for {longest / DAY:,.4g} days at most; keep = "0" keeps them for ever')
    rows = _Rows(log, times, np.flatnonzero(use), store.kept_secret().encode(), named)
    accepted = duplicates = refused = done = 0
    entered: dict[str, None] = {}
    with _uncollected(), bulk(store, lambda: f"{accepted:,} events were imported") as connection:
        empty = not connection.execute("SELECT 1 FROM events LIMIT 1").fetchall()
        for part in rows.parts(INTO_EMPTY if empty else AT_ONCE):
            here = Counter() if empty or log.times is None else _accepted(store, connection, part)
            batch = rows.batch(part, here)
            duplicates, done = duplicates + len(part) - len(batch.rows), done + len(part)
            if known is not None:
                fresh = dict.fromkeys(row.item for row in batch.rows if row.item not in known)
                batch.new_items = [item for item in fresh if item not in entered]
                entered |= fresh
            with transaction(connection, immediate=store.database.sqlite):
                (outcome,) = store.append_within(connection, [batch])
            accepted, duplicates = accepted + outcome.accepted, duplicates + outcome.duplicates
            refused += len(outcome.refused)
            if progress is not None:
                progress("importing", done, len(rows))
    return Imported(len(log), accepted, duplicates, refused, left_out)


def _usable(log: RawLog, times: Longs, now: int, keep: Keep) -> tuple[Bools, dict[str, int]]:
    reasons = {"before 1970": times < 0, "more than a day in the future": times > now + AHEAD}
    spans = [keep.of(name) for name in (*log.kind_names, None)]  # -1 picks the last
    first = np.array([0 if span is None else now - span for span in spans], dtype=np.int64)
    reasons[OLDER] = (times >= 0) & (times < (first[-1] if log.kinds is None else first[log.kinds]))
    use = np.ones(len(times), dtype=np.bool_)
    for rows in reasons.values():
        use &= ~rows
    return use, {reason: int(rows.sum()) for reason, rows in reasons.items() if rows.any()}


class _Rows:
    """The rows to write, in the order of the keys of the store: neighbours reach the same pages."""

    def __init__(
        self, log: RawLog, times: Longs, chosen: Longs, secret: bytes, named: Callable[[str], str] | None
    ) -> None:
        self.log, self.times, self.secret = log, times, secret
        people = (f"{'s' if guest else 'u'}:{one}" for one, guest in zip(log.person_ids, log.guests, strict=True))
        self.people = list(people if named is None else map(named, people))
        place = np.empty(len(self.people), dtype=np.int64)
        place[np.argsort(np.array(self.people, dtype=object), kind="stable")] = np.arange(len(self.people))
        self.order = chosen[np.argsort(place[log.people[chosen]], kind="stable")]
        self.numbers = self._numbers()

    def __len__(self) -> int:
        return len(self.order)

    def _numbers(self) -> Longs:
        """How many equal rows precede each, (rows,)."""
        log, order = self.log, self.order
        table: dict[str, Any] = {"person": log.people[order], "item": log.items[order]}
        for name in ("kinds", "values"):
            column = getattr(log, name)
            table |= {} if column is None else {name: column[order]}
        table |= {} if log.times is None else {"times": self.times[order]}
        number = pl.int_range(pl.len(), dtype=pl.Int64).over(list(table))
        return pl.DataFrame(table).select(number).to_series().to_numpy()

    def parts(self, size: int) -> Iterator[list[_Row]]:
        """The rows in parts."""
        log = self.log
        kinds: list[str | None] = [*(kind or None for kind in log.kind_names), None]  # -1 picks the last: none
        for start in range(0, len(self.order), size):
            part = self.order[start : start + size]
            whose = log.people[part].tolist()
            codes = itertools.repeat(-1) if log.kinds is None else log.kinds[part].tolist()
            values = itertools.repeat(None) if log.values is None else _numbers_or_none(log.values[part])
            columns = (
                [self.people[at] for at in whose],
                [log.item_ids[at] for at in log.items[part].tolist()],
                [kinds[at] for _, at in zip(whose, codes, strict=False)],
                [value for _, value in zip(whose, values, strict=False)],
                self.times[part].tolist(),
                self.numbers[start : start + size].tolist(),
            )
            yield list(zip(*columns, strict=True))

    def batch(self, part: list[_Row], accepted: Counter[_Content]) -> Batch:
        """The rows of a part as they are appended, without those that the service has accepted."""
        if accepted:
            later = [(*row[:-1], row[-1] - accepted[row[:-1]]) for row in part]
            part = [row for row in later if row[-1] >= 0]
        ours = self.log.times is None
        rows = (
            NewEvent._make([*row[:-1], None, one, 0, ours, None, None])
            for row, one in zip(part, self._ids(part), strict=True)
        )
        return Batch(list(rows))

    def _ids(self, part: list[_Row]) -> Iterator[str]:
        """A keyed hash of each row. That of its person comes first, so that the index of ids is written in runs."""
        keyed = hashlib.blake2b(digest_size=ID_BYTES, key=self.secret[:64])

        def hashed(text: str) -> str:
            one = keyed.copy()  # quicker than a new one
            one.update(text.encode())
            return one.hexdigest()

        before, first = None, ""
        for person, item, kind, value, when, number in part:
            if person != before:
                before, first = person, PREFIX + hashed(person)
            moment = "" if self.log.times is None else when
            content = f"{item}\0{kind or ''}\0{'' if value is None else repr(value)}\0{moment}\0{number}"
            yield first + hashed(content)


def _accepted(store: EventStore, connection: Any, part: list[_Row]) -> Counter[_Content]:
    """Events like those of a part that came to the store by another way than an import: how often each is there."""
    e = events.c
    names, low, high = [f"p{n}" for n in range(PEOPLE)], min(row[4] for row in part), max(row[4] for row in part)
    other = or_(e.id.is_(None), func.substr(e.id, 1, len(PREFIX)) != PREFIX)
    whose = e.person.in_([bindparam(name) for name in names])
    wanted = select(e.person, e.item, e.kind, e.value, e.time).where(whose, e.time.between(low, high), other)
    asked = store.database.compile(wanted)
    people, found = list(dict.fromkeys(row[0] for row in part)), Counter[_Content]()
    for start in range(0, len(people), PEOPLE):
        given = itertools.zip_longest(names, people[start : start + PEOPLE], fillvalue=people[start])
        found.update(connection.execute(asked.sql, asked.values(dict(given))).fetchall())
    return found


def _numbers_or_none(values: np.ndarray) -> list[float | None]:
    return [None if value != value else value for value in values.tolist()]  # noqa: PLR0124  # NaN
