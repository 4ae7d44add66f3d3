"""``items.parquet`` of a saved folder: ids, training counts and the catalogue; one row per item, in index order."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from penchant.core.histories import Longs
from penchant.data.tables import as_os_errors
from penchant.data.vocab import Vocab
from penchant.errors import FormatError
from penchant.recommender.folder.manifest import MANIFEST
from penchant.recommender.folder.parquet import Contained, measure

if TYPE_CHECKING:
    from penchant.data.catalog import Catalog

_OURS = ("item", "count", "title", "domain", "available", "vector")
VALUES, BYTES = 2**20, 2**26  # that the file may hold, and beside these for each item:
VALUES_OF_ITEM, BYTES_OF_ITEM = 2**16, 2**20
_PREFIX = "attribute:"  # before an attribute whose name is one of ours


def write_items(path: Path, vocab: Vocab, counts: Longs, catalog: Catalog | None) -> None:
    """Write the table; items that the model does not know yet have count zero."""
    import polars as pl

    padded = np.zeros(len(vocab), dtype=np.int64)
    padded[: len(counts)] = counts
    table: dict[str, Any] = {"item": pl.Series(vocab.ids, dtype=pl.String), "count": pl.Series(padded)}
    if catalog is not None:
        frame = catalog.frame()
        known = {"title", "domain", "available", "vector"} - set(catalog.attributes)
        for name in frame.columns:
            if name == "item":
                continue
            ours = name in known
            table[name if ours or name not in _OURS else _PREFIX + name] = frame[name]
    with as_os_errors():
        pl.DataFrame(table).write_parquet(path, compression="zstd")


def read_items(name: str, content: bytes, n_items: int, *, integers: bool) -> tuple[Vocab, Longs, Catalog | None]:
    """The table as vocabulary, counts and catalogue, from the content of its file.

    Raises ``FormatError`` for any other file, before it is unpacked if it has another number of rows or too much in
    them.
    """
    import polars as pl

    _check_size(name, measure(name, content), n_items)
    try:
        frame = pl.read_parquet(content, glob=False, hive_partitioning=False, use_statistics=False)
    except (pl.exceptions.PolarsError, OSError) as wrong:
        raise FormatError(f"{name} cannot be read: {str(wrong).splitlines()[0]}") from None
    schema = frame.schema
    if schema.get("item") != pl.String or schema.get("count") != pl.Int64:
        raise FormatError(f"{name} lacks the columns item (text) and count (whole numbers)")
    if frame["item"].null_count() or frame["count"].null_count():
        raise FormatError(f"{name} has rows without an id or a count")
    vocab = Vocab(frame["item"].to_list(), integers=integers)
    counts = frame["count"].to_numpy().astype(np.int64)
    return vocab, counts, _catalog(frame, vocab) if len(frame.columns) > 2 else None


def _check_size(name: str, held: Contained, n_items: int) -> None:
    if held.rows != n_items:
        raise FormatError(f"{name} has {held.rows:,} rows, {MANIFEST} says {n_items:,} items")
    for what, found, allowed in (
        ("values", held.values, VALUES + n_items * VALUES_OF_ITEM),
        ("bytes", held.bytes, BYTES + n_items * BYTES_OF_ITEM),
    ):
        if found > allowed:
            raise FormatError(f"{name} unpacks to {found:,} {what}: more than {allowed:,} for {n_items:,} items")


def _catalog(frame: Any, vocab: Vocab) -> Catalog:
    import polars as pl

    from penchant.data.catalog import Catalog

    def column(name: str, dtype: Any) -> Any:
        if name not in frame.columns:
            return None
        if frame.schema[name] != dtype and not isinstance(frame.schema[name], pl.Array):
            raise FormatError(f"items.parquet: the column {name!r} holds {frame.schema[name]}")
        return frame[name]

    titles, domains = column("title", pl.String), column("domain", pl.String)
    available, vectors = column("available", pl.Boolean), column("vector", pl.Array)
    return Catalog(
        vocab,
        [None] * len(vocab) if titles is None else titles.to_list(),
        {name.removeprefix(_PREFIX): frame[name].to_list() for name in frame.columns if name not in _OURS},
        None if vectors is None else np.ascontiguousarray(vectors.to_numpy(), dtype=np.float32),
        None if available is None else available.to_numpy(),
        None if domains is None else domains.to_list(),
    )
