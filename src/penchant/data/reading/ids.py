"""Ids of a log: one spelling for each, and a number in the order in which they first appear."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from penchant.core.histories import Bools, Ints, Longs
from penchant.data.reading.nested import JSON_LIST, JSON_OBJECT
from penchant.data.vocab import MAX_ID_BYTES, normalise_id
from penchant.errors import DataError

_WHOLE = r"^-?\d+\.0+$"
_PLAIN = r"^[A-Za-z0-9_-]{1,64}$"  # what is nothing but an id, as it is spelled
_CONTROL = r"[\x00-\x1f\x7f-\x9f]"
_BLANK = " \t\r\n"
NO_ID = "the id is missing"
_FLOAT = r"^\s*-?\d+(?:\.0+|(?:\.\d+)?[eE]\+\d+)\s*$"  # whole numbers as floats are written
FLOAT64, FLOAT32 = float(2**53), float(2**24)  # from here on, floats skip whole numbers
UNKNOWN = -2  # the number of a text that was not looked up yet
RUN = 3  # equal rows that follow each other, on average, from which on one is looked up for all
WIDE = 1 << 24  # whole numbers from 0 up to here have a table of their codes, of 64 MiB at most
MISSING_WORDS = ("nan", "null", "none", "n/a", "na", "nil", "\\n", "undefined", "#n/a")


def normalised(raw: pl.Series) -> tuple[pl.Series, pl.Series]:
    """The one spelling of each id, as ``normalise_id`` defines it, and why it is refused (null if it is not).

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
        return text, text.is_null().replace_strict({True: NO_ID, False: None}, return_dtype=pl.String)
    table = pl.DataFrame({"id": text}).with_columns(pl.col("id").str.strip_chars(_BLANK))
    table = table.with_columns(
        pl.when(pl.col("id").str.contains(_WHOLE))
        .then(pl.col("id").str.replace(r"\.0+$", ""))
        .otherwise(pl.col("id"))
        .alias("id")
    ).with_columns(
        pl.when(pl.col("id").is_null() | (pl.col("id") == ""))
        .then(pl.lit(NO_ID))
        .when(pl.col("id").str.contains(_CONTROL))
        .then(pl.lit("the id contains a control character"))
        .when(pl.col("id").str.len_bytes() > MAX_ID_BYTES)
        .then(pl.lit(f"the id is longer than {MAX_ID_BYTES} bytes"))
        .otherwise(pl.lit(None, dtype=pl.String))
        .alias("reason")
    )
    return table["id"], table["reason"]


def spelled_texts(texts: pl.Series) -> tuple[pl.Series, pl.Series]:
    """``normalised`` for texts of a log, among which JSON is refused."""
    spelled, reasons = normalised(texts)
    for sign, pattern, kind in (("{", JSON_OBJECT, "object"), ("[", JSON_LIST, "list")):
        suspects = texts.str.strip_chars_start().str.starts_with(sign)
        if suspects.any():
            nested = suspects & texts.str.contains(pattern)
            reasons = reasons.set(nested, f"the id is a JSON {kind}, not text or a number")
    return spelled, reasons


def starts(column: pl.Series) -> Longs:
    """The rows that differ from the row before, the first among them."""
    changed = column.ne_missing(column.shift(1)).to_numpy()
    if len(changed):
        changed = changed.copy()
        changed[0] = True
    return np.flatnonzero(changed)


def _changes(numbers: np.ndarray, rows: Longs) -> Longs:
    """The rows, of those given, whose number is not that of the one before."""
    of = numbers[rows]
    found: Longs = rows[np.concatenate([[True], of[1:] != of[:-1]])]
    return found


def _first(codes: Ints | Longs, numbers: np.ndarray, new: Longs) -> Longs:
    """The first row of each number, of the rows ``new``; overwrites their codes in ``codes``."""
    fresh, row = numbers[new], (-2 - new).astype(np.int32)
    codes[fresh[::-1]] = row[::-1]  # of equal numbers the first in the log is written last
    first: Longs = new[codes[fresh] == row]
    return first


def _decoded(data: bytes) -> str:
    """Bytes as text; if they are not text, a control character, which is refused."""
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
            reasons.append(NO_ID if value is None or value != value else "an id cannot be infinite")  # noqa: PLR0124  # NaN
    return pl.Series(ids, dtype=pl.String), pl.Series(reasons, dtype=pl.String)


@dataclass
class Spellings:
    """Texts seen in a column of ids, numbered by polars, and what is known of each; all arrays are ``(texts,)``."""

    categories: pl.Categories = field(default_factory=lambda: pl.Categories.random("penchant", pl.UInt32))
    held: pl.Series | None = None  # polars forgets the numbers of categories that no column uses
    spelled: list[str | None] = field(default_factory=list)  # the id of a text
    reasons: list[str] = field(default_factory=list)
    reason: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int16))  # into ``reasons``; -1: a good id
    code: Ints = field(default_factory=lambda: np.empty(0, dtype=np.int32))  # the number of the id, -1: none yet
    respelled: Bools = field(default_factory=lambda: np.empty(0, dtype=np.bool_))
    merged: Bools = field(default_factory=lambda: np.empty(0, dtype=np.bool_))
    # by type, for texts with numbers of their own: a column that keeps these, and the number here of each
    others: dict[Any, tuple[pl.Series, Longs]] = field(default_factory=dict)
    last: tuple[pl.Series, Longs] | None = None  # the column that was numbered last, which is asked for twice

    def number(self, raw: pl.Series) -> Longs:
        """The number of the text of each row, ``(rows,)``; -1 for a missing one."""
        if self.last is None or self.last[0] is not raw:
            self.last = raw, self._numbers(raw)
        return self.last[1]

    def _numbers(self, raw: pl.Series) -> Longs:
        """As ``number``; of equal rows that follow each other, as in a log by person, one is looked up."""
        if isinstance(raw.dtype, pl.Categorical):
            return self._translated(raw)
        at = starts(raw)
        if len(at) > len(raw) // RUN:
            return self._look_up(raw)
        return np.repeat(self._look_up(raw.gather(at)), np.diff(at, append=len(raw)))

    def _translated(self, raw: pl.Series) -> Longs:
        """As ``number``, for texts that have numbers of their own; each is looked up once."""
        coded = raw.to_physical()
        theirs = (coded.cast(pl.Int64).fill_null(-1) if coded.null_count() else coded).to_numpy().astype(np.int64)
        held, table = self.others.get(raw.dtype, (raw.head(0), np.full(1, -1)))
        top = int(theirs.max(initial=-1)) + 2
        if top > len(table):  # the last is that of a missing text
            room = 1 << top.bit_length()
            table = np.concatenate([table[:-1], np.full(room - len(table) + 1, UNKNOWN), [-1]])
            self.others[raw.dtype] = held, table
        numbers: Longs = table[theirs]
        new = np.flatnonzero(numbers == UNKNOWN)
        if len(new):
            first = _first(table, theirs, _changes(theirs, new))
            table[theirs[first]] = self._look_up(raw.gather(first).cast(pl.String))
            numbers[new] = table[theirs[new]]
        return numbers

    def _look_up(self, raw: pl.Series) -> Longs:
        column = raw.cast(pl.Categorical(self.categories))
        self.held = column.head(0) if self.held is None else self.held
        coded = column.to_physical()
        numbers = (coded.cast(pl.Int64).fill_null(-1) if coded.null_count() else coded).to_numpy().astype(np.int64)
        top = int(numbers.max(initial=-1)) + 1
        known = len(self.spelled)
        if top > known:
            fresh = np.flatnonzero(numbers >= known)
            at = np.empty(top - known, dtype=np.int64)
            at[numbers[fresh] - known] = fresh  # a row of each number
            self._learn(raw.gather(at))
        return numbers

    def ids(self, numbers: Longs) -> list[str | None]:
        """The ids of texts by their numbers."""
        low, high = int(numbers[0]), int(numbers[-1])
        if high - low + 1 == len(numbers) and (np.diff(numbers) == 1).all():  # as polars gives them
            return self.spelled[low : high + 1]
        return [self.spelled[number] for number in numbers.tolist()]

    def _learn(self, texts: pl.Series) -> None:
        """Note the id of each new text, in the order of their numbers."""
        if texts.str.contains(_PLAIN).all():
            self.spelled += texts.to_list()
            none = np.zeros(len(texts), dtype=np.bool_)
            self.respelled, self.merged = np.append(self.respelled, none), np.append(self.merged, none)
            self.reason = np.append(self.reason, np.full(len(texts), -1, dtype=np.int16))
            self.code = np.append(self.code, np.full(len(texts), -1, dtype=np.int32))
            return
        spelled, reasons = spelled_texts(texts)
        self.reasons += [one for one in reasons.drop_nulls().unique(maintain_order=True) if one not in self.reasons]
        known = {one: n for n, one in enumerate(self.reasons)}
        codes = np.full(len(reasons), -1, dtype=np.int16)
        for at in np.flatnonzero(reasons.is_not_null().to_numpy()).tolist():
            codes[at] = known[reasons[at]]
        self.spelled += spelled.to_list()
        self.reason = np.concatenate([self.reason, codes])
        self.code = np.concatenate([self.code, np.full(len(texts), -1, dtype=np.int32)])
        changed = (spelled != texts).fill_null(value=False).to_numpy()
        self.respelled = np.concatenate([self.respelled, changed])
        self.merged = np.concatenate([self.merged, were_floats(texts).to_numpy()])


def were_floats(distinct: pl.Series) -> pl.Series:
    """Which ids are floats beyond the whole numbers that floats hold exactly."""
    if distinct.dtype.is_float():
        limit = FLOAT32 if distinct.dtype == pl.Float32 else FLOAT64
        return ((distinct.abs() >= limit) & (distinct == distinct.floor())).fill_null(value=False)
    found = pl.Series(np.zeros(len(distinct), dtype=np.bool_))
    if distinct.dtype != pl.String:
        return found
    floats = distinct.str.contains(_FLOAT).fill_null(value=False)
    if floats.any():
        found = floats & (distinct.set(~floats, None).cast(pl.Float64, strict=False).abs() >= FLOAT64)
    return found.fill_null(value=False)


@dataclass
class IdTable:
    """Ids and their numbers; remembers the first line of each id, and how often an id had another spelling."""

    role: str
    index: dict[str, int] = field(default_factory=dict)
    first_line: list[int] = field(default_factory=list)
    first_source: list[int] = field(default_factory=list)
    respelled: int = 0  # rows whose id has another spelling than the usual one
    respelled_example: tuple[int, int, str] | None = None  # source, line, value
    merged: int = 0  # rows whose id is a number that floats cannot tell from its neighbours
    merged_example: tuple[int, int, str] | None = None
    texts: Spellings = field(default_factory=Spellings)
    known: Ints = field(default_factory=lambda: np.empty(0, dtype=np.int32))  # codes of whole numbers, -1: none yet
    rename: Callable[[str], str] | None = None  # what is kept in the place of an id, such as a pseudonym

    def refused(self, raw: pl.Series) -> list[tuple[str, Bools]]:
        """Reasons and the rows ``(rows,)`` they apply to."""
        if isinstance(raw.dtype, (pl.String, pl.Categorical)):
            numbers = self.texts.number(raw)
            if not self.texts.reasons and numbers.min(initial=0) >= 0:
                return []
            reason = np.append(self.texts.reason, np.int16(-1))[numbers]  # -1 picks the last
            missing = numbers < 0
            found = [(text, reason == n) for n, text in enumerate(self.texts.reasons) if (reason == n).any()]
            same = next((rows for text, rows in found if text == NO_ID), None)
            if same is not None:
                same |= missing
            return found if same is not None or not missing.any() else [*found, (NO_ID, missing)]
        if raw.dtype.is_integer() and not raw.null_count():
            return []
        distinct = raw.unique()
        _, reasons = normalised(distinct)
        out = []
        for text in reasons.drop_nulls().unique(maintain_order=True).to_list():
            values = distinct.filter(reasons == text)
            rows = raw.is_in(values.implode(), nulls_equal=True)
            out.append((text, rows.to_numpy().astype(np.bool_)))
        return out

    def encode(self, raw: pl.Series, lines: Longs, source: int) -> Ints:
        """Numbers of ids that were not refused, shape ``(rows,)``; new ids get the next numbers, in order."""
        if not len(raw):
            return np.empty(0, dtype=np.int32)
        if isinstance(raw.dtype, (pl.String, pl.Categorical)):
            texts = self.texts
            numbers = texts.number(raw)
            codes = texts.code[numbers]
            new = np.flatnonzero(codes < 0)
            if len(new):
                rows = _first(texts.code, numbers, _changes(numbers, new))
                fresh = numbers[rows]
                texts.code[fresh] = self._codes(texts.ids(fresh), lines[rows], source)
                codes[new] = texts.code[numbers[new]]
            if texts.respelled.any() or texts.merged.any():
                self._note(texts.respelled[numbers], texts.merged[numbers], raw, lines, source)
            return codes
        if raw.dtype.is_integer() and raw.dtype not in (pl.Int128, pl.UInt128):  # which NumPy has not
            whole = raw.to_numpy()
            if whole.min() >= 0 and whole.max() < WIDE:
                return self._look_up(whole, lines, source)
        first = raw.arg_unique()
        distinct = raw.gather(first)
        codes = self._codes(normalised(distinct)[0].to_list(), lines[first.to_numpy()], source)
        floats, nothing = were_floats(distinct), np.zeros(0, dtype=np.bool_)
        merged = raw.is_in(distinct.filter(floats).implode()).to_numpy() if floats.any() else nothing
        self._note(nothing, merged, raw, lines, source)
        return raw.replace_strict(distinct, pl.Series(codes), return_dtype=pl.Int32).to_numpy()

    def _look_up(self, numbers: np.ndarray, lines: Longs, source: int) -> Ints:
        """``encode`` for whole numbers from 0 below ``WIDE``."""
        top = int(numbers.max())
        if top >= len(self.known):
            room = 1 << top.bit_length()
            self.known = np.concatenate([self.known, np.full(room - len(self.known), -1, dtype=np.int32)])
        codes: Ints = self.known[numbers]
        new = np.flatnonzero(codes < 0)
        if len(new):
            first = _first(self.known, numbers, new)
            names = [str(number) for number in numbers[first].tolist()]
            self.known[numbers[first]] = self._codes(names, lines[first], source)
            codes[new] = self.known[numbers[new]]
        return codes

    def _codes(self, names: Sequence[str | None], lines: Longs, source: int) -> Ints:
        """Numbers of ids in the order of their first rows, at ``lines``."""
        assert None not in names  # they were not refused
        if self.rename is not None:
            names = [None if name is None else self.rename(name) for name in names]
        index, before = self.index, len(self.index)
        fresh: dict[str, int] = dict(zip(names, range(before, before + len(names)), strict=True))  # type: ignore[arg-type]  # none is None
        if len(fresh) == len(names) and index.keys().isdisjoint(fresh):
            index.update(fresh)
            self.first_line.extend(lines.tolist())
            self.first_source.extend([source] * len(names))
            return np.arange(before, before + len(names), dtype=np.int32)
        codes = np.array([index.setdefault(name, len(index)) for name in names], dtype=np.int32)  # type: ignore[arg-type]  # none is None
        new = np.flatnonzero(codes >= before)
        rows = new[np.unique(codes[new], return_index=True)[1]]
        self.first_line.extend(lines[rows].tolist())
        self.first_source.extend([source] * len(rows))
        return codes

    def _note(self, respelled: Bools, merged: Bools, raw: pl.Series, lines: Longs, source: int) -> None:
        """Count rows with another spelling, and rows whose ids were floats."""
        for name, rows in (("respelled", respelled), ("merged", merged)):
            if rows.any():
                setattr(self, name, getattr(self, name) + int(rows.sum()))
                if getattr(self, f"{name}_example") is None:
                    where = int(np.argmax(rows))
                    setattr(self, f"{name}_example", (source, int(lines[where]), str(raw[where])))
