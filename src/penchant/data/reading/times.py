"""Times in seconds, milli-, micro- or nanoseconds, dates as numbers and ISO-8601, told apart by value."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from penchant.core.histories import Bools, Longs

MISSING = np.iinfo(np.int64).min
YEAR_2100 = 4_102_444_800  # unix seconds
_LIMIT = 100_000_000_000  # seconds either way that still are a time: about 3,000 years
_UNITS = {"seconds": 1_000_000.0, "milliseconds": 1_000.0, "microseconds": 1.0, "nanoseconds": 0.001}
_ISO = (
    r"^(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:[T ]\s*(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?)?"
    r"\s*(Z|z|UTC|GMT|[+-]\d{2}:?\d{2}|[+-]\d{2})?$"
)
_WRITTEN = ("%m %d, %Y", "%b %d, %Y", "%B %d, %Y", "%d %b %Y", "%d %B %Y", "%Y%m%dT%H%M%S", "%Y%m%dT%H%M%SZ")


@dataclass
class Clock:
    """Turns the time column of one source into microseconds since 1970; the unit is that of its first numbers."""

    unit: str | None = None

    def read(self, raw: pl.Series) -> tuple[Longs, Bools]:
        """``(microseconds, unreadable)``, both ``(rows,)``; a missing time is ``MISSING``, not unreadable."""
        if raw.dtype.is_temporal() and raw.dtype not in (pl.Time, pl.Duration):
            self.unit = self.unit or "dates"
            micro = raw.cast(pl.Datetime("us")).to_physical().fill_null(MISSING).to_numpy()
            return micro, np.zeros(len(raw), dtype=np.bool_)
        if raw.dtype.is_numeric():
            missing = raw.is_null().to_numpy()
            return self._numbers(raw.cast(pl.Float64), raw if raw.dtype.is_integer() else None, missing)
        text = raw.cast(pl.String).str.strip_chars()
        missing = (text.is_null() | (text == "")).to_numpy()
        whole = text.cast(pl.Int64, strict=False)
        number = whole.cast(pl.Float64)
        if int(whole.null_count()) > int(missing.sum()):
            number = text.cast(pl.Float64, strict=False)
        written = number.is_null().to_numpy() & ~missing
        micro, bad = self._numbers(number, whole, missing | written)
        if written.any():
            self.unit = self.unit or "ISO-8601"
            micro = micro.copy()
            dates = _iso(text.filter(pl.Series(written)))
            micro[written] = dates.fill_null(MISSING).to_numpy()
            bad[written] = dates.is_null().to_numpy()
        return micro, bad

    def _numbers(self, number: pl.Series, whole: pl.Series | None, skip: Bools) -> tuple[Longs, Bools]:
        values = number.fill_null(0).to_numpy().astype(np.float64)
        usable = ~skip & np.isfinite(values)
        if self.unit not in {*_UNITS, "dates as numbers"} and usable.any():
            self.unit = unit_of(values[usable])
        bad = ~skip & ~usable
        micro = np.full(len(values), MISSING, dtype=np.int64)
        if not usable.any():
            return micro, bad
        if self.unit == "dates as numbers":
            dates = number.fill_nan(None).cast(pl.Int64, strict=False).cast(pl.String)
            found = dates.str.to_date("%Y%m%d", strict=False).cast(pl.Datetime("us")).to_physical()
            good = usable & found.is_not_null().to_numpy()
            micro[good] = found.filter(pl.Series(good)).to_numpy()
            return micro, bad | (usable & ~good)
        factor = _UNITS[self.unit or "seconds"]
        too_far = usable & (np.abs(values) * factor > _LIMIT * 1e6)
        good = usable & ~too_far
        if whole is not None and not whole.filter(pl.Series(good)).has_nulls():
            exact = whole.cast(pl.Int64, strict=False).filter(pl.Series(good)).to_numpy()
            micro[good] = exact * int(factor) if factor >= 1 else exact // 1000
        else:
            micro[good] = np.rint(values[good] * factor).astype(np.int64)
        return micro, bad | too_far


def unit_of(values: np.ndarray) -> str:
    """The unit of numeric times: the one under which their median lies nearest to our days."""
    middle = float(np.quantile(np.abs(values), 0.5, method="lower"))
    if 19_000_101 <= middle <= 21_001_231 and _are_dates(values):
        return "dates as numbers"
    for name, limit in (("seconds", 1e11), ("milliseconds", 1e14), ("microseconds", 1e17)):
        if middle < limit:
            return name
    return "nanoseconds"


def _are_dates(values: np.ndarray) -> bool:
    whole = values.astype(np.int64)
    year, month, day = whole // 10_000, whole // 100 % 100, whole % 100
    fits = (year >= 1900) & (year <= 2100) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)
    return bool((whole == values).all() and fits.mean() > 0.9)


def _iso(text: pl.Series) -> pl.Series:
    """Microseconds of ISO-8601 and a few other unmistakable ways to write a date; null for anything else."""
    quick = text.str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="us", strict=False)
    if not quick.has_nulls():
        return quick.to_physical()
    left = text.filter(quick.is_null())
    parts = left.str.extract_groups(_ISO).struct.unnest()
    parts.columns = ["year", "month", "day", "hour", "minute", "second", "fraction", "zone"]
    built = parts.select(
        pl.format(
            "{}-{}-{} {}:{}:{}",
            "year",
            pl.col("month").str.zfill(2),
            pl.col("day").str.zfill(2),
            pl.col("hour").fill_null("0").str.zfill(2),
            pl.col("minute").fill_null("00"),
            pl.col("second").fill_null("00"),
        )
        .str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="us", strict=False)
        .to_physical()
        .alias("moment"),
        pl.col("fraction").fill_null("0").str.pad_end(6, "0").str.slice(0, 6).cast(pl.Int64).alias("fraction"),
        _offset("zone").alias("offset"),
    )
    moments = built["moment"] + built["fraction"] - built["offset"] * 60_000_000
    for form in _WRITTEN:
        if not moments.has_nulls():
            break
        other = left.str.to_datetime(form, time_unit="us", strict=False).to_physical()
        moments = moments.zip_with(moments.is_not_null(), other)
    result = np.full(len(text), MISSING, dtype=np.int64)
    known = quick.is_not_null().to_numpy()
    result[known] = quick.drop_nulls().to_physical().to_numpy()
    result[~known] = moments.fill_null(MISSING).to_numpy()
    return pl.Series(result).replace(MISSING, None)


def _offset(column: str) -> pl.Expr:
    """Minutes east of Greenwich of ``+02:00``, ``+0200`` or ``+02``; 0 for UTC and where no zone is given."""
    zone = pl.col(column)
    digits = zone.str.replace_all(r"[^0-9]", "").str.pad_end(4, "0")
    minutes = digits.str.slice(0, 2).cast(pl.Int64, strict=False) * 60 + digits.str.slice(2, 2).cast(
        pl.Int64, strict=False
    )
    signed = pl.when(zone.str.starts_with("-")).then(-minutes).otherwise(minutes)
    return pl.when(zone.str.contains(r"^[+-]")).then(signed).otherwise(0).fill_null(0)
