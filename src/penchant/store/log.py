"""The events of a store as a log: read in parts, from one moment of the store, while the service writes.

SQLite's log (WAL) gives every reader one moment of the store, and no writer waits for a reader. Columns are joined to
JSON inside SQLite, which is several times faster than fetching cells. PostgreSQL sends one ``COPY``.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from penchant.data.reading.ids import starts
from penchant.data.reading.streams import Stream
from penchant.errors import DataError, ParameterError
from penchant.store.consent import condition, stated
from penchant.store.database import BUSY_SECONDS, HEAD, PRAGMAS, Database, StoreError, first_line, without_password

PAGE = 1 << 20  # rows of a part
PIECE = 1 << 24  # bytes of a part from PostgreSQL
DTYPES: dict[str, Any] = {"kind": pl.String, "value": pl.Float64, "context": pl.String}
PEOPLE = "user", "session"
INSIDE = "context."  # before the name of a context
LOOKED_AT = 10_000  # contexts whose names are listed
WHOLE = {"person", "item", "time"}  # columns that every event has
BEFORE_USERS = "t"  # sorts after every "s:…" and before every "u:…"
# 15 digits, as JSON has them, do not give every number back; quote() uses as many as it needs
CELLS = {"value": "CASE WHEN value IS NULL THEN NULL ELSE quote(value) END"}


@dataclass(frozen=True)
class Span:
    """Events from one moment on (unix seconds, inclusive) and until another (exclusive); None: no bound.

    ``upto`` is the last ``seq``, ``learned`` a condition of ``store.consent``.
    """

    since: int | None = None
    until: int | None = None
    upto: int | None = None
    learned: str = ""

    def sql(self) -> str:
        """The condition, for a query; numbers only."""
        bounds = [f"time >= {int(self.since)}"] if self.since is not None else []
        bounds += [f"time < {int(self.until)}"] if self.until is not None else []
        bounds += [f"seq <= {int(self.upto)}"] if self.upto is not None else []
        bounds += [self.learned] if self.learned else []
        return " AND ".join(bounds) or "1 = 1"


EVER = Span()


def store_log(url: str, span: Span = EVER, *, context: bool = False, inside: bool = False) -> Stream:
    """The events of a store, as a source for ``read_interactions``: those of a person adjacent, in the order of
    acceptance.

    The columns are ``user``, ``session``, ``item``, ``kind``, ``value`` and ``time`` (unix seconds), without those that
    no event has; ``context`` adds the contexts as JSON, ``inside`` a column ``context.NAME`` for each that they state.
    Events that may not be learned from are left out (``store.consent``).
    Memory: two parts of a million rows. Raises ``DataError`` if the store does not exist or has no such events,
    ``ParameterError`` for a store of a newer Penchant and ``StoreError`` if it cannot be read.
    """
    database = Database(url)
    name = without_password(url)
    with reading(database) as connection:
        facts = _facts(connection, span)
        span = replace(span, learned=condition(connection))
        names = _names(connection, span, context=context)
        names += [f"{INSIDE}{key}" for key in (_keys(connection, span) if inside else ())]
        said = " in this time" if (span.since, span.until) != (None, None) else ""
        said += " that may be learned from" if span.learned else ""
        if not names:
            raise DataError(
                "the store has no events" + said,
                file=name,
            )

    def parts(wanted: Sequence[str]) -> Iterator[tuple[pl.DataFrame, float]]:
        raw = list(dict.fromkeys(_raw(one) for one in wanted))
        whole = span if facts is None else replace(span, upto=facts["events"])
        with reading(database) as connection, ahead(_pages(database, connection, raw, whole)) as pages:
            for frame, share in pages:
                yield frame.select([_of_runs(frame, one) if one in PEOPLE else _column(one) for one in wanted]), share

    def sample(rows: int) -> pl.DataFrame:
        raw = list(dict.fromkeys(["person", *map(_raw, names)]))
        with reading(database) as connection:
            found = connection.execute(
                f"SELECT {', '.join(raw)} FROM events WHERE {span.sql()} LIMIT {rows}"  # noqa: S608  # our own names
            ).fetchall()
        schema = {one: DTYPES.get(one, pl.Int64 if one == "time" else pl.String) for one in raw}
        return pl.DataFrame(found, schema=schema, orient="row").select([_column(one) for one in names])

    file = Path(str(database.url.database)) if database.sqlite else None
    return Stream(name, "store", names, parts, sample, file, facts)


def _facts(connection: Any, span: Span) -> dict[str, Any] | None:
    """Which moment of which store this is, for those who ask later what a model learned; None for a part of one."""
    found = dict(connection.execute("SELECT name, value FROM settings WHERE name = 'id'").fetchall())
    if span != EVER or not found:
        return None
    ((events, erased),) = connection.execute("SELECT events, erased FROM clock").fetchall()
    return {"id": found["id"], "events": events, "erased": erased, "purposes": stated(connection)}


@contextlib.contextmanager
def reading(database: Database) -> Iterator[Any]:
    """A connection that cannot write, inside a transaction that sees one moment of the store.

    Raises ``DataError`` if there is no store, ``ParameterError`` for one of a newer version.
    """
    opened = _reader(database)
    try:
        opened.execute("BEGIN" if database.sqlite else "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        _check_revision(database, opened)
        yield opened
    except database.errors as failed:
        raise StoreError(f"the store cannot be read: {first_line(failed)}") from failed
    finally:
        with contextlib.suppress(*database.errors):
            opened.close()


def _reader(database: Database) -> Any:
    if not database.sqlite:
        opened = database.connect()
        opened.execute("SET statement_timeout = 0")
        return opened
    path = Path(str(database.url.database))
    if not path.is_file():
        raise DataError("there is no store here", file=str(path))
    name = path.resolve().as_uri()
    options: Any = {"isolation_level": None, "check_same_thread": False}
    opened = sqlite3.connect(f"{name}?mode=ro", uri=True, timeout=BUSY_SECONDS, **options)
    try:
        opened.execute(f"PRAGMA mmap_size={PRAGMAS['mmap_size']}")
        opened.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
    except sqlite3.OperationalError:
        opened.close()
        log = path.with_name(path.name + "-wal")
        if log.exists() and log.stat().st_size:
            raise
        # in a folder that cannot be written; without a log, nobody writes
        opened = sqlite3.connect(f"{name}?mode=ro&immutable=1", uri=True, **options)
    except sqlite3.DatabaseError as wrong:
        opened.close()
        raise DataError(f"this is not a store ({first_line(wrong)})", file=str(path)) from wrong
    return opened


def _check_revision(database: Database, connection: Any) -> None:
    try:
        rows = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    except database.errors as wrong:
        raise DataError("this is not a store of Penchant", file=without_password(str(database.url))) from wrong
    if rows and str(rows[0][0]) > HEAD:
        raise ParameterError(
            f"the store has the schema {rows[0][0]!r}, which this Penchant does not know: a newer version wrote it"
        )


def _names(connection: Any, span: Span, *, context: bool) -> list[str]:
    """The columns that at least one event has; none if there is no event."""

    def some(condition: str) -> bool:
        query = f"SELECT 1 FROM events WHERE {condition} AND {span.sql()} LIMIT 1"  # noqa: S608  # our own conditions
        return bool(connection.execute(query).fetchall())

    if not some("1 = 1"):
        return []
    found = {"item", "time"}
    found |= {"user"} if some(f"person >= '{BEFORE_USERS}'") else set()
    found |= {"session"} if some(f"person < '{BEFORE_USERS}'") else set()
    unseen = ["kind", "value", *(["context"] if context else [])]
    while unseen:  # one pass over the events for all that none has
        there = [f"{one} IS NOT NULL" for one in unseen]
        query = f"SELECT {', '.join(there)} FROM events WHERE ({' OR '.join(there)}) AND {span.sql()} LIMIT 1"  # noqa: S608  # our own names
        row = connection.execute(query).fetchone()
        if row is None:
            break
        found |= {name for name, here in zip(unseen, row, strict=True) if here}
        unseen = [name for name in unseen if name not in found]
    return [name for name in ("user", "session", "item", "kind", "value", "time", "context") if name in found]


@contextlib.contextmanager
def ahead(parts: Generator[Any]) -> Iterator[Iterator[Any]]:
    """The same parts; while one is in use, a thread fetches the next."""
    with contextlib.closing(parts), ThreadPoolExecutor(1, "penchant-log") as pool:

        def one_after_another() -> Iterator[Any]:
            coming = pool.submit(next, parts, None)
            while (part := coming.result()) is not None:
                coming = pool.submit(next, parts, None)
                yield part

        yield one_after_another()


def _keys(connection: Any, span: Span) -> list[str]:
    """What contexts state, as far as the first events that have one show it."""
    query = f"SELECT context FROM events WHERE context IS NOT NULL AND {span.sql()} LIMIT {LOOKED_AT}"  # noqa: S608  # numbers
    keys: dict[str, None] = {}
    for (text,) in connection.execute(query).fetchall():
        stated = json.loads(text)
        keys |= dict.fromkeys(key for key in stated if "'" not in key and "\\" not in key)
    return sorted(keys)


def _raw(name: str) -> str:
    """The column of the store that a column of the log is made from."""
    return "person" if name in PEOPLE else "context" if name.startswith(INSIDE) else name


def _column(name: str) -> pl.Expr:
    """A column of the log, from the columns of the store."""
    if name.startswith(INSIDE):
        return pl.col("context").str.json_path_match(f"$['{name.removeprefix(INSIDE)}']").alias(name)
    if name not in PEOPLE:
        return pl.col(name)
    person = pl.col("person")
    mine = person.str.starts_with("u:" if name == "user" else "s:")
    return pl.when(mine).then(person.str.slice(2)).otherwise(None).alias(name)


def _of_runs(frame: pl.DataFrame, name: str) -> pl.Series:
    """``_column`` for people, whose rows are adjacent: made once for each."""
    at = starts(frame["person"])
    runs = frame.select("person")[at].select(_column(name)).to_series()
    return runs.gather(np.repeat(np.arange(len(at)), np.diff(at, append=frame.height)))


def _pages(
    database: Database, connection: Any, columns: Sequence[str], span: Span
) -> Generator[tuple[pl.DataFrame, float]]:
    ((total,),) = connection.execute(f"SELECT count(*) FROM events WHERE {span.sql()}").fetchall()  # noqa: S608  # numbers
    done = 0
    pages = _of_sqlite(connection, columns, span) if database.sqlite else _of_postgresql(connection, columns, span)
    for frame in pages:
        done += frame.height
        yield frame, min(1.0, done / max(1, total))


def _of_sqlite(connection: Any, columns: Sequence[str], span: Span) -> Iterator[pl.DataFrame]:
    arrays = ", ".join(f"CAST(json_group_array({CELLS.get(one, one)}) AS BLOB)" for one in columns)
    inside = span.sql().replace("time", "+time")  # the index of times would give the rows in its own order
    low = ""
    while True:
        later = "SELECT person FROM events WHERE person > ? ORDER BY person, seq LIMIT 1 OFFSET ?"
        last = connection.execute(later, [low, PAGE - 1]).fetchone()
        upto = "" if last is None else " AND person <= ?"  # with all their events
        rows = f"SELECT {arrays} FROM events WHERE person > ?{upto} AND {inside}"  # noqa: S608  # our own names
        texts = connection.execute(rows, [low, *(last or ())]).fetchone()
        frame = pl.DataFrame([_decoded(one, text) for one, text in zip(columns, texts, strict=True)])
        if frame.height:
            yield frame
        if last is None:
            return
        (low,) = last


def _decoded(name: str, text: bytes) -> pl.Series:
    """A column from its JSON array. Without escapes it reads like a line of CSV, which is twice as fast."""
    kind: Any = pl.Int64 if name == "time" else pl.String
    missing, escaped = name not in WHOLE, b"\\" in text
    if missing and name not in CELLS:
        escaped = escaped or b'"null"' in text or b'""' in text
    cells = pl.Series(name, [], dtype=kind)
    if text != b"[]" and not escaped:
        cells = pl.read_csv(
            text[1:-1],
            has_header=False,
            separator="\x1f",
            eol_char=",",
            schema={name: kind},
            null_values="null" if missing else None,
        ).to_series()
        escaped = not missing and cells.null_count() > 0  # an empty text
    if escaped:
        cells = pl.Series(name, [text.decode()]).str.json_decode(pl.List(kind)).explode()
    return cells.cast(pl.Float64) if name == "value" else cells


def _of_postgresql(connection: Any, columns: Sequence[str], span: Span) -> Iterator[pl.DataFrame]:
    query = (
        f"COPY (SELECT {', '.join(columns)} FROM events WHERE {span.sql()} "  # noqa: S608  # our own names
        'ORDER BY person COLLATE "C", seq) TO STDOUT (FORMAT csv)'
    )
    schema = {one: DTYPES.get(one, pl.Int64 if one == "time" else pl.String) for one in columns}

    def frame(pieces: list[bytes]) -> pl.DataFrame:
        return pl.read_csv(BytesIO(b"".join(pieces)), has_header=False, schema=schema)

    pieces, size = list[bytes](), 0
    with connection.cursor() as cursor, cursor.copy(query) as rows:
        for row in rows:  # the server sends whole rows
            pieces.append(bytes(row))
            size += len(row)
            if size >= PIECE:
                yield frame(pieces)
                pieces, size = [], 0
    if pieces:
        yield frame(pieces)
