"""Reading an item table: its rows as they are, and the id of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import polars as pl

from penchant.core.memory import Meter
from penchant.data.reading.batches import BadRow, Batch, Table
from penchant.data.reading.columns import index_of
from penchant.data.reading.formats import open_source
from penchant.data.reading.ids import normalised
from penchant.data.reading.names import NAMES, plain
from penchant.data.reading.places import expand
from penchant.data.reading.report import many
from penchant.errors import DataError

ITEM_ID, ITEM_LINE, RAW_ID = "__id", "__line", "__raw"
MOVIELENS_GENRES = (
    *("unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama"),
    *("Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western"),
)


@dataclass(frozen=True)
class Items:
    """An item table with two more columns: ``ITEM_ID`` (normalised, null if unusable) and ``ITEM_LINE``."""

    table: Table
    frame: pl.DataFrame
    bad: list[BadRow]

    def note(self) -> str | None:
        """A note about rows that could not be used; None if all could."""
        if not self.bad:
            return None
        first, name = self.bad[0], self.table.source.name
        rows = many(len(self.bad), "row of the item table", "rows of the item table")
        return f"{rows} could not be used, the first on line {first.line} of {name}: {first.reason}"


def read_items(
    source: Any,
    *,
    sep: str | None = None,
    encoding: str | None = None,
    column: str | None = None,
    role: Literal["item", "user"] = "item",
) -> Items:
    """Read an item table, or one of users by their ``role``; raises ``DataError`` if no column has ids."""
    source = expand([source])[0]
    table = open_source(source, sep=sep, encoding=encoding, named=[column] if column else [])
    names = _names(table) if role == "item" else _user_names(table)
    table = Table(table.source, table.path, names, table.batches, table.sample)
    usual = [plain(name) for name in names]
    if column is not None:
        at = index_of(column, names, role, table.source.name)
    else:
        found = [usual.index(name) for name in (*NAMES[role], "id") if name in usual]
        if not found:
            raise DataError(
                f"no column has {role} ids among {', '.join(repr(n) for n in names[:20])}",
                file=table.source.name,
                fix=f"Call it {role} or {role}_id",
            )
        at = found[0]
    table.source.columns = {role: names[at]}
    meter, batches = Meter(f"reading {table.source.name}", factor=2), list[Batch]()
    for batch in table.batches(range(len(names))):
        meter.add(int(batch.frame.estimated_size()))
        batches.append(batch)
    table.source.rows = sum(batch.frame.height + len(batch.bad) for batch in batches)
    if not sum(batch.frame.height for batch in batches):
        raise DataError(f"the {role} table has no usable rows", file=table.source.name)
    frame = pl.concat([batch.frame for batch in batches], how="vertical_relaxed")
    frame.columns = _distinct(names)
    ids, reasons = normalised(frame.to_series(at))
    nothing = pl.Series([None] * len(ids), dtype=pl.String)
    frame = frame.rename({frame.columns[at]: RAW_ID}).with_columns(
        ids.zip_with(reasons.is_null(), nothing).alias(ITEM_ID),
        pl.Series(ITEM_LINE, np.concatenate([batch.lines for batch in batches])),
    )
    return Items(table, frame, [row for batch in batches for row in batch.bad])


def item_ids(items: Items) -> list[str]:
    """The ids of an item table, in its order, each once."""
    return items.frame[ITEM_ID].drop_nulls().unique(maintain_order=True).to_list()


def _names(table: Table) -> list[str]:
    if table.source.header is not False:
        return table.names
    width = len(table.names)
    if width == 24:  # MovieLens u.item: five columns and a flag for each of nineteen genres
        table.source.layout = "MovieLens"
        return ["item", "title", "release_date", "video_release_date", "imdb_url", *MOVIELENS_GENRES]
    if width == 3:
        return ["item", "title", "genres"]
    return ["item", "title", *(f"attribute {i}" for i in range(1, width - 1))]


def _user_names(table: Table) -> list[str]:
    if table.source.header is not False:
        return table.names
    width = len(table.names)
    if width == 5:  # MovieLens u.user, or users.dat: there the gender is second
        table.source.layout = "MovieLens"
        first = str(next(iter(table.sample), ("", ""))[1]).strip()
        about = ["age", "gender", "occupation"] if first.isdecimal() else ["gender", "age", "occupation"]
        return ["user", *about, "zip"]
    return ["user", *(f"attribute {i}" for i in range(1, width))]


def _distinct(names: Sequence[str]) -> list[str]:
    out: list[str] = []
    for name in names:
        fresh, n = name or "unnamed", 2
        while fresh in out or fresh.startswith("__"):
            fresh, n = f"{(name or 'unnamed').lstrip('_')} {n}", n + 1
        out.append(fresh)
    return out
