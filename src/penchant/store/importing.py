"""A log into a store: each row once, however often the log is imported."""

from __future__ import annotations

import functools
import hashlib
import itertools
import time
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from penchant.core.histories import Bools, Longs
from penchant.data.reading.raw import RawLog
from penchant.store.database import StoreError, first_line, transaction
from penchant.store.events import AHEAD, Batch, EventStore, NewEvent

AT_ONCE = 50_000  # events of one transaction, so that a service that runs does not wait long
INTO_EMPTY = 250_000  # into a store without events: fewer transactions write fewer pages twice
ID_BYTES = 8  # for the person, and for the row
PREFIX = "i."  # of the ids of imported events
# KiB: indexes are written at random places. A crash may undo the last transactions, which the next import repeats.
PRAGMAS = "PRAGMA cache_size=-524288", "PRAGMA synchronous=NORMAL"
Told = Callable[[str], None]
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Imported:
    """What became of the rows of a log."""

    events: int  # rows that could be read
    imported: int
    duplicates: int  # already in the store by an earlier import
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
    keep: int | None = None,
    known: Container[str] | None = None,
    told: Told = print,
    progress: Progress | None = None,
) -> Imported:
    """Append the rows of a log to an open store, people by id, the events of each in order.

    The id of an event is a keyed hash of its person, item, kind, value and time, and of the number of equal rows before
    it. So a second import adds nothing, and rows that the log repeats stay. Rows that the service would refuse are left
    out: older than ``keep`` seconds, before 1970, or over a day in the future. Before anything is written, ``told``
    gets a line about them, and about a log without times, whose events are dated now.

    ``known`` are the items of a catalogue, and others enter it; None: none does. Raises ``StoreError``; what was
    committed before stays, and the next import goes on.
    """
    now = int(time.time())
    times = np.full(len(log), now, dtype=np.int64) if log.times is None else log.times
    if log.times is None:
        told("the log has no times: its events are dated now, in the order of their rows")
    use, left_out = _usable(times, now, keep)
    for reason, count in left_out.items():
        told(f"{count:,} of {len(log):,} events are {reason}: they are left out")
    rows = _Rows(log, times, np.flatnonzero(use), store.kept_secret().encode())
    accepted = duplicates = refused = done = 0
    entered: dict[str, None] = {}
    with bulk(store, lambda: f"{accepted:,} events were imported") as connection:
        empty = not connection.execute("SELECT 1 FROM events LIMIT 1").fetchall()
        for batch in rows.batches(INTO_EMPTY if empty else AT_ONCE):
            if known is not None:
                fresh = dict.fromkeys(row.item for row in batch.rows if row.item not in known)
                batch.new_items = [item for item in fresh if item not in entered]
                entered |= fresh
            with transaction(connection, immediate=store.database.sqlite):
                (outcome,) = store.append_within(connection, [batch])
            accepted, duplicates = accepted + outcome.accepted, duplicates + outcome.duplicates
            refused, done = refused + len(outcome.refused), done + len(batch.rows)
            if progress is not None:
                progress("importing", done, len(rows))
    return Imported(len(log), accepted, duplicates, refused, left_out)


def _usable(times: Longs, now: int, keep: int | None) -> tuple[Bools, dict[str, int]]:
    reasons = {"before 1970": times < 0, "more than a day in the future": times > now + AHEAD}
    if keep is not None:
        reasons["older than events are kept"] = (times >= 0) & (times < now - keep)
    use = np.ones(len(times), dtype=np.bool_)
    for rows in reasons.values():
        use &= ~rows
    return use, {reason: int(rows.sum()) for reason, rows in reasons.items() if rows.any()}


class _Rows:
    """The rows to write, in the order of the keys of the store: neighbours reach the same pages."""

    def __init__(self, log: RawLog, times: Longs, chosen: Longs, secret: bytes) -> None:
        self.log, self.times, self.secret = log, times, secret
        self.people = [f"{'s' if guest else 'u'}:{one}" for one, guest in zip(log.person_ids, log.guests, strict=True)]
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

    def batches(self, size: int) -> Iterator[Batch]:
        """The rows in parts, as they are appended."""
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
            )
            ids = self._ids(*columns, self.numbers[start : start + size].tolist())
            ours = log.times is None
            rows = (NewEvent._make([*row, None, one, 0, ours, None]) for *row, one in zip(*columns, ids, strict=True))
            yield Batch(list(rows))

    def _ids(self, *columns: Sequence[Any]) -> Iterator[str]:
        """A keyed hash of each row. That of its person comes first, so that the index of ids is written in runs."""
        hashed = functools.partial(hashlib.blake2b, digest_size=ID_BYTES, key=self.secret[:64])
        before, first = None, ""
        for person, item, kind, value, when, number in zip(*columns, strict=True):
            if person != before:
                before, first = person, PREFIX + hashed(person.encode()).hexdigest()
            moment = "" if self.log.times is None else when
            content = f"{item}\0{kind or ''}\0{'' if value is None else repr(value)}\0{moment}\0{number}"
            yield first + hashed(content.encode()).hexdigest()


def _numbers_or_none(values: np.ndarray) -> list[float | None]:
    return [None if value != value else value for value in values.tolist()]  # noqa: PLR0124  # NaN
