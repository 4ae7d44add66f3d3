"""The events of a store as a log: read in parts, from one moment of the store, while the service writes.

SQLite's log (WAL) gives every reader one moment of the store, and no writer waits for a reader. Two connections that
see the same moment read pages of people in turn (``store.cells``). PostgreSQL sends one ``COPY``.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import sqlite3
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import polars as pl

from penchant.data.reading.report import many
from penchant.data.reading.streams import Stream
from penchant.errors import DataError, ParameterError
from penchant.kernels.threads import available
from penchant.store.cells import DTYPES, INSIDE, Columns, array_of, column, decoded, raw_name
from penchant.store.consent import condition, stated
from penchant.store.database import (
    ABSENT,
    BUSY_SECONDS,
    HEAD,
    PRAGMAS,
    Database,
    StoreError,
    first_line,
    without_password,
)
from penchant.store.keep import CUTS, Cutoffs, past
from penchant.store.keep import stated as stated_keep

PAGE = 1 << 18  # rows of a part
READERS = 2  # connections to a file; SQLite does half of the work of reading a log
TRIES = 20  # to open them at one moment, between two commits of a service
PIECE = 1 << 24  # bytes of a part from PostgreSQL
LOOKED_AT = 10_000  # contexts whose names are listed
BEFORE_USERS = "t"  # sorts after every "s:…" and before every "u:…"


@dataclass(frozen=True)
class Span:
    """Events from one moment on (unix seconds, inclusive) and until another (exclusive); None: no bound.

    ``upto`` is the last ``seq``, ``learned`` a condition of ``store.consent``, ``past`` says which are over.
    """

    since: int | None = None
    until: int | None = None
    upto: int | None = None
    learned: str = ""
    past: Cutoffs = ()

    def sql(self, moment: str = "time") -> str:
        """The condition, for a query; numbers and checked names only. ``moment`` is how it writes the time."""
        over = past(self.past, moment)
        bounds = [f"{moment} >= {int(self.since)}"] if self.since is not None else []
        bounds += [f"{moment} < {int(self.until)}"] if self.until is not None else []
        bounds += [f"NOT {over}"] if over else []
        bounds += [f"seq <= {int(self.upto)}"] if self.upto is not None else []
        bounds += [self.learned] if self.learned else []
        return " AND ".join(bounds) or "1 = 1"


EVER = Span()


def store_log(url: str, span: Span = EVER, *, context: bool = False, inside: bool = False) -> Stream:
    """The events of a store, as a source for ``read_interactions``: those of a person adjacent, in the order of
    acceptance.

    The columns are ``user``, ``session``, ``item``, ``kind``, ``value`` and ``time`` (unix seconds), without those that
    no event has; ``context`` adds the contexts as JSON, ``inside`` a column ``context.NAME`` for each that they state.
    Events that may not be learned from are left out (``store.consent``), and those that are past although they are
    there (``store.keep``); the notes of the stream count both. People and items are polars' categories of texts.
    Memory: some parts of 260,000 rows. Raises ``DataError`` if the store does not exist or has no such events,
    ``ParameterError`` for a store of a newer Penchant and ``StoreError`` if it cannot be read.
    """
    database = Database(url)
    name = without_password(url)
    with reading(database) as connection, ThreadPoolExecutor(1, "penchant-log") as pool:
        cutoffs = stated_keep(connection)
        facts = _facts(connection, span, cutoffs)
        span, notes = _allowed(connection, span, cutoffs)
        finding = pool.submit(_names, connection, span)
        importlib.import_module(
            "penchant.data.reading.assemble"
        )  # meanwhile: a search of all events runs without Python
        names = finding.result()
        names += [f"{INSIDE}{key}" for key in (_keys(connection, span) if inside and "context" in names else ())]
        names = [one for one in names if context or one != "context"]
        said = " in this time" if (span.since, span.until) != (None, None) else ""
        said += " that may be learned from" if span.learned else ""
        if not names:
            raise DataError("; ".join([f"the store has no events{said}", *notes]), file=name)

    def parts(wanted: Sequence[str]) -> Iterator[tuple[pl.DataFrame, float]]:
        with readers(database, min(READERS, available())) as connections:
            whole = span
            if facts is not None and _clock(connections[0])[0] != facts["events"]:
                whole = replace(span, upto=facts["events"])  # a condition on every row, which is not free
            with ahead(_pages(database, connections, Columns(wanted), whole)) as pages:
                yield from pages

    def sample(rows: int) -> pl.DataFrame:
        raw = list(dict.fromkeys(["person", *map(raw_name, names)]))
        with reading(database) as connection:
            found = connection.execute(
                f"SELECT {', '.join(raw)} FROM events WHERE {span.sql()} LIMIT {rows}"  # noqa: S608  # our own names
            ).fetchall()
        schema = {one: DTYPES.get(one, pl.Int64 if one == "time" else pl.String) for one in raw}
        return pl.DataFrame(found, schema=schema, orient="row").select([column(one) for one in names])

    file = Path(str(database.url.database)) if database.sqlite else None
    return Stream(name, "store", names, parts, sample, file, facts, notes)


def _allowed(connection: Any, span: Span, cutoffs: Cutoffs) -> tuple[Span, list[str]]:
    """The span without the events that may not be learned from and those that are past, and how many these are."""
    agreed, notes = condition(connection), []
    kept = replace(span, past=cutoffs)
    against = f"{kept.sql()} AND ({agreed}) IS NOT TRUE"  # of an event without a purpose nobody knows
    for left_out, some, why in (
        (past(cutoffs), f"{span.sql()} AND {past(cutoffs)}", "their time is over (keep)"),
        (agreed, against, "they may not be learned from (purposes, training)"),
    ):
        if left_out:
            ((count,),) = connection.execute(f"SELECT count(*) FROM events WHERE {some}").fetchall()  # noqa: S608  # ours
            notes += [f"{many(count, 'event', 'events')} of the store left out: {why}"] if count else []
    return replace(kept, learned=agreed), notes


def _facts(connection: Any, span: Span, cutoffs: Cutoffs) -> dict[str, Any] | None:
    """Which moment of which store this is, for those who ask later what a model learned; None for a part of one."""
    found = dict(connection.execute("SELECT name, value FROM settings WHERE name = 'id'").fetchall())
    if span != EVER or not found:
        return None
    events, erased = _clock(connection)
    facts = {"id": found["id"], "events": events, "erased": erased, "purposes": stated(connection)}
    return facts | ({CUTS: [list(one) for one in cutoffs]} if cutoffs else {})


def _clock(connection: Any) -> tuple[int, int]:
    """How many events were ever accepted, and how many people erased."""
    ((events, erased),) = connection.execute("SELECT events, erased FROM clock").fetchall()
    return int(events), int(erased)


@contextlib.contextmanager
def reading(database: Database) -> Iterator[Any]:
    """A connection that cannot write, inside a transaction that sees one moment of the store.

    Raises ``DataError`` if there is no store, ``ParameterError`` for one of a newer version.
    """
    with readers(database, 1) as opened:
        yield opened[0]


@contextlib.contextmanager
def readers(database: Database, count: int) -> Iterator[list[Any]]:
    """As ``reading``: up to ``count`` connections to a file that see the same moment, one to PostgreSQL."""
    opened = [_reader(database)]
    try:
        opened += [_reader(database) for _ in range(1, count if database.sqlite else 1)]
        yield _begun_together(database, opened)
    except database.errors as failed:
        raise StoreError(f"the store cannot be read: {first_line(failed)}") from failed
    finally:
        for one in opened:
            with contextlib.suppress(*database.errors):
                one.close()


def _begun_together(database: Database, opened: Sequence[Any]) -> list[Any]:
    """Begin the transactions of connections; those that see what the first one sees.

    What a connection sees has changed since it was asked before if ``data_version`` has, so nothing was committed
    while the transactions began if it has not.
    """
    first, *others = opened

    def seen(connection: Any) -> int:
        return int(connection.execute("PRAGMA data_version").fetchone()[0])

    def begin(connection: Any) -> None:
        connection.execute("BEGIN" if database.sqlite else "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        _check_revision(database, connection)  # the first read decides what a transaction sees

    for tried in range(TRIES):
        before = [seen(one) for one in others]
        for one in opened:
            begin(one)
        same = [one for one, was in zip(others, before, strict=True) if seen(one) == was]
        if len(same) == len(others) or tried == TRIES - 1:
            break
        for one in opened:
            one.execute("ROLLBACK")
    return [first, *same]


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


def _names(connection: Any, span: Span) -> list[str]:
    """The columns that at least one event has; none if there is no event."""

    def some(condition: str) -> bool:
        query = f"SELECT 1 FROM events WHERE {condition} AND {span.sql()} LIMIT 1"  # noqa: S608  # our own conditions
        return bool(connection.execute(query).fetchall())

    if not some("1 = 1"):
        return []
    found = {"item", "time"}
    found |= {"user"} if some(f"person >= '{BEFORE_USERS}'") else set()
    found |= {"session"} if some(f"person < '{BEFORE_USERS}'") else set()
    absent = f"SELECT name FROM settings WHERE name LIKE '{ABSENT}%'"  # noqa: S608  # our own name
    never = {name.removeprefix(ABSENT) for (name,) in connection.execute(absent).fetchall()}
    unseen = [name for name in ("kind", "value", "context") if name not in never]
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


def _pages(
    database: Database, connections: Sequence[Any], columns: Columns, span: Span
) -> Generator[tuple[pl.DataFrame, float]]:
    first = connections[0]
    ((total,),) = first.execute(f"SELECT count(*) FROM events WHERE {span.sql()}").fetchall()  # noqa: S608  # numbers
    done = 0
    pages = _of_sqlite(connections, columns, span) if database.sqlite else _of_postgresql(first, columns, span)
    with contextlib.closing(pages):
        for page in pages:
            done += page.height
            yield page, min(1.0, done / max(1, total))


def _of_sqlite(connections: Sequence[Any], columns: Columns, span: Span) -> Generator[pl.DataFrame]:
    """Each connection reads in a thread of its own; the pages come in the order of people."""
    arrays = ", ".join(["count(*)", *map(array_of, columns.raw)])
    inside = span.sql("+time")  # the index of times would give the rows in its own order
    free: SimpleQueue[Any] = SimpleQueue()
    for one in connections:
        free.put(one)

    def read(low: str, last: tuple[str] | None) -> pl.DataFrame:
        connection = free.get()
        try:
            upto = "" if last is None else " AND person <= ?"  # with all their events
            rows = f"SELECT {arrays} FROM events WHERE person > ?{upto} AND {inside}"  # noqa: S608  # our own names
            count, *texts = connection.execute(rows, [low, *(last or ())]).fetchone()
        finally:
            free.put(connection)
        return columns.made({name: decoded(name, text, count) for name, text in zip(columns.raw, texts, strict=True)})

    def bounds() -> Iterator[tuple[str, tuple[str] | None]]:
        later = "SELECT person FROM events WHERE person > ? ORDER BY person, seq LIMIT 1 OFFSET ?"
        low, last = "", None
        while low == "" or last is not None:
            connection = free.get()
            try:
                last = connection.execute(later, [low, PAGE - 1]).fetchone()
            finally:
                free.put(connection)
            yield low, last
            if last is None:
                return
            (low,) = last

    coming: deque[Future[pl.DataFrame]] = deque()
    with ThreadPoolExecutor(len(connections), "penchant-log") as pool:
        try:
            for low, last in bounds():
                coming.append(pool.submit(read, low, last))
                if len(coming) > len(connections) and (page := coming.popleft().result()).height:
                    yield page
            while coming:
                if (page := coming.popleft().result()).height:
                    yield page
        finally:
            for one in coming:
                one.cancel()


def _of_postgresql(connection: Any, columns: Columns, span: Span) -> Generator[pl.DataFrame]:
    query = (
        f"COPY (SELECT {', '.join(columns.raw)} FROM events WHERE {span.sql()} "  # noqa: S608  # our own names
        'ORDER BY person COLLATE "C", seq) TO STDOUT (FORMAT csv)'
    )
    schema = {one: DTYPES.get(one, pl.Int64 if one == "time" else pl.String) for one in columns.raw}

    def page(pieces: list[bytes]) -> pl.DataFrame:
        frame = pl.read_csv(BytesIO(b"".join(pieces)), has_header=False, schema=schema)
        return columns.made({one: frame[one] for one in columns.raw})

    pieces, size = list[bytes](), 0
    with connection.cursor() as cursor, cursor.copy(query) as rows:
        for row in rows:  # the server sends whole rows
            pieces.append(bytes(row))
            size += len(row)
            if size >= PIECE:
                yield page(pieces)
                pieces, size = [], 0
    if pieces:
        yield page(pieces)
