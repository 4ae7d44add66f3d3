"""Excel workbooks, and other spreadsheets that the same library reads."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from typing import Any

import polars as pl

from penchant.core.memory import Meter
from penchant.data.reading.batches import Batch, Table
from penchant.data.reading.formats.base import SAMPLE_ROWS, Format, Peek, as_sample
from penchant.data.reading.formats.cells import chosen, column, names_of
from penchant.data.reading.opening import AGAIN
from penchant.errors import DataError, MissingExtraError

ZIP, OLD = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
EXPANDS = 4  # bytes of memory for a byte of the sheet
SEARCHED = 20  # rows in which the header is looked for: exports have a title or a logo above it


class Excel(Format):
    """A sheet of a workbook (``.xlsx``, ``.xlsm``, ``.xlsb``, ``.xls``, ``.ods``): the first, or ``FILE#SHEET``."""

    name = "Excel"
    has_parts = True
    rank = 10

    def recognises(self, peek: Peek) -> bool:
        """By the members of the zip archive; an old workbook by its first bytes and its name."""
        if peek.path is None:
            return False
        if peek.head.startswith(OLD):
            return peek.path.suffix.lower() in {".xls", ".xlt"}
        return peek.head.startswith(ZIP) and _is_workbook(peek)

    def open(self, peek: Peek) -> Table:
        """The sheet; all its cells are in memory."""
        if peek.compression is not None:
            raise DataError(f"this is Excel inside {peek.compression}", file=peek.name, fix="Decompress it first")
        try:
            import python_calamine as calamine
        except ImportError as error:
            raise MissingExtraError("excel", f"{peek.name}: an Excel file") from error
        _check_memory(peek)
        try:
            book = calamine.load_workbook(str(peek.file))
            visible = [s.name for s in book.sheets_metadata if s.visible == calamine.SheetVisibleEnum.Visible]
            sheets = visible if peek.part is None else book.sheet_names
            cells = book.get_sheet_by_name(chosen(peek.part, sheets, "sheet", peek.name, first=True))
            offset = (cells.start or (0, 0))[0] + 1
            rows = [[None if cell == "" else cell for cell in row] for row in cells.to_python(skip_empty_area=True)]
        except calamine.PasswordError as error:
            raise DataError("a password protects this workbook", file=peek.name, fix="Save it without one") from error
        except (calamine.CalamineError, OSError, zipfile.BadZipFile) as error:
            raise DataError(f"this workbook is damaged ({str(error)[:200]})", file=peek.name, fix=AGAIN) from error
        return _table(self, peek, rows, offset)


def _is_workbook(peek: Peek) -> bool:
    if b"mimetypeapplication/vnd.oasis.opendocument.spreadsheet" in peek.head[:200]:
        return True
    if peek.compression is not None:
        return b"xl/" in peek.head
    try:
        with zipfile.ZipFile(peek.file) as archive:
            return any(name.startswith("xl/workbook") for name in archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        # a truncated archive has no list of members
        return b"xl/" in peek.head or b"[Content_Types].xml" in peek.head[:100]


def _check_memory(peek: Peek) -> None:
    """Raise ``MemoryLimitError`` if the cells do not fit into memory: a zip archive may expand a thousandfold."""
    meter = Meter(f"reading {peek.name}", factor=EXPANDS)
    try:
        with zipfile.ZipFile(peek.file) as archive:
            meter.add(sum(member.file_size for member in archive.infolist()))
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        meter.add(peek.file.stat().st_size)


def _table(one: Format, peek: Peek, rows: list[list[Any]], offset: int) -> Table:
    """The rows of a sheet below its header; ``offset`` is the number of the first row in the sheet."""
    filled = [(at + offset, row) for at, row in enumerate(rows) if any(cell is not None for cell in row)]
    if not filled:
        raise DataError("the sheet is empty", file=peek.name)
    at = _header(filled)
    names = names_of(filled[at][1]) if at is not None else [str(n + 1) for n in range(len(filled[0][1]))]
    body = filled if at is None else filled[at + 1 :]
    if not body:
        raise DataError("the sheet has a header and no rows", file=peek.name)
    used = [n for n, name in enumerate(names) if name or any(row[n] is not None for _, row in body)]
    frame = pl.DataFrame([column([row[n] for _, row in body]).alias(f"c{n}") for n in used])
    lines = pl.Series([number for number, _ in body], dtype=pl.Int64).to_numpy()

    def batches(wanted: Sequence[int]) -> Iterator[Batch]:
        yield Batch(frame.select([frame.to_series(n).alias(f"c{to}") for to, n in enumerate(wanted)]), lines)

    sample = as_sample(frame.head(SAMPLE_ROWS))
    return Table(one.described(peek, header=at is not None), peek.path, [names[n] for n in used], batches, sample)


def _header(filled: Sequence[tuple[int, list[Any]]]) -> int | None:
    """The first row as wide as the table in which every cell is text; None if the table has no header."""
    width = max(sum(cell is not None for cell in row) for _, row in filled[:SEARCHED])
    for at, (_, row) in enumerate(filled[:SEARCHED]):
        cells = [cell for cell in row if cell is not None]
        if len(cells) >= max(2, width - 1):
            return at if all(_is_name(cell) for cell in cells) and len(set(cells)) == len(cells) else None
    return None


def _is_name(cell: Any) -> bool:
    if not isinstance(cell, str):
        return False
    try:
        float(cell)
    except ValueError:
        return True
    return False


FORMAT = Excel()
