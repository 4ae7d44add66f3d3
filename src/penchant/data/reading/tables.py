"""Any table as it is, for commands that add columns to it."""

from __future__ import annotations

from typing import Any

import polars as pl

from penchant.core.memory import Meter
from penchant.data.reading.columns import index_of
from penchant.data.reading.formats import open_source
from penchant.data.reading.places import expand
from penchant.errors import DataError


def read_table(source: Any, named: list[str], *, sep: str | None = None, encoding: str | None = None) -> pl.DataFrame:
    """All rows and columns of a table, with the ``named`` columns found by name or number and put first.

    Raises ``DataError`` for a column that is not there or named twice, and for a table without rows.
    """
    table = open_source(expand([source])[0], sep=sep, encoding=encoding, named=named)
    name = table.source.name
    at = [index_of(column, table.names, "column", name) for column in named]
    if len({*at}) < len(at):
        raise DataError(f"one column is named for two things: {', '.join(map(str, named))}", file=name)
    meter, frames = Meter(f"reading {name}", factor=2), list[pl.DataFrame]()
    for batch in table.batches(range(len(table.names))):
        meter.add(int(batch.frame.estimated_size()))
        frames.append(batch.frame)
    if not sum(frame.height for frame in frames):
        raise DataError("the table has no usable rows", file=name)
    frame = pl.concat(frames, how="vertical_relaxed")
    frame.columns = list(table.names)
    frame = frame.with_columns(_typed(column) for column in frame if column.dtype == pl.String)
    order = [*at, *(n for n in range(len(table.names)) if n not in at)]
    return frame.select([table.names[n] for n in order])


def _typed(column: pl.Series) -> pl.Series:
    """Text as whole numbers if every cell is one and is spelled as one; else as it is."""
    numbers = column.cast(pl.Int64, strict=False)
    same = numbers.null_count() == column.null_count() < len(column) and numbers.cast(pl.String).equals(column)
    return numbers if same else column
