"""The shape in which every format hands over its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from penchant.core.histories import Longs
from penchant.data.reading.report import Source

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class BadRow:
    """A row that its format already refuses: too few fields, broken quotes, broken JSON."""

    line: int
    column: str
    value: str
    reason: str
    raw: str


@dataclass(frozen=True)
class Batch:
    """Some rows: the wanted columns as ``c0``, ``c1``, ... in the order asked for, and where each row stands."""

    frame: pl.DataFrame
    lines: Longs  # (rows,) true line numbers; row numbers where a format has no lines
    raw: pl.Series | None = None  # the row as it was written
    bad: list[BadRow] = field(default_factory=list)
    share: float = 1.0  # how much of the source has been read

    def raw_row(self, row: int) -> str:
        """The row as it was written, as JSON where a format has no text."""
        if self.raw is not None:
            return str(self.raw[row])
        import json

        return json.dumps(list(self.frame.row(row)), ensure_ascii=False, default=str)


@dataclass(frozen=True)
class Table:
    """A source whose columns are known and whose rows can be read, a batch at a time."""

    source: Source
    path: Path | None
    names: list[str]
    batches: Callable[[Sequence[int]], Iterator[Batch]]
    sample: list[list[str | None]]  # the first rows, all columns, as text


def numbered(first: int, rows: int) -> Longs:
    """Line numbers of ``rows`` lines from ``first`` on."""
    return np.arange(first, first + rows, dtype=np.int64)
