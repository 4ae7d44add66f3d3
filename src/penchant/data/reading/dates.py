"""Dates as people write them: ISO-8601, day or month first, month names, 12-hour clocks, East Asian signs, zones."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

import numpy as np
import polars as pl

from penchant.core.histories import Longs

Order = Literal["day", "month"]  # which of the two comes first in 01/02/2017
_PLAIN = re.compile(r"^\s*[-+]?\d+\.?\d*\s*$")
MISSING = np.iinfo(np.int64).min
DAY = 86_400_000_000  # microseconds
_YEAR_1000 = -30_610_224_000_000_000
FORMS = (
    "2017-10-02 08:05, 02.10.2017 8:05, 10/2/2017 8:05 AM, 2 Oct 2017, 2017年10月2日 8:05, 20171002, 171002, "
    "unix seconds to nanoseconds, Excel day numbers"
)

_MONTHS = """
1 jan january januar janvier janv enero ene gennaio gen janeiro januari jänner jaenner styczeń stycznia sty
ocak oca января янв январь leden ledna
2 feb february februar février fevrier févr fevr fév fev febrero febbraio fevereiro februari luty lutego lut
şubat subat şub февраля фев февраль únor února
3 mar march märz maerz mars marzo março marco maart mrt marzec marca mart марта мар март březen března mär mrz
4 apr april avril avr abril abr aprile kwiecień kwietnia kwi nisan nis апреля апр апрель duben dubna
5 may mai mayo maggio mag maio mei maj maja mayıs mayis мая май květen května
6 jun june juni juin junio giugno giu junho czerwiec czerwca cze haziran haz июня июн июнь červen června
7 jul july juli juillet juil julio luglio lug julho lipiec lipca lip temmuz tem июля июл июль červenec
července
8 aug august août aout agosto ago augustus augusti sierpień sierpnia sie ağustos agustos ağu августа авг
август srpen srpna
9 sep sept september septembre septiembre settembre set setembro wrzesień września wrz eylül eylul eyl
сентября сен сент сентябрь září
10 oct october oktober octobre octubre ottobre ott outubro out okt październik października paź ekim eki
октября окт октябрь říjen října
11 nov november novembre noviembre novembro listopad listopada lis kasım kasim kas ноября ноя нояб ноябрь
12 dec december dezember décembre decembre déc diciembre dicembre dezembro dez dic desember grudzień grudnia
gru aralık aralik ara декабря дек декабрь prosinec prosince
"""
MONTHS = {word: month for month, words in enumerate(re.split(r"\d+ ", _MONTHS)) for word in words.split()}
_WEEKDAYS = (
    r"\b(?:mon|tue|tues|wed|thu|thur|thurs|fri|sat|sun|(?:mon|tues|wednes|thurs|fri|satur|sun)day|mo|di|mi|do|fr|sa|so|"
    r"(?:mon|diens|donners|frei|sams|sonn)tag|mittwoch|lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche|lun|mer|jeu|"
    r"ven|sam|dim|lunes|martes|mi[eé]rcoles|jueves|viernes|s[aá]bado|domingo|luned[iì]|marted[iì]|mercoled[iì]|"
    r"gioved[iì]|venerd[iì]|sabato|domenica)\b\.?,?\s*"
)
_FILLERS = r"\b(?:de|del|do|da|of|the|le|den|at|um|uhr|à|kl|klo|a las|om|o|г|в)\b\.?"
_EAST_ASIAN = (
    *((r"[年월月년]\s*", "-"), (r"[日일号]", " "), (r"[時时点시分분]\s*", ":"), (r"[秒초]", "")),
    *((r"上午|午前|오전|凌晨|早上", " am "), (r"下午|午後|오후|晚上|中午", " pm "), (r"[（(].*?[）)]", "")),
)
_ORDINALS = r"(\d)(?:st|nd|rd|th|er|º|ª)\b"
_ZONES = {
    **dict.fromkeys(("z", "utc", "gmt", "wet"), 0), "est": -300, "edt": -240, "cst": -360, "cdt": -300, "mst": -420,
    "mdt": -360, "pst": -480, "pdt": -420, "cet": 60, "cest": 120, "mez": 60, "mesz": 120, "eet": 120, "eest": 180,
    "bst": 60, "west": 60, "msk": 180, "jst": 540, "kst": 540, "ist": 330, "brt": -180,
}  # fmt: skip
_TIME = (
    r"(?:[t,\s]+(?:(?P<before>[ap])\.?m\.?\s*)?(?P<hour>\d{1,2})(?:[:h.](?P<minute>\d{1,2})?(?:[:m.](?P<second>\d{2})?"
    r"(?:[.,](?P<fraction>\d{1,9}))?)?)?\s*(?:(?P<half>[ap])\.?\s?m\.?)?)?"
)
_ZONE = r"\s*\(?(?P<zone>[+-]\d{2}:?\d{2}|[+-]\d{2}|[a-z]{1,4})?\)?\s*$"
_DATES = {
    "year first": r"^(?P<year>\d{4})[-/.\s]+(?P<month>\d{1,2})[-/.\s]+(?P<day>\d{1,2})",
    "year last": r"^(?P<first>\d{1,2})[-/.]\s?(?P<other>\d{1,2})[-/.]\s?(?P<year>\d{4}|\d{2})",
    "compact, time": (
        r"^(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})[t\s]?(?P<hour>\d{2})(?P<minute>\d{2})(?P<second>\d{2})?"
        r"(?:[.,](?P<fraction>\d{1,9}))?"
    ),
    "compact": r"^(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})",
    "day, name": r"^(?P<day>\d{1,2})[-/.,\s]*m(?P<month>\d{2})[-/.,\s]+'?(?P<year>\d{4}|\d{2})",
    "name, day": r"^m(?P<month>\d{2})[-/.,\s]*(?P<day>\d{1,2})[-/.,\s]+'?(?P<year>\d{4}|\d{2})",
    "year, name": r"^(?P<year>\d{4})[-/.,\s]*m(?P<month>\d{2})[-/.,\s]*(?P<day>\d{1,2})",
    # as American files write January 2: numbers and a comma
    "numbers, comma": r"^(?P<month>\d{1,2})\s+(?P<day>\d{1,2}),\s*(?P<year>\d{4})",
}
_NAMED = frozenset({"day, name", "name, day", "year, name"})
# as C's ctime and Twitter write a moment: the year comes last
_CTIME = (
    r"^m(?P<month>\d{2})\s+(?P<day>\d{1,2})\s+(?P<hour>\d{1,2}):(?P<minute>\d{2}):(?P<second>\d{2})\s*"
    r"(?P<zone>[+-]\d{4}|[a-z]{1,4})?\s+(?P<year>\d{4})$"
)
_AMBIGUOUS = r"^\s*(\d{1,2})([-/.])\s?(\d{1,2})[-/.]\s?(?:\d{4}|\d{2})(?:\D|$)"
_TIMES = ("%H:%M:%S", "%H:%M", "%I:%M %p", "%I:%M:%S %p", "%H:%M:%S%.f", "")
_QUICK_DATES = {
    None: ("%Y-%m-%d", "%Y/%m/%d"),
    "day": ("%d.%m.%Y", "%d/%m/%Y", "%d-%m-%Y"),
    "month": ("%m/%d/%Y", "%m-%d-%Y"),
}


def are_dates(cells: Sequence[str | None]) -> bool:
    """Whether most filled cells of a sample are written dates; plain numbers are not."""
    text = pl.Series([cell for cell in cells if cell and not _PLAIN.match(cell)], dtype=pl.String)
    if not len(text) or len(text) < 0.5 * sum(bool(cell) for cell in cells):
        return False
    orders: tuple[Order, Order] = ("day", "month")
    return max(len(text) - parse(text, order)[0].null_count() for order in orders) > 0.8 * len(text)


def evidence(text: pl.Series) -> tuple[int, int, int, bool]:
    """Cells that need an order; those with the day first; those with the month first; whether all use dots."""
    found = text.str.extract_groups(_AMBIGUOUS).struct.unnest()
    first, second = found.to_series(0).cast(pl.Int32), found.to_series(2).cast(pl.Int32)
    dots = found.to_series(1)
    return (
        len(first) - first.null_count(),
        int(((first > 12) & (second <= 12)).sum()),
        int(((second > 12) & (first <= 12)).sum()),
        bool((dots.drop_nulls() == ".").all()),
    )


def parse(text: pl.Series, order: Order | None, zone: str | None = None) -> tuple[pl.Series, np.ndarray | None]:
    """Microseconds since 1970 of stripped cells, null for those that are not dates; and nanoseconds beyond, if any.

    ``zone`` is the time zone of cells that name none (UTC if not given).
    """
    found, rest = _quick(text, order, zone)
    if not rest.any():
        return found, None
    micro, nanos = _thorough(text.filter(rest), order, zone)
    at = rest.arg_true()
    found = found.scatter(at, micro)
    if nanos is None:
        return found, None
    fine = np.zeros(len(text), dtype=np.int16)
    fine[at.to_numpy()] = nanos
    return found, fine


def by_format(text: pl.Series, form: str, zone: str | None) -> pl.Series:
    """Microseconds of cells that have the format of a caller, such as ``%d.%m.%Y %H:%M``; null for others."""
    if any(part in form for part in ("%z", "%:z", "%#z", "%Z")):
        return text.str.to_datetime(form, time_unit="us", time_zone="UTC", strict=False).to_physical()
    if not any(part in form for part in ("%H", "%I", "%T", "%R", "%c", "%s", "%k", "%l", "%X")):
        return localised(text.str.to_date(form, strict=False).cast(pl.Datetime("us")), zone)
    return localised(text.str.to_datetime(form, time_unit="us", strict=False), zone)


def localised(moments: pl.Series, zone: str | None) -> pl.Series:
    """Local times of a zone as microseconds in UTC; an hour that daylight saving repeats is the first of the two."""
    if zone is None:
        return moments.to_physical()
    there = moments.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null").dt.convert_time_zone("UTC")
    skipped = there.is_null() & moments.is_not_null()
    found = there.to_physical()
    if skipped.any():  # the hour that daylight saving leaves out: as if the clock had not been put forward
        hour = 3_600_000_000
        before = (moments.filter(skipped).to_physical() - hour).cast(pl.Datetime("us"))
        shifted = before.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null").to_physical() + hour
        found = found.scatter(skipped.arg_true(), shifted)
    return found


def _quick(text: pl.Series, order: Order | None, zone: str | None) -> tuple[pl.Series, pl.Series]:
    """The format of the first cell, tried on all: several times faster than looking at each; and the cells left."""
    nothing = pl.Series([None] * len(text), dtype=pl.Int64)
    if not len(text):
        return nothing, pl.Series([], dtype=pl.Boolean)
    first = text.head(1)
    for date in (*_QUICK_DATES[None], *(_QUICK_DATES[order] if order else ())):
        for sign in (" ", "T"):
            for time in _TIMES if sign == " " else _TIMES[:1]:
                form = f"{date}{sign}{time}" if time else date
                if by_format(first, form, zone).null_count() == 0:
                    found = by_format(text, form, zone)
                    found = found.set(found < _YEAR_1000, None)  # a year of two digits, read as it is
                    return found, found.is_null()
    return nothing, pl.Series(np.ones(len(text), dtype=np.bool_))


def _thorough(text: pl.Series, order: Order | None, zone: str | None) -> tuple[pl.Series, np.ndarray | None]:
    text = text.str.to_lowercase()
    if not _ascii(text):
        for pattern, sign in _EAST_ASIAN:
            text = text.str.replace_all(pattern, sign)
        text = text.str.replace_all(r":\s*$", "").str.strip_chars()
    named = pl.Series(np.zeros(len(text), dtype=np.bool_))
    if text.str.contains(r"\p{L}{3}").any():
        text = (
            text.str.replace(_WEEKDAYS, "")
            .str.replace_all(_FILLERS, " ")
            .str.replace_all(_ORDINALS, "${1}")
            .str.strip_chars()
        )
        around = text.str.extract_groups(r"^(.*?)(\p{L}{3,})(.*)$").struct.unnest()
        before, word, after = around.get_columns()
        number = word.replace_strict(list(MONTHS), [f"m{month:02d} " for month in MONTHS.values()], default=None,
                                     return_dtype=pl.String)  # fmt: skip
        named = number.is_not_null()
        if named.any():
            text = (before + number + after).zip_with(named, text)
            text = text.str.replace_all(r"\s+", " ").str.replace(r"(m\d\d) ?\.", "${1} ")
    micro = np.full(len(text), MISSING, dtype=np.int64)
    nanos = np.zeros(len(text), dtype=np.int16)
    left = np.arange(len(text))
    for form, date in [*_DATES.items(), ("ctime", "")]:
        if not len(left):
            break
        if form in _NAMED | {"ctime"} and not named.any():
            continue
        if form == "year last" and order is None:
            continue
        pattern = _CTIME if form == "ctime" else date + ("" if "hour" in date else _TIME) + _ZONE
        here = text.gather(left)
        parts = here.str.extract_groups(pattern).struct.unnest()
        hit = parts["year"].is_not_null()
        if not hit.any():
            continue
        rows = left[hit.to_numpy()]
        micro[rows], nanos[rows] = _moments(parts.filter(hit), order, zone)
        left = left[~hit.to_numpy()]
    found = pl.Series(micro).replace(MISSING, None)
    return found, nanos if nanos.any() else None


def _ascii(text: pl.Series) -> bool:
    return bool((text.str.len_bytes() == text.str.len_chars()).all())


def _moments(parts: pl.DataFrame, order: Order | None, zone: str | None) -> tuple[Longs, np.ndarray]:
    """Microseconds and nanoseconds of dates in parts; ``MISSING`` for a day that the calendar does not have."""

    def column(name: str, default: int = 0) -> Longs:
        if name not in parts.columns:
            return np.full(parts.height, default, dtype=np.int64)
        return parts[name].cast(pl.Int64, strict=False).fill_null(default).to_numpy().astype(np.int64)

    year = column("year")
    short = (parts["year"].str.len_chars() <= 2).to_numpy()
    year = np.where(short, np.where(year < 69, year + 2000, year + 1900), year)
    if "first" in parts.columns:
        first, other = column("first"), column("other")
        day, month = (first, other) if order == "day" else (other, first)
    else:
        day, month = column("day"), column("month")
    hour, minute, second = column("hour"), column("minute"), column("second")
    half = (
        parts["half"].fill_null(parts["before"])
        if "half" in parts.columns
        else pl.Series([None] * parts.height, dtype=pl.String)
    )
    afternoon, morning = (
        (half == "p").fill_null(value=False).to_numpy(),
        (half == "a").fill_null(value=False).to_numpy(),
    )
    good = (month >= 1) & (month <= 12) & (day >= 1) & (hour <= 24) & (minute < 60) & (second <= 60)
    good &= ~((afternoon | morning) & (hour > 12))
    hour = np.where(afternoon & (hour < 12), hour + 12, np.where(morning & (hour == 12), 0, hour))
    good &= day <= _length(year, np.clip(month, 1, 12))
    days = days_from_civil(year, np.clip(month, 1, 12), day)
    micro = days * DAY + ((hour * 60 + minute) * 60 + second) * 1_000_000
    nanos = np.zeros(len(micro), dtype=np.int16)
    if "fraction" in parts.columns and parts["fraction"].null_count() < parts.height:
        digits = parts["fraction"].fill_null("0").str.pad_end(9, "0").cast(pl.Int64).to_numpy()
        micro, nanos = micro + digits // 1000, (digits % 1000).astype(np.int16)
    tail = parts["zone"]
    offset = _offsets(tail)
    good &= ~np.isnan(offset)
    bare = tail.is_null().to_numpy()
    if zone is not None and bare.any():
        there = localised(pl.Series(micro[bare]).cast(pl.Datetime("us")), zone)
        micro[bare] = there.fill_null(MISSING).to_numpy()
    micro -= np.where(bare | np.isnan(offset), 0, offset).astype(np.int64) * 60_000_000
    return np.where(good, micro, MISSING), nanos


def _offsets(zone: pl.Series) -> np.ndarray:
    """Minutes east of Greenwich, 0 without a zone, NaN for an unknown one."""
    distinct = zone.drop_nulls().unique().to_list()
    known: dict[str, float] = {}
    for name in distinct:
        digits = name[1:].replace(":", "").ljust(4, "0")
        if name[0] in "+-":
            minutes = int(digits[:2]) * 60 + int(digits[2:])
            known[name] = float(-minutes if name[0] == "-" else minutes)
        else:
            known[name] = float(_ZONES.get(name, np.nan))
    if not known:
        return np.zeros(len(zone))
    return zone.replace_strict(list(known), list(known.values()), default=0.0, return_dtype=pl.Float64).to_numpy()


def _length(year: Longs, month: Longs) -> Longs:
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    length: Longs = np.array([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])[month - 1] + (leap & (month == 2))
    return length


def days_from_civil(year: Longs, month: Longs, day: Longs) -> Longs:
    """Days since 1970-01-01 in the Gregorian calendar."""
    y = year - (month <= 2)
    era = y // 400
    of_era = y - era * 400
    of_year = (153 * (month + np.where(month > 2, -3, 9)) + 2) // 5 + day - 1
    days: Longs = era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468
    return days
