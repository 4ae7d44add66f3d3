"""SQLite files, read by the standard library."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from penchant.data.reading.batches import Batch, Table, numbered
from penchant.data.reading.formats import base
from penchant.data.reading.formats.base import SAMPLE_ROWS, Format, Peek, as_sample
from penchant.data.reading.formats.cells import chosen, frame_of
from penchant.data.reading.opening import AGAIN
from penchant.errors import DataError

MAGIC = b"SQLite format 3\x00"


class SQLite(Format):
    """A table or view of an SQLite file: the only one, or ``FILE#TABLE``."""

    name = "SQLite"
    has_parts = True
    rank = 10

    def recognises(self, peek: Peek) -> bool:
        """By the first sixteen bytes."""
        return peek.head.startswith(MAGIC)

    def open(self, peek: Peek) -> Table:
        """The table, read ``ROWS`` rows at a time in the order in which they are stored."""
        if peek.compression is not None:
            raise DataError(f"this is SQLite inside {peek.compression}", file=peek.name, fix="Decompress it first")
        path = peek.file
        try:
            with closing(_connected(path)) as base_:
                kinds = dict(
                    base_.execute(
                        "select name, type from sqlite_master where type in ('table', 'view') "
                        "and name not like 'sqlite\\_%' escape '\\' order by name"
                    ).fetchall()
                )
                table = chosen(peek.part, list(kinds), "table", peek.name)
                # an index that covers the columns would change the order of rows
                source = _quoted(table) + (" not indexed" if kinds[table] == "table" else "")
                names = [row[0] for row in base_.execute(f"select * from {source} limit 0").description]  # noqa: S608  # quoted
                rows = int(base_.execute(f"select count(*) from {source}").fetchone()[0])  # noqa: S608  # quoted
                sample = base_.execute(f"select * from {source} limit {SAMPLE_ROWS}").fetchall()  # noqa: S608  # quoted
        except sqlite3.Error as error:
            raise _unreadable(peek.name, error) from error
        if not rows:
            raise DataError(f"the table {table!r} holds no rows", file=peek.name)

        def batches(wanted: Sequence[int]) -> Iterator[Batch]:
            columns = ", ".join(_quoted(names[at]) for at in wanted)
            start = 0
            try:
                with closing(_connected(path)) as opened:
                    cursor = opened.execute(f"select {columns} from {source}")  # noqa: S608  # quoted
                    while part := cursor.fetchmany(base.ROWS):
                        frame = frame_of(columns_of(wanted), part)
                        start += len(part)
                        yield Batch(frame, numbered(start - len(part) + 1, len(part)), share=min(1.0, start / rows))
            except sqlite3.Error as error:
                raise _unreadable(peek.name, error) from error

        return Table(self.described(peek, header=True), path, names, batches, as_sample(frame_of(names, sample)))


def columns_of(wanted: Sequence[int]) -> list[str]:
    """The names of the columns of a batch."""
    return [f"c{at}" for at in range(len(wanted))]


def _connected(path: Path) -> sqlite3.Connection:
    """The file, opened for reading only; raises ``sqlite3.Error``."""
    name = path.resolve().as_uri()
    opened = sqlite3.connect(f"{name}?mode=ro", uri=True)
    try:
        opened.execute("select 1 from sqlite_master limit 1").fetchone()
    except sqlite3.OperationalError:
        opened.close()
        log = path.with_name(path.name + "-wal")
        if log.exists() and log.stat().st_size:
            raise
        # in WAL mode even a reader needs to write beside the file, unless it is declared unchanging
        opened = sqlite3.connect(f"{name}?mode=ro&immutable=1", uri=True)
    opened.text_factory = lambda text: text.decode("utf-8", errors="backslashreplace")
    return opened


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _unreadable(file: str, error: sqlite3.Error) -> DataError:
    if "locked" in str(error):
        return DataError("another program writes to this SQLite file", file=file, fix="Try again, or read a copy")
    return DataError(f"this SQLite file is damaged, or cannot be read ({error})", file=file, fix=AGAIN)


FORMAT = SQLite()
