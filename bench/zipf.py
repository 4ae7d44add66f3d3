"""Logs of any size: item popularity by Zipf's law, history lengths log-normal, ratings and times; as Parquet or CSV.

A log of n rows has n / 12 people and 2 · n^0.6 items, unless told otherwise; the same size gives the same file.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import polars as pl

EXPONENT, SPREAD = 0.9, 1.0  # of Zipf's law; standard deviation of the logarithm of a length
BLOCK = 5_000_000  # rows that are made at a time
FIRST, LAST = 1_500_000_000, 1_600_000_000  # unix seconds


def n_users(rows: int) -> int:
    """The people of a log of so many rows."""
    return max(1, rows // 12)


def n_items(rows: int) -> int:
    """The items of a log of so many rows."""
    return max(10, round(2 * rows**0.6))


def write(path: Path, rows: int, *, users: int = 0, items: int = 0, plain: bool = False) -> None:
    """Write the log; ``path`` ends in ``.parquet`` or ``.csv``. Rows are in no order within blocks of people.

    A plain log has no ratings, and repeated items of a person are left out.
    """
    import polars as pl

    users, items = users or n_users(rows), items or n_items(rows)
    parts = path.with_name(path.name + ".parts")
    parts.mkdir(parents=True, exist_ok=True)
    for number, block in enumerate(_blocks(rows, users, items)):
        if plain:
            block = block.drop("rating").unique(["user", "item"], keep="first", maintain_order=True)  # noqa: PLW2901  # what is written
        block.write_parquet(parts / f"{number:04}.parquet")
    table = pl.scan_parquet(parts / "*.parquet")
    (table.sink_parquet if path.suffix == ".parquet" else table.sink_csv)(path)
    for part in parts.iterdir():
        part.unlink()
    parts.rmdir()


def _blocks(rows: int, users: int, items: int) -> Iterator[pl.DataFrame]:
    import polars as pl

    rng = np.random.default_rng([rows, users, items])
    weight = np.arange(1, items + 1) ** -EXPONENT
    reaches = np.cumsum(weight) / weight.sum()
    names = rng.permutation(items)
    share = rng.lognormal(0, SPREAD, users)
    ends = np.round(np.cumsum(share) * (rows / share.sum())).astype(np.int64)
    lengths = np.diff(ends, prepend=0)
    lo = 0
    while lo < users:
        hi = max(lo + 1, int(np.searchsorted(ends, (ends[lo - 1] if lo else 0) + BLOCK)))
        user = np.repeat(np.arange(lo, min(hi, users)), lengths[lo:hi])
        rng.shuffle(user)
        item = names[np.minimum(np.searchsorted(reaches, rng.random(len(user))), items - 1)]
        yield pl.DataFrame({
            "user": user,
            "item": item,
            "rating": rng.integers(1, 11, len(user)) / 2,
            "time": rng.integers(FIRST, LAST, len(user)),
        })  # fmt: skip
        lo = hi
