"""DuckDB files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import polars as pl

from penchant.data.reading.batches import Batch, Table, numbered
from penchant.data.reading.formats import base
from penchant.data.reading.formats.base import SAMPLE_ROWS, Format, Peek, as_sample
from penchant.data.reading.formats.cells import chosen
from penchant.errors import DataError, MissingExtraError

MAGIC = b"DUCK"  # from the ninth byte
# types without a counterpart in a polars table are read as text
_AS_TEXT = (
    "UUID",
    "INTERVAL",
    "BIT",
    "TIME",
    "HUGEINT",
    "UHUGEINT",
    "BIGNUM",
    "VARINT",
    "ENUM",
    "UNION",
    "VARIANT",
    "JSON",
)


class DuckDB(Format):
    """A table or view of a DuckDB file: the only one, or ``FILE#TABLE``."""

    name = "DuckDB"
    has_parts = True
    rank = 10

    def recognises(self, peek: Peek) -> bool:
        """By four bytes after the checksum of its header."""
        return peek.head[8:12] == MAGIC

    def open(self, peek: Peek) -> Table:
        """The table; the columns that are used are read at once."""
        if peek.compression is not None:
            raise DataError(f"this is DuckDB inside {peek.compression}", file=peek.name, fix="Decompress it first")
        try:
            import duckdb
        except ImportError as error:
            raise MissingExtraError("duckdb", f"{peek.name}: a DuckDB file") from error
        path, refused = peek.file, (duckdb.Error, OSError)

        def read(query: str) -> pl.DataFrame:
            try:
                with closing(_connected(path)) as opened:
                    return pl.DataFrame(opened.sql(query))
            except refused as error:
                raise _unreadable(peek.name, error) from error

        try:
            with closing(_connected(path)) as opened:
                found = opened.execute(
                    "select table_schema, table_name from information_schema.tables "
                    "where table_catalog = current_database() order by all"
                ).fetchall()
                known = {(name if schema == "main" else f"{schema}.{name}"): (schema, name) for schema, name in found}
                table = chosen(peek.part, list(known), "table", peek.name)
                source = ".".join(_quoted(part) for part in known[table])
                columns = [(str(row[0]), str(row[1])) for row in opened.execute(f"describe {source}").fetchall()]
                counted = opened.execute(f"select count(*) from {source}").fetchone()  # noqa: S608  # quoted
        except refused as error:
            raise _unreadable(peek.name, error) from error
        if not counted or not counted[0]:
            raise DataError(f"the table {table!r} holds no rows", file=peek.name)

        def select(wanted: Sequence[int]) -> str:
            chosen_columns = ", ".join(f'{_selected(*columns[at])} as "c{to}"' for to, at in enumerate(wanted))
            return f"select {chosen_columns} from {source}"  # noqa: S608  # quoted

        def batches(wanted: Sequence[int]) -> Iterator[Batch]:
            frame = read(select(wanted))
            for start in range(0, frame.height, base.ROWS):
                part = frame.slice(start, base.ROWS)
                yield Batch(part, numbered(start + 1, part.height), share=min(1.0, (start + base.ROWS) / frame.height))

        sample = as_sample(read(f"{select(range(len(columns)))} limit {SAMPLE_ROWS}"))
        return Table(self.described(peek, header=True), path, [name for name, _ in columns], batches, sample)


def _connected(path: Path) -> Any:
    import duckdb

    # a view in somebody's file must not read other files or install extensions
    safe: Any = {"enable_external_access": "false", "autoinstall_known_extensions": "false"}
    return duckdb.connect(str(path), read_only=True, config=safe)


def _selected(name: str, kind: str) -> str:
    return (
        f"{_quoted(name)}::varchar"
        if kind.startswith(_AS_TEXT) and "[" not in kind and not kind.startswith("TIMESTAMP")
        else _quoted(name)
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _unreadable(file: str, error: Exception) -> DataError:
    text = " ".join(str(error).split())[:200]
    if "lock" in text.lower():
        return DataError("another program has this DuckDB file open", file=file, fix="Close it there, or read a copy")
    fix = "Fetch the file again; if it is whole, upgrade duckdb (pip install -U duckdb)"
    return DataError(f"this DuckDB file is damaged, or cannot be read ({text})", file=file, fix=fix)


FORMAT = DuckDB()
