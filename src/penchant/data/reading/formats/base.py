"""What an input format is: how it is recognised, what it is called, and how it opens as a table."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import polars as pl

from penchant.data.reading.batches import Batch, Table, numbered
from penchant.data.reading.encoding import known, sniff_encoding
from penchant.data.reading.nested import flat
from penchant.data.reading.opening import head_of
from penchant.data.reading.places import Place
from penchant.data.reading.report import Source
from penchant.errors import DataError

ROWS = 1 << 20  # rows of a batch, where a format has no blocks of text
MAX_COLUMNS = 20_000
SAMPLE_ROWS = 200  # rows from which the roles of columns are guessed
SAMPLE_TEXT = 4096  # characters of a cell that are looked at


@dataclass(frozen=True)
class Peek:
    """A source before it is opened, and the options that concern its format.

    For a file, ``head`` holds its first bytes, decompressed; for an object in memory, ``path`` is None.
    """

    source: Any
    path: Path | None = None
    place: Place | None = None  # set if the source is a part of a file, or the copy of a pipe
    head: bytes = b""
    compression: str | None = None
    damage: str | None = None  # what is wrong with the file as a whole
    sep: str | None = None
    encoding: str | None = None
    named: Sequence[str] = field(default_factory=tuple)  # column names that the caller uses

    @classmethod
    def at(cls, source: Any, *, sep: str | None, encoding: str | None, named: Sequence[str]) -> Peek:
        """Look at a source; raises ``DataError`` for a file that is empty or cannot be read."""
        place = source if isinstance(source, Place) else None
        path = source.path if isinstance(source, Place) else source
        if not isinstance(path, Path):
            return cls(source, sep=sep, encoding=encoding, named=named)
        head, compression, damage = (b"", None, None) if path.is_dir() else head_of(path)
        return cls(source, path, place, head, compression, damage, sep, encoding, named)

    @property
    def name(self) -> str:
        """What messages call the source."""
        if self.place is not None:
            return self.place.name
        return str(self.path) if self.path is not None else "table in memory"

    @property
    def part(self) -> str | None:
        """The sheet or table that the caller names."""
        return None if self.place is None else self.place.part

    @property
    def file(self) -> Path:
        """The path of a source that is a file."""
        assert self.path is not None  # a format of files recognises nothing else
        return self.path

    @property
    def module(self) -> str:
        """The package that an object in memory comes from: ``pandas``, ``polars``, ``scipy``."""
        return type(self.source).__module__.partition(".")[0]

    @cached_property
    def codec(self) -> str:
        """The encoding of a text file: the one given, else the one that its first bytes show."""
        return known(self.encoding) if self.encoding else sniff_encoding(self.head)

    @cached_property
    def text(self) -> str:
        """The first characters of a text file, with line ends as ``\\n``."""
        text = self.head.decode(self.codec, errors="replace").replace("\r\n", "\n")
        return text if "\n" in text else text.replace("\r", "\n")

    @property
    def start(self) -> str:
        """The first character of a text file that is not white space."""
        return self.text.lstrip()[:1]

    @property
    def is_text(self) -> bool:
        """Whether the file holds text: few control characters, or a mark of UTF-16."""
        if self.path is None or self.path.is_dir():
            return False
        controls = sum(self.head.count(bytes([byte])) for byte in (*range(9), *range(14, 32), 127) if byte != 27)
        return self.head.startswith((b"\xff\xfe", b"\xfe\xff")) or controls <= 0.05 * len(self.head)


class Format(ABC):
    """One input format. A module of this package defines it and names it ``FORMAT``; nothing else lists it."""

    name: ClassVar[str]  # what the report calls it
    has_lines: ClassVar[bool] = False  # whether a place in it is a line; otherwise it is a row
    has_parts: ClassVar[bool] = False  # whether FILE#PART names a sheet or table of it
    rank: ClassVar[int] = 50  # formats are tried from low to high; the general ones come last

    @abstractmethod
    def recognises(self, peek: Peek) -> bool:
        """Whether a source has this format."""

    @abstractmethod
    def open(self, peek: Peek) -> Table:
        """The source as a table; raises ``DataError`` if it is damaged or has no columns."""

    def described(self, peek: Peek, **known: Any) -> Source:
        """The entry of the report for a source of this format."""
        return Source(peek.name, self.name, has_lines=self.has_lines, **known)


def frame_table(source: Source, frame: pl.DataFrame, path: Path | None = None) -> Table:
    """A polars table as a source; raises ``DataError`` if it has no rows."""
    check_width(frame.width, source.name)
    if not frame.height:
        raise DataError("the table holds no rows", file=source.name)

    for name, dtype in frame.schema.items():
        if dtype == pl.Object:  # such as UUIDs
            texts = [None if cell is None else str(cell) for cell in frame[name].to_list()]
            frame = frame.with_columns(pl.Series(name, texts, dtype=pl.String))
    columns = flat(frame.schema)
    names = list(columns)

    def batches(wanted: Sequence[int]) -> Iterator[Batch]:
        chosen = frame.select([columns[names[i]].alias(f"c{at}") for at, i in enumerate(wanted)])
        for start in range(0, frame.height, ROWS):
            part = chosen.slice(start, ROWS)
            yield Batch(part, numbered(start + 1, part.height), share=min(1.0, (start + ROWS) / frame.height))

    source.header = True
    return Table(source, path, names, batches, as_sample(frame.head(SAMPLE_ROWS).select(columns.values())))


def check_width(count: int, file: str) -> None:
    """Raise ``DataError`` for more columns than a log or an item table has."""
    if count > MAX_COLUMNS:
        fix = "Write a row for each event: user, item, value, time"
        raise DataError(f"it has more than {MAX_COLUMNS:,} columns", file=file, fix=fix)


def as_sample(frame: pl.DataFrame) -> list[list[str | None]]:
    """The cells of a few rows as text: a few bytes of Parquet may stand for hundreds of very long texts."""
    frame = frame.with_columns(pl.col(pl.String).str.slice(0, SAMPLE_TEXT))
    return [[None if cell is None else str(cell) for cell in row] for row in frame.rows()]
