"""A database by URL: a SQLite file, or PostgreSQL for several processes. Statements are compiled once."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, inspect, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.sql import ClauseElement

from penchant.errors import MissingExtraError, ParameterError, PenchantError
from penchant.store.apart import QueryError, QueryProcesses

HEAD = "0011"  # the newest migration
SCRIPTS = Path(__file__).parent / "migrations"
BUSY_SECONDS = 30.0
EXPECTED = "a URL like sqlite:///penchant.db or postgresql://host/name"
ENCODED = "write @ as %40, : as %3A and / as %2F"
ABSENT = "absent."  # before the name of a column that no event of the store ever had, in its settings
UNREADABLE = "(not a URL)"  # instead of one that may hold a password anywhere
PASSWORDS = ("password", "sslpassword")  # parameters of a URL that hold one
MIGRATING = "SELECT pg_advisory_xact_lock(7364962)"  # any number, but always the same
PRAGMAS = {
    "journal_mode": "WAL",
    "synchronous": "FULL",  # a commit returns when the log is on disk
    "secure_delete": "ON",  # deleted content is overwritten
    "cache_size": "-65536",  # KiB
    "mmap_size": str(2**28),
    "wal_autocheckpoint": "32000",  # pages (128 MB): hot pages reach the file less often
    "journal_size_limit": str(2**27),  # a log that grew behind a long read is cut to this when it starts over
    "foreign_keys": "ON",
}


class StoreError(PenchantError):
    """The store cannot be read or written at the moment: a full disk, a lost connection."""


class Statement:
    """A compiled statement: its SQL, and the order in which values are bound."""

    def __init__(self, sql: str, names: Sequence[str], fixed: dict[str, Any]) -> None:
        self.sql, self.names, self.fixed = sql, tuple(names), fixed

    def values(self, named: dict[str, Any]) -> list[Any]:
        """The values to bind, in order."""
        return [named[name] if name in named else self.fixed[name] for name in self.names]


def parse(url: str) -> URL:
    """The parts of the URL of a store. Raises ``ParameterError``, which does not repeat the text: it may hold a
    password."""
    try:
        found = make_url(url)
    except (ArgumentError, ValueError):
        raise ParameterError(f"the store is {EXPECTED}; in a password, {ENCODED}") from None
    if found.get_backend_name() == "sqlite" and found.host:
        raise ParameterError(f"the store is {EXPECTED}, with four slashes before an absolute path")
    if found.get_backend_name() == "postgresql" and "@" in f"{found.host}{found.database}":
        raise ParameterError(f"the URL of the store has one @ too many: in a password, {ENCODED}")
    return found


def has_password(url: str) -> bool:
    """Whether the URL of a store holds a password. Raises ``ParameterError`` as ``parse`` does."""
    found = parse(url)
    return found.password is not None or any(name in found.query for name in PASSWORDS)


def without_password(url: str) -> str:
    """The URL of a store as it may be printed."""
    try:
        found = parse(url)
    except ParameterError:
        return UNREADABLE
    hidden = {name: "hidden" for name in PASSWORDS if name in found.query}
    return found.update_query_dict(hidden).render_as_string(hide_password=True)


def file_of(url: str) -> str | None:
    """The file of a store in SQLite; None for any other URL. Raises ``ParameterError`` as ``parse`` does."""
    found = parse(url)
    return found.database if found.get_backend_name() == "sqlite" else None


class Database:
    """Connections and compiled statements of one store.

    Each thread has one connection, in autocommit; a read sees everything committed before it. Raises
    ``ParameterError`` for a URL that is neither SQLite nor PostgreSQL.
    """

    def __init__(self, url: str, *, seconds: float = 30.0) -> None:
        self.seconds = seconds  # that PostgreSQL may take for a statement, or to answer at all
        found = parse(url)
        self._passwords = {name: found.query[name] for name in PASSWORDS if name in found.query}
        self.url = found.difference_update_query(PASSWORDS)  # what is printed has none
        self.name = self.url.get_backend_name()
        if self.name not in {"sqlite", "postgresql"}:
            raise ParameterError(f"the store is {EXPECTED}, not {self.name!r}")
        self.sqlite = self.name == "sqlite"
        if self.sqlite and (not self.url.database or self.url.database == ":memory:"):
            raise ParameterError("the store needs a file: sqlite:///penchant.db (four slashes for an absolute path)")
        if not self.sqlite and self.url.drivername == "postgresql":
            self.url = self.url.set(drivername="postgresql+psycopg")
        self.engine = self._engine()
        self.insert = sqlite.insert if self.sqlite else postgresql.insert
        self._local = threading.local()
        self._open: list[Any] = []
        self._opening = threading.Lock()  # of both
        reading = {name: PRAGMAS[name] for name in ("cache_size", "mmap_size")}
        self._apart = QueryProcesses(str(self.url.database), timeout=BUSY_SECONDS, pragmas=reading)

    def _engine(self) -> Engine:
        from sqlalchemy.pool import NullPool

        try:
            if self.sqlite:
                options = {"timeout": BUSY_SECONDS, "isolation_level": None}  # transactions begin explicitly
                return create_engine(self.url, poolclass=NullPool, connect_args=options)
            from penchant.store.postgres import PatientConnection

            def connect() -> Any:
                _, given = self.engine.dialect.create_connect_args(self.url)
                connection = PatientConnection.connect(**{**given, **self._patience()})
                connection.seconds = self.seconds
                return connection

            return create_engine(self.url, poolclass=NullPool, paramstyle="format", creator=connect)
        except ModuleNotFoundError as missing:
            raise MissingExtraError("postgres", "a store in PostgreSQL") from missing

    def _patience(self) -> dict[str, Any]:
        """How long PostgreSQL may be silent: a host that is gone or frozen must not hold a thread for hours."""
        seconds = max(1, round(self.seconds))
        alive = {"keepalives": 1, "keepalives_idle": seconds, "keepalives_interval": 1, "keepalives_count": 3}
        return {"connect_timeout": max(2, seconds), "tcp_user_timeout": seconds * 1000, **alive, **self._passwords}

    # -- statements -----------------------------------------------------------------------------------------------

    def compile(self, statement: ClauseElement) -> Statement:
        """The statement in the SQL of this database."""
        compiled = statement.compile(dialect=self.engine.dialect)
        names = getattr(compiled, "positiontup", None) or []
        return Statement(str(compiled), names, dict(compiled.params))

    # -- connections ----------------------------------------------------------------------------------------------

    def _private(self) -> None:
        """A store file that does not exist yet is created for its owner only; SQLite gives its logs the same mode."""
        if self.sqlite:
            with contextlib.suppress(OSError):  # it exists, or SQLite says what is wrong
                os.close(os.open(str(self.url.database), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))

    def connect(self) -> Any:
        """A new driver connection in autocommit; the caller closes it."""
        self._private()
        try:
            if self.sqlite:
                import sqlite3

                connection = sqlite3.connect(
                    str(self.url.database),
                    timeout=BUSY_SECONDS,
                    isolation_level=None,
                    check_same_thread=False,
                    cached_statements=512,
                )
                for name, value in PRAGMAS.items():
                    connection.execute(f"PRAGMA {name}={value}")
                return connection
            proxied = self.engine.raw_connection()
            driver: Any = proxied.driver_connection
            proxied.detach()
            driver.autocommit = True
            driver.execute(f"SET statement_timeout = {int(self.seconds * 1000)}")
        except self.errors as failed:
            raise StoreError(f"the store cannot be opened: {first_line(failed)}") from failed
        except SQLAlchemyError as failed:
            raise StoreError(f"the store cannot be opened: {first_line(failed)}") from failed
        return driver

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """The exceptions of the driver."""
        return (self.engine.dialect.dbapi.Error,) if self.engine.dialect.dbapi else ()

    @property
    def mine(self) -> Any:
        """The calling thread's connection."""
        local = self._local
        connection = getattr(local, "connection", None)
        if connection is None:
            connection = self.connect()
            with self._opening:
                if local is not self._local:  # closed while this one was opened
                    connection.close()
                    raise StoreError("the store was closed")
                local.connection = connection
                self._open.append(connection)
        return connection

    def read(self, statement: Statement, *, seconds: float | None = None, **named: Any) -> list[tuple[Any, ...]]:
        """All rows of a query. A lost connection is opened again, once. Raises ``StoreError``.

        A query with a deadline, in ``seconds``, is ended then; in a file it is read by a process of low priority.
        """
        values = statement.values(named)
        if self.sqlite and seconds is not None:
            try:
                return self._apart.read(statement.sql, values, seconds)
            except (QueryError, OSError) as failed:
                raise StoreError(f"the store cannot be read: {first_line(failed)}") from failed
        try:
            return self._rows(statement, values, seconds)
        except self.errors as failed:
            self.drop_mine()
            if self.sqlite or "timeout" in str(failed):
                raise StoreError(f"the store cannot be read: {first_line(failed)}") from failed
        try:
            return self._rows(statement, values, seconds)
        except self.errors as failed:
            self.drop_mine()
            raise StoreError(f"the store cannot be read: {first_line(failed)}") from failed

    def _rows(self, statement: Statement, values: list[Any], seconds: float | None) -> list[tuple[Any, ...]]:
        connection = self.mine
        if seconds is None:
            return connection.execute(statement.sql, values).fetchall()  # type: ignore[no-any-return]  # drivers have no types
        connection.execute(f"SET statement_timeout = {max(1, int(seconds * 1000))}")
        connection.seconds = seconds
        rows = connection.execute(statement.sql, values).fetchall()
        connection.seconds = self.seconds
        connection.execute(f"SET statement_timeout = {int(self.seconds * 1000)}")
        return rows  # type: ignore[no-any-return]  # drivers have no types

    def interrupt(self) -> None:
        """End queries that have a deadline, in a file; PostgreSQL ends them at their deadline."""
        self._apart.interrupt()

    def alive(self) -> Any:
        """The calling thread's connection; opened again if a remote database has closed it, as in a restart."""
        if not self.sqlite:
            try:
                self.mine.execute("SELECT 1")
            except self.errors:
                self.drop_mine()
        return self.mine

    def drop_mine(self) -> None:
        """Close the calling thread's connection."""
        connection = getattr(self._local, "connection", None)
        self._local.connection = None
        if connection is not None:
            self._open.remove(connection)
            with contextlib.suppress(*self.errors):
                connection.close()

    def close(self) -> None:
        """Close every connection, also those of other processes."""
        self._apart.close()
        with self._opening:
            opened, self._open, self._local = self._open, [], threading.local()
        for connection in opened:
            with contextlib.suppress(*self.errors):
                connection.close()
        self.engine.dispose()

    # -- the schema -----------------------------------------------------------------------------------------------

    def migrate(self, to: str = HEAD) -> None:
        """Bring the tables to ``HEAD`` in one transaction. Processes that start at the same time wait for each other.

        Raises ``ParameterError`` for a store of a newer Penchant.
        """
        found = self.revision()
        if found == to:
            return
        from alembic import command
        from alembic.config import Config
        from alembic.util import CommandError

        config = Config()
        config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
        try:
            with self.engine.begin() as connection:
                connection.exec_driver_sql("BEGIN IMMEDIATE" if self.sqlite else MIGRATING)
                config.attributes["connection"] = connection
                fresh = not inspect(connection).has_table("alembic_version")
                command.upgrade(config, to)
                if fresh and to == HEAD:  # every process that will ever write events knows of these settings
                    rows = ", ".join(f"('{ABSENT}{name}', '')" for name in ("kind", "value", "context"))
                    connection.exec_driver_sql(f"INSERT INTO settings (name, value) VALUES {rows}")  # noqa: S608  # our own names
        except CommandError as wrong:
            raise ParameterError(
                f"the store has the schema {found!r}, which this Penchant does not know: a newer version wrote it"
            ) from wrong
        except SQLAlchemyError as failed:
            raise StoreError(f"the store cannot be migrated: {first_line(failed)}") from failed

    def revision(self) -> str | None:
        """The revision of the tables, None for an empty store."""
        self._private()
        try:
            with self.engine.connect() as connection:
                if not inspect(connection).has_table("alembic_version"):
                    return None
                return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        except SQLAlchemyError as failed:
            raise StoreError(f"the store cannot be opened: {self._unopened(failed)}") from failed

    def _unopened(self, failed: SQLAlchemyError) -> str:
        """Why a store cannot be opened at the start; a file is named, for whoever started it."""
        if not self.sqlite:
            return first_line(failed)
        path = Path(str(self.url.database)).absolute()
        if not path.parent.is_dir():
            return f"there is no folder {path.parent}: make it, or name another store"
        if path.is_dir():
            return f"{path} is a folder: name a file in it"
        closed = next(
            (one for one in (path.parent, path) if one.exists() and not os.access(one, os.R_OK | os.W_OK)), ""
        )
        if closed:
            return f"this user may not read and write {closed}"
        return f"{path}: {first_line(getattr(failed, 'orig', None) or failed)}"

    def bytes(self) -> int:
        """The size of the store on disk."""
        if not self.sqlite:
            return int(self.mine.execute("SELECT pg_database_size(current_database())").fetchall()[0][0])
        path = Path(str(self.url.database))
        return sum(part.stat().st_size for part in (path, path.with_name(path.name + "-wal")) if part.exists())


@contextlib.contextmanager
def transaction(connection: Any, *, immediate: bool) -> Iterator[None]:
    """Commit everything inside together, or nothing."""
    connection.execute("BEGIN IMMEDIATE" if immediate else "BEGIN")
    try:
        yield
    except BaseException:
        with contextlib.suppress(Exception):  # the first error is the one to report
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def first_line(error: BaseException) -> str:
    """The first line of a driver's message."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
