"""Pandas tables in memory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from penchant.data.reading.batches import Table
from penchant.data.reading.formats.base import Format, Peek, frame_table


class PandasFrame(Format):
    """A pandas ``DataFrame``, converted by way of NumPy so that pyarrow is not needed."""

    name = "table"

    def recognises(self, peek: Peek) -> bool:
        """By the package and the columns."""
        return peek.module == "pandas" and hasattr(peek.source, "columns")

    def open(self, peek: Peek) -> Table:
        """The table, column by column."""
        columns = {str(name): _series(peek.source[name]) for name in peek.source.columns}
        return frame_table(self.described(peek), pl.DataFrame(columns))


def _series(column: Any) -> pl.Series:
    if str(column.dtype).startswith("datetime64"):
        moments = column.dt.tz_convert("UTC").dt.tz_localize(None) if getattr(column.dt, "tz", None) else column
        return pl.Series(moments.to_numpy(dtype="datetime64[us]"))
    if column.dtype.kind in "iufb" and isinstance(column.dtype, np.dtype):
        return pl.Series(column.to_numpy())
    cells = [None if _missing(cell) else cell for cell in column.tolist()]
    return pl.Series(cells, strict=False) if _alike(cells) else _texts(cells)


def _missing(cell: Any) -> bool:
    return (
        cell is None or (isinstance(cell, float) and math.isnan(cell)) or type(cell).__name__ in {"NAType", "NaTType"}
    )


def _alike(cells: Sequence[Any]) -> bool:
    return len({type(cell) for cell in cells if cell is not None}) <= 1


def _texts(cells: Sequence[Any]) -> pl.Series:
    return pl.Series([None if cell is None else str(cell) for cell in cells], dtype=pl.String)


FORMAT = PandasFrame()
