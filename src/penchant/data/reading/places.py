"""Where a source is: a file, a part of a file (a sheet, a table), a folder, or a pipe."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penchant.data.reading.query import Query
from penchant.data.reading.spooling import STANDARD_INPUT, is_pipe, spooled
from penchant.data.reading.streams import Stream
from penchant.errors import DataError

REJECTED = ".rejected.csv"
PREPARED = "prepared.json"  # in the folder of a prepared log
PART = "#"  # shop.xlsx#Orders, shop.sqlite#orders


@dataclass(frozen=True, eq=False)
class Place:
    """A file that is more than its path: one part of it is meant, or it is the copy of a pipe."""

    path: Path
    part: str | None = None  # the sheet or table
    called: str | None = None  # what messages call it; None: its path and part
    beside: Path | None = None  # the file beside which others are written; None: its path
    held: Any = None  # keeps a temporary file alive

    @property
    def name(self) -> str:
        """What messages call it."""
        name = self.called or str(self.path)
        return name if self.part is None else f"{name}{PART}{self.part}"


def expand(sources: Sequence[Any]) -> list[Any]:
    """Replace names by paths and places; anything that is not a name stays as it is.

    - A glob becomes the files that it matches, sorted by name, without files of rejected rows.
    - ``FILE#PART`` names a sheet or table, unless a file has this whole name.
    - ``-`` and pipes are copied to a temporary file.
    - A folder must hold Parquet files, or a prepared log.
    - Dictionaries, one a row, become one table.

    Raises ``DataError`` for a pattern that matches nothing, a name that does not exist and any other folder.
    """
    out: list[Any] = []
    if are_rows(sources):
        sources = [sources]
    for source in sources:
        if isinstance(source, (str, Path)):
            out += _named(str(source))
        elif are_rows(source):
            out.append(_table(source))
        else:
            out.append(source)
    if not out:
        raise DataError("no log was given: name one or more files")
    return out


def are_rows(source: Any) -> bool:
    """Whether this is a list of dictionaries, one a row. One whose values are all lists is a table of columns."""
    return (
        isinstance(source, (list, tuple))
        and len(source) > 0
        and all(isinstance(row, dict) and not all(map(_is_column, row.values())) for row in source)
    )


def _is_column(value: object) -> bool:
    return not isinstance(value, (str, bytes)) and hasattr(value, "__len__")


def _table(rows: Sequence[dict[str, Any]]) -> Any:
    import polars as pl

    names = dict.fromkeys(name for row in rows for name in row)
    return pl.DataFrame([_column(str(name), [row.get(name) for row in rows]) for name in names])


def _column(name: str, values: list[Any]) -> Any:
    """Cells of one type as they are; cells of several, such as ids that are partly numbers, as text."""
    import polars as pl

    try:
        return pl.Series(name, values, strict=True)
    except (TypeError, pl.exceptions.PolarsError):
        return pl.Series(name, [None if value is None else str(value) for value in values], dtype=pl.String)


def _named(name: str) -> list[Any]:
    path = Path(name)
    if name == STANDARD_INPUT or is_pipe(path):
        copy, called = spooled(name)
        return [
            Place(Path(copy.name), called=called, beside=Path("stdin") if name == STANDARD_INPUT else path, held=copy)
        ]
    if path.is_dir():
        if is_prepared(path):
            return [path]
        if not any(parquet_files(path)):
            raise DataError("this is a folder", file=name, fix=f"Name its files: '{path / '*.csv'}'")
        return [path]
    if path.exists():
        return [path]
    whole, sign, part = name.rpartition(PART)
    if sign and whole and part and (Path(whole).is_file() or glob.has_magic(whole)):
        return [Place(found, part) for found in _named(whole) if isinstance(found, Path)]
    if not glob.has_magic(name):
        raise DataError("there is no such file", file=name)
    matches = [Path(m) for m in sorted(glob.glob(name, recursive=True)) if not m.endswith(REJECTED)]  # noqa: PTH207  # a pattern may be absolute, which Path.glob refuses
    files: list[Any] = [match for match in matches if match.is_file()]
    if not files:
        raise DataError("no file matches this pattern", file=name)
    return files


def is_prepared(path: Path) -> bool:
    """Whether a path is the folder of a prepared log."""
    return (path / PREPARED).is_file()


def parquet_files(folder: Path) -> list[Path]:
    """The Parquet files in a folder and below, sorted; none if it holds hidden files or files of Spark alone."""
    found = sorted(folder.rglob("*.parquet"))
    return [path for path in found if not any(part.startswith((".", "_")) for part in path.relative_to(folder).parts)]


def inputs(sources: Sequence[Any]) -> list[Path]:
    """The files and folders that expanded sources read, none of which may be written."""
    found: list[Path] = []
    for source in sources:
        if isinstance(source, Path):
            found.append(source)
        elif isinstance(source, Place):
            found.append(source.path if source.held is None else source.beside or source.path)
        elif isinstance(source, (Query, Stream)) and (file := source.file):
            found.append(file)
    return found
