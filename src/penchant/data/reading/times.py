"""Times of a column: the unit of numbers, Excel day numbers, dates as numbers, written dates and typed columns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import polars as pl

from penchant.core.histories import Bools, Longs
from penchant.data.reading.dates import DAY, MISSING, Order, by_format, days_from_civil, evidence, localised, parse
from penchant.errors import ParameterError

YEAR_2100 = 4_102_444_800  # unix seconds
ENOUGH = 20  # cells that show whether day or month comes first, after which the search ends
ODD = 0.01  # the share of contrary cells up to which they are mistakes
_LIMIT = 100_000_000_000  # seconds either way that are still a time: about 3,000 years
_UNITS = {"seconds": 1_000_000.0, "milliseconds": 1_000.0, "microseconds": 1.0, "nanoseconds": 0.001}
_DATES = "dates as numbers"
_SHORT = "dates as numbers, two-digit years"
_MOMENTS = "dates and times as numbers"
_EXCEL = "Excel day numbers"
_EXCEL_FIRST, _EXCEL_LAST, _EXCEL_1970 = 36_526, 55_153, 25_569  # 2000-01-01, 2050-12-31, 1970-01-01


@dataclass
class Clock:
    """Turns the time column of one source into microseconds since 1970.

    The unit is that of its first numbers. ``order`` says what comes first in 01/02/2017; ``format`` and ``zone`` are as
    the caller gives them. After ``read``, ``nanos`` has the nanoseconds beyond, None if there are none.
    """

    unit: str | None = None
    order: Order | None = None
    format: str | None = None
    zone: str | None = None
    nanos: np.ndarray | None = None

    def read(self, raw: pl.Series) -> tuple[Longs, Bools]:
        """``(microseconds, unreadable)``, both ``(rows,)``; a missing time is ``MISSING``, not unreadable."""
        self.nanos = None
        if raw.dtype in (pl.Datetime, pl.Date):
            return self._typed(raw)
        if raw.dtype in (pl.Time, pl.Duration, pl.Boolean, pl.Binary, pl.Object) or raw.dtype.is_nested():
            return np.full(len(raw), MISSING, dtype=np.int64), raw.is_not_null().to_numpy()
        if raw.dtype == pl.Int64 and self.format is None and (quick := self._whole_units(raw)) is not None:
            return quick, np.zeros(len(raw), dtype=np.bool_)
        if raw.dtype.is_numeric() and self.format is None:
            missing = (raw.is_null() | raw.is_nan() if raw.dtype.is_float() else raw.is_null()).to_numpy()
            return self._numbers(raw.cast(pl.Float64), raw if raw.dtype.is_integer() else None, missing)
        text = raw.cast(pl.String).str.strip_chars()
        missing = (text.is_null() | (text == "")).to_numpy()
        if self.format is not None:
            self.unit = self.format
            found = by_format(text, self.format, self.zone)
            return found.fill_null(MISSING).to_numpy(), found.is_null().to_numpy() & ~missing
        whole = text.cast(pl.Int64, strict=False)
        number = whole.cast(pl.Float64)
        if int(whole.null_count()) > int(missing.sum()):
            number = text.cast(pl.Float64, strict=False)
        written = number.is_null().to_numpy() & ~missing
        micro, bad = self._numbers(number, whole, missing | written)
        if written.any():
            micro, fine = micro.copy(), None if self.nanos is None else self.nanos.copy()
            self.unit = self.unit or "written dates"
            dates, nanos = parse(text.filter(pl.Series(written)), self.order, self.zone)
            micro[written] = dates.fill_null(MISSING).to_numpy()
            bad[written] = dates.is_null().to_numpy()
            if nanos is not None:
                fine = np.zeros(len(micro), dtype=np.int16) if fine is None else fine
                fine[written] = nanos
            self.nanos = fine
        return micro, bad

    def _whole_units(self, raw: pl.Series) -> Longs | None:
        """Microseconds of whole seconds, milliseconds or microseconds; None if they are anything else."""
        factor = int(_UNITS.get(self.unit or "", 0))
        if not factor or not len(raw) or raw.null_count():
            return None
        values = raw.to_numpy()
        bound = _LIMIT * 1_000_000 // factor
        return values * factor if -bound <= values.min() and values.max() <= bound else None

    def _typed(self, raw: pl.Series) -> tuple[Longs, Bools]:
        self.unit = self.unit or "dates"
        if isinstance(raw.dtype, pl.Datetime) and raw.dtype.time_unit == "ns":
            fine = raw.to_physical().fill_null(0).to_numpy() % 1000
            self.nanos = fine.astype(np.int16) if fine.any() else None
        moments = raw.cast(pl.Datetime("us"))
        bare = not isinstance(raw.dtype, pl.Datetime) or raw.dtype.time_zone is None
        micro = localised(moments, self.zone) if bare else moments.to_physical()
        return micro.fill_null(MISSING).to_numpy(), np.zeros(len(raw), dtype=np.bool_)

    def _numbers(self, number: pl.Series, whole: pl.Series | None, skip: Bools) -> tuple[Longs, Bools]:
        values = number.fill_null(0).to_numpy().astype(np.float64)
        usable = ~skip & np.isfinite(values)
        if self.unit not in {*_UNITS, _DATES, _SHORT, _MOMENTS, _EXCEL} and usable.any():
            self.unit = unit_of(values[usable])
        bad = ~skip & ~usable
        micro = np.full(len(values), MISSING, dtype=np.int64)
        if not usable.any():
            return micro, bad
        if self.unit in {_DATES, _SHORT, _MOMENTS}:
            exact = values if whole is None else whole.cast(pl.Int64, strict=False).fill_null(0).to_numpy()
            found, valid = _from_digits(exact.astype(np.int64), self.unit)
            valid &= usable & (values == np.floor(values))
            micro[valid] = self._local(found[valid])
            return micro, bad | (usable & ~valid)
        if self.unit == _EXCEL:
            valid = usable & (values >= 1) & (values < 2_958_466)  # the year 9999
            micro[valid] = self._local(np.rint((values[valid] - _EXCEL_1970) * 86_400_000).astype(np.int64) * 1000)
            return micro, bad | (usable & ~valid)
        factor = _UNITS[self.unit or "seconds"]
        too_far = usable & (np.abs(values) * factor > _LIMIT * 1e6)
        good = usable & ~too_far
        if whole is not None and not whole.filter(pl.Series(good)).has_nulls():
            exact = whole.cast(pl.Int64, strict=False).filter(pl.Series(good)).to_numpy()
            micro[good] = exact * int(factor) if factor >= 1 else exact // 1000
            if factor < 1 and (exact % 1000).any():
                self.nanos = np.zeros(len(micro), dtype=np.int16)
                self.nanos[good] = exact % 1000
        else:
            micro[good] = np.rint(values[good] * factor).astype(np.int64)
        return micro, bad | too_far

    def _local(self, micro: Longs) -> Longs:
        if self.zone is None:
            return micro
        return localised(pl.Series(micro).cast(pl.Datetime("us")), self.zone).fill_null(MISSING).to_numpy()


def checked_zone(zone: str | None) -> str | None:
    """The time zone a caller names; raises ``ParameterError`` if there is none of this name."""
    if zone is not None:
        try:
            pl.Series([0]).cast(pl.Datetime("us")).dt.replace_time_zone(zone)
        except pl.exceptions.PolarsError:
            raise ParameterError(f"there is no time zone {zone!r}: name it like Europe/Berlin or UTC") from None
    return zone


def checked_format(form: str | None) -> str | None:
    """The format of dates a caller gives; raises ``ParameterError`` if it is not one."""
    if form is not None:
        try:
            by_format(pl.Series(["x"]), form, None)
        except pl.exceptions.PolarsError:
            raise ParameterError(f"{form!r} is not a format of dates: write it like '%d.%m.%Y %H:%M'") from None
        if "%" not in form:
            raise ParameterError(f"{form!r} is not a format of dates: write it like '%d.%m.%Y %H:%M'")
    return form


def order_of(cells: Iterable[pl.Series]) -> tuple[Order | None, bool]:
    """Whether day or month comes first in a column, and whether the column needs it to be known.

    Looks at the blocks of the column until ``ENOUGH`` cells show it. With dots the day comes first unless a cell shows
    otherwise, because 12.31.2017 is not in use. None if the column shows neither, or both.
    """
    needed, days, months, dotted = 0, 0, 0, True
    for block in cells:
        if block.dtype != pl.String:
            continue
        n, day, month, dots = evidence(block.drop_nulls())
        needed, days, months, dotted = needed + n, days + day, months + month, dotted and dots
        if days + months >= ENOUGH and min(days, months) <= ODD * max(days, months):
            break
    if not needed:
        return None, False
    if days or months:
        if min(days, months) > ODD * max(days, months):
            return None, True
        return ("day" if days > months else "month"), True
    return ("day" if dotted else None), True


def unit_of(values: np.ndarray) -> str:
    """The unit of numeric times: the one under which their median is nearest to our days."""
    middle = float(np.quantile(np.abs(values), 0.5, method="lower"))
    if 19_000_101 <= middle <= 21_001_231 and _are(values, _DATES):
        return _DATES
    if 190_001_010_000 <= middle <= 21_001_231_235_959 and _are(values, _MOMENTS):
        return _MOMENTS
    if 10_100 <= middle <= 991_231 and _are(values, _SHORT):
        return _SHORT
    if ((values >= _EXCEL_FIRST) & (values <= _EXCEL_LAST)).all():
        return _EXCEL
    for name, limit in (("seconds", 1e11), ("milliseconds", 1e14), ("microseconds", 1e17)):
        if middle < limit:
            return name
    return "nanoseconds"


def _are(values: np.ndarray, unit: str) -> bool:
    whole = np.floor(values) == values
    return bool(whole.all() and _from_digits(np.abs(values).astype(np.int64), unit)[1].mean() > 0.9)


def _from_digits(digits: Longs, unit: str) -> tuple[Longs, Bools]:
    """Microseconds of 20170102, 170102 or 20170102083000, and which of them are dates."""
    seconds = np.zeros(len(digits), dtype=np.int64)
    days = digits
    if unit == _MOMENTS:
        long = digits >= 10_000_000_000_000
        clock = np.where(long, digits % 1_000_000, digits % 10_000 * 100)
        days = np.where(long, digits // 1_000_000, digits // 10_000)
        seconds = clock // 10_000 * 3600 + clock // 100 % 100 * 60 + clock % 100
    year, month, day = days // 10_000, days // 100 % 100, days % 100
    if unit == _SHORT:
        year = np.where(year < 69, 2000 + year, 1900 + year)
    good = (year >= 1900) & (year <= 2100) & (month >= 1) & (month <= 12) & (day >= 1) & (seconds < 86_400)
    safe = np.clip(month, 1, 12)
    found = days_from_civil(year, safe, day)
    good &= found < days_from_civil(year + safe // 12, safe % 12 + 1, np.ones_like(day))
    micro: Longs = found * DAY + seconds * 1_000_000
    return micro, good
