"""Times of every unit and spelling are told apart by value."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penchant.data.reading.dates import MISSING
from penchant.data.reading.times import Clock

NOON = 1_000_000_800 * 1_000_000  # 2001-09-09T02:00:00Z in microseconds


def read(values, dtype=None):
    clock = Clock()
    micro, bad = clock.read(pl.Series(values, dtype=dtype))
    return micro.tolist(), bad.tolist(), clock.unit


@pytest.mark.parametrize(
    ("unit", "factor"), [("seconds", 1), ("milliseconds", 10**3), ("microseconds", 10**6), ("nanoseconds", 10**9)]
)
@pytest.mark.parametrize("dtype", [pl.Int64, pl.Float64, pl.String])
def test_units_are_told_apart(unit, factor, dtype):
    values = [1_000_000_800 * factor, 1_500_000_000 * factor]
    micro, bad, found = read([str(v) for v in values] if dtype == pl.String else values, dtype)
    assert found == unit
    assert bad == [False, False]
    assert micro == [NOON, 1_500_000_000 * 10**6]


@given(
    st.integers(10**8, 4 * 10**9), st.sampled_from([("seconds", 1), ("milliseconds", 10**3), ("microseconds", 10**6)])
)
def test_no_digit_is_lost(moment, unit):
    name, factor = unit
    micro, _, found = read([str(moment * factor + (factor - 1))])
    assert found == name
    assert micro == [(moment * factor + factor - 1) * (10**6 // factor)]


@pytest.mark.parametrize(
    "text",
    [
        "2001-09-09T02:00:00Z",
        "2001-09-09T02:00:00",
        "2001-09-09 02:00:00",
        "2001-09-09 02:00",
        "2001/9/9 2:00:00",
        "2001-09-09T04:00:00+02:00",
        "2001-09-09T04:00:00.000+0200",
        "2001-09-08T21:00:00-05",
        "2001-09-08 20:30:00-05:30",
        "20010909T020000Z",
    ],
)
def test_iso_8601(text):
    assert read([text, "2001-09-09 02:00:00"]) == ([NOON, NOON], [False, False], "written dates")


def test_fractions_and_dates():
    assert read(["2001-09-09T02:00:00.25Z", "2001-09-09T02:00:00,123456789"])[0] == [NOON + 250_000, NOON + 123_456]
    day = NOON - 2 * 3_600 * 10**6
    assert read(["2001-09-09", "09 9, 2001", "Sep 09, 2001", "9 September 2001"])[0] == [day] * 4
    assert read([20010909, 20211231], pl.Int64)[2] == "dates as numbers"
    assert read(["20010909", "20010910"])[0] == [day, day + 86_400 * 10**6]


def test_what_is_no_time_and_what_is_missing():
    micro, bad, _ = read(["1000000800", "", None, "soon", "NaN", "inf", "2001-13-01", "2001-02-30", "1e300"])
    assert bad == [False, False, False, True, True, True, True, True, True]
    assert micro[:3] == [NOON, MISSING, MISSING]


def test_a_missing_number_is_a_missing_time():
    assert read([1_000_000_800.0, float("nan"), None], pl.Float64)[:2] == ([NOON, MISSING, MISSING], [False] * 3)


def test_typed_columns():
    moments = np.array(["2001-09-09T02:00:00", "NaT"], dtype="datetime64[ms]")
    assert read(moments)[0] == [NOON, MISSING]
    aware = pl.Series(moments).dt.replace_time_zone("Asia/Tokyo")
    assert Clock().read(aware)[0].tolist() == [NOON - 9 * 3_600 * 10**6, MISSING]


def test_the_unit_is_that_of_the_first_batch():
    clock = Clock()
    clock.read(pl.Series(["1000000800000"] * 3))
    assert clock.read(pl.Series(["5"]))[0].tolist() == [5_000]
    assert clock.unit == "milliseconds"
