"""Backups of a store in SQLite, and their restoration without those who were erased since."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from penchant.errors import DataError, ParameterError
from penchant.store.database import BUSY_SECONDS, Database, StoreError, first_line
from penchant.store.erasures import Erased, Erasures, apply
from penchant.store.events import EventStore

TRIES = 3  # backups that are made until one has the counts of the store
COUNTS = (
    "SELECT count(*) FROM events WHERE seq <= :last",
    "SELECT count(*) FROM items WHERE :last >= 0",
    "SELECT count(*) FROM attributes WHERE :last >= 0",
    "SELECT count(*) FROM erased WHERE :last >= 0",
    'SELECT count(*) FROM "keys" WHERE :last >= 0',
    "SELECT count(*) FROM activations WHERE :last >= 0",
    "SELECT count(*) FROM settings WHERE :last >= 0",
    "SELECT count(*) FROM exposures WHERE number <= :shown",
)  # not of the clocks of senders, whose rows change with every event that is dated in the future
CHANGES = 'SELECT items, erased, "keys", models, dropped_old, dropped_many FROM clock'
TABLE = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"


@dataclass(frozen=True)
class Copied:
    """What a backup holds."""

    events: int
    bytes: int


@dataclass(frozen=True)
class Restored:
    """What a restored store holds, and how many people in it were erased since the backup."""

    events: int
    erased: int


def backup(url: str, file: str | Path) -> Copied:
    """Copy a store into a new file, mode 0600, while the service runs; writers do not wait.

    The copy is one moment of the store, without remains of deleted rows. Its pages are checked, its rows counted.
    Raises ``ParameterError`` for PostgreSQL and for a file that exists, ``StoreError`` for a failed copy.
    """
    database, target = Database(url), Path(file)
    source = _path(database)
    if not source.is_file():
        raise ParameterError(f"there is no store {source}")
    if target.exists():
        raise ParameterError(f"{target} exists: a backup needs a new name")
    part = _beside(target, ".part")
    try:
        for _ in range(TRIES):
            copied = _copy(source, part)
            if copied is not None:
                os.link(part, target)  # fails if the name has been taken meanwhile
                return copied
    except FileExistsError:
        raise ParameterError(f"{target} exists: a backup needs a new name") from None
    except (sqlite3.Error, OSError) as failed:
        raise StoreError(f"the backup failed: {first_line(failed)}") from failed
    finally:
        part.unlink(missing_ok=True)
    raise StoreError(f"the backup has other counts than the store, {TRIES} times")


def restore(
    url: str,
    file: str | Path,
    *,
    replace: bool = False,
    receipts: str | Path | None = None,
    secret: str | None = None,
) -> Restored:
    """Put a backup in the place of a store; the service must be stopped.

    People are erased from the backup first if their erasure is in the ledger of the replaced store, or on one of
    ``receipts`` (JSON, one a line), and not in the backup; so are events whose ids were erased, whoever holds them
    there. The ledger is kept. ``replace`` allows to replace an existing store; ``secret``
    is that of the service, None if it is kept in the store. Raises ``ParameterError``,
    ``DataError`` for an unreadable file and ``StoreError`` for a store that is in use.
    """
    database, source = Database(url), Path(file)
    target = _path(database)
    if target.exists() and not replace:
        raise ParameterError(f"the store {target} exists: --replace replaces it")
    if not source.is_file():
        raise DataError("there is no such backup", file=str(source))
    ledger = _receipts(receipts) if receipts is not None else Erasures()
    part = _beside(target, ".restored")
    try:
        with _open(source) as copy:
            kept = _secret(copy)  # before the store is touched: the file may be no backup
        if target.exists():
            ledger.add(_close_log(target, kept, secret))
        if _copy(source, part) is None:
            raise DataError("the backup is damaged", file=str(source))
        restored = _forget(part, ledger, secret)
        for name in (f"{target.name}-wal", f"{target.name}-shm"):
            target.with_name(name).unlink(missing_ok=True)
        part.replace(target)
        _sync(target.parent)
    except sqlite3.DatabaseError as wrong:
        raise DataError(f"cannot be read as a store ({first_line(wrong)})", file=str(source)) from wrong
    except OSError as wrong:
        raise StoreError(f"the store cannot be restored: {first_line(wrong)}") from wrong
    finally:
        for name in (part.name, f"{part.name}-wal", f"{part.name}-shm"):
            part.with_name(name).unlink(missing_ok=True)
    return restored


def _path(database: Database) -> Path:
    if not database.sqlite:
        raise ParameterError("a store in PostgreSQL is backed up and restored by its own tools, such as pg_dump")
    return Path(str(database.url.database)).absolute()


def _beside(target: Path, ending: str) -> Path:
    """A new, empty file beside another, mode 0600, under a name of its own: two commands may work at once."""
    try:
        opened, name = tempfile.mkstemp(prefix=f"{target.name}.", suffix=ending, dir=target.parent)
    except OSError as wrong:
        raise StoreError(f"{target.parent}: no file can be written there ({wrong.strerror})") from wrong
    os.close(opened)
    return Path(name)


@contextlib.contextmanager
def _open(path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        yield connection
    finally:
        connection.close()


def _copy(source: Path, part: Path) -> Copied | None:
    """A checked copy of a store in a file of its own; None if rows are missing from it."""
    os.truncate(part, 0)
    with _open(source) as store:
        store.execute("VACUUM INTO ?", [str(part)])
        with _open(part) as copy:
            ((sound,),) = copy.execute("PRAGMA integrity_check(1)").fetchall()
            upto = _upto(copy)
            counts, changes = _counts(copy, upto), _changes(copy)
        store.execute("BEGIN")
        same = _counts(store, upto) == counts or _changes(store) != changes
        store.execute("COMMIT")
    with part.open("rb") as written:
        os.fsync(written.fileno())
    _sync(part.parent)
    return Copied(counts[0], part.stat().st_size) if sound == "ok" and same else None


def _upto(connection: sqlite3.Connection) -> dict[str, int]:
    """The last event and the last exposure; without those where the version of the store has none."""
    shown = "exposures" if connection.execute(TABLE, ["exposures"]).fetchall() else "-1"
    ((last, number),) = connection.execute(f"SELECT events, {shown} FROM clock").fetchall()  # noqa: S608  # one of the two
    return {"last": last, "shown": number}


def _counts(connection: sqlite3.Connection, upto: Mapping[str, int]) -> list[int]:
    """Rows of each table; of events and exposures those up to the last of the copy."""
    queries = COUNTS if upto["shown"] >= 0 else COUNTS[:-1]
    return [int(connection.execute(query, upto).fetchall()[0][0]) for query in queries]


def _changes(connection: sqlite3.Connection) -> tuple[int, ...]:
    """Counters that grow when rows are deleted, or added to another table than that of the events."""
    return tuple(connection.execute(CHANGES).fetchall()[0])


def _secret(connection: sqlite3.Connection) -> list[tuple[str]]:
    return connection.execute("SELECT value FROM settings WHERE name = 'secret'").fetchall()


def _close_log(target: Path, kept: list[tuple[str]], secret: str | None) -> Erasures:
    """The ledger of the store that will be replaced; fails while somebody has it open. ``kept`` is the secret in the
    backup."""
    with _open(target) as old:
        old.execute("PRAGMA busy_timeout=1000")
        try:
            ledger, own = _ledger(old), _secret(old)
        except sqlite3.DatabaseError as wrong:
            raise DataError(
                f"the store cannot be read ({first_line(wrong)})",
                file=str(target),
                fix="move it away, then restore with --receipts.",
            ) from wrong
        if ledger.people and secret is None and own != kept:
            raise ParameterError("the store and the backup have different secrets: they are not of the same service")
        try:
            ((mode,),) = old.execute("PRAGMA journal_mode=DELETE").fetchall()  # only for its only user
        except sqlite3.OperationalError:
            mode = "wal"
        if mode != "delete":
            raise StoreError(f"the store {target} is in use: stop the service first")
    return ledger


def _ledger(connection: sqlite3.Connection) -> Erasures:
    """The ledger of a store of this or an earlier version."""
    newer = bool(connection.execute(TABLE, ["erased_ids"]).fetchall())
    firsts = any(row[1] == "first" for row in connection.execute("PRAGMA table_info(erased)"))
    names = f"hash, time, {'ms, ahead' if newer else '999, 0'}, {'first' if firsts else '0'}"
    rows = connection.execute(f"SELECT {names} FROM erased").fetchall()  # noqa: S608  # our own names
    ids = connection.execute("SELECT hash, until FROM erased_ids").fetchall() if newer else []
    people = {bytes(hashed): Erased(*entry) for hashed, *entry in rows}
    return Erasures(people, {bytes(hashed): until for hashed, until in ids})


def _receipts(file: str | Path) -> Erasures:
    """The erasures of receipts, which tell the second only: that of a ledger comes before."""
    ledger = Erasures()
    try:
        for line in Path(file).read_text(encoding="utf-8").splitlines():
            if line.strip():
                receipt = json.loads(line)
                ledger.add(Erasures({bytes.fromhex(receipt["hash"]): Erased(int(receipt["erased_at"]), -1, 0)}))
    except (OSError, ValueError, KeyError, TypeError) as wrong:
        raise DataError(f"is not a list of receipts, one a line ({wrong})", file=str(file)) from wrong
    return ledger


def _forget(part: Path, ledger: Erasures, secret: str | None) -> Restored:
    """Erase from the copy whoever was erased after it was made, then rewrite it without them."""
    store = EventStore(f"sqlite:///{part}", secret=secret)
    store.open()
    try:
        gone = apply(store, ledger.after(Erasures.of(store.database)))
        connection = store.database.mine
        connection.execute("VACUUM")
        connection.execute("UPDATE clock SET cleaned = erased")
        events = store.count()
    finally:
        store.close()
    with _open(part) as copy:
        copy.execute("PRAGMA journal_mode=DELETE")  # everything is in one file
    with part.open("rb") as written:
        os.fsync(written.fileno())
    return Restored(events, gone)


def _sync(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
