"""A recommender records the range of weights that it learned from, and holds every later history to it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import penchant as pc
from penchant.cli.main import main
from penchant.data.recipe import Recipe
from penchant.errors import FormatError, ParameterError
from penchant.recommender.recommender import Recommender
from tests.recommender.test_folder import restate

ROWS = [("a", "x", 4.0), ("a", "x", 5.0), ("a", "y", 2.0), ("b", "y", 1.0), ("b", "z", -3.0), ("b", "x", 6.0),
        ("c", "z", 2.0), ("c", "y", 1.5), ("d", "w", 1.0), ("d", "z", 2.0)]  # fmt: skip


def table(rows: list[tuple[str, str, float]], value: str = "weight") -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["user", "item", value], orient="row")


def learn(rows: list[tuple[str, str, float]] = ROWS, model: str = "item-knn", **reading: Any) -> Recommender:
    return pc.fit(pc.read_interactions(table(rows), **{"values": "weight", "weight": "raw"} | reading), model)


def weights(rec: Recommender, *events: tuple[str, float]) -> list[float]:
    return rec.histories(list(events))[0].distinct().weights().tolist()


@pytest.mark.parametrize("shape", ["raw", "log", "binary"])
def test_one_absurd_weight_counts_as_the_largest_that_training_saw(shape: str) -> None:
    rec = learn(weight=shape)
    assert rec.recipe.weight_range == (-3, 9)
    assert weights(rec, ("x", 1e9), ("y", 2), ("z", -1e9)) == weights(rec, ("x", 9), ("y", 2), ("z", -3))
    assert weights(rec, ("x", 9.5)) == weights(rec, ("x", 9))
    assert weights(rec, ("x", 4), ("x", 8)) == pytest.approx(weights(rec, ("x", 9)))
    assert rec.histories([("x", 5), ("x", 4), ("z", -3)])[0].values.tolist() == [5, 4, -3]


def test_a_dislike_remains_one_where_training_saw_none() -> None:
    rec = learn([row for row in ROWS if row[2] > 0])
    assert rec.recipe.weight_range == (-9, 9)
    given, _ = rec.histories([{"item": "x", "kind": "dislike"}, {"item": "y", "kind": "dislike", "value": 1e9}])
    assert given.values.tolist() == [-1, -9]


@pytest.mark.parametrize("name", ["other items", "the same items"])
def test_all_ways_into_a_history_are_held(name: str) -> None:
    rec = learn()
    rows = [(user, item, 1e9 if (user, item) == ("b", "x") else weight) for user, item, weight in ROWS]
    rows += [("e", "unknown", 1.0)] if name == "other items" else []
    log = pc.read_interactions(table(rows), values="weight", weight="raw")
    held, _ = rec.translation.of_log(log)
    plain, _ = rec.translation.of_log(pc.read_interactions(table(ROWS), values="weight", weight="raw"))
    assert held[1:2].values.tolist() == [1, -3, 9] and plain[1:2].values.tolist() == [1, -3, 6]
    others = np.array([0, 2, 3])
    assert held[others].values.tobytes() == plain[others].values.tobytes()
    one, _ = rec.translation.of_user(log, "b")
    assert one.values.tolist() == rec.histories([("y", 1), ("z", -3), ("x", 1e9)])[0].values.tolist() == [1, -3, 9]


def test_logs_without_weights_have_no_range(tmp_path: Path) -> None:
    plain = pc.fit(pc.read_interactions(table(ROWS).select("user", "item")), "item-knn")
    rated = pc.fit(pc.read_interactions(table(ROWS, "rating"), values="rating"), "item-knn")
    for rec in (plain, rated):
        assert rec.recipe.weight_range is None and "weight_range" not in rec.recipe.to_json()
    assert rated.histories([("x", 1e9)])[0].values.tolist() == [1e9]
    events = [{"item": "x", "value": 1e9}, {"item": "y", "kind": "dislike"}]
    assert plain.histories(events)[0].values.tolist() == [1, -1]


def test_only_rows_that_are_learned_from_make_the_range() -> None:
    rows = pl.concat([table(ROWS).with_columns(split=pl.lit("train")),
                      table([("a", "w", 50.0)]).with_columns(split=pl.lit("test"))])  # fmt: skip
    rec = pc.fit(pc.read_interactions(rows, values="weight", weight="raw"), "item-knn")
    assert rec.recipe.weight_range == (-3, 9)


def test_the_range_is_saved_and_a_folder_without_one_counts_every_weight(tmp_path: Path) -> None:
    rec = learn()
    rec.save(tmp_path / "new")
    manifest = json.loads((tmp_path / "new" / "manifest.json").read_text())
    assert manifest["input"]["weight_range"] == [-3, 9]
    loaded = pc.load(tmp_path / "new")
    assert loaded.recipe == rec.recipe and loaded.version == rec.version
    assert weights(loaded, ("x", 1e9)) == [9]
    restate(tmp_path / "new", lambda found: found["input"].pop("weight_range"))
    old = pc.load(tmp_path / "new")
    assert old.recipe == replace(rec.recipe, weight_range=None)
    assert weights(old, ("x", 1e9)) == [1e9]
    restate(tmp_path / "new", lambda found: found["input"].update(weight_range=[9, -3]))
    with pytest.raises(FormatError, match="a range of weights is a finite number below 0 and one above 0"):
        pc.load(tmp_path / "new")


@pytest.mark.parametrize(
    "wrong", [[1.0], [-1.0, 1.0, 2.0], [0.0, 1.0], [-1.0, 0.0], [1.0, -1.0], [-np.inf, 1.0], [-1.0, np.nan], "-1",
              ["a", "b"], [-1.0, True], 5, [None, 1.0]],
)  # fmt: skip
def test_a_range_that_is_none_is_refused(wrong: Any) -> None:
    with pytest.raises(ParameterError, match="a range of weights is"):
        Recipe(values_are="weight", weight_range=wrong)
    assert Recipe.from_json(Recipe(weight_range=(-1, 2)).to_json()).weight_range == (-1.0, 2.0)


def test_an_exact_update_keeps_the_range() -> None:
    log = pc.read_interactions(table(ROWS), values="weight", weight="raw")
    rec = pc.fit(log, "popular:count=weights", updatable=True)
    before = rec.model.score(rec.histories([])[0])
    absurd, _ = rec.histories([("w", 1e9)])
    rec.model.update(added=absurd)
    assert rec.recipe.weight_range == (-3, 9)
    assert weights(rec, ("x", 1e9)) == [9]
    during = rec.model.score(rec.histories([])[0])
    assert during[0, rec.index("w")] <= before.max() + 9
    rec.model.update(removed=absurd)
    np.testing.assert_array_equal(rec.model.score(rec.histories([])[0]), before)


def test_the_command_line_holds_histories_as_the_library_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table(ROWS).write_csv(tmp_path / "log.csv")
    learned = ["fit", str(tmp_path / "log.csv"), "-m", "ease", "--weight", "raw", "-o", str(tmp_path / "model")]
    assert main([*learned, "--values", "weight"]) == 0
    answers = []
    for name, weight in (("absurd", 1e9), ("plain", 9.0), ("less", 8.0)):
        table([("me", "x", weight), ("me", "y", 1.0)]).write_csv(tmp_path / f"{name}.csv")
        capsys.readouterr()
        asked = ["recommend", str(tmp_path / "model"), "--log", str(tmp_path / f"{name}.csv"), "--user", "me", "--json"]
        assert main(asked) == 0
        answers.append(capsys.readouterr().out)
    assert answers[0] == answers[1] != answers[2]
