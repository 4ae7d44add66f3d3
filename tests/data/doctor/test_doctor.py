"""The doctor finds each fault that was put in, says where, and leaves a healthy log alone."""

from __future__ import annotations

import numpy as np
import pytest

from penchant.data.doctor import examine
from penchant.data.doctor.statistics import cold_share, describe, histogram
from penchant.data.reading.assemble import read_traced
from penchant.errors import DataError

HEALTHY = [(f"u{n % 20}", f"i{n * 7 % 25}", n % 5 + 1, 1_500_000_000 + n * 1000) for n in range(100)]


def write(folder, rows, header="user,item,rating,timestamp", name="log.csv"):
    path = folder / name
    path.write_text(header + "\n" + "".join(",".join(map(str, row)) + "\n" for row in rows), encoding="utf-8")
    return path


def found(path, items=None, **options):
    log, trace = read_traced([path], items=items, **options)
    return {finding.check: finding for finding in reversed(examine(log, trace, items))}  # the first of each check


def with_rows(*rows):
    return [*HEALTHY, *rows]


def test_a_healthy_log_has_no_finding(tmp_path):
    assert found(write(tmp_path, HEALTHY)) == {}


LATE = 1_600_000_000
FAULTS = {
    "copy": (with_rows(HEALTHY[3], ("u0", "i1", 2, LATE)), "duplicates", 102, "item", "i21", "warning"),
    "rating twice": (with_rows(("u3", "i21", 5, LATE)), "duplicates", 5, "item", "i21", "warning"),
    "case": (with_rows(("u0", "I7", 3, LATE), ("u1", "I7", 3, LATE)), "spelling of ids", 102, "item", "I7", "warning"),
    "inner space": (with_rows(("u 7", "i7", 3, LATE)), "spelling of ids", 102, "user", "u 7", "warning"),
    "space around": (with_rows(("u0", " i6", 3, LATE)), "spelling of ids", 102, "item", " i6", "note"),
    "nan": (
        with_rows(("u0", "nan", 3, LATE), ("u1", "nan", 3, LATE)),
        "words for nothing",
        102,
        "item",
        "nan",
        "warning",
    ),
    "scale": (
        with_rows(*[("u0", "i1", 3, LATE - 9)] * 200, ("u0", "i6", 9, LATE)),
        "ratings out of scale",
        302,
        "rating",
        "9",
        "warning",
    ),
    "not ratings": (
        with_rows(*[("u0", "i1", 3, LATE - 9)] * 200, ("u0", "i6", 9999, LATE)),
        "ratings out of scale",
        302,
        "rating",
        "9999",
        "error",
    ),
    "unsorted": (with_rows(("u0", "i6", 3, 1_499_999_999)), "unsorted times", 102, "timestamp", None, "note"),
    "far": (
        with_rows(*[("u0", "i6", 3, LATE)] * 10, ("u1", "i6", 3, 5)),
        "odd times",
        112,
        "timestamp",
        "5",
        "warning",
    ),
    "future": (
        with_rows(("u0", "i6", 3, 9_000_000_000)),
        "impossible times",
        102,
        "timestamp",
        "9000000000",
        "warning",
    ),
    "header": (
        with_rows(("user", "item", "rating", "timestamp")),
        "repeated header",
        102,
        None,
        "user,item,rating,timestamp",
        "warning",
    ),
    "garbled": (
        with_rows(("u0", "CafÃ©", 3, LATE), ("u1", "CafÃ©", 3, LATE)),
        "wrong encoding",
        102,
        "item",
        "CafÃ©",
        "warning",
    ),
    "one user": (with_rows(("u0", "new", 3, LATE)), "one-user items", 102, "item", "new", "note"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_found_where_it_is(tmp_path, fault):
    rows, check, line, column, value, severity = FAULTS[fault]
    path = write(tmp_path, rows)
    finding = found(path)[check]
    assert (finding.file, finding.line, finding.column, finding.value, finding.severity) == (
        str(path), line, column, value, severity,
    )  # fmt: skip
    assert finding.what
    assert finding.why
    assert finding.fix


@pytest.mark.parametrize(
    ("values", "copies", "pairs"),
    [
        ("rating", "Only one of them counts", "The last rating counts"),
        ("weight", "Weights add up, so a copied row counts double", "Weights add up; sequence models keep every event"),
        ("none", "A pair counts once", "Without values a pair counts once"),
    ],
)
def test_what_becomes_of_duplicates_is_said_as_it_is(tmp_path, values, copies, pairs):
    path = write(tmp_path, with_rows(HEALTHY[3]))
    log, trace = read_traced([path], values=values)
    first, second = [finding for finding in examine(log, trace) if finding.check == "duplicates"]
    if values == "rating":
        assert (first.severity, second.severity) == ("warning", "warning")
    said = {finding.what.split()[1]: finding.why for finding in (first, second)}
    assert said["row"].startswith(copies)
    assert said["pair"].startswith(pairs)


@pytest.mark.parametrize(
    ("far", "near", "value"),
    [("5", "1600000000", "5"), ("5000", "1600000000000", None), ("1970-01-01", "2020-01-01", None)],
)
def test_a_time_is_shown_as_the_file_has_it_or_not_at_all(tmp_path, far, near, value):
    rows = [("u1", "i6", 3, far), *[(f"u{n}", f"i{n % 9}", 3, near) for n in range(200)]]
    finding = found(write(tmp_path, rows))["odd times"]
    assert (finding.line, finding.value) == (2, value)
    assert "the first at 1970-01-01T00:00:0" in finding.what


def test_bots(tmp_path):
    robot = [("robot", f"i{n % 25}", 3, LATE + n) for n in range(10_000)]
    finding = found(write(tmp_path, [*HEALTHY, *robot]))["bots"]
    assert (finding.line, finding.column, finding.value, finding.count) == (102, "user", "robot", 1)
    assert "bots" not in found(write(tmp_path, [*HEALTHY, *robot[:-1]]))


def test_the_wrong_separator(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("user,item,tag\n" + "".join(f"u{n % 20},i{n % 9};{n},x\n" for n in range(100)))
    finding = found(path)["wrong separator"]
    assert (finding.line, finding.column, finding.severity, finding.fix) == (2, "item", "error", 'Try sep=";"')


def test_a_given_separator_that_separates_nothing_is_said(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("user;item\n" + "".join(f"u{n % 20};i{n % 9}\n" for n in range(100)))
    with pytest.raises(DataError, match="',' separates nothing here, ';' does"):
        found(path, sep=",")


def test_ids_that_hold_the_separator_in_quotes_are_no_wrong_separator(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("user,item\n" + "".join(f'u{n % 20},"Doe, {n % 9}"\n' for n in range(100)))
    assert "wrong separator" not in found(path)


def test_one_thing_is_spoken_of_as_one(tmp_path):
    path = write(tmp_path, with_rows(("u0", "i0", "nan", 1_500_000_000)))
    assert found(path)["rejected rows"].what.startswith("1 row: ")


def test_swapped_columns_by_their_ids(tmp_path):
    path = write(tmp_path, [(item, user) for user, item, *_ in HEALTHY], header="user,item")
    finding = found(path)["swapped columns"]
    assert (finding.severity, finding.fix) == ("error", 'Name the columns: columns={"user": "item", "item": "user"}')


def test_swapped_columns_by_the_item_table(tmp_path):
    path = write(tmp_path, [(f"x{item}", f"y{user}") for user, item, *_ in HEALTHY], header="user,item")
    items = write(tmp_path, [(f"xi{n}", "t") for n in range(25)], header="item,title", name="items.csv")
    checks = found(path, items)
    assert checks["swapped columns"].severity == "error"
    assert checks["catalogue does not match"].count == 20


MANY = np.random.default_rng(3)
USERS = [f"{user}" for user in MANY.permutation(600) + 1]
COUNTED = [f"{item}" for item in range(1, 1001)]  # as MovieLens 100K counts them
SPARSE = [f"{item}" for item in np.cumsum(MANY.integers(1, 30, size=1000))]  # as in its larger sets


@pytest.mark.parametrize(("films", "severity"), [(COUNTED, "warning"), (SPARSE, "error")])
def test_swapped_columns_by_numbers_that_the_item_table_holds(tmp_path, films, severity):
    pairs = [(USERS[n % 600], films[n * 7 % 997 if n % 2 else n % 997]) for n in range(6_000)]
    items = write(tmp_path, [(film, f"T{film}") for film in films], header="item,title", name="items.csv")
    right = found(write(tmp_path, pairs, header="user,item"), items)
    assert "swapped columns" not in right
    finding = found(write(tmp_path, [(film, user) for user, film in pairs], header="user,item"), items)[
        "swapped columns"
    ]
    assert (finding.severity, finding.fix) == (severity, 'Name the columns: columns={"user": "item", "item": "user"}')


def test_few_users_who_count_as_films_do_are_not_swapped(tmp_path):
    pairs = [(n % 1000 + 1, n * n % 300 + 1) for n in range(3_000)]  # most films have no event
    items = write(tmp_path, [(film, "T") for film in range(1, 3_001)], header="item,title", name="items.csv")
    assert "swapped columns" not in found(write(tmp_path, pairs, header="user,item"), items)


def test_an_item_table_beside_its_log(tmp_path):
    path = write(tmp_path, HEALTHY)
    rows = [(f"i{n}", "" if n < 12 else "t", n) for n in range(1, 25)] + [("", "t", 0), ("i5", "t", 1), ("i99", "t", 2)]
    items = write(tmp_path, rows, header="item,title,year", name="items.csv")
    log, trace = read_traced([path], items=items)
    findings = {(f.check, f.severity): f for f in examine(log, trace, items)}
    unknown = findings["catalogue does not match", "warning"]
    assert (unknown.file, unknown.line, unknown.value, unknown.count) == (str(path), 2, "i0", 1)
    extra = findings["catalogue does not match", "note"]
    assert (extra.file, extra.line, extra.value) == (str(items), 28, "i99")
    missing = findings["missing attribute values", "warning"]
    assert (missing.column, missing.line, missing.count, missing.value) == ("title", 2, 11, None)
    assert missing.what.endswith("the first is 'i1'")
    assert "regardless of popularity" in missing.what
    twice = next(f for f in examine(log, trace, items) if "repeats an id" in f.what)
    assert (twice.line, twice.value) == (27, "i5")
    assert any("no usable id" in f.what for f in examine(log, trace, items))


def test_attributes_missing_of_rare_items_and_together(tmp_path):
    rows = [(f"u{user}", f"i{item}", 3, LATE + user) for item in range(40) for user in range(20 if item < 20 else 1)]
    path = write(tmp_path, rows)
    table = [(f"i{n}", "a" if n < 20 else "", "b" if n < 20 else "") for n in range(40)]
    items = write(tmp_path, table, header="item,colour,size", name="items.csv")
    finding = found(path, items)["missing attribute values"]
    assert "mostly for rare items (1 user an item against 20)" in finding.what
    assert "missing together with" in finding.what


def test_severe_findings_come_first(tmp_path):
    log, trace = read_traced([write(tmp_path, FAULTS["not ratings"][0])])
    order = ["error", "warning", "note"]
    severities = [order.index(finding.severity) for finding in examine(log, trace)]
    assert severities == sorted(severities)
    assert len(severities) > 1


def test_figures(tmp_path):
    log, _ = read_traced([write(tmp_path, [*HEALTHY, ("u0", "i0", 9, LATE), ("", "i1", 1, 1)])], positive="value>=4")
    figures = describe(log)
    assert (figures["rows"], figures["rejected"], figures["events"], figures["users"]) == (102, 1, 101, 20)
    assert figures["items"] == 25
    assert figures["pairs"] == 100
    assert figures["density_percent"] == 100 * 100 / (20 * 25)
    assert figures["history"]["max"] == 6
    assert figures["positives"] == int((log.values >= 4).sum())
    assert figures["times"]["first"] == "2017-07-14T02:40:00Z"
    assert figures["values"]["counts"]["9"] == 1
    assert sum(r["count"] for r in figures["histograms"]["history"]) == 20


def test_histogram_ranges():
    assert histogram(np.array([1, 2, 3, 9, 0])) == [
        {"from": 1, "to": 1, "count": 1},
        {"from": 2, "to": 3, "count": 2},
        {"from": 4, "to": 7, "count": 0},
        {"from": 8, "to": 15, "count": 1},
    ]
    assert histogram(np.array([], dtype=np.int64)) == []


def test_cold_share(tmp_path):
    rows = [("a", "x", 1, 10), ("a", "y", 1, 20), ("b", "x", 1, 30), ("b", "z", 1, 40), ("c", "x", 1, 50)]
    log, _ = read_traced([write(tmp_path, rows)])
    assert cold_share(log, 0.6) == {"quantile": 0.6, "events": 2, "events_of_cold_items": 0.5, "new_users": 0.5}
    assert cold_share(read_traced([write(tmp_path, [("a", "x")], header="user,item")])[0]) is None


def test_zeros_that_mean_not_rated(tmp_path):
    rows = [(user, item, 0 if n % 2 else n % 10 + 1, time) for n, (user, item, _, time) in enumerate(HEALTHY)]
    finding = found(write(tmp_path, rows))["ratings out of scale"]
    assert (finding.count, finding.value) == (50, "0")
    assert "not rated" in finding.why


def test_values_and_times_that_say_nothing(tmp_path):
    checks = found(write(tmp_path, [(user, item, 1, 1_500_000_000) for user, item, *_ in HEALTHY]))
    assert checks["constant values"].count == 100
    assert checks["odd times"].what == "all times are the same: 2017-07-14T02:40:00Z"
    small = found(write(tmp_path, [(user, item, rating, n) for n, (user, item, rating, _) in enumerate(HEALTHY)]))
    assert "small numbers" in small["odd times"].what
    assert small["odd times"].line == 101


def test_kinds_parts_and_dislikes_in_the_figures(tmp_path):
    path = write(tmp_path, [("a", "x", "like", "train"), ("a", "y", "hate", "test")], header="user,item,event,split")
    figures = describe(read_traced([path], kinds="like=1,hate=-1")[0])
    assert figures["parts"] == {"test": 1, "train": 1}
    assert figures["values"]["dislikes"] == 1
    assert figures["positives"] == 1
    assert figures["cold"] is None
