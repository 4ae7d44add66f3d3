"""Parquet files, read in parts."""

from __future__ import annotations

import polars as pl

from penchant.data.reading.batches import Table
from penchant.data.reading.formats.base import Format, Peek
from penchant.data.reading.formats.columnar import open_columnar

MAGIC = b"PAR1"


class Parquet(Format):
    """A Parquet file."""

    name = "Parquet"
    rank = 10

    def recognises(self, peek: Peek) -> bool:
        """By the first four bytes."""
        return peek.head.startswith(MAGIC)

    def open(self, peek: Peek) -> Table:
        """The table; a batch is read when it is asked for."""
        # glob=False: polars would take stars and brackets in a name for a pattern
        return open_columnar(self, peek, magic=MAGIC, scan=lambda path: pl.scan_parquet(path, glob=False))


FORMAT = Parquet()
