"""Features against naive loops, and ratings that depend on the context."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from penchant.core.histories import Histories
from penchant.core.item_features import ItemFeatures
from penchant.core.run import Run
from penchant.data.catalog import Catalog
from penchant.data.read import read_interactions
from penchant.data.vocab import Vocab
from penchant.errors import DataError
from penchant.models.bias import Bias
from penchant.ranking.candidates import candidates
from penchant.ranking.features import HALF_LIFE, Asked, compute, declared
from penchant.ranking.gbm_rating import GBMRating
from penchant.ranking.lead import rating_columns
from penchant.ranking.ranked import Ranked
from penchant.ranking.statistics import Statistics
from penchant.recommender.recommender import Recommender
from penchant.training.fit import fit

GENRES = [["a", "b"], ["b"], ["c"], None, ["a"], ["c", "a"]]
PRICES = [1.0, 2.0, None, 4.0, 5.0, 9.0]


def described() -> ItemFeatures:
    return ItemFeatures.from_columns(6, {"genre": GENRES, "brand": ["x", None, "y", "y", "x", "x"], "price": PRICES})


def column(table: np.ndarray, statistics: Statistics, names: object, name: str) -> np.ndarray:
    listed = [one.name for one in declared(statistics, 0, names)]  # type: ignore[arg-type]
    return table[:, listed.index(name)]


def every_pair(given: Histories) -> Asked:
    n = given.n_items
    rows = np.repeat(np.arange(len(given)), n)
    items = np.tile(np.arange(n, dtype=np.int32), len(given))
    return Asked(given, rows, items, np.zeros((0, len(rows)), np.float32))


def test_attributes_and_numbers_are_those_of_a_loop() -> None:
    train = Histories.from_lists([[0, 1, 2], [4, 5], [3, 0]], 6)
    given = Histories.from_lists([[0, 5], [2], [], [3]], 6)
    statistics, names = Statistics.fit(train, described())
    table = compute(statistics, every_pair(given)).reshape(4, 6, -1)
    features = described()
    for what, weigh in (("always", lambda age: 1.0), ("lately", lambda age: 2.0 ** (-age / HALF_LIFE))):
        found = column(table.reshape(24, -1), statistics, names, f"attribute.genre.{what}").reshape(4, 6)
        for row in range(4):
            history = given.row(row).tolist()
            weights = [weigh(len(history) - 1 - n) for n in range(len(history))]
            for item in range(6):
                if not history or GENRES[item] is None:
                    assert np.isnan(found[row, item])
                    continue
                expected = 0.0
                for genre in GENRES[item]:
                    mine = sum(w for w, one in zip(weights, history, strict=True) if genre in (GENRES[one] or ()))
                    usual = sum(genre in (GENRES[one] or ()) for one in train.items.tolist()) / len(train.items)
                    expected += mine / sum(weights) - usual
                assert found[row, item] == pytest.approx(expected / len(GENRES[item]), abs=1e-6)
    value = {i: features.data[at] for i in range(6) for at in range(*features.indptr[i : i + 2])
             if features.names[features.indices[at]] == "price"}  # fmt: skip
    off = column(table.reshape(24, -1), statistics, names, "number.price.off").reshape(4, 6)
    older = 2.0 ** (-1 / HALF_LIFE)
    assert off[0, 1] == pytest.approx(value[1] - (value[0] * older + value[5]) / (1 + older), abs=1e-5)
    assert np.isnan(off[0, 2]) and np.isnan(off[1]).all() and np.isnan(off[2]).all()


def test_counts_of_the_history() -> None:
    day = 86_400
    given = Histories.from_lists([[2, 1, 2, 3]], 6, times=[[0, day, 4 * day, 6 * day]])
    train = Histories.from_lists([[0, 1, 2]], 6, times=[[0, day + 5000, 2 * day + 9000]])
    statistics, names = Statistics.fit(train, None)
    table = compute(statistics, every_pair(given))
    for name, expected in (
        ("history.times", [0, 1, 2, 1]),
        ("history.ago", [np.nan, 2, 1, 0]),
        ("history.days", [np.nan, 5, 2, 0]),
        ("history.rhythm", [np.nan, np.nan, 0.5, np.nan]),
    ):
        np.testing.assert_allclose(
            np.expm1(column(table, statistics, names, name)[:4]), expected, atol=1e-5, err_msg=name
        )


def test_a_new_item_is_a_candidate_as_soon_as_it_is_described() -> None:
    train = Histories.from_lists([[0, 1], [0, 4], [1, 4]], 6)  # nobody took 2, 3 and 5
    statistics, _ = Statistics.fit(train, described())
    asked, _ = candidates(
        [], statistics, Histories.from_lists([[0], [1]], 6), depth=1, repeats=False,
        popularity_rank=np.array([0, 1, 3, 4, 2, 5], dtype=np.int32),
    )  # fmt: skip
    assert {5} <= set(asked.items[asked.rows == 0].tolist())


def test_attributes_alone_rank_new_items_above_popularity() -> None:
    rng = np.random.default_rng(0)
    genre = np.arange(60) % 6
    rows = []
    for u in range(120):
        chosen = rng.permutation(np.flatnonzero((genre == u % 6) & (np.arange(60) < 48)))[:6]
        rows += [{"user": f"u{u}", "item": f"i{i:02}", "time": u * 7 + n * 90_000} for n, i in enumerate(chosen)]
    items = pl.DataFrame({"item": [f"i{i:02}" for i in range(60)], "genre": [f"g{g}" for g in genre]})
    log = read_interactions(pl.DataFrame(rows), items=items)
    model = Ranked(members=["content-knn", "popular"], trees=30, leaves=6, min_rows=5)
    found = fit(log, model, catalog=Catalog.read(items, log.vocab))
    right = []
    for g in range(6):
        history = [f"i{i:02}" for i in np.flatnonzero(genre == g)[:3]]
        new = [f"i{i:02}" for i in range(48, 60)]
        right.append(genre[int(str(found.recommend(history, 1, allow=new).ids[0])[1:])] == g)
    assert np.mean(right) >= 5 / 6


def rated(people: int = 120, seed: int = 0) -> pl.DataFrame:
    """Half of the items are rated up by the happy and down by the sad, the others are not; a third do not say."""
    rng = np.random.default_rng(seed)
    told = []
    for person in range(people):
        for item in rng.permutation(30)[:16].tolist():
            sad = bool(rng.integers(2))
            value = 3 + (item % 5 - 2) * 0.3 + (item < 15) * (-1.2 if sad else 1.2) + rng.normal() * 0.3
            mood = None if rng.random() < 0.33 else "sad" if sad else "happy"
            told.append(
                {
                    "user": f"u{person}",
                    "item": f"i{item}",
                    "rating": round(float(np.clip(value, 1, 5)), 1),
                    "mood": mood,
                }
            )
    return pl.DataFrame(told)


def test_ratings_follow_the_mood() -> None:
    log = read_interactions(rated(), context="mood", values="rating")
    found = fit(log, GBMRating(members=["bias"], trees=60))
    model = found.model
    assert isinstance(model, GBMRating)
    items = Histories.from_lists([[log.vocab.index("i3")]], log.n_items)
    history = [("i20", 3.0), ("i21", 3.0)]
    said = {
        mood: model.predict(found.histories(history, context={"mood": mood})[0], items)[0]
        for mood in ("sad", "happy", "?")
    }
    assert said["happy"] - said["sad"] > 1.5
    assert said["sad"] < said["?"] < said["happy"]
    told = found.explain(history, "i3", context={"mood": "sad"})
    assert told.why is not None and any("mood = sad" in one.words for one in told.why.reasons)


def test_a_shuffled_mood_says_nothing() -> None:
    log = rated()
    shuffled = log.with_columns(mood=pl.col("mood").shuffle(seed=1))
    table = read_interactions(shuffled, context="mood", values="rating")
    model = fit(table, GBMRating(members=["bias"], trees=30, min_rows=40, reg=10.0)).model
    assert isinstance(model, GBMRating)
    plain = Bias().fit(table.histories())
    fresh = read_interactions(rated(60, seed=5), values="rating", context={"mood": ["happy", "sad"]}).histories()
    fresh = Histories(fresh.indptr, fresh.items, fresh.n_items, fresh.values, "rating")
    given, held = fresh.where(np.arange(len(fresh.items)) % 2 == 0), fresh.where(np.arange(len(fresh.items)) % 2 == 1)
    errors = [float(np.sqrt(np.mean((one.predict(given, held) - held.values) ** 2))) for one in (model, plain)]
    assert errors[0] < 1.03 * errors[1]


def test_many_contexts_that_are_seldom_stated_add_up() -> None:
    """Each of eight contexts is stated by one rating of five and moves it a little: together they explain most."""
    rng = np.random.default_rng(0)
    people, items, contexts, n = 150, 20, 8, 2400
    stated = np.where(rng.random((n, contexts)) < 0.2, rng.integers(0, 2, (n, contexts)), -1).astype(np.int32)
    value = 3 + np.where(stated < 0, 0, stated - 0.5).sum(axis=1) * 0.6 + rng.normal(size=n) * 0.3
    log = Histories(
        np.arange(people + 1) * (n // people), rng.integers(0, items, n).astype(np.int32), items,
        np.clip(value, 1, 5).astype(np.float32), "rating", context=stated, ordered=False,
    )  # fmt: skip
    part = np.arange(n) % 4 == 3
    given, held = log.where(~part), log.where(part)
    model = GBMRating(members=["bias"], trees=5).fit(given, run=Run(threads=1))
    asked = replace(given[held.rows], asked=held.context)
    each = Histories(np.arange(len(held.items) + 1), held.items, items)
    errors = [one.predict(asked, each) - held.values for one in (model, Bias().fit(given))]
    with_contexts, without = (float(np.sqrt(np.mean(one**2))) for one in errors)
    assert with_contexts < 0.8 * without
    kinds = [name.rpartition(".")[2] for name in np.array(model.forest.names)[rating_columns(model.forest.names)]]
    for kind in ("level", "rating", "mine", "kind"):
        assert len({weight for weight, one in zip(model.lead, kinds, strict=True) if one == kind}) == 1


def test_only_models_of_ratings_can_be_corrected() -> None:
    with pytest.raises(DataError, match="ease predicts no ratings"):
        GBMRating(members=["ease"])
    with pytest.raises(DataError, match="needs ratings"):
        GBMRating().fit(Histories.from_lists([[0, 1]], 3), run=Run())


def test_nothing_to_learn_an_order_from_is_said() -> None:
    model = Ranked(members=["popular"]).fit(Histories.from_lists([[0], [1]], 3))
    assert "nothing to learn an order from" in " ".join(model.notes)
    found = Recommender(Vocab(["a", "b", "c"]), model)
    assert found.recommend(["a"], 2).ids == ["b", "c"]
