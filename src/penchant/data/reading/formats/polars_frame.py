"""Polars tables in memory, lazy ones included."""

from __future__ import annotations

import polars as pl

from penchant.data.reading.batches import Table
from penchant.data.reading.formats.base import Format, Peek, frame_table


class PolarsFrame(Format):
    """A polars ``DataFrame`` or ``LazyFrame``."""

    name = "table"

    def recognises(self, peek: Peek) -> bool:
        """By its class."""
        return isinstance(peek.source, (pl.DataFrame, pl.LazyFrame))

    def open(self, peek: Peek) -> Table:
        """The table as it is; a lazy one is collected."""
        frame = peek.source.collect() if isinstance(peek.source, pl.LazyFrame) else peek.source
        return frame_table(self.described(peek), frame)


FORMAT = PolarsFrame()
