"""Candidate files: which items are ranked for each user."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from penchant.core.histories import Bools, Histories
from penchant.data.reading.names import NAMES, plain
from penchant.errors import DataError

if TYPE_CHECKING:
    import polars as pl

    from penchant.data.interactions import Interactions

LISTS = ("items", "candidates", "negatives", "negativeitems", "candidateitems", "sampled")


def read_candidates(path: str | Path, log: Interactions, tell: Callable[[str], None] | None = None) -> Histories:
    """Read the candidates of every user of a log from a file; one row per user.

    The file is CSV, TSV, Parquet or JSON lines. It has a user (or session) column, and either one item per row or a
    list of items per row (a column ``items``, ``candidates`` or ``negatives``; in text, separated by space, ``|`` or
    ``;``). An item column beside a list is a candidate too. Users and items that the log does not contain are left out;
    ``tell`` is called with their number and an example. Raises ``DataError`` for a file that cannot be read this way,
    or that names no user of the log.
    """
    frame = _read(Path(path))
    user = _column(frame, ("user", "session"), str(path))
    lists = [name for name in frame.columns if plain(name) in LISTS]
    single = [name for name in frame.columns if plain(name) in NAMES["item"] and name != user and name not in lists]
    if not lists and not single:
        raise DataError("no column holds items or lists of items", file=str(path), fix="Name one 'item' or 'items'.")
    pairs = [_exploded(frame, user, name, as_list=name in lists) for name in [*lists[:1], *single[:1]]]
    named = [value for pair in pairs for value in pair[user].to_list()]
    listed = [value for pair in pairs for value in pair["candidate"].to_list()]
    users, items = _rows_of(log, named), log.vocab.encode(listed)
    known = (users >= 0) & (items >= 0)
    if not known.any():
        raise DataError("no row holds a user and an item of the log", file=str(path))
    if tell is not None:
        unit = "candidates" if lists else "rows"
        who = "sessions" if log.sessions else "users"
        for missing, what, values in ((users < 0, who, named), ((users >= 0) & (items < 0), "items", listed)):
            if missing.any():
                tell(f"{path}: {_ignored(missing, unit)}: unknown {what}, such as {_example(values, missing)}")
    keys = np.unique(users[known] * np.int64(log.n_items) + items[known])
    rows, chosen = np.divmod(keys, log.n_items)
    indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=log.n_users))])
    return Histories(indptr, chosen, log.n_items)


def _ignored(missing: Bools, unit: str) -> str:
    return f"{int(missing.sum()):,} of {len(missing):,} {unit} ignored"


def _example(values: list[Any], missing: Bools) -> str:
    return repr(str(values[int(np.argmax(missing))])[:80])


def _read(path: Path) -> pl.DataFrame:
    import polars as pl

    if not path.is_file():
        raise DataError("the file of candidates does not exist", file=str(path))
    try:
        suffix = path.suffix.lower()
        if suffix in {".parquet", ".pq"}:
            return pl.read_parquet(path)
        if suffix in {".jsonl", ".ndjson"}:
            return pl.read_ndjson(path, infer_schema_length=None)
        with path.open(encoding="utf-8-sig") as file:
            header = file.readline()
        separator = max("\t,;", key=header.count)
        return pl.read_csv(path, separator=separator, infer_schema=False, encoding="utf8")
    except OSError as wrong:
        raise DataError(f"candidates cannot be read ({wrong.strerror or wrong})", file=str(path)) from None
    except (UnicodeDecodeError, pl.exceptions.PolarsError, pl.exceptions.PanicException) as wrong:
        raise DataError(f"candidates cannot be read ({str(wrong).splitlines()[0]})", file=str(path)) from None


def _column(frame: pl.DataFrame, roles: tuple[str, ...], path: str) -> str:
    for role in roles:
        for name in frame.columns:
            if plain(name) in NAMES[role]:
                return name
    raise DataError("no column names the user or session", file=path, fix="Call it 'user' or 'session'.")


def _exploded(frame: pl.DataFrame, user: str, name: str, *, as_list: bool) -> pl.DataFrame:
    import polars as pl

    pairs = frame.select(pl.col(user), pl.col(name).alias("candidate"))
    if not as_list:
        return pairs.drop_nulls()
    if pairs.schema["candidate"] == pl.String:
        words = pl.col("candidate").str.replace_all(r"[\[\]\"',;|\s]+", " ").str.strip_chars().str.split(" ")
        pairs = pairs.with_columns(words)
    elif not isinstance(pairs.schema["candidate"], (pl.List, pl.Array)):
        return pairs.drop_nulls()  # a column called items with one item per row
    return pairs.explode("candidate").drop_nulls()


def _rows_of(log: Interactions, ids: list[Any]) -> np.typing.NDArray[np.int64]:
    """The row of every user id, -1 where the log does not contain it."""
    from penchant.data.vocab import normalise_id

    rows = {user_id: row for row, user_id in enumerate(log.user_ids) if not log.is_guest(row)}
    of: dict[Any, int] = {}
    for value in set(ids):
        try:
            of[value] = rows.get(normalise_id(value), -1)
        except DataError:
            of[value] = -1
    return np.fromiter((of[value] for value in ids), dtype=np.int64)
