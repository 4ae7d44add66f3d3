"""Rows of Python values, as a spreadsheet or a database delivers them, as a polars table."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import polars as pl

from penchant.errors import DataError


def frame_of(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> pl.DataFrame:
    """The rows as a table; a column of several types becomes text, as a file would have it."""
    columns = [column([row[at] for row in rows]) for at in range(len(names))]
    return pl.DataFrame([one.alias(f"c{at}") for at, one in enumerate(columns)])


def column(cells: list[Any]) -> pl.Series:
    """One column: numbers, dates, flags and texts keep their type if all cells share it."""
    kinds = {type(cell) for cell in cells if cell is not None}
    if kinds == {dt.date, dt.datetime}:
        cells, kinds = [_moment(cell) for cell in cells], {dt.datetime}
    if len(kinds) > 1 and kinds <= {int, float}:
        exact = all(not isinstance(cell, int) or abs(cell) <= 2**53 for cell in cells)
        if exact:
            return pl.Series(cells, dtype=pl.Float64, strict=False)
    if len(kinds) <= 1 and not kinds & {dt.time, dt.timedelta}:
        try:
            return pl.Series(cells) if kinds else pl.Series(cells, dtype=pl.String)
        except (pl.exceptions.PolarsError, TypeError, ValueError, OverflowError):
            pass  # a type of its own, or numbers beyond 64 bits: text
    return pl.Series([text(cell) for cell in cells], dtype=pl.String)


def text(cell: Any) -> str | None:
    """A cell as a text file would have it."""
    if cell is None or isinstance(cell, str):
        return cell
    if isinstance(cell, bytes):
        return cell.decode("utf-8", errors="backslashreplace")
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 2**53:
        return str(int(cell))
    return str(cell)


def names_of(names: Sequence[Any]) -> list[str]:
    """Names of columns as text."""
    return ["" if name is None else str(text(name)).strip() for name in names]


def chosen(wanted: str | None, parts: Sequence[str], what: str, file: str, *, first: bool = False) -> str:
    """The sheet or table that is meant; raises ``DataError`` with the list of them if that is not clear.

    It is the one that is named; without a name the only one, or with ``first`` the first.
    """
    shown = ", ".join(repr(part) for part in parts[:20]) + (", ..." if len(parts) > 20 else "")
    if wanted is not None:
        same = [part for part in parts if part == wanted] or [p for p in parts if p.casefold() == wanted.casefold()]
        if len(same) == 1:
            return same[0]
        raise DataError(f"there is no {what} {wanted!r}", file=file, fix=f"It has: {shown or 'none'}")
    if not parts:
        raise DataError(f"it has no {what}", file=file)
    if len(parts) > 1 and not first:
        fix = f"Name one: '{file}#{parts[0]}'"
        raise DataError(f"it has {len(parts)} {what}s: {shown}", file=file, fix=fix)
    return parts[0]


def _moment(cell: Any) -> Any:
    if type(cell) is dt.date:
        return dt.datetime.combine(cell, dt.time())
    return cell
