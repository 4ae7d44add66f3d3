"""``items.parquet`` of a saved folder: ids, training counts and the catalogue; one row per item, in index order."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from penchant.core.histories import Longs
from penchant.data.vocab import Vocab
from penchant.errors import FormatError

if TYPE_CHECKING:
    from penchant.data.catalog import Catalog

_OURS = ("item", "count", "title", "domain", "available", "vector")
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
    pl.DataFrame(table).write_parquet(path, compression="zstd")


def read_items(path: Path, *, integers: bool) -> tuple[Vocab, Longs, Catalog | None]:
    """The table as vocabulary, counts and catalogue; raises ``FormatError`` for any other file."""
    import polars as pl

    try:
        frame = pl.read_parquet(path, glob=False, hive_partitioning=False, use_statistics=False)
    except (pl.exceptions.PolarsError, OSError) as wrong:
        raise FormatError(f"{path.name} cannot be read: {str(wrong).splitlines()[0]}") from None
    schema = frame.schema
    if schema.get("item") != pl.String or schema.get("count") != pl.Int64:
        raise FormatError(f"{path.name} lacks the columns item (text) and count (whole numbers)")
    if frame["item"].null_count() or frame["count"].null_count():
        raise FormatError(f"{path.name} has rows without an id or a count")
    vocab = Vocab(frame["item"].to_list(), integers=integers)
    counts = frame["count"].to_numpy().astype(np.int64)
    return vocab, counts, _catalog(frame, vocab) if len(frame.columns) > 2 else None


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
