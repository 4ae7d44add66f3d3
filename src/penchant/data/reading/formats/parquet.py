"""Parquet files, read in parts."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from penchant.core.memory import Meter, budget
from penchant.data.reading.batches import Table
from penchant.data.reading.formats.base import Format, Peek
from penchant.data.reading.formats.columnar import open_columnar
from penchant.data.reading.formats.parquet_footer import RowGroup, row_groups

MAGIC = b"PAR1"
FEWEST = 1024  # rows of a batch


class Parquet(Format):
    """A Parquet file."""

    name = "Parquet"
    rank = 10

    def recognises(self, peek: Peek) -> bool:
        """By the first four bytes."""
        return peek.head.startswith(MAGIC)

    def open(self, peek: Peek) -> Table:
        """The table; a batch is read when it is asked for."""
        groups = row_groups(peek.file) if peek.compression is None else []
        # glob=False: polars would take stars and brackets in a name for a pattern
        return open_columnar(
            self, peek, magic=MAGIC, scan=lambda path: pl.scan_parquet(path, glob=False),
            step=lambda names, rows: rows_at_once(groups, names, rows, peek.name),
        )  # fmt: skip


def rows_at_once(groups: Sequence[RowGroup], names: Sequence[str] | None, rows: int, file: str) -> int:
    """How many of ``rows`` can be decoded at once within a quarter of the memory, but no fewer than 1,024.

    Raises ``MemoryLimitError`` where those do not fit into the memory: a few bytes may stand for very many values.
    """
    limit = budget()
    while True:
        most = max((group.decoded(names, rows) for group in groups), default=0.0)
        if limit is None or most <= limit // 4:
            return rows
        if rows <= FEWEST:
            Meter(f"decoding {file}").add(int(most))
            return rows
        rows = max(FEWEST, rows // 2)


FORMAT = Parquet()
