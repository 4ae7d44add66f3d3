"""SQLite and DuckDB files: the one table or the one that is named, types, order, damage."""

from __future__ import annotations

import gzip
import sqlite3
import sys

import duckdb
import pytest

from penchant import read_interactions
from penchant.cli.main import main
from penchant.data.catalog import Catalog
from penchant.data.reading.formats import base
from penchant.errors import DataError, MissingExtraError

ROWS = [(f"u{n % 3}", f"i{n * 7 % 10}", f"2020-01-{n + 1:02} 10:00:00", float(n % 5 + 1)) for n in range(20)]
ITEMS = [(f"i{n}", f"Title {n}", n / 4) for n in range(10)]


def sqlite_file(path, *, items=False):
    shop = sqlite3.connect(path)
    shop.execute('create table "my orders" (user, item, time text, rating real)')
    shop.executemany('insert into "my orders" values (?, ?, ?, ?)', ROWS)
    shop.execute('create index covering on "my orders" (item, user, time, rating)')
    if items:
        shop.execute("create table items (item, title, price)")
        shop.executemany("insert into items values (?, ?, ?)", ITEMS)
    shop.commit()
    shop.close()
    return path


def duckdb_file(path, *, items=False):
    with duckdb.connect(str(path)) as shop:
        shop.execute('create table "my orders" (user text, item text, time timestamp, rating decimal(3, 1))')
        shop.executemany('insert into "my orders" values (?, ?, ?, ?)', ROWS)
        if items:
            shop.execute("create table items (item text, title text, price decimal(6, 2))")
            shop.executemany("insert into items values (?, ?, ?)", ITEMS)
    return path


MAKERS = {"SQLite": sqlite_file, "DuckDB": duckdb_file}


@pytest.fixture(params=MAKERS)
def kind(request):
    return request.param


def test_the_one_table_is_read_like_the_text_of_it(kind, tmp_path):
    (tmp_path / "log.csv").write_text("user,item,time,rating\n" + "".join(f"{','.join(map(str, r))}\n" for r in ROWS))
    text, log = read_interactions(tmp_path / "log.csv"), read_interactions(MAKERS[kind](tmp_path / "shop.db"))
    assert log.report.sources[0].format == kind
    assert log.vocab.ids == text.vocab.ids
    assert log.user_ids == text.user_ids
    assert log.histories() == text.histories() or log.histories().items.tolist() == text.histories().items.tolist()
    assert log.times.tolist() == text.times.tolist()
    assert log.values_are == text.values_are == "rating"


def test_of_several_tables_one_is_named(kind, tmp_path, capsys):
    shop = MAKERS[kind](tmp_path / "shop.db", items=True)
    assert main(["inspect", str(shop)]) == 2
    err = capsys.readouterr().err
    assert "it has 2 tables: 'items', 'my orders'. Name one: '" in err
    log = read_interactions(f"{shop}#my orders", items=f"{shop}#items")
    assert len(log) == 20
    catalog = Catalog.read(f"{shop}#items", log.vocab)
    assert catalog.title(catalog.vocab.index("i3")) == "Title 3"
    with pytest.raises(DataError, match=r"there is no table 'nope'. It has: 'items', 'my orders'"):
        read_interactions(f"{shop}#nope")


def test_rows_come_in_the_order_in_which_they_are_stored(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(base, "ROWS", 6)
    log = read_interactions(MAKERS[kind](tmp_path / "shop.db"), columns={"user": "user", "item": "item"})
    assert log.vocab.ids == list(dict.fromkeys(row[1] for row in ROWS))
    assert len(log) == 20


def test_a_damaged_file_is_refused_in_words(kind, tmp_path):
    whole = MAKERS[kind](tmp_path / "shop.db").read_bytes()
    for size in (100, len(whole) // 2):
        (tmp_path / "cut.db").write_bytes(whole[:size])
        with pytest.raises(DataError, match=f"this {kind} file is damaged"):
            read_interactions(tmp_path / "cut.db")
    (tmp_path / "packed.db.gz").write_bytes(gzip.compress(whole))
    with pytest.raises(DataError, match=f"this is {kind} inside gzip"):
        read_interactions(tmp_path / "packed.db.gz")


def test_a_file_without_rows_or_tables_is_refused_in_words(tmp_path):
    empty = sqlite3.connect(tmp_path / "empty.db")
    empty.execute("create table t (user, item)")
    empty.execute("create table passing (x)")
    empty.execute("drop table passing")
    empty.commit()
    with pytest.raises(DataError, match="the table 't' holds no rows"):
        read_interactions(tmp_path / "empty.db")
    empty.execute("drop table t")
    empty.commit()
    empty.close()
    with pytest.raises(DataError, match="it has no table"):
        read_interactions(tmp_path / "empty.db")


def test_an_sqlite_column_may_hold_several_types_also_in_different_parts(tmp_path, monkeypatch):
    monkeypatch.setattr(base, "ROWS", 2)
    shop = sqlite3.connect(tmp_path / "shop.db")
    shop.execute("create table t (user, item)")
    shop.executemany("insert into t values (?, ?)", [(1, 10), (1, 11), (2, "a"), (2, 12.0), ("x", b"raw")])
    shop.commit()
    shop.close()
    log = read_interactions(tmp_path / "shop.db")
    assert log.vocab.ids[:4] == ["10", "11", "a", "12"]
    assert log.user_ids[:2] == ["1", "2"]


def test_duckdb_types_without_a_counterpart_are_read_as_text(tmp_path):
    with duckdb.connect(str(tmp_path / "shop.db")) as shop:
        shop.execute(
            "create table t as select 1::hugeint as user, uuid() as item, interval 3 day as wait, "
            "timestamp '2020-01-01' as time from range(3)"
        )
    log = read_interactions(tmp_path / "shop.db")
    assert len(log.vocab.ids) == 3
    assert all(len(item) == 36 for item in log.vocab.ids)
    assert log.user_ids == ["1"]


def test_a_view_of_a_duckdb_file_does_not_read_other_files(tmp_path):
    (tmp_path / "secret.csv").write_text("user,item\nu,i\n")
    with duckdb.connect(str(tmp_path / "shop.db")) as shop:
        shop.execute("create view v as select * from read_csv('" + str(tmp_path / "secret.csv") + "')")  # noqa: S608  # a path of ours
    with pytest.raises(DataError, match="cannot be read"):
        read_interactions(f"{tmp_path}/shop.db#v")


def test_without_duckdb_the_extra_is_named(tmp_path, monkeypatch):
    path = duckdb_file(tmp_path / "shop.db")
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'penchant\[duckdb\]'"):
        read_interactions(path)
