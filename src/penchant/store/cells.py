"""Columns of a store from JSON arrays, as SQLite joins them: several times faster than fetching cells."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from penchant.core.histories import Ints
from penchant.data.reading.ids import starts
from penchant.kernels.json_arrays import FULL, ROUGH, text_codes, whole_numbers

DTYPES: dict[str, Any] = {"kind": pl.String, "value": pl.Float64, "context": pl.String}
WHOLE = {"person", "item", "time"}  # columns that every event has
IDS = {"person", "item"}
# 15 digits, as JSON has them, do not give every number back; quote() uses as many as it needs
CELLS = {"value": "CASE WHEN value IS NULL THEN NULL ELSE quote(value) END"}
SLOTS = 1 << 16  # to begin with; few stay in the processor's cache
PEOPLE = "user", "session"
INSIDE = "context."  # before the name of a context
LONGEST = 1024  # bytes of an id that is looked up by its hash


class Coded(NamedTuple):
    """A column of texts: each distinct one once, and its number in each row, ``(rows,)``."""

    texts: pl.Series
    codes: Ints


def raw_name(name: str) -> str:
    """The column of the store that a column of the log is made from."""
    return "person" if name in PEOPLE else "context" if name.startswith(INSIDE) else name


def column(name: str) -> pl.Expr:
    """A column of the log, from the columns of the store."""
    if name.startswith(INSIDE):
        return pl.col("context").str.json_path_match(f"$['{name.removeprefix(INSIDE)}']").alias(name)
    if name not in PEOPLE:
        return pl.col(name)
    person = pl.col("person")
    mine = person.str.starts_with("u:" if name == "user" else "s:")
    return pl.when(mine).then(person.str.slice(2)).otherwise(None).alias(name)


class Columns:
    """Makes the columns of a log from those of the store, in any thread; of texts that repeat, each is made once."""

    def __init__(self, wanted: Sequence[str]) -> None:
        self.wanted = wanted
        self.raw = list(dict.fromkeys(raw_name(one) for one in wanted))
        self._kinds = {one: pl.Categorical(pl.Categories.random("penchant", pl.UInt32)) for one in wanted}

    def made(self, columns: Mapping[str, pl.Series | Coded]) -> pl.DataFrame:
        """The rows of a page."""
        return pl.DataFrame([self._made(columns[raw_name(one)], one) for one in self.wanted])

    def _made(self, raw: pl.Series | Coded, name: str) -> pl.Series:
        if isinstance(raw, Coded):
            texts, codes = raw
        elif name in PEOPLE:  # whose rows are adjacent
            at = starts(raw)
            texts, codes = raw.gather(at), np.repeat(np.arange(len(at)), np.diff(at, append=len(raw)))
        else:
            made = pl.DataFrame({raw_name(name): raw}).select(column(name)).to_series()
            return made.cast(self._kinds[name]) if name == "item" else made
        made = pl.DataFrame({raw_name(name): texts}).select(column(name)).to_series()
        return made.cast(self._kinds[name]).gather(codes)


def array_of(column: str) -> str:
    """The SQL for all cells of a column as one JSON array."""
    return f"CAST(json_group_array({CELLS.get(column, column)}) AS BLOB)"


def decoded(name: str, text: bytes, rows: int) -> pl.Series | Coded:
    """A column from its JSON array."""
    if name in IDS and (coded := _coded(text, rows)) is not None:
        return coded
    if name == "time":
        times = np.empty(rows, dtype=np.int64)
        if whole_numbers(np.frombuffer(text, dtype=np.uint8), times) != ROUGH:
            return pl.Series(name, times)
    return _by_polars(name, text)


@cache
def _keys() -> np.ndarray:
    """Those of the hash: random, so that nobody can choose ids that collide."""
    return np.frombuffer(secrets.token_bytes(8 * LONGEST), dtype=np.uint64).copy()


def _coded(text: bytes, rows: int) -> Coded | None:
    data = np.frombuffer(text, dtype=np.uint8)
    codes, distinct = np.empty(rows, dtype=np.int32), np.empty(len(data), dtype=np.uint8)
    ends, count, room = np.zeros(rows + 1, dtype=np.int64), FULL, SLOTS
    while count == FULL:
        count = text_codes(data, _keys(), np.full(room, -1, dtype=np.int32), codes, distinct, ends)
        room *= 16
    if count == ROUGH:
        return None
    lines = distinct[: ends[count]].tobytes().decode().split("\n")
    return Coded(pl.Series(lines[:-1], dtype=pl.String), codes)


def _by_polars(name: str, text: bytes) -> pl.Series:
    """Any array. Without escapes it reads like a line of CSV, which is twice as fast."""
    kind: Any = pl.Int64 if name == "time" else pl.String
    missing, escaped = name not in WHOLE, b"\\" in text
    if missing and name not in CELLS:
        escaped = escaped or b'"null"' in text or b'""' in text
    cells = pl.Series(name, [], dtype=kind)
    if text != b"[]" and not escaped:
        cells = pl.read_csv(
            text[1:-1],
            has_header=False,
            separator="\x1f",
            eol_char=",",
            schema={name: kind},
            null_values="null" if missing else None,
        ).to_series()
        escaped = not missing and cells.null_count() > 0  # an empty text
    if escaped:
        cells = pl.Series(name, [text.decode()]).str.json_decode(pl.List(kind)).explode()
    return cells.cast(pl.Float64) if name == "value" else cells
