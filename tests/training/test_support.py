"""k-anonymous support: what fewer than k histories hold is planted, and found nowhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import penchant as pc
from penchant.cli.main import main
from penchant.data.catalog import Catalog
from penchant.data.recipe import MOST_SUPPORT
from penchant.data.support import supported
from penchant.errors import DataError, ParameterError
from penchant.models.registry import parse

K = 4
COMMON = [f"c{n}" for n in range(8)]


def rows(*, together: bool, people: int = K - 1, ratings: bool = False) -> pl.DataFrame:
    """Everybody has four of eight items in turn, never c0 with c4, but for a few people who have just these two; or, if
    not ``together``, as many who have one and as many who have the other."""
    told = []
    for n in range(40):
        own = [COMMON[(n + step) % 8] for step in range(4)]
        told += [(f"u{n}", item, 1 + (n + at) % 5) for at, item in enumerate(own)]
    for n in range(people):
        pair = (("c0", 5), ("c4", 3))
        told += [(f"p{n}" if together else f"p{n}{item}", item, value) for item, value in pair]
    names = ["user", "item", "rating" if ratings else "count"]
    frame = pl.DataFrame([list(row) for row in told], schema=names, orient="row")
    return frame if ratings else frame.drop("count")


def fitted(model: str, *, k: int, together: bool, people: int = K - 1) -> Any:
    ratings = model.startswith("slope-one")
    log = pc.read_interactions(rows(together=together, people=people, ratings=ratings))
    return pc.fit(log, model, min_support=k).model


def entries(model: Any) -> np.ndarray:
    """What a model of pairs knows of every pair."""
    if model.name == "slope-one":
        return np.asarray(model.sums + 1j * model.counts)[~np.eye(8, dtype=bool)]
    eye = pc.Histories.from_lists([[n] for n in range(8)], 8)
    return np.asarray(model.score(eye))


PAIRS = (
    "item-knn", "item-knn:similarity=jaccard", "rp3beta:beta=0.5",
    "transitions", "ease:reg=10", "sparse-ease:reg=10,rank=0,neighbours=7", "slim", "graph-filter:rank=0",
    "slope-one", "sparse-ease:reg=10,neighbours=4", "graph-filter",
)  # fmt: skip


@pytest.mark.parametrize("model", PAIRS)
def test_a_pair_of_few_people_tells_a_model_of_pairs_nothing(model: str) -> None:
    same, other = (entries(fitted(model, k=K, together=together)) for together in (True, False))
    np.testing.assert_allclose(same, other, rtol=1e-5, atol=1e-6)
    if parse(model).name not in {"sparse-ease", "graph-filter"} or "rank=0" in model:  # others change by their rank
        seen, apart = (entries(fitted(model, k=1, together=together)) for together in (True, False))
        assert np.abs(seen - apart).max() > 1e-4  # the pair can be told where nothing forbids it
    if "rank" not in model and parse(model).name in {"sparse-ease", "graph-filter"}:
        assert any("rank 0" in note for note in fitted(model, k=K, together=True).notes)


@pytest.mark.parametrize("model", PAIRS[:8])
def test_a_pair_of_enough_people_is_learned(model: str) -> None:
    enough, apart = (entries(fitted(model, k=K, together=together, people=K)) for together in (True, False))
    assert np.abs(enough - apart).max() > 1e-4


def planted() -> tuple[pl.DataFrame, pl.DataFrame]:
    """A log with an item of K - 1 people, one of K, and one that only the item table lists."""
    log = rows(together=True).with_columns(mood=pl.lit("calm"))
    for item, people in (("secret", K - 1), ("shared", K)):
        more = pl.DataFrame({"user": [f"u{n}" for n in range(people)], "item": item})
        log = pl.concat([log, more.with_columns(mood=pl.lit("odd" if item == "secret" else "calm"))])
    table = pl.DataFrame({"item": [*COMMON, "listed"], "title": [f"T {n}" for n in range(9)], "genre": ["g"] * 9})
    return log, table


ITEMS = ("popular", "als:factors=4,epochs=2", "item-knn", "user-knn", "bpr:factors=4,epochs=2", "pure-svd:factors=3",
         "content-knn")  # fmt: skip


@pytest.mark.parametrize("model", ITEMS)
def test_an_item_of_few_people_is_in_no_model(model: str, tmp_path: Path) -> None:
    log, table = planted()
    read = pc.read_interactions(log, items=table)
    rec = pc.fit(read, model, catalog=Catalog.read(table, read.vocab), min_support=K)
    assert set(rec.vocab.ids) == {*COMMON, "shared", "listed"}
    rec.save(tmp_path / "model")
    assert b"secret" not in b"".join(one.read_bytes() for one in (tmp_path / "model").rglob("*") if one.is_file())
    again = pc.load(tmp_path / "model")
    assert again.recipe.min_support == K
    manifest = json.loads((tmp_path / "model" / "manifest.json").read_text())
    assert manifest["fitted_on"]["min_support"] == K
    assert not {one.item for one in again.recommend(["c1"], k=20)} & {"secret"}


def test_values_of_contexts_need_people_too() -> None:
    log = pc.read_interactions(planted()[0], context="mood")
    assert log.recipe.contexts == {"mood": ("calm", "odd")}
    found, _, note = supported(log.where(np.ones(len(log), bool)), K)
    assert found.recipe.contexts == {"mood": ("calm",)}
    assert found.context is not None
    assert set(found.context[:, 0].tolist()) == {0}
    assert note == f"min_support {K}: 1 items and {K - 1} events were left out"
    odd = planted()[0].with_columns(
        mood=pl.when(pl.col("user").is_in(["u20", "u21"])).then(pl.lit("odd")).otherwise(pl.lit("calm"))
    )
    kept, _, _ = supported(pc.read_interactions(odd, context="mood"), 3)
    assert kept.recipe.contexts == {"mood": ("calm",)}
    assert kept.context is not None
    assert (kept.context[:, 0] == -1).sum() == 8  # their events stay, without it


def test_the_command_and_its_bounds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log, table = planted()
    log.write_csv(tmp_path / "log.csv")
    table.write_csv(tmp_path / "items.csv")
    command = ["fit", str(tmp_path / "log.csv"), "--items", str(tmp_path / "items.csv"), "-m", "item-knn"]
    out = tmp_path / "model"
    assert main([*command, "--min-support", str(K), "-o", str(out), "--lists", str(tmp_path / "lists.csv")]) == 0
    assert "1 items and 3 events were left out" in capsys.readouterr().err
    assert "secret" not in (tmp_path / "lists.csv").read_text()
    for more, why in (
        (["--min-support", "0"], "from 1 to"), (["--min-support", str(MOST_SUPPORT + 1)], "from 1 to"),
        (["--min-support", "2", "--updatable"], "leave out one of min_support"),
        (["--min-support", "2", "--private", "epsilon=2,delta=1e-6"], "does not go with --private"),
        (["--min-support", "1000"], "no item was seen in so many histories"),
    ):  # fmt: skip
        assert main([*command, *more, "-o", str(tmp_path / "other")]) == 2
        assert why in capsys.readouterr().err, more
        assert not (tmp_path / "other").exists()
    with pytest.raises(ParameterError, match="from 1"):
        pc.Recipe(min_support=0)
    with pytest.raises(DataError):
        supported(pc.read_interactions(rows(together=True)), 1000)


@pytest.mark.parametrize("model", ["popular", "item-knn"])
def test_a_count_of_the_folder_is_of_positives_of_so_many_people(model: str, tmp_path: Path) -> None:
    told = [(f"u{n}", f"i{n % 3}", 5) for n in range(30)]
    told += [(f"u{n}", "mixed", 5 if n < K - 1 else 2) for n in range(30)]  # many rated it, few of them liked it
    log = pc.read_interactions(pl.DataFrame(told, schema=["user", "item", "rating"], orient="row"), positive="value>=4")
    pc.fit(log, model, min_support=K).save(tmp_path / "model")
    items = pl.read_parquet(tmp_path / "model" / "items.parquet")
    assert sorted(items["item"].to_list()) == ["i0", "i1", "i2"]
    assert items["count"].min() == 10
