"""Columns of a store from JSON arrays, as SQLite joins them: several times faster than fetching cells."""

from __future__ import annotations

import secrets
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from penchant.core.histories import Ints
from penchant.kernels.json_arrays import ROUGH, text_codes, whole_numbers

DTYPES: dict[str, Any] = {"kind": pl.String, "value": pl.Float64, "context": pl.String}
WHOLE = {"person", "item", "time"}  # columns that every event has
IDS = {"person", "item"}
# 15 digits, as JSON has them, do not give every number back; quote() uses as many as it needs
CELLS = {"value": "CASE WHEN value IS NULL THEN NULL ELSE quote(value) END"}
LONGEST = 1024  # bytes of an id that is looked up by its hash


class Coded(NamedTuple):
    """A column of texts: each distinct one once, and its number in each row, ``(rows,)``."""

    texts: pl.Series
    codes: Ints


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
    slots = np.full(1 << (2 * rows + 1).bit_length(), -1, dtype=np.int32)
    codes, distinct = np.empty(rows, dtype=np.int32), np.empty(len(data), dtype=np.uint8)
    ends = np.zeros(rows + 1, dtype=np.int64)
    count = text_codes(data, _keys(), slots, codes, distinct, ends)
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
