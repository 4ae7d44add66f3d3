"""What an item table says about the items of a vocabulary: titles, attributes, vectors, availability."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from penchant.core.histories import Bools, Floats
from penchant.data.reading.items import ITEM_ID, ITEM_LINE, MOVIELENS_GENRES, RAW_ID, Items
from penchant.data.reading.names import plain
from penchant.errors import DataError

TITLES = (
    *("title", "itemname", "itemtitle", "movietitle", "booktitle", "producttitle", "productname", "name"),
    *("标题", "名称", "片名", "书名"),
)
VECTORS = ("vector", "embedding", "embeddings", "vec", "features", "向量")
AVAILABLE = ("available", "availability", "instock", "active", "可用")
DOMAINS = ("domain", "领域")
_YES = frozenset(("1", "true", "yes", "y", "t", "in stock", "1.0", "是"))
_NO = frozenset(("0", "false", "no", "n", "f", "out of stock", "0.0", "否", ""))


@dataclass(frozen=True)
class ItemColumns:
    """Columns of an item table; entry ``i`` of each belongs to the ``i``-th id asked for."""

    titles: list[str | None]
    attributes: dict[str, list[Any]]
    vectors: Floats | None
    available: Bools | None
    domains: list[str | None] | None


def item_columns(items: Items, ids: Sequence[str]) -> ItemColumns:
    """The columns of an item table, aligned with ``ids``; the first row of an item counts."""
    aligned = _aligned(items, ids)
    usual = {plain(name): name for name in reversed(aligned.columns) if name != ITEM_ID}

    def first_of(names: Sequence[str]) -> str | None:
        return next((usual[name] for name in names if name in usual), None)

    title, vector, available, domain = (first_of(names) for names in (TITLES, VECTORS, AVAILABLE, DOMAINS))
    vectors = None if vector is None else _vectors(aligned[vector], vector)
    if vectors is None:
        vector = None
    shop = None if available is None else _flags(aligned[available])
    special = {ITEM_ID, title, vector, domain, available if shop is not None else None}
    attributes = {
        _label(name): _attribute(aligned[name], name) for name in aligned.columns if name not in special and name
    }
    _gather_genres(attributes)
    return ItemColumns(
        [None] * len(ids) if title is None else [_clean(t) for t in aligned[title].cast(pl.String).to_list()],
        attributes,
        vectors,
        shop,
        None if domain is None else [_clean(d) for d in aligned[domain].cast(pl.String).to_list()],
    )


def attributes_of(items: Items, ids: Sequence[str]) -> dict[str, list[Any]]:
    """All columns of a table beside its ids as attributes, aligned with ``ids``; the first row of an id counts."""
    aligned = _aligned(items, ids)
    return {_label(name): _attribute(aligned[name], name) for name in aligned.columns if name not in (ITEM_ID, "")}


def _aligned(items: Items, ids: Sequence[str]) -> pl.DataFrame:
    frame = items.frame.filter(pl.col(ITEM_ID).is_not_null()).unique(ITEM_ID, keep="first", maintain_order=True)
    return pl.DataFrame({ITEM_ID: pl.Series(ids, dtype=pl.String)}).join(
        frame.drop(RAW_ID, ITEM_LINE), on=ITEM_ID, how="left", maintain_order="left"
    )


def _label(name: str) -> str:
    for kind in (":token", ":token_seq", ":float", ":float_seq"):
        if name.endswith(kind):
            return name.removesuffix(kind)
    return name


def _clean(text: str | None) -> str | None:
    return (text.strip() or None) if text is not None else None


def _attribute(column: pl.Series, name: str) -> list[Any]:
    """Numbers as numbers, lists as lists, text as text; None for a missing value."""
    column = _simple(column)
    if column.dtype != pl.String:
        return column.to_list()
    cells = [cell.strip() or None if cell is not None else None for cell in column.to_list()]
    if name.endswith("token_seq"):
        return [None if cell is None else cell.split() for cell in cells]
    return _numbers(cells) or _lists(cells) or cells


def _simple(column: pl.Series) -> pl.Series:
    """A typed column as numbers, text, true and false, or lists of these."""
    dtype = column.dtype
    if isinstance(dtype, pl.Decimal) or (isinstance(dtype, pl.List) and isinstance(dtype.inner, pl.Decimal)):
        return column.cast(pl.Float64 if isinstance(dtype, pl.Decimal) else pl.List(pl.Float64))
    if dtype == pl.Duration:
        return column.dt.total_microseconds() / 1e6
    if dtype == pl.Binary:
        return column.cast(pl.String, strict=False)
    is_text = dtype.is_temporal() or isinstance(dtype, (pl.Categorical, pl.Enum))
    return column.cast(pl.String) if is_text else column


def _numbers(cells: list[str | None]) -> list[Any] | None:
    """Cells as numbers if all that are filled are numbers; otherwise None."""
    text = pl.Series(cells, dtype=pl.String)
    for dtype in (pl.Int64, pl.Float64):
        numbers = text.cast(dtype, strict=False)
        if text.null_count() < len(cells) and numbers.null_count() == text.null_count():
            return [None if number is None or not np.isfinite(number) else number for number in numbers.to_list()]
    return None


def _lists(cells: list[str | None]) -> list[Any] | None:
    """Cells as lists if they are JSON lists, or parts separated by bars; otherwise None."""
    filled = [cell for cell in cells if cell is not None]
    if filled and all(cell.startswith("[") for cell in filled):
        lists = [None if cell is None else _json_list(cell) for cell in cells]
        return lists if any(row is not None for row in lists) else None
    if sum("|" in cell for cell in filled) > 0.1 * len(filled):
        return [None if cell is None else [p.strip() for p in cell.split("|") if p.strip()] for cell in cells]
    return None


def _json_list(text: str) -> list[Any] | None:
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, list) else None


def _gather_genres(attributes: dict[str, list[Any]]) -> None:
    """The nineteen flags of MovieLens u.item as one list of genres."""
    if not all(name in attributes for name in MOVIELENS_GENRES):
        return
    flags = [attributes.pop(name) for name in MOVIELENS_GENRES]
    attributes["genres"] = [
        None if all(f is None for f in row) else [n for n, f in zip(MOVIELENS_GENRES, row, strict=True) if f == 1]
        for row in zip(*flags, strict=True)
    ]


def _flags(column: pl.Series) -> Bools | None:
    """Which items are available; those missing from the table are. None if the column is not yes or no."""
    cells = column.cast(pl.String).str.strip_chars().str.to_lowercase()
    if not cells.drop_nulls().is_in([*_YES, *_NO]).all():
        return None
    return cells.fill_null("1").is_in(list(_YES)).to_numpy().astype(np.bool_)


def _vectors(column: pl.Series, name: str) -> Floats | None:
    """Vectors, zeros for an item without one; raises ``DataError`` for vectors of different lengths."""
    rows: list[Any] = column.to_list()
    if column.dtype == pl.String:
        parsed = []
        for cell in rows:
            words = (cell or "").strip().strip("[]").replace(",", " ").replace(";", " ").split()
            try:
                parsed.append([float(word) for word in words] or None)
            except ValueError:
                return None
        rows = parsed
    elif not column.dtype.is_nested():
        return None
    sizes = {len(row) for row in rows if row is not None and len(row)}
    if not sizes:
        return None
    if len(sizes) > 1:
        raise DataError(f"vectors have different lengths: {sorted(sizes)[:5]}", column=name)
    out = np.zeros((len(rows), sizes.pop()), dtype=np.float32)
    for i, row in enumerate(rows):
        if row is not None and len(row):
            try:
                out[i] = row
            except (TypeError, ValueError):
                return None
    if not np.isfinite(out).all():
        raise DataError("vectors contain numbers that are not finite", column=name)
    return out
