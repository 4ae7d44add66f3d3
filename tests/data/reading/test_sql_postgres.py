"""A query of a real PostgreSQL: its types, its order, and that nothing is written whatever the query calls."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from penchant import query, read_interactions
from penchant.cli.main import main
from penchant.core import memory
from penchant.data.catalog import Catalog
from penchant.data.reading.formats import base
from penchant.data.reading.query import URL
from penchant.errors import DataError, MemoryLimitError
from tests.serve.postgres import Cluster

pytestmark = pytest.mark.slow  # make test-postgres

SHOP = """
create type step as enum ('view', 'buy');
create table events (who bigint, what uuid, at timestamptz, how step, paid numeric(10, 2), tags text[], more jsonb);
insert into events select n % 6, md5((n % 7)::text)::uuid, timestamptz '2020-01-01 12:00+01' + n * interval '1 hour',
  case when n % 3 = 0 then 'buy' else 'view' end::step, n / 4.0, array['a', 'b'], '{"a": 1}'
  from generate_series(0, 41) n;
create table things (item uuid, title text, price numeric(6, 2), genres text[], since date);
insert into things select md5(n::text)::uuid, 'Title ' || n, n / 8.0, array['drama', 'g' || n], date '2020-01-01' + n
  from generate_series(0, 6) n;
create table orders (buyer text, lines bigint[]);
insert into orders values ('ann', array[3, 1, 2]), ('bob', array[2]);
create sequence counted;
create function spend() returns int language sql as 'insert into orders values (null, null); select 1';
create function sneak() returns int language plpgsql as
  'begin perform set_config(''transaction_read_only'', ''off'', true); insert into orders values (null, null);
   return 1; end';
"""
LOG = "select who as user, what as item, at as time, how as kind from events order by at"


@pytest.fixture(scope="module")
def shop() -> Iterator[str]:
    cluster = Cluster()
    with psycopg.connect(cluster.url, autocommit=True) as connection:
        connection.execute(SHOP)
    yield cluster.url
    cluster.throw_away()


def written(shop: str) -> list[list[tuple[object, ...]]]:
    with psycopg.connect(shop) as connection:
        return [
            connection.execute(sql).fetchall()
            for sql in ("select count(*) from orders", "table counted", "table pg_largeobject_metadata")
        ]


def test_a_query_is_a_log_with_the_types_of_the_database(shop: str) -> None:
    log = read_interactions(sql=LOG, url=shop, kinds={"buy": 3.0}, strict=True)
    assert (len(log), log.n_users, log.n_items) == (42, 6, 7)
    assert log.vocab.ids[0] == "cfcd2084-95d5-65ef-66e7-dff9f98764da"
    assert log.times is not None
    assert (log.times.min(), log.times.max()) == (1577876400, 1577876400 + 41 * 3600)
    assert sorted(set(log.values.tolist())) == [1.0, 3.0]
    catalog = Catalog.read(query("select * from things", shop), log.vocab)
    assert catalog.titles[0] == "Title 0"


def test_arrays_are_histories_and_percent_signs_are_text(shop: str) -> None:
    log = read_interactions(
        sql="select buyer, lines from orders where buyer like '%n%' or buyer = ':x'",
        url=shop, columns={"user": "buyer", "item": "lines"},
    )  # fmt: skip
    assert [log.vocab.ids[item] for item in log.items] == ["3", "1", "2"]


def test_a_large_result_comes_in_parts_and_within_the_memory(shop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "ROWS", 8_000)
    many = "select n % 99 as user, n % 1009 as item, n as time from generate_series(1, 20000) n"
    log = read_interactions(sql=many, url=shop)
    assert (len(log), log.n_items) == (20_000, 1009)
    monkeypatch.setattr(memory, "free_bytes", lambda: 400_000)
    with pytest.raises(MemoryLimitError, match="the result of this query needs more than"):
        read_interactions(sql=many, url=shop)


@pytest.mark.parametrize("asked", ["spend()", "sneak()", "nextval('counted')"])
def test_nothing_is_written_whatever_the_query_calls(shop: str, asked: str) -> None:
    before = written(shop)
    with pytest.raises(DataError, match=r"read-only|read-write mode"):
        read_interactions(sql=f"select who as user, what as item, {asked} as n from events", url=shop)  # noqa: S608
    assert written(shop) == before


def test_what_a_read_only_transaction_lets_through_is_rolled_back(shop: str) -> None:
    before = written(shop)
    with suppress(DataError):  # newer versions refuse it
        read_interactions(
            sql="select who as user, what as item, 'x' || lo_from_bytea(0, 'x') as n from events", url=shop
        )
    assert written(shop) == before


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("select * from nowhere", 'relation "nowhere" does not exist'),
        ("select who as user, 1 / 0 as item from events", "division by zero"),
        ("select who as user, what as item from events where false", "no rows"),
    ],
)
def test_what_the_database_refuses_is_said_in_one_line(shop: str, sql: str, said: str) -> None:
    with pytest.raises(DataError, match=said) as refused:
        read_interactions(sql=sql, url=shop)
    assert "\n" not in str(refused.value)


def test_the_command_reads_it_and_shows_no_password(
    shop: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv(URL, shop.replace("penchant@", "penchant:s3cret@"))
    assert main(["fit", "--sql", LOG, "-m", "popular", "-o", str(tmp_path / "model")]) == 0
    assert main(["inspect", "--sql", LOG]) == 0
    monkeypatch.setenv(URL, shop.replace("penchant@", "nobody:s3cret@"))
    assert main(["inspect", "--sql", LOG]) == 2
    told = capsys.readouterr()
    assert 'role "nobody" does not exist' in told.err
    assert "s3cret" not in told.out + told.err
