"""Parquet and Arrow files, and tables in memory, as batches of rows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from penchant.data.reading.batches import Batch, Table, numbered
from penchant.data.reading.opening import AGAIN, TABLES, head_of
from penchant.data.reading.report import Source
from penchant.data.reading.sniffing import SAMPLE_LINES
from penchant.data.reading.texts import open_text
from penchant.errors import DataError

ROWS = 1 << 20


def open_source(source: Any, *, sep: str | None, encoding: str | None, named: Sequence[str]) -> Table:
    """Anything that can be read, as a table; raises ``DataError`` for what cannot."""
    if not isinstance(source, Path):
        return from_frame(to_frame(source))
    head, compression, _ = head_of(source)
    kind = next((kind for magic, kind in TABLES.items() if head.startswith(magic)), None)
    if kind is None:
        return open_text(source, sep, encoding, named)
    if compression is not None:
        raise DataError(f"this is {NAMES[kind]} inside {compression}", file=str(source), fix="Decompress it first")
    return _columnar(source, kind)


UNREADABLE = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError)  # damage makes polars panic, too
NAMES = {"parquet": "Parquet", "arrow": "Arrow"}


def _unreadable(path: Path, kind: str, error: BaseException) -> DataError:
    """What is wrong with a file that starts as such a table does."""
    magic = next(magic for magic, name in TABLES.items() if name == kind)
    with path.open("rb") as file:
        file.seek(max(len(magic), path.stat().st_size - len(magic)))
        whole = file.read() == magic
    if not whole:
        return DataError(f"this is no whole {NAMES[kind]} file: its end is missing", file=str(path), fix=AGAIN)
    what = f"this {NAMES[kind]} file is damaged, or written as nothing here can read it ({str(error)[:200]})"
    return DataError(what, file=str(path), fix=AGAIN)


def _columnar(path: Path, kind: str) -> Table:
    try:
        # an Arrow file is read as a whole: polars would take stars and brackets in its name for a pattern
        lazy = pl.scan_parquet(path, glob=False) if kind == "parquet" else pl.read_ipc(path.read_bytes()).lazy()
        names = lazy.collect_schema().names()
        rows = int(lazy.select(pl.len()).collect().item())
        sample = lazy.head(SAMPLE_LINES).collect()
    except UNREADABLE as error:
        raise _unreadable(path, kind, error) from error

    def batches(wanted: Sequence[int]) -> Iterator[Batch]:
        chosen = lazy.select([pl.col(names[i]).alias(f"c{at}") for at, i in enumerate(wanted)])
        for start in range(0, rows, ROWS):
            try:
                frame = chosen.slice(start, ROWS).collect()
            except UNREADABLE as error:
                raise _unreadable(path, kind, error) from error
            yield Batch(frame, numbered(start + 1, frame.height), share=min(1.0, (start + ROWS) / rows))

    if not rows:
        raise DataError(f"this {NAMES[kind]} file holds no rows", file=str(path))
    return Table(Source(str(path), kind, header=True), path, names, batches, _sample(sample))


def from_frame(frame: pl.DataFrame, name: str = "table in memory") -> Table:
    """A polars table as a source; raises ``DataError`` where it has no rows."""
    if not frame.height:
        raise DataError("the table holds no rows", file=name)

    def batches(wanted: Sequence[int]) -> Iterator[Batch]:
        chosen = frame.select([frame.to_series(i).alias(f"c{at}") for at, i in enumerate(wanted)])
        for start in range(0, frame.height, ROWS):
            part = chosen.slice(start, ROWS)
            yield Batch(part, numbered(start + 1, part.height), share=min(1.0, (start + ROWS) / frame.height))

    return Table(Source(name, "table", header=True), None, list(frame.columns), batches, _sample(frame.head(200)))


def to_frame(source: Any) -> pl.DataFrame:
    """A polars table from polars, pandas, Arrow or a SciPy sparse matrix; raises ``DataError`` for anything else."""
    if isinstance(source, pl.DataFrame):
        return source
    if isinstance(source, pl.LazyFrame):
        return source.collect()
    module = type(source).__module__.split(".")[0]
    if module == "pandas" and hasattr(source, "columns"):
        # by way of NumPy, so that pyarrow is not needed
        columns = {}
        for name in source.columns:
            column = source[name]
            if str(column.dtype).startswith("datetime64"):
                moments = column.dt.tz_convert("UTC").dt.tz_localize(None) if getattr(column.dt, "tz", None) else column
                array = moments.to_numpy(dtype="datetime64[us]")
                columns[str(name)] = pl.Series(array)
            elif column.dtype.kind in "iufb" and isinstance(column.dtype, np.dtype):
                columns[str(name)] = pl.Series(column.to_numpy())
            else:
                cells = [None if _missing(cell) else cell for cell in column.tolist()]
                columns[str(name)] = pl.Series(cells, strict=False) if _alike(cells) else _texts(cells)
        return pl.DataFrame(columns)
    if hasattr(source, "tocoo") and hasattr(source, "shape"):
        return _from_sparse(source)
    if hasattr(source, "__arrow_c_stream__"):
        return pl.DataFrame(source)
    if isinstance(source, (tuple, list, dict)):
        one = "dict" if isinstance(source, dict) else "list"
        rows = "table" if one == "dict" else 'rows, schema=["user", "item"], orient="row"'
        raise DataError(
            f"a log cannot be read from {'a dict' if one == 'dict' else 'a list of rows'} as it is",
            fix=f"Make a table of it: polars.DataFrame({rows})",
        )
    raise DataError(
        f"a log cannot be read from {type(source).__name__}",
        fix="Give a path, a glob, a pandas, polars or Arrow table, or a SciPy CSR matrix of users by items",
    )


def _from_sparse(matrix: Any) -> pl.DataFrame:
    coo = matrix.tocsr().tocoo()
    columns: dict[str, Any] = {"user": coo.row.astype(np.int64), "item": coo.col.astype(np.int64)}
    if coo.data.size and not (coo.data == 1).all():
        columns["weight"] = coo.data.astype(np.float64)
    return pl.DataFrame(columns)


def _missing(cell: Any) -> bool:
    return (
        cell is None or (isinstance(cell, float) and math.isnan(cell)) or type(cell).__name__ in {"NAType", "NaTType"}
    )


def _alike(cells: Sequence[Any]) -> bool:
    return len({type(cell) for cell in cells if cell is not None}) <= 1


def _texts(cells: Sequence[Any]) -> pl.Series:
    return pl.Series([None if cell is None else str(cell) for cell in cells], dtype=pl.String)


def _sample(frame: pl.DataFrame) -> list[list[str | None]]:
    return [[None if cell is None else str(cell) for cell in row] for row in frame.rows()]
