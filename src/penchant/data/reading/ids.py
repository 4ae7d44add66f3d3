"""Ids of a log: one spelling for each, and a number in the order in which they first appear."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import polars as pl

from penchant.core.histories import Ints, Longs
from penchant.data.reading.nested import JSON_LIST, JSON_OBJECT
from penchant.data.vocab import MAX_ID_BYTES, normalise_id
from penchant.errors import DataError

_WHOLE = r"^-?\d+\.0+$"
_CONTROL = r"[\x00-\x1f\x7f-\x9f]"
_BLANK = " \t\r\n"
_FLOAT = r"^\s*-?\d+(?:\.0+|(?:\.\d+)?[eE]\+\d+)\s*$"  # whole numbers as floats are written
FLOAT64, FLOAT32 = float(2**53), float(2**24)  # from here on, floats skip whole numbers
MISSING_WORDS = ("nan", "null", "none", "n/a", "na", "nil", "\\n", "undefined", "#n/a")


def normalised(raw: pl.Series) -> tuple[pl.Series, pl.Series]:
    """The one spelling of each id and the reason why it is refused (null where it is fine), as ``normalise_id`` has it.

    Takes a column of any type; vectorised for text and whole numbers.
    """
    if raw.dtype.is_float():
        return _one_by_one(raw)
    if raw.dtype == pl.Binary:  # text in files that do not say so
        raw = pl.Series([None if one is None else _decoded(one) for one in raw.to_list()], dtype=pl.String)
    elif isinstance(raw.dtype, (pl.Categorical, pl.Enum, pl.Decimal)):
        raw = raw.cast(pl.String)
    if raw.dtype == pl.Boolean or raw.dtype.is_nested() or raw.dtype.is_temporal():
        kind = "an id cannot be true or false" if raw.dtype == pl.Boolean else "an id must be text or a number"
        return raw.clear().extend_constant(None, len(raw)).cast(pl.String), pl.Series(
            [kind] * len(raw), dtype=pl.String
        )
    text = raw.cast(pl.String)
    if raw.dtype.is_integer():
        return text, text.is_null().replace_strict({True: "the id is missing", False: None}, return_dtype=pl.String)
    table = pl.DataFrame({"id": text}).with_columns(pl.col("id").str.strip_chars(_BLANK))
    table = table.with_columns(
        pl.when(pl.col("id").str.contains(_WHOLE))
        .then(pl.col("id").str.replace(r"\.0+$", ""))
        .otherwise(pl.col("id"))
        .alias("id")
    ).with_columns(
        pl.when(pl.col("id").is_null() | (pl.col("id") == ""))
        .then(pl.lit("the id is missing"))
        .when(pl.col("id").str.contains(_CONTROL))
        .then(pl.lit("the id contains a control character"))
        .when(pl.col("id").str.len_bytes() > MAX_ID_BYTES)
        .then(pl.lit(f"the id is longer than {MAX_ID_BYTES} bytes"))
        .otherwise(pl.lit(None, dtype=pl.String))
        .alias("reason")
    )
    return table["id"], table["reason"]


def _decoded(data: bytes) -> str:
    """Bytes as text; a control character, which no id may hold, if they are none."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return "\x00"


def _one_by_one(raw: pl.Series) -> tuple[pl.Series, pl.Series]:
    ids: list[str | None] = []
    reasons: list[str | None] = []
    for value in raw.to_list():
        try:
            ids.append(normalise_id(value))
            reasons.append(None)
        except DataError:
            ids.append(None)
            reasons.append("the id is missing" if value is None or value != value else "an id cannot be infinite")  # noqa: PLR0124  # NaN
    return pl.Series(ids, dtype=pl.String), pl.Series(reasons, dtype=pl.String)


@dataclass
class IdTable:
    """Ids and their numbers; remembers where each id first stood, and how often an id was written another way."""

    role: str
    index: dict[str, int] = field(default_factory=dict)
    first_line: list[int] = field(default_factory=list)
    first_source: list[int] = field(default_factory=list)
    respelled: int = 0  # rows whose id was written in another way than the one it has
    respelled_example: tuple[int, int, str] | None = None  # source, line, value
    merged: int = 0  # rows whose id is a number that floats cannot tell from its neighbours
    merged_example: tuple[int, int, str] | None = None

    def refused(self, raw: pl.Series) -> list[tuple[str, np.ndarray]]:
        """Reasons and the rows ``(rows,)`` they are true of."""
        distinct = raw.unique()
        _, reasons = normalised(distinct)
        out = []
        for reason in reasons.drop_nulls().unique(maintain_order=True).to_list():
            values = distinct.filter(reasons == reason)
            rows = raw.is_in(values.implode(), nulls_equal=True)
            out.append((reason, rows.to_numpy().astype(np.bool_)))
        if distinct.dtype == pl.String:
            for sign, pattern, kind in (("{", JSON_OBJECT, "object"), ("[", JSON_LIST, "list")):
                suspects = distinct.filter(distinct.str.strip_chars().str.starts_with(sign))
                values = suspects.filter(suspects.str.contains(pattern)) if len(suspects) else suspects
                if len(values):
                    found = raw.is_in(values.implode()).fill_null(value=False)
                    out.append((f"the id is a JSON {kind}, not text or a number", found.to_numpy()))
        return out

    def _watch_floats(self, raw: pl.Series, distinct: pl.Series, lines: Longs, source: int) -> None:
        """Count ids that were floats beyond the whole numbers that floats hold exactly."""
        if raw.dtype.is_float():
            limit = FLOAT32 if raw.dtype == pl.Float32 else FLOAT64
            suspects = distinct.filter((distinct.abs() >= limit) & (distinct == distinct.floor()))
        elif raw.dtype == pl.String:
            floats = distinct.filter(distinct.str.contains(_FLOAT))
            if not len(floats):
                return
            suspects = floats.filter((floats.cast(pl.Float64, strict=False).abs() >= FLOAT64).fill_null(value=False))
        else:
            return
        if len(suspects):
            rows = raw.is_in(suspects.implode())
            self.merged += int(rows.sum())
            if self.merged_example is None:
                where = int(rows.arg_true()[0])
                self.merged_example = (source, int(lines[where]), str(raw[where]))

    def encode(self, raw: pl.Series, lines: Longs, source: int) -> Ints:
        """Numbers of ids that were not refused, shape ``(rows,)``; new ids get the next numbers, in order."""
        at = raw.arg_unique()
        distinct = raw.gather(at)
        spelled, _ = normalised(distinct)
        first = lines[at.to_numpy()]
        codes = np.empty(len(distinct), dtype=np.int32)
        index = self.index
        for row, name in enumerate(spelled.to_list()):
            code = index.get(name)
            if code is None:
                code = index[name] = len(index)
                self.first_line.append(int(first[row]))
                self.first_source.append(source)
            codes[row] = code
        self._watch_floats(raw, distinct, lines, source)
        if raw.dtype == pl.String:
            changed = spelled != distinct
            if changed.any():
                rows = raw.is_in(distinct.filter(changed).implode())
                self.respelled += int(rows.sum())
                if self.respelled_example is None:
                    where = int(rows.arg_true()[0])
                    self.respelled_example = (source, int(lines[where]), str(raw[where]))
        return raw.replace_strict(distinct, pl.Series(codes), return_dtype=pl.Int32).to_numpy()
