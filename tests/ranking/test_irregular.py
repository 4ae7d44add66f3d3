"""The table of docs/ranking.md on irregular data: what it says of each situation is true."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from penchant.core.histories import Histories
from penchant.core.item_features import ItemFeatures
from penchant.core.run import Run
from penchant.data.catalog import Catalog
from penchant.data.doctor import examine
from penchant.data.interactions import Interactions
from penchant.data.read import read_interactions
from penchant.data.reading.assemble import read_traced
from penchant.errors import FormatError, MissingExtraError
from penchant.ranking.booster import boost, no_trees
from penchant.ranking.features import Asked, compute, declared
from penchant.ranking.ranked import Ranked
from penchant.ranking.statistics import Statistics
from penchant.recommender.recommender import Recommender

PAGE = Path(__file__).parents[2] / "docs" / "ranking.md"
MANY = 3000


def columns(train: Histories, features: ItemFeatures | None) -> tuple[list[str], np.ndarray]:
    """The names of the features, and their values of all items for the first history."""
    statistics, names = Statistics.fit(train, features)
    items = np.arange(train.n_items, dtype=np.int32)
    asked = Asked(train[:1], np.zeros(len(items), np.int64), items, np.zeros((0, len(items)), np.float32))
    return [one.name for one in declared(statistics, 0, names)], compute(statistics, asked)


def events(**more: Any) -> pl.DataFrame:
    return pl.DataFrame({"user": [f"u{n % 20}" for n in range(100)], "item": [f"i{n % 7}" for n in range(100)], **more})


def rare() -> None:
    values: list[Any] = ["red"] * 5 + [None] * 95
    names, table = columns(Histories.from_lists([[0, 1, 50]], 100), ItemFeatures.from_columns(100, {"colour": values}))
    for what in ("always", "lately", "chosen"):
        found = table[:, names.index(f"attribute.colour.{what}")]
        assert np.isfinite(found[:5]).all() and np.isnan(found[5:]).all()


def thousands() -> None:
    own = ItemFeatures.from_columns(MANY, {"maker": [f"m{n}" for n in range(MANY)]})
    train = Histories.from_lists([[7, 7, 7, 9], [7, 8]], MANY)
    names, table = columns(train, own)
    assert [name for name in names if name.startswith("attribute.")] == [
        f"attribute.maker.{what}" for what in ("always", "lately", "chosen")
    ]
    np.testing.assert_allclose(table[:, names.index("attribute.maker.chosen")], 0, atol=1e-6)  # no item tells of itself


def context_names(values: int) -> tuple[list[str], Interactions]:
    log = read_interactions(events(place=[f"p{n % values}" for n in range(100)]), context="place")
    statistics, names = Statistics.fit(log.histories(), None)
    return [one.name for one in declared(statistics, 0, names)], log


def over_64() -> None:
    assert "context.0.stated" in context_names(64)[0]
    assert "context.0.stated" not in context_names(65)[0] and "context.0.item" in context_names(65)[0]


def over_1000() -> None:
    log = read_interactions(
        pl.DataFrame({"user": ["u"] * 1200, "item": ["i"] * 1200, "place": [f"p{n}" for n in range(1200)]}),
        context="place",
    )
    assert len(log.recipe.contexts["place"]) == 1000 and log.context is not None
    assert int((log.context < 0).sum()) == 200


def never_seen() -> None:
    log = read_interactions(events(mood=["sad", "happy"] * 50), context="mood")
    found = Recommender(
        log.vocab, Ranked(members=["popular"], trees=2).fit(log.histories(), run=Run(threads=1)), log.recipe
    )
    assert found.recommend(["i1"], 2, context={"mood": "hangry"}).strange == ["mood=hangry"]


def lacks_a_column() -> None:
    log = read_interactions(events(), context={"mood": ["happy", "sad"]})
    assert log.context is not None and (log.context == -1).all()


def other_features() -> None:
    model = Ranked(members=["popular"], trees=2).fit(Histories.from_lists([[0, 1], [1, 2]] * 40, 3), run=Run(threads=1))
    model.keep(no_trees(["something.else"]))
    with pytest.raises(FormatError, match="other features"):
        model.check_loaded()


def no_lightgbm() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "lightgbm", None)
        with pytest.raises(MissingExtraError, match="rank"):
            boost(
                np.zeros((1, 1), np.float32), np.zeros(1, np.float32), ["x"], objective="regression", trees=1, leaves=2,
                rate=0.1, min_rows=1, reg=1.0, share=1.0, run=Run(),
            )  # fmt: skip


def became_text() -> None:
    log = read_interactions(events())
    for prices, kind in ((range(7), "number"), (["1", "2", "3 kg", "4", "5", "6", "7"], "attribute")):
        table = pl.DataFrame({"item": [f"i{n}" for n in range(7)], "price": prices})
        catalog = Catalog.read(table, log.vocab)
        names, _ = columns(log.histories(), catalog.features())
        assert any(name.startswith(f"{kind}.price") for name in names)


def with_units() -> None:
    table = pl.DataFrame({"item": [f"i{n}" for n in range(7)], "weight": [f"{n},5 kg" for n in range(7)]})
    log, trace = read_traced([events()], items=table)
    said = [one.what for one in examine(log, trace, table) if one.check == "numbers with units"]
    assert said == ["7 values of 'weight' are numbers with a unit, such as '0,5 kg'"]
    names, _ = columns(log.histories(), Catalog.read(table, log.vocab).features())
    assert "attribute.weight.always" in names


def contradictory() -> None:
    table = pl.DataFrame({"item": ["i0", "i1", "i0"], "colour": ["red", "red", "blue"]})
    log, trace = read_traced([events()], items=table)
    assert Catalog.read(table, log.vocab).attributes["colour"][log.vocab.index("i0")] == "red"
    assert any("repeats an id" in one.what for one in examine(log, trace, table))


def missing_together() -> None:
    table = pl.DataFrame({
        "item": [f"i{n}" for n in range(7)], "a": ["x"] * 3 + [None] * 4, "b": ["y"] * 3 + [None] * 4,
        "c": [None] * 7, "d": ["z"] * 7,
    })  # fmt: skip
    gone = ["sad", "", "", "", ""] * 20
    log, trace = read_traced(
        [events(mood=gone, weather=gone, place=["", "x", "", "", ""] * 20, device=["a"] * 100)], items=table,
        context="mood,weather,place,device",
    )  # fmt: skip
    said = {one.what for one in examine(log, trace, table) if one.check.startswith("missing")}
    assert "80 events (80%) without 'mood' (missing together with 'weather')" in said
    assert "80 events (80%) without 'place'" in said
    assert not any("'device'" in one for one in said)
    assert any("without 'a' (missing together with 'b'" in one for one in said)


ROWS: dict[str, Callable[[], None]] = {
    "an attribute that 5 % of the items have": rare,
    "thousands of values in one column": thousands,
    "a context with more than 64 values": over_64,
    "a context with more than 1,000 values": over_1000,
    "a context that training never saw": never_seen,
    "a later log without the column of a context": lacks_a_column,
    "trees over other features than the model computes": other_features,
    "LightGBM is not installed": no_lightgbm,
    "a number of the catalogue became text": became_text,
    "numbers with units, such as `2 kg`": with_units,
    "two rows of an item contradict each other": contradictory,
    "several columns are missing": missing_together,
}


@pytest.mark.parametrize("situation", ROWS)
def test_what_the_table_says_of(situation: str) -> None:
    ROWS[situation]()


def test_every_row_of_the_table_is_tested() -> None:
    table = PAGE.read_text(encoding="utf-8").partition("| situation | what happens |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| ([^|]+?) \|", table, re.MULTILINE)[0:] == list(ROWS)


def test_columns_missing_mostly_together_are_named() -> None:
    from penchant.data.doctor.missing import together

    one, two, other = np.zeros((3, 100), np.bool_)
    one[:90], two[5:90], other[60:] = True, True, True
    absent = {"one": one, "two": two, "other": other}
    assert together("one", one, absent) == ["mostly missing together with 'two'"]
    assert together("other", other, absent) == []
