"""Queries: one statement that reads, a URL that is never shown, on every command that reads a log."""

from __future__ import annotations

import json
import sqlite3
import sys

import pytest

import penchant
from penchant import read_interactions
from penchant.cli.main import main
from penchant.data.catalog import Catalog
from penchant.data.reading.query import URL, Query
from penchant.errors import DataError, MissingExtraError, ParameterError, PenchantError

EVENTS = [(f"u{n % 6}", f"i{(n // 6 * 3 + n % 6) % 7}", 1_500_000_000 + n) for n in range(42)]
LOG = "select who as user, what as item, at as time from events"


@pytest.fixture
def shop(tmp_path):
    base = sqlite3.connect(tmp_path / "shop.db")
    base.execute("create table events (who, what, at)")
    base.executemany("insert into events values (?, ?, ?)", EVENTS)
    base.execute("create table things (item, title)")
    base.executemany("insert into things values (?, ?)", [(f"i{n}", f"Title {n}") for n in range(7)])
    base.commit()
    base.close()
    return f"sqlite:///{tmp_path}/shop.db"


def test_a_query_is_a_log_and_another_the_item_table(shop):
    log = read_interactions(sql=LOG, url=shop, items=penchant.query("select * from things", shop))
    assert len(log) == 42
    assert log.report.sources[0].columns == {"user": "user", "item": "item", "time": "time"}
    titles = Catalog.read(penchant.query("select * from things", shop), log.vocab).titles
    assert sorted(titles) == [f"Title {n}" for n in range(7)]


def test_every_command_that_reads_a_log_takes_a_query(shop, tmp_path, monkeypatch, capsys):
    (tmp_path / "url").write_text(shop + "\n")
    by_file, model = ["--sql", LOG, "--sql-url-file", str(tmp_path / "url")], str(tmp_path / "model")
    for command in (
        ["inspect", "--items-sql", "select * from things"],
        ["fit", "-m", "popular", "-o", model],
        ["evaluate", "-m", "popular", "--split", "leave-last"],
        ["tune", "-m", "item-knn", "--trials", "1", "-o", str(tmp_path / "knn.json")],
        ["recommend", model, "--user", "u1"],
    ):
        assert main([*command, *by_file]) == 0, capsys.readouterr().err
    monkeypatch.setenv(URL, shop)
    capsys.readouterr()
    assert main(["inspect", "--sql", LOG, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == 42


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        (" ", "the query is empty"),
        ("select 1; select 2", "a query is one statement"),
        ("delete from events", "a query reads: it starts with select or with, not 'delete'"),
        ("with gone as (delete from events returning *) select * from gone", "only reads, and this one has 'delete'"),
        ("select * into copy from events", "only reads, and this one has 'into'"),
        ("select '--'; drop table events", "a query is one statement"),
    ],
)
def test_what_is_not_one_statement_that_reads_is_refused(sql, said):
    with pytest.raises(ParameterError, match=said):
        Query(sql, "sqlite://")


@pytest.mark.parametrize(
    "sql",
    [
        "select 'a; drop table x' as user, 1 as item;",
        '-- delete;\nselect 1 as user, 2 as "update" from events /* into; */',
        "with a as (select 1) (select * from a)",
    ],
)
def test_texts_names_and_comments_may_hold_anything(sql):
    assert Query(sql, "sqlite://").sql == sql


def test_percent_signs_and_colons_are_no_parameters(shop):
    log = read_interactions(sql=f"{LOG} where who like '%1' and what <> ':x' and what <> '%(y)s'", url=shop)
    assert log.user_ids == ["u1"]


def test_the_connection_itself_does_not_write(shop, tmp_path, monkeypatch):
    monkeypatch.setattr("penchant.data.reading.query.checked_sql", lambda sql: None)
    with pytest.raises(DataError, match="readonly"):
        read_interactions(sql="delete from events", url=shop)
    assert len(read_interactions(sql=LOG, url=shop)) == 42


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://bob:s3cret@127.0.0.1:1/shop",
        "nonsense://bob:s3cret@127.0.0.1/shop",
        "s3cret",
        "postgresql://bob:s3cret@127.0.0.1:s3cret/shop",
    ],
)
def test_a_password_is_in_no_message(url, capsys, monkeypatch):
    monkeypatch.setenv(URL, url)
    assert main(["inspect", "--sql", "select 1 as user, 2 as item"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("penchant: ")
    assert "s3cret" not in err
    with pytest.raises(PenchantError) as caught:
        read_interactions(sql="select 1", url=url)
    assert caught.value.__cause__ is None
    assert "://" not in url or "s3cret" not in repr(Query("select 1", url))


def test_what_is_missing_is_named(shop, tmp_path, monkeypatch):
    monkeypatch.delenv(URL, raising=False)
    with pytest.raises(ParameterError, match=f"set {URL}"):
        read_interactions(sql=LOG)
    with pytest.raises(DataError, match="there is no such SQLite file"):
        read_interactions(sql=LOG, url=f"sqlite:///{tmp_path}/nope.db")
    assert not (tmp_path / "nope.db").exists()
    with pytest.raises(DataError, match="refuses the query: no such column: nope"):
        read_interactions(sql="select nope from events", url=shop)
    with pytest.raises(DataError, match="holds no rows"):
        read_interactions(sql=f"{LOG} where 1 = 0", url=shop)
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'penchant\[sql\]'"):
        read_interactions(sql=LOG, url=shop)
