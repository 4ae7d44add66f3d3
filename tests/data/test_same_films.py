"""The bundled films, written as people export logs, give the same results as the clean Parquet file."""

from __future__ import annotations

import json
import sqlite3

import polars as pl
import pytest

from penchant import EASE, ItemKNN, Popular, evaluate, fit, read_interactions
from penchant.data.datasets import movielens_small_path
from penchant.data.doctor.statistics import describe
from tests.data.reading.books import write_book

NAMES = {"user": "Kundennummer", "item": "Artikelnummer", "rating": "Bewertung", "timestamp": "Datum"}


@pytest.fixture(scope="module")
def clean():
    frame = pl.read_parquet(movielens_small_path())
    frame.columns = ["user", "item", "rating", "timestamp"]
    frame = frame.filter(pl.col("user") <= 90).sort("user", maintain_order=True)
    return frame.with_columns(pl.col("user", "item").cast(pl.String), pl.col("rating").cast(pl.Float64))


def german(frame, path):
    moments = pl.from_epoch("timestamp").dt.strftime("%d.%m.%Y %H:%M:%S")
    ratings = pl.col("rating").cast(pl.String).str.replace(".", ",", literal=True)
    text = frame.with_columns(moments, ratings).rename(NAMES).write_csv(separator=";")
    path.write_bytes(text.replace("Kundennummer", "Käufer").encode("cp1252"))
    return path, {"columns": "user=Käufer"}


def american(frame, path):
    moments = pl.from_epoch("timestamp").dt.strftime("%-m/%-d/%Y %I:%M:%S %p")
    ratings = pl.format("{} out of 5", pl.col("rating"))
    frame.with_columns(moments, ratings).rename({"user": "Customer ID", "item": "Product ID"}).write_csv(path)
    return path, {}


def chinese(frame, path):
    moments = pl.from_epoch("timestamp").dt.strftime("%Y年%m月%d日 %H:%M:%S")
    text = (
        frame.with_columns(moments)
        .rename({"user": "用户", "item": "商品", "rating": "评分", "timestamp": "时间"})
        .write_csv()
    )
    path.write_bytes(text.encode("gb18030"))
    return path, {}


def json_array(frame, path):
    rows = [{"user": {"id": u}, "item": {"id": i}, "rating": r, "timestamp": t} for u, i, r, t in frame.rows()]
    path.write_text(json.dumps({"events": rows}, indent=1))
    return path, {}


def nested(frame, path):
    frame.group_by("user", maintain_order=True).agg(pl.all()).write_parquet(path)
    return path, {}


def sqlite(frame, path):
    with sqlite3.connect(path) as database:
        database.execute("create table ratings (user text, item text, rating real, timestamp integer)")
        database.executemany("insert into ratings values (?, ?, ?, ?)", frame.rows())
    return path, {}


def excel(frame, path):
    moments = frame.select(pl.from_epoch("timestamp")).to_series().to_list()
    rows = [[int(u), int(i), r, when] for (u, i, r, _), when in zip(frame.rows(), moments, strict=True)]
    write_book(path, Ratings=[frame.columns, *rows])
    return path, {}


def guests(frame, path):
    """Users from 61 on have only a session."""
    late = pl.col("user").cast(pl.Int64) > 60
    table = frame.with_columns(
        session=pl.format("{}", pl.col("user")), user=pl.when(late).then(None).otherwise(pl.col("user"))
    )
    table.write_csv(path)
    return path, {}


EXPORTS = [german, american, chinese, json_array, nested, sqlite, excel, guests]


def results(log):
    found = evaluate(log, [Popular(), ItemKNN()], split="leave-last", k=10).to_json()
    numbers = [(model["name"], {name: m["mean"] for name, m in model["metrics"].items()}) for model in found["models"]]
    lists = fit(log, EASE()).recommend(["318", "296"], 20)
    figures = {**describe(log), "sessions": None}
    return figures, found["split"], numbers, [(entry.item, entry.score) for entry in lists]


@pytest.fixture(scope="module")
def expected(clean):
    return results(read_interactions(clean, strict=True))


@pytest.mark.parametrize("export", EXPORTS, ids=lambda export: export.__name__)
def test_an_export_gives_what_the_clean_table_gives(export, clean, expected, tmp_path):
    path, options = export(clean, tmp_path / "log")
    log = read_interactions(path, strict=True, **options)
    assert log.values_are == "rating"
    assert results(log) == expected


def test_purchases_that_were_taken_back_leave_no_trace(clean, tmp_path):
    bought = clean.select("user", "item", "timestamp", pl.lit(1).alias("Quantity"))
    more = bought.filter(pl.col("user") == "7").with_columns(pl.col("item").reverse(), pl.col("timestamp") + 1)
    back = more.with_columns(pl.col("timestamp") + 5, Quantity=pl.lit(-1))
    path = tmp_path / "log.csv"
    pl.concat([bought, more, back]).write_csv(path)
    log = read_interactions(path, strict=True)
    assert log.report.rows == len(bought) + 2 * len(more)
    found, plain = results(log), results(read_interactions(bought, strict=True))
    assert found[1:] == plain[1:]
    assert {**found[0], "rows": None} == {**plain[0], "rows": None}
