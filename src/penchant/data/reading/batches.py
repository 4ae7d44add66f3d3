"""The shape in which every format delivers its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from penchant.core.histories import Bools, Longs
from penchant.data.reading.report import Source

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class BadRow:
    """A row that the format itself rejects: too few fields, broken quotes, broken JSON."""

    line: int
    column: str
    value: str
    reason: str
    raw: str


@dataclass(frozen=True)
class Batch:
    """Some rows: the wanted columns as ``c0``, ``c1``, ... in the order asked for, and the line of each row."""

    frame: pl.DataFrame
    lines: Longs  # (rows,) line numbers, or row numbers if the format has no lines
    raw: pl.Series | None = None  # each row as written
    bad: list[BadRow] = field(default_factory=list)
    share: float = 1.0  # how much of the source has been read
    data: bytes | None = None  # the rows as written, as lines of UTF-8, if there is no ``raw``
    shortest: int | None = None  # characters of the shortest last field, if that is not read as text

    @cached_property
    def written(self) -> pl.Series | None:
        """Each row as written; None if the format has no text."""
        return self.raw if self.data is None else lines_of(self.data)

    @property
    def last(self) -> int:
        """The line, or row, of the last row; 0 if there is none."""
        return max(int(self.lines.max(initial=0)), max((row.line for row in self.bad), default=0))

    def after(self, line: int) -> Batch | None:
        """The rows behind a line; None if there is none."""
        if self.last <= line:
            return None
        keep = self.lines > line
        if keep.all():
            return self
        mask, raw = pl_mask(keep), self.written
        return replace(
            self, frame=self.frame.filter(mask), lines=self.lines[keep], raw=None if raw is None else raw.filter(mask),
            bad=[row for row in self.bad if row.line > line], data=None,
        )  # fmt: skip

    def raw_row(self, row: int) -> str:
        """The row as written, or as JSON if the format has no text."""
        if self.written is not None:
            return str(self.written[row])
        import json

        return json.dumps(list(self.frame.row(row)), ensure_ascii=False, default=str)


@dataclass
class Plain:
    """Columns of a text that may come as numbers, where all cells of a batch are plainly written numbers.

    A whole number is plain if its text is the only one for it: ``7``, neither ``07`` nor ``+7``.
    """

    whole: frozenset[int] = frozenset()
    decimal: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Table:
    """A source with known columns, whose rows can be read a batch at a time."""

    source: Source
    path: Path | None
    names: list[str]
    batches: Callable[[Sequence[int]], Iterator[Batch]]
    sample: list[list[str | None]]  # the first rows, all columns, as text
    plain: Plain = field(default_factory=Plain)  # for the reader to fill


def lines_of(data: bytes) -> pl.Series:
    """The lines of a text in UTF-8 without carriage returns."""
    import polars as pl

    text = data.decode()
    lines = pl.Series([text.removesuffix("\n")], dtype=pl.String).str.split("\n").explode()
    return lines if text else lines.clear()


def pl_mask(rows: Bools) -> pl.Series:
    """A mask as polars takes it."""
    import polars as pl

    return pl.Series(rows)


def numbered(first: int, rows: int) -> Longs:
    """The numbers of ``rows`` lines, starting at ``first``."""
    return np.arange(first, first + rows, dtype=np.int64)
