"""Reading an item table into a catalogue."""

from __future__ import annotations

from typing import Any

import numpy as np

from penchant.catalog import Catalog
from penchant.errors import DataError
from penchant.reading.columns import NAMES, plain
from penchant.vocab import Vocab

TITLES = (
    "title",
    "name",
    "itemname",
    "itemtitle",
    "movietitle",
    "booktitle",
    "producttitle",
    "productname",
    "标题",
    "名称",
)


def read_catalog(source: Any, vocab: Vocab) -> Catalog:
    """The catalogue of the items of ``vocab`` from a file or a table in memory."""
    import polars as pl

    frame = source if isinstance(source, pl.DataFrame) else pl.read_parquet(source)
    usual = {plain(name): name for name in frame.columns}
    item = next((usual[name] for name in NAMES["item"] if name in usual), None)
    if item is None:
        raise DataError("no column holds item ids")
    title = next((usual[name] for name in TITLES if name in usual), None)
    index = vocab.encode(frame[item].to_list())
    rows = np.full(len(vocab), -1, dtype=np.int64)
    rows[index[index >= 0]] = np.flatnonzero(index >= 0)
    known = rows >= 0

    def column(name: str) -> list[Any]:
        values = frame[name].to_list()
        return [values[row] if ok else None for row, ok in zip(rows, known, strict=True)]

    attributes = {name: column(name) for name in frame.columns if name not in (item, title)}
    return Catalog(vocab, column(title) if title else [None] * len(vocab), attributes)
