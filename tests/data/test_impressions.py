"""Events of weight 0, such as impressions, are neither positives nor seen: they enter no history."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from penchant.data.prepared.prepare import prepare
from penchant.data.read import read_interactions
from penchant.errors import DataError
from penchant.models.item_knn import ItemKNN
from penchant.training.fit import fit

ROWS = [
    ("a", "x", "view", 1), ("a", "y", "impression", 2), ("a", "y", "cart", 3), ("a", "z", "Impression ", 4),
    ("b", "x", "view", 5), ("b", "z", "impression", 6), ("c", "z", "impression", 7), ("d", "y", "view", 8),
]  # fmt: skip


def table(*, without: bool = False) -> pl.DataFrame:
    kept = [row for row in ROWS if not (without and row[2].strip().lower() == "impression")]
    return pl.DataFrame(kept, schema=["user", "item", "kind", "time"], orient="row")


@pytest.mark.parametrize("kinds", [None, {"view": 1, "cart": 3}, {"impression": 0, "cart": 2}])
def test_a_log_reads_as_if_they_were_not_there(kinds: dict[str, float] | None) -> None:
    one, other = read_interactions(table(), kinds=kinds), read_interactions(table(without=True), kinds=kinds)
    assert one.user_ids == other.user_ids == ["a", "b", "d"]
    assert [one.vocab.ids[item] for item in one.items] == [other.vocab.ids[item] for item in other.items]
    assert np.array_equal(one.times, other.times)
    if other.values is not None:
        assert np.array_equal(one.values, other.values)
    assert one.report.notes == ["4 events of weight 0, such as impressions, enter no history"]


def test_a_weight_above_zero_makes_them_events() -> None:
    log = read_interactions(table(), kinds={"impression": 0.5})
    assert len(log) == 8
    assert log.values is not None
    assert sorted(log.values.tolist()) == [0.5] * 4 + [1] * 4


def test_a_log_of_nothing_else_is_refused() -> None:
    with pytest.raises(DataError, match="every event of this log has weight 0"):
        read_interactions(table().filter(pl.col("user") == "c"))


def test_an_item_that_was_only_shown_may_be_recommended() -> None:
    rec = fit(read_interactions(table(), kinds={"view": 1, "cart": 3}), ItemKNN())
    history = [{"item": "x", "kind": "view"}, {"item": "y", "kind": "impression"}, {"item": "no", "kind": "impression"}]
    answer = rec.recommend(history, k=5)
    assert "y" in [one.item for one in answer.items]
    assert answer.unknown == []
    given, _ = rec.histories(history)
    assert given.items.tolist() == [rec.index("x")]
    assert len(rec.histories([{"item": "y", "kind": "impression"}])[0].items) == 0


RATED = [
    ("a", "x", "rate", 5.0, 1), ("a", "z", "impression", None, 2), ("a", "y", "rate", 1.0, 3),
    ("b", "x", "rate", 2.5, 4), ("b", "y", "Impression ", None, 5), ("b", "z", "rate", 4.0, 6),
]  # fmt: skip


def rated(*, without: bool = False) -> pl.DataFrame:
    kept = [row for row in RATED if row[3] is not None or not without]
    return pl.DataFrame(kept, schema=["user", "item", "kind", "rating", "time"], orient="row")


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("prepared", [False, True])
def test_an_impression_in_a_log_of_ratings_needs_no_rating(tmp_path: Path, *, apart: bool, prepared: bool) -> None:
    sources: list[Path | pl.DataFrame] = [tmp_path / "log.csv"]
    rated().write_csv(tmp_path / "log.csv")
    if apart:
        rated(without=True).write_csv(tmp_path / "log.csv")
        shown = rated().filter(pl.col("rating").is_null()).drop("rating")
        shown.write_csv(tmp_path / "shown.csv")
        sources.insert(0, tmp_path / "shown.csv")
    log = (
        prepare(sources, tmp_path / "prepared", rejected=False)
        if prepared
        else read_interactions(sources, rejected=False)
    )
    other = read_interactions(rated(without=True))
    assert log.report.n_rejected == 0
    assert log.values_are == other.values_are == "rating"
    ids = [log.vocab.ids[item] for item in log.items]
    assert sorted(zip(log.users.tolist(), ids, log.values.tolist(), strict=True)) == sorted(
        zip(other.users.tolist(), [other.vocab.ids[item] for item in other.items], other.values.tolist(), strict=True)
    )
    assert log.shown is not None
    assert sorted(log.vocab.ids[item] for item in log.shown.items) == ["y", "z"]


def test_any_other_kind_needs_one() -> None:
    missing = rated().with_columns(kind=pl.col("kind").str.replace("(?i)impression", "view"))
    log = read_interactions(missing, rejected=False)
    assert log.report.reasons == {"the value is missing": 2}
    assert len(read_interactions(missing, kinds={"view": 0}, rejected=False)) == 4
    weighing = read_interactions(rated(), kinds={"impression": 1}, rejected=False)
    assert weighing.report.reasons == {"the value is missing": 2}
    beside = [rated(without=True), missing.filter(pl.col("rating").is_null()).drop("rating")]
    with pytest.raises(DataError, match="there is no column of ratings"):
        read_interactions(beside)
