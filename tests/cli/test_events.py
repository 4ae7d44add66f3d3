"""Logs in and out of a store on the command line, and a store in the place of a log."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import polars as pl
import pytest

from penchant.store.log import store_log


@pytest.fixture
def url(run, shop: Path, tmp_path: Path) -> str:
    store = f"sqlite:///{tmp_path / 'store.db'}"
    said = run("events", "import", shop / "log.csv", "--store", store, "--keep", "0")
    assert (said.code, said.out) == (0, "200 of 200 events were imported; 0 were in the store already\n")
    return store


def test_a_second_import_adds_nothing(run, shop: Path, url: str) -> None:
    said = run("events", "import", shop / "log.csv", "--store", url, "--keep", "0", "--json")
    assert json.loads(said.out) == {
        "events": 200, "imported": 0, "duplicates": 200, "erased": 0, "left_out": {}, "rejected": 0
    }  # fmt: skip


def test_old_events_are_told_and_left_out(run, shop: Path, tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path / 'store.db'}"
    said = run("events", "import", shop / "log.csv", "--store", store)
    assert said.code == 0
    assert said.out.startswith("0 of 200 events were imported")
    assert "200 of 200 events are older than events are kept: they are left out" in said.err


def test_a_store_is_fitted_inspected_and_evaluated_as_its_export_is(run, shop: Path, url: str, tmp_path: Path) -> None:
    file = tmp_path / "events.parquet"
    assert run("events", "export", "--store", url, "-o", file).code == 0

    def told(*arguments: object) -> list[dict[str, object]]:
        out = []
        for source in ((file,), ("--store", url)):
            said = run(*arguments, *source, "--json")
            assert said.code == 0, said.err
            out.append(json.loads(said.out))
        return out

    one, other = told("inspect")
    assert one["statistics"] == other["statistics"]
    one, other = told("evaluate", "-m", "item-knn", "--split", "leave-last")
    assert one["models"][0]["metrics"] == other["models"][0]["metrics"]
    one, other = told("fit", "-m", "item-knn:neighbours=6", "-o", tmp_path / "model", "--force")
    same = {"seconds": 0, "store": None}  # a store is named
    assert one["fitted_on"] | same == other["fitted_on"] | same
    assert other["fitted_on"]["store"]["events"] == 200
    assert one["model"] == other["model"]
    said = run("tune", "--store", url, "-m", "item-knn", "--trials", 1, "-o", tmp_path / "tuned.json")
    assert said.code == 0, said.err
    said = run("recommend", tmp_path / "model", "--all", "--store", url, "-o", tmp_path / "lists.parquet")
    assert said.code == 0, said.err
    assert pl.read_parquet(tmp_path / "lists.parquet")["user"].n_unique() == 50
    said = run("recommend", shop / "model", "--user", "u1", "--store", url, "--json")
    assert json.loads(said.out)["user"] == "u1"


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl"])
def test_what_was_imported_is_exported(run, url: str, tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"events.{ending}"
    said = run("events", "export", "--store", url, "-o", file, "--json")
    assert json.loads(said.out) == {"file": str(file), "events": 200}
    assert run("events", "export", "--store", url, "-o", file).code == 2  # it exists
    other = f"sqlite:///{tmp_path / 'other.db'}"
    assert run("events", "import", file, "--store", other, "--keep", "0").code == 0
    one, same = store_log(url), store_log(other)
    assert next(one.parts(one.names))[0].rows() == next(same.parts(same.names))[0].rows()


def test_a_range_of_times(run, url: str, tmp_path: Path) -> None:
    """The log has an event a day, in groups of four; it begins on 14 July 2017 at 02:40."""
    for low, high, count in (
        ("2017-07-14T02:40:00Z", "2017-07-15T02:40:01+00:00", 2),
        ("2017-07-15", "2017-07-16", 1),
        ("1500000000", "1500000001", 1),
        ("1500000001", None, 199),
    ):
        bounds = ["--since", low, *([] if high is None else ["--until", high])]
        said = run("events", "export", "--store", url, "-o", tmp_path / "part.csv", "--force", *bounds, "--json")
        assert json.loads(said.out)["events"] == count
    said = run("events", "export", "--store", url, "-o", tmp_path / "x.csv", "--since", "yesterday")
    assert said.code == 2
    assert "--since is a date, a time in ISO-8601 or unix seconds, not 'yesterday'" in said.err


def test_pseudonyms(run, url: str, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"0123456789abcdef")
    out = tmp_path / "events.csv"
    said = run("events", "export", "--store", url, "-o", out, "--pseudonyms", tmp_path / "key")
    assert said.code == 0, said.err
    users = pl.read_csv(out)["user"]
    assert users.n_unique() == 50
    assert users.str.starts_with("p_").all()
    said = run("events", "export", "--store", url, "-o", tmp_path / "y.csv", "--pseudonyms", tmp_path / "none")
    assert said.code == 2
    assert "the key cannot be read" in said.err


def test_no_store_no_log_no_name(run, tmp_path: Path, shop: Path) -> None:
    said = run("fit", "--store", f"sqlite:///{tmp_path / 'none.db'}", "-m", "popular", "-o", tmp_path / "model")
    assert said.code == 2
    assert "there is no store here" in said.err
    assert run("events", "import").code == 2
    assert run("events", "export", "-o", tmp_path / "events.xlsx").code == 2
    store = tmp_path / "store.db"
    assert run("events", "import", shop / "log.csv", "--store", f"sqlite:///{store}", "--keep", "0").code == 0
    said = run("fit", "--store", f"sqlite:///{store}", "-m", "popular", "-o", store, "--force")
    assert said.code == 2
    assert store.is_file()


def test_lists_for_everybody_are_written_as_shown_once_a_day(run, shop: Path, url: str, tmp_path: Path) -> None:
    path = url.removeprefix("sqlite:///")
    command = ["recommend", shop / "model", "--all", "--store", url, "-k", 3, "--expose", url, "--json"]
    said = run(*command, "-o", tmp_path / "lists.parquet", "--placement", "mail")
    assert said.code == 0, said.err
    assert json.loads(said.out)["exposures"] == 50
    lists = pl.read_parquet(tmp_path / "lists.parquet").group_by("user", maintain_order=True).agg("item", "score")
    with closing(sqlite3.connect(path)) as store:
        rows = store.execute("SELECT person, placement, items FROM exposures ORDER BY person").fetchall()
    assert {person: json.loads(items) for person, _, items in rows} == {
        f"u:{user}": items for user, items, _ in lists.rows()
    }
    assert {placement for _, placement, _ in rows} == {"mail"}
    again = run(*command, "-o", tmp_path / "again.parquet", "--placement", "mail")
    assert json.loads(again.out)["exposures"] == 0
    other = run(*command, "-o", tmp_path / "other.parquet")
    assert json.loads(other.out)["exposures"] == 50
    assert run(*command, "-o", tmp_path / "bad.parquet", "--placement", "a b").code == 2
    assert run("recommend", shop / "model", "--history", "b1", "--expose", url).code == 2
