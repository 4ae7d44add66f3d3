"""Pandas tables in memory."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl

from penchant.data.reading.batches import Table
from penchant.data.reading.formats.base import Format, Peek, frame_table
from penchant.errors import DataError


class PandasFrame(Format):
    """A pandas ``DataFrame``, converted by way of NumPy so that pyarrow is not needed."""

    name = "table"

    def recognises(self, peek: Peek) -> bool:
        """By the package and the columns."""
        return peek.module == "pandas" and hasattr(peek.source, "columns")

    def open(self, peek: Peek) -> Table:
        """The table, column by column; raises ``DataError`` for a column whose objects are not understood."""
        columns = {}
        for n, name in enumerate(peek.source.columns):
            try:
                columns[str(name)] = _series(peek.source.iloc[:, n])
            except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError) as error:
                what = f"this column holds objects that are not understood ({str(error).splitlines()[0][:120]})"
                raise DataError(
                    what, file=peek.name, column=str(name), fix="Make them text, numbers or dates"
                ) from error
        return frame_table(self.described(peek), pl.DataFrame(columns))


def _series(column: Any) -> pl.Series:
    dtype = str(column.dtype)
    if dtype.startswith("period"):
        column = column.dt.to_timestamp()
        dtype = str(column.dtype)
    if dtype.startswith("datetime64"):
        moments = column.dt.tz_convert("UTC").dt.tz_localize(None) if getattr(column.dt, "tz", None) else column
        return pl.Series(moments.to_numpy(dtype="datetime64[ns]" if "[ns" in dtype else "datetime64[us]"))
    if dtype.startswith("timedelta64"):
        return pl.Series(column.to_numpy(dtype="timedelta64[us]"))
    if column.dtype.kind in "iufb" and isinstance(column.dtype, np.dtype):
        return pl.Series(column.to_numpy())
    return _of_objects([cell.tolist() if isinstance(cell, np.ndarray) else cell for cell in column.tolist()])


def _of_objects(objects: list[Any]) -> pl.Series:
    cells = [None if _missing(cell) else cell for cell in objects]
    kinds = {type(cell) for cell in cells if cell is not None}
    if kinds and all(issubclass(kind, datetime) for kind in kinds):  # zones may differ from row to row
        return pl.Series([None if cell is None else _utc(cell) for cell in cells], dtype=pl.Datetime("us"))
    if kinds == {Decimal}:
        return pl.Series([None if cell is None else float(cell) for cell in cells], dtype=pl.Float64)
    if len(kinds) <= 1 and kinds <= {str, int, float, bool, bytes, list, tuple, dict, date, time, timedelta}:
        try:
            return pl.Series([list(cell) if isinstance(cell, tuple) else cell for cell in cells], strict=False)
        except OverflowError:  # whole numbers of any size
            pass
    if any(issubclass(kind, (list, tuple, dict, set)) for kind in kinds):
        raise TypeError(f"{' and '.join(sorted(kind.__name__ for kind in kinds))} in one column")
    return pl.Series([None if cell is None else str(cell) for cell in cells], dtype=pl.String)


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


def _missing(cell: Any) -> bool:
    if cell is None or type(cell).__name__ in {"NAType", "NaTType"}:
        return True
    return isinstance(cell, float) and math.isnan(cell)


FORMAT = PandasFrame()
