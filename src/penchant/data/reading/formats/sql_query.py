"""The rows of an SQL query, through SQLAlchemy."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from penchant.core.memory import Meter
from penchant.data.reading.batches import Table
from penchant.data.reading.formats import base
from penchant.data.reading.formats.base import Format, Peek, frame_table
from penchant.data.reading.formats.cells import column, names_of
from penchant.data.reading.query import Query
from penchant.errors import DataError, MissingExtraError, ParameterError

_SECRET = re.compile(r"(://[^:/@\s]*):[^@\s]*@")


class SqlQuery(Format):
    """One statement that reads; its columns are the columns of the table."""

    name = "SQL query"
    rank = 5

    def recognises(self, peek: Peek) -> bool:
        """By its class."""
        return isinstance(peek.source, Query)

    def open(self, peek: Peek) -> Table:
        """The table; all rows are fetched at once, in a transaction that is read-only and rolled back."""
        wanted: Query = peek.source
        try:
            import sqlalchemy as sa
        except ImportError as error:
            raise MissingExtraError("sql", "an SQL query") from error
        try:
            url = sa.make_url(wanted.url)
            engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
        except sa.exc.NoSuchModuleError:
            name = wanted.url.partition("://")[0]
            raise ParameterError(f"SQLAlchemy knows no database {name!r}: install its dialect") from None
        except ImportError as error:
            fix = f"pip install {error.name}" if error.name else "install it"
            raise ParameterError(f"the driver of this database is not installed: {fix}") from None
        except (sa.exc.ArgumentError, ValueError):
            raise ParameterError(
                "the URL of the database cannot be understood: postgresql://user:password@host/database"
            ) from None
        if url.get_backend_name() == "sqlite" and url.database and not Path(url.database).is_file():
            raise DataError("there is no such SQLite file", file=url.database)  # connecting would create it
        info = self.described(peek)
        info.name = f"query of {url.database or url.host or url.drivername}"
        try:
            with engine.connect() as connection:
                try:
                    names, frame = _fetched(connection, wanted.sql)
                finally:
                    connection.rollback()
        except (sa.exc.SQLAlchemyError, OSError) as error:
            raise DataError(f"the database refuses the query: {_told(error, url)}", file=info.name) from None
        finally:
            engine.dispose()
        return replace(frame_table(info, frame), names=names)


def _fetched(connection: Any, sql: str) -> tuple[list[str], pl.DataFrame]:
    dialect = connection.dialect.name
    if dialect == "sqlite":
        connection.exec_driver_sql("pragma query_only = on")
    elif dialect in ("postgresql", "mysql", "mariadb"):
        connection.rollback()
        connection.exec_driver_sql(
            "set transaction read only" if dialect == "postgresql" else "start transaction read only"
        )
    # exec_driver_sql: a colon or a percent sign in a text is no parameter
    asked = connection.execution_options(stream_results=True, no_parameters=True).exec_driver_sql(sql)
    parts, meter = list[pl.DataFrame](), Meter("the result of this query", factor=2)
    with asked as result:  # a cursor of the server stays open otherwise, if the memory is not enough
        names = names_of(list(result.keys()))
        for rows in result.partitions(base.ROWS // 8):
            parts.append(pl.DataFrame([column([row[at] for row in rows]).alias(f"c{at}") for at in range(len(names))]))
            meter.add(int(parts[-1].estimated_size()))
    if not parts:
        parts = [pl.DataFrame({f"c{at}": pl.Series([], dtype=pl.String) for at in range(len(names))})]
    return names, pl.concat(_alike(parts), how="vertical")


def _alike(parts: list[pl.DataFrame]) -> list[pl.DataFrame]:
    """Parts whose columns have one type; a column that has several becomes text, or a number if both are numbers."""
    out = parts
    for name in parts[0].columns:
        kinds = {part[name].dtype for part in out if part[name].null_count() < part.height}
        if len({part[name].dtype for part in out}) > 1:
            numbers = all(kind.is_numeric() for kind in kinds)
            target = next(iter(kinds)) if len(kinds) == 1 else pl.Float64 if numbers else pl.String
            out = [part.with_columns(pl.col(name).cast(target)) for part in out]
    return out


def _told(error: Exception, url: Any) -> str:
    """What the driver says, on one line and without the password."""
    text = " ".join(str(getattr(error, "orig", None) or error).split())
    if url.password:
        text = text.replace(str(url.password), "***")
    return _SECRET.sub(r"\1:***@", text)[:300]


FORMAT = SqlQuery()
