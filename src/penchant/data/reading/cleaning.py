"""From raw batches to plain arrays: which rows are rejected and why, and numbers for all others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from penchant.core.histories import Bools, Floats, Ints, Longs, ValuesAre
from penchant.data.contexts import word
from penchant.data.opinions import TEXT, heard
from penchant.data.reading.batches import BadRow, Batch
from penchant.data.reading.columns import CONTEXT, is_quantity, is_rating
from penchant.data.reading.dates import MISSING
from penchant.data.reading.ids import FLOAT32, NO_ID, IdTable
from penchant.data.reading.numbers import numbers
from penchant.data.reading.times import YEAR_2100, Clock
from penchant.data.recipe import Recipe
from penchant.text.opinion import Opiner

MAX_RATINGS = 21  # distinct values up to which a column named like a rating is one
RATING_BOUND = 1000.0  # and the largest that they may be
PERCENT = 100.0  # the largest of whole numbers that are ratings, however many they are
VALUE_BOUND = 1e9  # the largest value of an event, as in the service
PARTS = {
    **dict.fromkeys(("train", "training", "tr", "训练", "训练集"), "train"),
    **dict.fromkeys(("valid", "validation", "val", "dev", "eval", "vali", "验证", "验证集"), "valid"),
    **dict.fromkeys(("test", "testing", "te", "holdout", "测试", "测试集"), "test"),
}
NOT_A_TIME = "this is not a time"
TOO_LARGE = "the value is outside -1,000,000,000 to 1,000,000,000"
Refuse = Callable[[str, Bools, str], None]  # a role, the rows and the reason


@dataclass
class Cleaned:
    """Good rows, as arrays ``(rows,)``; None if the source has no such column."""

    users: Ints  # the number of a user; for a guest -1 - the number of the session
    items: Ints
    lines: Longs | None  # None if nobody asks where events come from
    rows: int
    values: Floats | None = None
    kinds: Ints | None = None
    quantities: Floats | None = None  # of a column that is not used as a value
    times: Longs | None = None  # microseconds
    nanos: np.ndarray | None = None  # nanoseconds beyond
    positions: np.ndarray | None = None
    parts: Ints | None = None
    context: Ints | None = None  # (rows, contexts)
    opinions: Floats | None = None  # of texts; NaN: nothing is said

    @property
    def nbytes(self) -> int:
        """Bytes of all its arrays."""
        return sum(array.nbytes for array in vars(self).values() if isinstance(array, np.ndarray))


@dataclass
class Seen:
    """Something that was seen: how often, and where first as ``(source, line, value)``."""

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
    """Cleans the batches of all sources of one log and collects its ids, kinds and parts."""

    by: str  # the role whose ids are the rows: user, session or basket
    value_name: str | None  # the name of the value column; None if no value is used
    values: ValuesAre | None  # as the caller states
    guest: str | None = None  # the role of the person in a row without a user
    users: IdTable = field(default_factory=lambda: IdTable("user"))
    guests: IdTable = field(default_factory=lambda: IdTable("guest"))
    items: IdTable = field(default_factory=lambda: IdTable("item"))
    kinds: dict[str, int] = field(default_factory=dict)
    parts: dict[str, int] = field(default_factory=dict)
    distinct: set[float] = field(default_factory=set)  # values seen, until there are too many for ratings
    whole: bool = True  # whether all values are whole numbers
    low: float = np.inf
    high: float = -np.inf
    early: Seen = field(default_factory=Seen)
    late: Seen = field(default_factory=Seen)
    timeless: Seen = field(default_factory=Seen)
    blurred: Seen = field(default_factory=Seen)  # times in floats of 32 bits
    decided: ValuesAre | None = None
    traced: bool = True  # whether the line of each event is kept
    exact: bool = False  # whether values keep their 64 bits
    contexts: dict[str, dict[str, int]] = field(default_factory=dict)  # the values of each context
    opiner: Opiner | None = None  # what reads texts; None: the word list
    spoken: list[str | None] | None = None  # the texts of good rows, where they are needed after reading
    aspects: bool = False  # whether aspects are found in them
    learns: bool = False  # whether opinions are learned from them
    reads: bool = False  # whether opinions count
    weight_of: Callable[[str | None], float] = Recipe().weight_of  # that of a kind

    @property
    def n_ids(self) -> int:
        """The number of distinct ids so far."""
        return len(self.users.index) + len(self.guests.index) + len(self.items.index)

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

        guests = self._guests(column, refuse)
        for reason, rows in self.items.refused(column["item"]):
            refuse("item", rows, reason)
        number: np.ndarray | None = None
        opinions = heard(column, self.opiner, later=self.learns) if self.reads else None
        if "value" in column:
            said = self._weightless(column.get("kind"), len(lines))
            said |= False if opinions is None else ~np.isnan(opinions)
            number = self._values(column["value"], has_kinds="kind" in column, said=said, refuse=refuse)
        micro: Longs | None = None
        if "time" in column:
            micro, unreadable = clock.read(column["time"])
            refuse("time", unreadable, NOT_A_TIME)
        position: np.ndarray | None = None
        if "position" in column:
            position, broken = numbers(column["position"])
            refuse("position", broken, "this is not a number")
        if "split" in column:
            part = column["split"].cast(pl.String).str.strip_chars().str.to_lowercase()
            refuse("split", (part.is_null() | (part == "")).to_numpy(), "the row belongs to no part of the split")

        keep = slice(None) if good.all() else good
        kept = {r: (c if good.all() else c.filter(pl.Series(good))) for r, c in column.items()}
        lines = lines[keep]
        here = None if guests is None else guests[keep]
        users, items = self._people(kept, here, lines, source), self.items.encode(kept["item"], lines, source)
        out = Cleaned(users, items, lines if self.traced else None, len(items))
        if "quantity" in column:
            out.quantities = numbers(column["quantity"])[0][keep].astype(np.float32)
        if number is not None:
            out.values = number[keep].astype(np.float64 if self.exact else np.float32)
            self._watch_values(out.values)
        if micro is not None:
            out.times = micro[keep]
            out.nanos = None if clock.nanos is None else clock.nanos[keep]
            self._watch_times(out.times, source, lines, kept["time"])
            if kept["time"].dtype == pl.Float32:
                self.blurred.add(
                    (kept["time"].abs() >= FLOAT32).fill_null(value=False).to_numpy(), source, lines, kept["time"]
                )
        if position is not None:
            out.positions = position[keep]
        if "kind" in kept:
            kind = kept["kind"].cast(pl.String).str.strip_chars().str.to_lowercase().fill_null("")
            out.kinds = _encode(kind, self.kinds)
        if "split" in kept:
            out.parts = _encode(_part_names(kept["split"]), self.parts)
        if opinions is not None:
            out.opinions = opinions[keep]
        if self.spoken is not None:
            self.spoken += kept[TEXT].cast(pl.String).to_list() if TEXT in kept else [None] * len(items)
        if self.contexts:
            out.context = self._context(kept, len(items))
        bad = [
            BadRow(int(batch.lines[row]), role, _shown(column[role][row]), reason, batch.raw_row(row))
            for row, (role, reason) in problems.items()
        ]
        if batch.bad or bad:
            bad = sorted([*batch.bad, *bad], key=lambda b: b.line)
        return out, bad

    def _guests(self, column: dict[str, pl.Series], refuse: Refuse) -> Bools | None:
        """Refuse rows without a usable person; which of the others belong to a session because no user is given."""
        if self.guest is None or self.guest not in column or self.by not in column:
            role = self.by if self.by in column else self.guest
            assert role is not None and role in column  # the caller chose the roles
            table = self.users if role == self.by else self.guests
            for reason, rows in table.refused(column[role]):
                refuse(role, rows, reason)
            return None if role == self.by else np.ones(len(column[role]), dtype=np.bool_)
        guests = np.zeros(len(column[self.by]), dtype=np.bool_)
        for reason, rows in self.users.refused(column[self.by]):
            if reason == NO_ID:
                guests = rows
            else:
                refuse(self.by, rows, reason)
        if guests.any():
            for reason, rows in self.guests.refused(column[self.guest]):
                refuse(self.guest, rows & guests, reason)
        return guests

    def _people(self, kept: dict[str, pl.Series], guests: Bools | None, lines: Longs, source: int) -> Ints:
        """Numbers of the people of good rows; guests count down from -1."""
        if guests is None or not guests.any():
            return self.users.encode(kept[self.by], lines, source)
        assert self.guest is not None  # there are guests
        out = np.empty(len(guests), dtype=np.int32)
        for table, role, rows in ((self.users, self.by, ~guests), (self.guests, self.guest, guests)):
            if rows.any():
                codes = table.encode(kept[role].filter(pl.Series(rows)), lines[rows], source)
                out[rows] = codes if table is self.users else -1 - codes
        return out

    def _weightless(self, kinds: pl.Series | None, rows: int) -> Bools:
        """Which rows count for nothing by their kind, such as impressions: they need no value."""
        if kinds is None:
            return np.zeros(rows, dtype=np.bool_)
        distinct = kinds.unique()
        nothing = [one for one in distinct.to_list() if self.weight_of(None if one is None else str(one)) == 0]
        if not nothing:
            return np.zeros(rows, dtype=np.bool_)
        return kinds.is_in(pl.Series(nothing, dtype=kinds.dtype).implode()).fill_null(value=False).to_numpy().copy()

    def _values(self, raw: pl.Series, *, has_kinds: bool, said: Bools, refuse: Refuse) -> np.ndarray:
        """The values, of which rows that have ``said`` something else need none."""
        number, broken = numbers(raw)
        missing = np.isnan(number) & ~broken
        refuse("value", broken, "this is not a number")
        refuse("value", np.isinf(number), "the value is infinite")
        refuse("value", np.abs(np.nan_to_num(number, posinf=0, neginf=0)) > VALUE_BOUND, TOO_LARGE)
        if raw.dtype == pl.String and missing.any():
            written = (raw.str.strip_chars().fill_null("") != "").to_numpy()
            refuse("value", missing & written, "the value is not a number (NaN)")
        if self.decided is None:
            usable = number[np.isfinite(number)]
            few = np.unique(usable[:1_000_000])
            whole = bool((few == np.floor(few)).all())
            self.decided = self.values or guess_values(
                self.value_name, few, few.min(initial=0), few.max(initial=0), whole=whole
            )
        if self.decided == "rating" or not has_kinds:
            refuse("value", missing & ~said, "the value is missing")
        return number

    def _context(self, kept: Mapping[str, pl.Series], rows: int) -> Ints:
        codes = np.full((rows, len(self.contexts)), -1, dtype=np.int32)
        for at, (name, table) in enumerate(self.contexts.items()):
            column = kept.get(CONTEXT + name)
            if column is None:
                continue
            distinct = column.unique(maintain_order=True)
            known = [word(value) for value in distinct.to_list()]
            found = [-1 if text is None else table.setdefault(text, len(table)) for text in known]
            numbers_of = pl.Series(found, dtype=pl.Int32)
            codes[:, at] = column.replace_strict(distinct, numbers_of, return_dtype=pl.Int32).to_numpy()
        return codes

    def _watch_values(self, values: Floats) -> None:
        finite = values[np.isfinite(values)]
        if finite.size:
            self.low, self.high = min(self.low, float(finite.min())), max(self.high, float(finite.max()))
            self.whole = self.whole and bool((finite == np.floor(finite)).all())
            if len(self.distinct) <= MAX_RATINGS:
                self.distinct.update(pl.Series(finite).unique().to_list()[: MAX_RATINGS + 1])

    def _watch_times(self, micro: Longs, source: int, lines: Longs, raw: pl.Series) -> None:
        missing = micro == MISSING
        self.timeless.add(missing, source, lines, raw)
        self.early.add(~missing & (micro < 0), source, lines, raw)
        self.late.add(micro >= YEAR_2100 * 1_000_000, source, lines, raw)

    def values_are(self) -> tuple[ValuesAre, str]:
        """What the values are, and why."""
        if self.values is not None:
            return self.values, "as the caller states"
        if self.value_name is None:
            return "none", "no column of values"
        found = guess_values(self.value_name, np.array(sorted(self.distinct)), self.low, self.high, whole=self.whole)
        many = len(self.distinct) > MAX_RATINGS
        count = f"more than {MAX_RATINGS}" if many else str(len(self.distinct))
        named = "is" if is_rating(self.value_name) else "is not"
        return found, (
            f"column {self.value_name!r} {named} named like a rating and has {count} distinct values "
            f"from {self.low:g} to {self.high:g}"
        )


def guess_values(name: str | None, distinct: np.ndarray, low: float, high: float, *, whole: bool) -> ValuesAre:
    """``rating`` for a column named like one whose values are bounded and few for their range, else ``weight``.

    That is: at most 21 distinct values, whole numbers from 0 to 100, or a scale that is symmetric around 0.
    """
    if not is_rating(name) or is_quantity(name) or max(abs(low), abs(high)) > RATING_BOUND:
        return "weight"
    symmetric = low < 0 < high and abs(low + high) <= 0.05 * (high - low)
    few = len(distinct) <= MAX_RATINGS
    return "rating" if few or symmetric or (whole and low >= 0 and high <= PERCENT) else "weight"


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
