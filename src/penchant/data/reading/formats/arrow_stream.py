"""Arrow tables in memory, and any other object with an Arrow C stream."""

from __future__ import annotations

import polars as pl

from penchant.data.reading.batches import Table
from penchant.data.reading.formats.base import Format, Peek, frame_table


class ArrowStream(Format):
    """An object that hands over an Arrow stream: a pyarrow table, a DuckDB relation."""

    name = "table"
    rank = 60  # polars and pandas tables have a stream too, and formats of their own

    def recognises(self, peek: Peek) -> bool:
        """By the method of the Arrow C stream interface."""
        return hasattr(peek.source, "__arrow_c_stream__")

    def open(self, peek: Peek) -> Table:
        """The table, without a copy where the types allow it."""
        return frame_table(self.described(peek), pl.DataFrame(peek.source))


FORMAT = ArrowStream()
