"""Arrow IPC (Feather) files."""

from __future__ import annotations

import glob

import polars as pl

from penchant.data.reading.batches import Table
from penchant.data.reading.formats.base import Format, Peek
from penchant.data.reading.formats.columnar import open_columnar

MAGIC = b"ARROW1"


class Arrow(Format):
    """An Arrow IPC file, also known as Feather version 2."""

    name = "Arrow"
    rank = 10

    def recognises(self, peek: Peek) -> bool:
        """By the first six bytes."""
        return peek.head.startswith(MAGIC)

    def open(self, peek: Peek) -> Table:
        """The table; a batch is read when it is asked for."""
        # polars would take stars and brackets in a name for a pattern
        return open_columnar(self, peek, magic=MAGIC, scan=lambda path: pl.scan_ipc(glob.escape(str(path))))


FORMAT = Arrow()
