"""Dates as people write them are read; whether day or month comes first is decided over the whole column."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penchant import read_interactions
from penchant.cli.main import main
from penchant.data.reading.dates import MONTHS, days_from_civil, parse
from penchant.errors import DataError, ParameterError


def seconds(*parts):
    return int(datetime(*parts, tzinfo=UTC).timestamp())


WRITTEN = {
    "01.01.2017 12:30": (2017, 1, 1, 12, 30),
    "13.01.17": (2017, 1, 13),
    "13/01/2017": (2017, 1, 13),
    "13-01-2017 8.05": (2017, 1, 13, 8, 5),
    "13/01/99": (1999, 1, 13),
    "2017年10月02日 8:05": (2017, 10, 2, 8, 5),
    "2017年10月2日": (2017, 10, 2),
    "2017年10月2日 下午1:05": (2017, 10, 2, 13, 5),
    "2017년 10월 2일 오후 3시 5분": (2017, 10, 2, 15, 5),
    "20170102": (2017, 1, 2),
    "20170102 083000": (2017, 1, 2, 8, 30),
    "20170102T083000Z": (2017, 1, 2, 8, 30),
    "2 Jan 2017": (2017, 1, 2),
    "Jan 2, 2017 1:05 PM": (2017, 1, 2, 13, 5),
    "January 2nd, 2017 at 12:05 am": (2017, 1, 2, 0, 5),
    "2. Januar 2017 um 14:30 Uhr": (2017, 1, 2, 14, 30),
    "Montag, 2. März 2017": (2017, 3, 2),
    "2 janvier 2017 14h30": (2017, 1, 2, 14, 30),
    "15 août 2016": (2016, 8, 15),
    "2 de enero de 2017": (2017, 1, 2),
    "2 gennaio 2017": (2017, 1, 2),
    "2 de março de 2017": (2017, 3, 2),
    "12 grudnia 2016": (2016, 12, 12),
    "2 марта 2017 г.": (2017, 3, 2),
    "02-JAN-17": (2017, 1, 2),
    "2017-Jan-02": (2017, 1, 2),
    "Mon, 02 Jan 2017 15:04:05 GMT": (2017, 1, 2, 15, 4, 5),
    "Mon Jan 02 15:04:05 2017": (2017, 1, 2, 15, 4, 5),
    "Wed Aug 27 13:08:45 +0000 2008": (2008, 8, 27, 13, 8, 45),
    "2017-01-02 15:04 CET": (2017, 1, 2, 14, 4),
    "2017-07-02 15:04 PDT": (2017, 7, 2, 22, 4),
    "2017-01-02T15:04:05.123456789+01:00": (2017, 1, 2, 14, 4, 5),
}


@pytest.mark.parametrize("text", WRITTEN)
def test_a_date_as_people_write_it(tmp_path, text):
    path = tmp_path / "log.csv"
    path.write_text(f'user,item,date\nu,a,"{text}"\n', encoding="utf-8")
    assert read_interactions(path, strict=True).times.tolist() == [seconds(*WRITTEN[text])]


@pytest.mark.parametrize(
    ("cells", "expected", "unit"),
    [
        (["170102", "170131"], [(2017, 1, 2), (2017, 1, 31)], "dates as numbers, two-digit years"),
        (["42736.5", "42738"], [(2017, 1, 1, 12), (2017, 1, 3)], "Excel day numbers"),
        (["20170102083000"], [(2017, 1, 2, 8, 30)], "dates and times as numbers"),
        (["1/13/2017 1:05 PM", "1/2/2017 12:05 AM"], [(2017, 1, 13, 13, 5), (2017, 1, 2, 0, 5)], "the month first"),
        (["01/02/2017", "13/02/2017"], [(2017, 2, 1), (2017, 2, 13)], "the day first"),
        (["01.02.2017", "02.03.2017"], [(2017, 2, 1), (2017, 3, 2)], "the day first"),
        (["01.02.2017", "02.13.2017"], [(2017, 1, 2), (2017, 2, 13)], "the month first"),
    ],
)
def test_what_a_whole_column_shows(cells, expected, unit):
    frame = pl.DataFrame({"user": [f"u{n}" for n in range(len(cells))], "item": ["a"] * len(cells), "time": cells})
    log = read_interactions(frame)
    assert log.times.tolist() == [seconds(*parts) for parts in expected]
    assert unit in log.report.sources[0].time_unit


def test_day_or_month_is_decided_far_down_the_column(tmp_path):
    path = tmp_path / "log.csv"
    rows = [f"u{n},a,{1 + n % 12:02d}/{1 + n % 11:02d}/2017" for n in range(5_000)]
    path.write_text("\n".join(["user,item,date", *rows, "v,a,02/28/2017", ""]))
    log = read_interactions(path)
    assert log.report.n_rejected == 0
    assert log.history_of("u1").times.tolist() == [seconds(2017, 2, 2)]
    assert log.history_of("u11").times.tolist() == [seconds(2017, 12, 1)]


AMBIGUOUS = "user,item,date\nu,a,01/02/2017\nv,a,03/04/2017\n"


def test_an_ambiguous_column_is_an_error_that_names_the_options(tmp_path, capsys):
    path = tmp_path / "log.csv"
    path.write_text(AMBIGUOUS)
    with pytest.raises(DataError, match=r"01/02/2017.*day_first=True or day_first=False.*time_format"):
        read_interactions(path)
    assert main(["inspect", str(path)]) == 2
    err = capsys.readouterr().err
    assert "--day-first or --month-first" in err
    assert "--time-format" in err
    for flag, first in (("--day-first", (2017, 2, 1)), ("--month-first", (2017, 1, 2))):
        assert main(["inspect", str(path), flag]) == 0
        assert datetime(*first).strftime("%Y-%m-%d") in capsys.readouterr().out  # noqa: DTZ001  # only its text is used
    log = read_interactions(path, time_format="%m/%d/%Y")
    assert log.times.tolist() == [seconds(2017, 1, 2), seconds(2017, 3, 4)]


def test_files_of_one_log_write_dates_alike(tmp_path):
    for name, text in (("a.csv", AMBIGUOUS), ("b.csv", "user,item,date\nw,a,13/04/2017\n")):
        (tmp_path / name).write_text(text)
    assert read_interactions(str(tmp_path / "*.csv")).history_of("u").times.tolist() == [seconds(2017, 2, 1)]


def test_a_column_that_shows_both_is_an_error_and_a_slip_is_a_bad_row(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("user,item,date\nu,a,13/02/2017\nv,a,02/13/2017\n")
    with pytest.raises(DataError, match="whether the day or the month"):
        read_interactions(path)
    rows = [f"u{n},a,{13 + n % 15}/02/2017\n" for n in range(300)]
    path.write_text("user,item,date\n" + "".join([*rows[:250], "x,a,02/13/2017\n", *rows[250:]]))
    log = read_interactions(path)
    assert [(row.line, row.value) for row in log.report.rejected] == [(252, "02/13/2017")]


def test_zones_and_daylight_saving():
    cells = ["2017-03-26 01:30:00", "2017-03-26 02:30:00", "2017-10-29 02:30:00", "2017-07-01 12:00:00Z"]
    frame = pl.DataFrame({"user": list("abcd"), "item": ["x"] * 4, "time": cells})
    log = read_interactions(frame, time_zone="Europe/Berlin")
    hours = [(2017, 3, 26, 0, 30), (2017, 3, 26, 1, 30), (2017, 10, 29, 0, 30), (2017, 7, 1, 12)]
    assert log.times.tolist() == [seconds(*parts) for parts in hours]
    typed = frame.head(3).with_columns(pl.col("time").str.to_datetime())
    assert read_interactions(typed, time_zone="Europe/Berlin").times.tolist() == log.times.tolist()[:3]
    with pytest.raises(ParameterError, match="Europe/Berlin"):
        read_interactions(frame, time_zone="Berlin")
    with pytest.raises(ParameterError, match="format of dates"):
        read_interactions(frame, time_format="day")


def test_a_column_that_cannot_be_read_names_the_value_the_forms_and_the_option(tmp_path, capsys):
    path = tmp_path / "log.csv"
    path.write_text("user,item,date\nu,a,week 7 of 2017\nv,b,week 8 of 2017\n")
    assert main(["inspect", str(path)]) == 2
    err = capsys.readouterr().err
    for part in ("week 7 of 2017", "2 Oct 2017", "Excel day numbers", "--time-format"):
        assert part in err


def test_the_only_column_of_dates_is_noticed_whatever_its_name(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("user,item,gekauft\nu,a,01.02.2017\nu,b,14.01.2017\n")
    log = read_interactions(path)
    assert log.times.tolist() == [seconds(2017, 1, 14), seconds(2017, 2, 1)]
    assert log.report.notes == ["column 'gekauft' has dates and is used as the time of the events"]
    path.write_text("user,item,release_date\nu,a,2001-02-03\n")
    log = read_interactions(path)
    assert log.times is None
    assert "'release_date' has dates, but no column is known as the time" in log.report.notes[0]


@settings(deadline=None)
@given(st.datetimes(datetime(1971, 1, 1), datetime(2068, 12, 31)))  # noqa: DTZ001  # taken as UTC
def test_every_day_of_the_calendar_in_every_form(moment):
    moment = moment.replace(microsecond=0)
    expected = int(moment.replace(tzinfo=UTC).timestamp()) * 10**6
    day, month = (moment.strftime(form) for form in ("%d.%m.%Y %H:%M:%S", "%m/%d/%Y %I:%M:%S %p"))
    for text, order in ((day, "day"), (month, "month"), (moment.strftime("%d %B %Y %H:%M:%S"), None)):
        assert parse(pl.Series([text, f" {text}".strip()]), order)[0].to_list() == [expected] * 2
    days = days_from_civil(*(np.array([part]) for part in (moment.year, moment.month, moment.day)))
    assert days.tolist() == [expected // 86_400_000_000]


def test_months_have_one_number_each_and_impossible_dates_none():
    assert set(MONTHS.values()) == set(range(1, 13))
    for text in (
        "2017-02-30",
        "31.04.2017",
        "29/02/2017",
        "2017-10-02 25:00",
        "13/13/2017",
        "13 PM",
        "2017-01-02 15:00 XYZ",
    ):
        assert parse(pl.Series([text]), "day")[0].to_list() == [None], text


def test_order_is_kept_to_the_nanosecond():
    for cells in (
        [1_500_000_000_000_000_002, 1_500_000_000_000_000_001],
        ["2017-01-02T00:00:00.000000002", "2017-01-02T00:00:00.000000001"],
        np.array(["2017-01-02T00:00:00.000000002", "2017-01-02T00:00:00.000000001"], dtype="datetime64[ns]"),
    ):
        log = read_interactions(pl.DataFrame({"user": ["u", "u"], "item": ["late", "early"], "time": cells}))
        assert log.vocab.decode(log.items) == ["early", "late"]
