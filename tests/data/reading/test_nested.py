"""Typed and nested columns are read right, or refused in words that name the column."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest

from penchant import Catalog, Vocab, read_interactions
from penchant.errors import DataError

T = 1_500_000_000


def rows(log):
    return [(log.user_ids[u], log.vocab.ids[i]) for u, i in zip(log.users, log.items, strict=True)]


SESSIONS = [{"session": "s1", "items": [12, 10, 11]}, {"session": "s2", "items": [10]}]
EXPLODED = [("s1", "12"), ("s1", "10"), ("s1", "11"), ("s2", "10")]
COLUMNS = {"item": "items"}


def written(how, folder, objects):
    frame, path = pl.DataFrame(objects), folder / "log"
    lines = [json.dumps(one) for one in objects]
    texts = {
        "lines": "\n".join(lines),
        "array": json.dumps(objects),
        "indented": json.dumps(objects, indent=2),
        "wrapped": json.dumps({"page": 1, "events": objects}),
        "one a line": "[\n" + ",\n".join(lines) + "\n]\n",
    }
    if how in texts:
        path.write_text(texts[how])
        return path
    if how == "parquet":
        frame.write_parquet(path)
        return path
    if how == "feather":
        frame.write_ipc(path)
        return path
    return {"polars": frame, "pandas": pd.DataFrame(objects), "arrow": frame.to_arrow()}[how]


HOW = ["lines", "array", "indented", "wrapped", "one a line", "parquet", "feather", "polars", "pandas", "arrow"]


@pytest.mark.parametrize("how", HOW)
def test_a_list_of_items_is_a_row_for_each_in_order(tmp_path, how):
    log = read_interactions(written(how, tmp_path, SESSIONS), columns=COLUMNS, strict=True)
    assert rows(log) == EXPLODED
    assert log.ordered


@pytest.mark.parametrize("how", HOW)
def test_structures_are_columns_and_lists_of_structures_too(tmp_path, how):
    objects = [
        {"user": {"id": "u", "name": "Ann"}, "order": {"items": [{"sku": "b", "stars": 4}, {"sku": "a", "stars": 2}]}},
        {"user": {"id": "v", "name": "Bob"}, "order": {"items": [{"sku": "a", "stars": 5}]}},
    ]
    log = read_interactions(written(how, tmp_path, objects), strict=True)
    assert rows(log) == [("u", "b"), ("u", "a"), ("v", "a")]
    assert (log.values_are, log.values.tolist()) == ("rating", [4, 2, 5])
    assert log.report.columns["item"] == "order.items.sku"


@pytest.mark.parametrize("how", ["lines", "parquet", "pandas"])
def test_lists_beside_the_items_go_with_them_and_must_be_as_long(tmp_path, how):
    objects = [
        {"user": "u", "item_id": ["a", "b"], "timestamp": [T + 5, T]},
        {"user": "v", "item_id": ["a", "b"], "timestamp": [T]},
        {"user": "w", "item_id": [], "timestamp": []},
        {"user": "x", "item_id": ["c"], "timestamp": None},
    ]
    source = written(how, tmp_path, objects)
    log = read_interactions(source)
    assert rows(log) == [("u", "b"), ("u", "a"), ("x", "c")]
    assert [row.reason for row in log.report.rejected] == [
        "the lists of this row have different lengths", "the list of items is empty"
    ]  # fmt: skip
    assert log.report.rows == log.report.kept + log.report.n_rejected


def test_lists_in_a_text_file(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text('user,item\nu,"[10,11,12]"\nv,"[""x"", ""y""]"\n')
    assert [item for _, item in rows(read_interactions(path, strict=True))] == ["10", "11", "12", "x", "y"]
    path.write_text('user,item\nu,a\nv,b\nw,"[10,11]"\nx,"{""sku"": 1}"\n')
    log = read_interactions(path)
    assert rows(log) == [("u", "a"), ("v", "b")]
    assert [row.reason for row in log.report.rejected] == [
        "the id is a JSON list, not text or a number", "the id is a JSON object, not text or a number"
    ]  # fmt: skip


def test_lists_where_one_value_belongs_are_refused_in_words():
    with pytest.raises(DataError, match="column 'user': this column holds lists, and an event has one user"):
        read_interactions(pl.DataFrame({"user": [["u", "v"]], "item": ["a"]}))
    with pytest.raises(DataError, match="column 'item': this column holds lists of lists"):
        read_interactions(pl.DataFrame({"user": ["u"], "item": [[["a"]]]}))
    with pytest.raises(DataError, match=r"column 'user'.*an id must be text or a number"):
        read_interactions(pl.DataFrame({"user": [date(2017, 1, 1)], "item": ["a"]}))
    with pytest.raises(DataError, match="column 'rating'"):
        read_interactions(pl.DataFrame({"user": ["u"], "item": ["a"], "rating": [[1, 2]]}))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([timedelta(hours=1)], "durations"),
        ([datetime(2017, 1, 1).time()], "times of the day"),  # noqa: DTZ001  # only its time is used
        ([True], "true and false"),
        ([b"x"], "bytes"),
    ],
)
def test_times_that_are_not_moments_are_refused_in_words(values, words):
    frame = pl.DataFrame({"user": ["u"], "item": ["a"], "time": values})
    with pytest.raises(DataError, match=f"column 'time': the column of times has {words}.*columns="):
        read_interactions(frame)


KEYS = [uuid.UUID(int=n) for n in (1, 2, 1)]
TYPED = {
    "categorical": pl.Series(["x", "y", "x"], dtype=pl.Categorical),
    "enum": pl.Series(["x", "y", "x"], dtype=pl.Enum(["x", "y"])),
    "decimal": pl.Series([Decimal("7.00"), Decimal("8.50"), Decimal("7.00")]),
    "bytes": pl.Series([b"x", b"y", b"x"]),
    "uint64": pl.Series([2**64 - 1, 3, 2**64 - 1], dtype=pl.UInt64),
    "int128": pl.Series([2**100, 3, 2**100], dtype=pl.Int128),
    "object": pl.Series(KEYS, dtype=pl.Object),
}
SPELLED = {
    "decimal": ["7", "8.50"], "uint64": [str(2**64 - 1), "3"], "int128": [str(2**100), "3"],
    "object": [str(key) for key in KEYS[:2]],
}  # fmt: skip


@pytest.mark.parametrize("kind", TYPED)
def test_ids_of_every_type(kind):
    frame = pl.DataFrame({"user": TYPED[kind], "item": TYPED[kind]})
    log = read_interactions(frame, strict=True)
    assert log.vocab.ids == log.user_ids == SPELLED.get(kind, ["x", "y"])


def test_ids_that_are_right_today(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(f"user,item\nu,0x1F\nu,0x1f\nu,12E4\nu,120000\nu,{2**70}\nu,{2**70 + 1}\nu,+5\nu,005\n")
    assert read_interactions(path).vocab.ids == [
        "0x1F",
        "0x1f",
        "12E4",
        "120000",
        str(2**70),
        str(2**70 + 1),
        "+5",
        "005",
    ]


def test_boolean_ids_are_refused_and_boolean_values_are_numbers():
    with pytest.raises(DataError, match="an id cannot be true or false"):
        read_interactions(pl.DataFrame({"user": ["u"], "item": [True]}))
    log = read_interactions(pl.DataFrame({"user": ["u", "u"], "item": ["a", "b"], "rating": [True, False]}))
    assert log.values.tolist() == [1, 0]


def test_objects_of_pandas():
    zones = [datetime(2017, 1, 1, 12, tzinfo=UTC), datetime(2017, 1, 1, 12, tzinfo=timezone(timedelta(hours=2))), None]
    frame = pd.DataFrame(
        {
            "user": pd.Series(KEYS, dtype=object),
            "item": pd.Series([2**70, 5, None], dtype=object),
            "time": pd.Series(zones, dtype=object),
            "rating": pd.Series([Decimal("4.5"), Decimal(3), None], dtype=object),
        }
    )
    log = read_interactions(frame)
    assert rows(log) == [(str(KEYS[0]), str(2**70)), (str(KEYS[1]), "5")]
    noon = int(zones[0].timestamp())
    assert (log.times.tolist(), log.values.tolist()) == ([noon, noon - 7200], [4.5, 3])
    periods = pd.DataFrame({"user": ["u"], "item": ["a"], "time": pd.PeriodIndex(["2017-01"], freq="M")})
    assert read_interactions(periods).times.tolist() == [int(datetime(2017, 1, 1, tzinfo=UTC).timestamp())]
    watched = pd.DataFrame({"user": ["u"], "item": ["a"], "watch_time": pd.to_timedelta(["90s"])})
    assert read_interactions(watched).values.tolist() == [90]
    with pytest.raises(DataError, match="column 'item': this column holds objects"):
        read_interactions(pd.DataFrame({"user": ["u", "v"], "item": [["a"], {"b": 1}]}))
    with pytest.raises(DataError, match="column 'item'"):
        read_interactions(pd.DataFrame({"user": ["u"], "item": pd.Series([{"a", "b"}], dtype=object)}))


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_of_pandas_in_every_unit(unit):
    moments = np.array(["2017-01-01T12:00:00", "NaT"], dtype=f"datetime64[{unit}]")
    frame = pd.DataFrame({"user": ["u", "v"], "item": ["a", "a"], "time": moments})
    assert read_interactions(frame).history_of("u").times.tolist() == [
        int(datetime(2017, 1, 1, 12, tzinfo=UTC).timestamp())
    ]


def test_an_item_table_of_types():
    table = pl.DataFrame(
        {
            "item": [1, 2],
            "title": pl.Series(["A", "B"], dtype=pl.Categorical),
            "price": [Decimal("1.50"), Decimal("20.00")],
            "length": [timedelta(minutes=2), None],
            "brand": [{"name": "X", "since": date(2001, 2, 3)}, {"name": "Y", "since": None}],
            "tags": [["a", "b"], []],
            "new": [True, False],
            "key": pl.Series(KEYS[:2], dtype=pl.Object),
            "parts": [[{"sku": "p"}, {"sku": "q"}], []],
        }
    )
    catalog = Catalog.read(table, Vocab(["2", "1"]))
    assert catalog.titles == ["B", "A"]
    assert catalog.attributes == {
        "price": [20.0, 1.5],
        "length": [None, 120.0],
        "brand.name": ["Y", "X"],
        "brand.since": [None, "2001-02-03"],
        "tags": [[], ["a", "b"]],
        "new": [False, True],
        "key": [str(KEYS[1]), str(KEYS[0])],
        "parts.sku": [[], ["p", "q"]],
    }
    assert catalog.features().n_items == 2


def test_json_documents_that_hold_no_log(tmp_path):
    path = tmp_path / "log.json"
    for text, words in (
        ("[]", "is empty"),
        ('[{"user": 1, "item": 2}, 5]', "element 2 of this JSON array is 5"),
        ("[[1, 2], [3, 4]]", "element 1 of this JSON array is an array"),
        ('[\n{"user": 1,\n "item": 2},\n{"user": 3', "not complete, or broken"),
        ('{\n"a": [{"x": 1}], "b": [{"y": 2}]}', "holds 2 arrays"),
        ('{"meta": 1}', "no column is recognised"),
    ):
        path.write_text(text)
        with pytest.raises(DataError, match=words):
            read_interactions(path)


def test_a_list_of_dicts_is_a_table_of_rows():
    rows = [{"user": "u", "item": 1, "time": 5}, {"user": "v", "item": 2}, {"user": "v", "item": 1, "time": 3}]
    table = pl.DataFrame(rows)
    for given in ([rows], rows, [tuple(rows)]):
        log, expected = read_interactions(*given), read_interactions(table)
        assert (log.user_ids, log.vocab.ids) == (expected.user_ids, expected.vocab.ids)
        assert log.items.tolist() == expected.items.tolist()
        assert log.times.tolist() == expected.times.tolist()
    mixed = read_interactions([{"user": "u", "item": 7}, {"user": "u", "item": "x"}, {"user": "w"}])
    assert (mixed.vocab.ids, mixed.report.n_rejected) == (["7", "x"], 1)
    nested = read_interactions([{"session": "s", "item": ["b", "a"]}, {"session": "t", "item": ["a"]}])
    assert [nested.vocab.ids[item] for item in nested.items] == ["b", "a", "a"]
    described = read_interactions(rows, items=[{"item": "1", "title": "One"}, {"item": "3", "title": "Three"}])
    assert described.vocab.ids == ["1", "2", "3"]
    for refused in ({"user": ["u"], "item": ["i"]}, [{"user": ["u"], "item": ["i"]}]):
        with pytest.raises(DataError, match=r"cannot be read from a dict.*one a row"):
            read_interactions(refused)
