"""Raw batches into plain arrays: what is refused and why, and numbers for everything else."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import polars as pl

from penchant.core.histories import Bools, Floats, Ints, Longs, ValuesAre
from penchant.data.reading.batches import BadRow, Batch
from penchant.data.reading.columns import RATING_NAMES, plain
from penchant.data.reading.ids import IdTable
from penchant.data.reading.times import MISSING, YEAR_2100, Clock

MAX_RATINGS = 21  # distinct values up to which a column named like a rating is one
RATING_BOUND = 1000.0  # and the largest a rating may be
PARTS = {
    **dict.fromkeys(("train", "training", "tr", "训练", "训练集"), "train"),
    **dict.fromkeys(("valid", "validation", "val", "dev", "eval", "vali", "验证", "验证集"), "valid"),
    **dict.fromkeys(("test", "testing", "te", "holdout", "测试", "测试集"), "test"),
}


@dataclass
class Cleaned:
    """Rows that are fine, as arrays ``(rows,)``; None where the source has no such column."""

    users: Ints
    items: Ints
    lines: Longs
    values: Floats | None = None
    kinds: Ints | None = None
    times: Longs | None = None  # microseconds
    positions: np.ndarray | None = None
    parts: Ints | None = None


@dataclass
class Seen:
    """A number that was met: how often, and where first as ``(source, line, value)``."""

    count: int = 0
    first: tuple[int, int, str] | None = None

    def add(self, mask: Bools, source: int, lines: Longs, raw: pl.Series) -> None:
        """Count the rows where ``mask`` is true."""
        if mask.any():
            self.count += int(mask.sum())
            if self.first is None:
                row = int(np.argmax(mask))
                self.first = (source, int(lines[row]), str(raw[row]))


@dataclass
class Cleaner:
    """Cleans the batches of all sources of one log; the tables of ids, kinds and parts grow as it goes."""

    by: str  # the role whose ids are the rows: user or session
    value_name: str | None  # the value column's name, None where no value is used
    values: ValuesAre | None  # as the caller says
    users: IdTable = field(default_factory=lambda: IdTable("user"))
    items: IdTable = field(default_factory=lambda: IdTable("item"))
    kinds: dict[str, int] = field(default_factory=dict)
    parts: dict[str, int] = field(default_factory=dict)
    distinct: set[float] = field(default_factory=set)  # values met, until there are too many for ratings
    low: float = np.inf
    high: float = -np.inf
    early: Seen = field(default_factory=Seen)
    late: Seen = field(default_factory=Seen)
    timeless: Seen = field(default_factory=Seen)
    decided: ValuesAre | None = None

    def clean(self, batch: Batch, roles: list[str], clock: Clock, source: int) -> tuple[Cleaned, list[BadRow]]:
        """The good rows as arrays, and the bad ones with their reasons, in the order of the source."""
        column = {role: batch.frame.to_series(i) for i, role in enumerate(roles)}
        lines = batch.lines
        problems: dict[int, tuple[str, str]] = {}
        good = np.ones(len(lines), dtype=np.bool_)

        def refuse(role: str, rows: Bools, reason: str) -> None:
            for row in np.flatnonzero(rows & good):
                problems[int(row)] = (role, reason)
            good[rows] = False

        for role, table in ((self.by, self.users), ("item", self.items)):
            for reason, rows in table.refused(column[role]):
                refuse(role, rows, reason)
        number: np.ndarray | None = None
        if "value" in column:
            number = self._values(column["value"], has_kinds="kind" in column, refuse=refuse)
        micro: Longs | None = None
        if "time" in column:
            micro, unreadable = clock.read(column["time"])
            refuse("time", unreadable, "this is not a time")
        position: np.ndarray | None = None
        if "position" in column:
            position, broken = _numbers(column["position"])
            refuse("position", broken, "this is not a number")
        if "split" in column:
            part = column["split"].cast(pl.String).str.strip_chars().str.to_lowercase()
            refuse("split", (part.is_null() | (part == "")).to_numpy(), "the row belongs to no part of the split")

        keep = slice(None) if good.all() else good
        kept = {r: (c if good.all() else c.filter(pl.Series(good))) for r, c in column.items()}
        lines = lines[keep]
        out = Cleaned(
            self.users.encode(kept[self.by], lines, source), self.items.encode(kept["item"], lines, source), lines
        )
        if number is not None:
            out.values = number[keep].astype(np.float32)
            self._watch_values(out.values)
        if micro is not None:
            out.times = micro[keep]
            self._watch_times(out.times, source, lines, kept["time"])
        if position is not None:
            out.positions = position[keep]
        if "kind" in kept:
            kind = kept["kind"].cast(pl.String).str.strip_chars().str.to_lowercase().fill_null("")
            out.kinds = _encode(kind, self.kinds)
        if "split" in kept:
            out.parts = _encode(_part_names(kept["split"]), self.parts)
        bad = [
            BadRow(int(batch.lines[row]), role, _shown(column[role][row]), reason, batch.raw_row(row))
            for row, (role, reason) in problems.items()
        ]
        if batch.bad or bad:
            bad = sorted([*batch.bad, *bad], key=lambda b: b.line)
        return out, bad

    def _values(self, raw: pl.Series, *, has_kinds: bool, refuse: object) -> np.ndarray:
        number, broken = _numbers(raw)
        missing = np.isnan(number) & ~broken
        assert callable(refuse)
        refuse("value", broken, "this is not a number")
        refuse("value", np.isinf(number), "the value is infinite")
        refuse("value", np.abs(np.nan_to_num(number, posinf=0, neginf=0)) > 3e38, "the value is too large")
        if raw.dtype == pl.String:
            written = raw.str.strip_chars().fill_null("").to_numpy().astype(np.str_) != ""
            refuse("value", missing & written, "the value is not a number (NaN)")
        if self.decided is None:
            usable = number[np.isfinite(number)]
            few = np.unique(usable[:1_000_000])
            self.decided = self.values or guess_values(self.value_name, few, few.min(initial=0), few.max(initial=0))
        if self.decided == "rating" or not has_kinds:
            refuse("value", missing, "the value is missing")
        return number

    def _watch_values(self, values: Floats) -> None:
        finite = values[np.isfinite(values)]
        if finite.size:
            self.low, self.high = min(self.low, float(finite.min())), max(self.high, float(finite.max()))
            if len(self.distinct) <= MAX_RATINGS:
                self.distinct.update(np.unique(finite).tolist()[: MAX_RATINGS + 1])

    def _watch_times(self, micro: Longs, source: int, lines: Longs, raw: pl.Series) -> None:
        missing = micro == MISSING
        self.timeless.add(missing, source, lines, raw)
        self.early.add(~missing & (micro < 0), source, lines, raw)
        self.late.add(micro >= YEAR_2100 * 1_000_000, source, lines, raw)

    def values_are(self) -> tuple[ValuesAre, str]:
        """What the values are, and why."""
        if self.values is not None:
            return self.values, "as the caller says"
        if self.value_name is None:
            return "none", "no column of values"
        found = guess_values(self.value_name, np.array(sorted(self.distinct)), self.low, self.high)
        many = len(self.distinct) > MAX_RATINGS
        count = f"more than {MAX_RATINGS}" if many else str(len(self.distinct))
        named = "is" if plain(self.value_name) in RATING_NAMES else "is not"
        return found, (
            f"column {self.value_name!r} {named} named like a rating and holds {count} distinct values "
            f"from {self.low:g} to {self.high:g}"
        )


def guess_values(name: str | None, distinct: np.ndarray, low: float, high: float) -> ValuesAre:
    """``rating`` for a column named like one with at most 21 distinct values in a bounded range, else ``weight``."""
    named = name is not None and plain(name) in RATING_NAMES
    bounded = len(distinct) <= MAX_RATINGS and max(abs(low), abs(high)) <= RATING_BOUND
    return "rating" if named and bounded else "weight"


def _numbers(raw: pl.Series) -> tuple[np.ndarray, Bools]:
    """Numbers of a column, NaN where missing, and which cells are none at all."""
    if raw.dtype.is_numeric() or raw.dtype == pl.Boolean:
        return raw.cast(pl.Float64).fill_null(np.nan).to_numpy(), np.zeros(len(raw), dtype=np.bool_)
    if raw.dtype.is_nested() or raw.dtype.is_temporal():
        return np.full(len(raw), np.nan), np.ones(len(raw), dtype=np.bool_)
    text = raw.cast(pl.String).str.strip_chars()
    empty = text.is_null() | (text == "")
    number = text.cast(pl.Float64, strict=False)
    broken = number.is_null() & ~empty
    if broken.any():  # a decimal comma is a number too where the comma separates nothing
        comma = text.str.contains(r"^[-+]?\d+,\d+$")
        number = number.zip_with(
            ~(broken & comma), text.str.replace(",", ".", literal=True).cast(pl.Float64, strict=False)
        )
        broken = number.is_null() & ~empty
    return number.fill_null(np.nan).to_numpy(), broken.to_numpy()


def _encode(names: pl.Series, table: dict[str, int]) -> Ints:
    distinct = names.unique(maintain_order=True)
    codes = pl.Series([table.setdefault(name, len(table)) for name in distinct.to_list()], dtype=pl.Int32)
    return names.replace_strict(distinct, codes, return_dtype=pl.Int32).to_numpy()


def _part_names(raw: pl.Series) -> pl.Series:
    text = raw.cast(pl.String).str.strip_chars().str.to_lowercase()
    text = text.str.replace(r"^(-?\d+)\.0+$", "$1")
    return text.replace(list(PARTS), list(PARTS.values()))


def _shown(value: object) -> str:
    return "" if value is None else str(value)[:200]
