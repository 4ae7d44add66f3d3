"""Events become a history in one way, wherever they come from: a log, a list, or the rows of the service's store."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import penchant as pc
from penchant.core.histories import Histories
from penchant.data.events import Events, read_events
from penchant.data.recipe import Recipe
from penchant.data.vocab import Vocab
from penchant.recommender.recommender import Recommender
from penchant.store.events import StoredEvent

KNOWN, UNKNOWN = [f"item {n}" for n in range(6)], ["new 0", "new 1"]
START = 1_700_000_000
KINDS = ["view", "Cart", "dislike", "skip", "never named", None]
LIKING = ["view", "Cart", "skip", "never named", None]
WEIGHTS = {"view": 1.0, "cart": 3.0, "dislike": -2.0, "skip": 0.0}
VALUES = st.sampled_from([0.5, 1.0, 2.25, 4.0])
RATINGS = st.sampled_from([1.0, 2.5, 4.0, 5.0])

# how the log is read, the kinds of its events, and their values
READ: dict[str, tuple[dict[str, Any], Any, Any]] = {
    "items": ({}, None, None),
    "kinds": ({"kinds": WEIGHTS}, KINDS, None),
    "a dislike that is not named": ({}, KINDS, None),
    "weights": ({"values": "weight"}, None, VALUES),
    "weights and a rule": ({"values": "weight", "positive": "value>=2"}, None, VALUES),
    "kinds and weights": ({"values": "weight", "kinds": WEIGHTS}, KINDS, st.none() | VALUES),
    "kinds, weights and a rule": ({"values": "weight", "kinds": WEIGHTS, "positive": "value>1"}, KINDS, VALUES),
    "refunds": ({"kinds": "view=1,buy=3,refund=-1:cancels"}, ["view", "buy", "Refund"], None),
    "refunds of quantities": (
        {"kinds": "view=1,buy=3,refund=-1:cancels", "values": "weight", "refund": "oldest"},
        ["view", "buy", "refund"],
        VALUES,
    ),
    "a curve": ({"kinds": WEIGHTS, "weight": "log"}, KINDS, None),
    "ratings": ({"values": "rating"}, None, RATINGS),
    "ratings and a rule": ({"values": "rating", "positive": "value>=4"}, None, RATINGS),
    "ratings and kinds": ({"values": "rating", "kinds": WEIGHTS, "positive": "value>=2.5"}, LIKING, RATINGS),
}


def recommender(recipe: Recipe, *, model: pc.Model | None = None) -> Recommender:
    rows = Histories.from_lists(
        [[0, 1], [2, 3], [4, 5]], len(KNOWN), values=[[1, 2], [3, 4], [5, 3]], values_are="rating"
    )
    return Recommender(Vocab(KNOWN), (model or pc.Popular()).fit(rows), recipe, None, {"typical_rating": 4.0})


def columns(history: Histories) -> dict[str, Any]:
    """What a model sees, in one form: a history without likes marks the positives by its weights, or all of them."""
    liked = history.liked
    if liked is None:
        liked = history.weights() > 0
    return {
        "items": history.items.tolist(),
        "values": None if history.values is None else history.values.tolist(),
        "values_are": history.values_are,
        "times": None if history.times is None else history.times.tolist(),
        "liked": liked.tolist(),
        "weights": history.weights().tolist(),
        "moments": None if history.moments() is None else history.moments().tolist(),
    }


@pytest.mark.parametrize("how", READ)
@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_the_same_events_are_the_same_history(how: str, data: st.DataObject) -> None:
    options, kinds, values = READ[how]
    event = st.fixed_dictionaries(
        {"item": st.sampled_from(KNOWN + UNKNOWN), "time": st.integers(START, START + 5)}
        | ({} if kinds is None else {"kind": st.sampled_from(kinds)})
        | ({} if values is None else {"value": values})
    )
    mine = data.draw(st.lists(event, min_size=1, max_size=9))
    others = [{"item": "item 0", "time": START, "kind": "view", "value": 4.0}] * 3
    rows = [{"user": "me", **one} for one in mine] + [{"user": "other", **{k: o[k] for k in mine[0]}} for o in others]
    log = pc.read_interactions(pl.DataFrame(rows, infer_schema_length=None), **options)
    rec = recommender(log.recipe)

    histories, unknown = rec.translation.of_log(log)
    counted = [one for one in mine if "kind" not in one or log.recipe.weight_of(one["kind"]) != 0]
    if "me" not in log.user_ids:  # refunds cancelled everything, or nothing counts
        assert len(rec.histories(mine)[0].items) == 0 and (log.recipe.cancels or not counted)
        return
    row = log.user_ids.index("me")
    expected, missing = columns(histories[row : row + 1]), unknown[row]
    assert log.recipe.cancels or set(missing) == {one["item"] for one in counted} & set(UNKNOWN)
    of_user, missing_of_user = rec.translation.of_user(log, "me")
    assert columns(of_user) == expected and missing_of_user == missing
    of_list, missing_of_list = rec.histories(mine)
    assert columns(of_list) == expected and missing_of_list == missing
    stored = [StoredEvent(o["item"], o.get("kind"), o.get("value"), o["time"], n) for n, o in enumerate(mine)]
    of_rows, missing_of_rows = rec.histories(Events.stored(stored))
    assert columns(of_rows) == expected and missing_of_rows == missing


def test_order_is_time_then_acceptance() -> None:
    rec = recommender(Recipe())
    times = {"item 0": 20.5, "item 1": 20.25, "item 2": "1970-01-01T00:00:20.250Z", "item 3": None, "item 4": 19}
    given, unknown = rec.histories([{"item": item, "time": time} for item, time in times.items()])
    assert [KNOWN[item] for item in given.items] == ["item 4", "item 1", "item 2", "item 0", "item 3"]
    assert given.times.tolist() == [19, 20, 20, 20, 20] and unknown == []
    assert rec.histories(["item 3", "item 1"])[0].items.tolist() == [3, 1]
    assert rec.histories(["item 3", "item 1"])[0].times is None
    moment = datetime(2020, 1, 2, tzinfo=UTC)
    assert read_events([{"item": "a", "time": moment}]).times.tolist() == [int(moment.timestamp()) * 10**6]
    assert read_events([{"item": "a", "time": moment.replace(tzinfo=None)}]).times.tolist() == [
        int(moment.timestamp()) * 10**6
    ]


def test_the_moment_is_that_of_the_newest_event_known_or_not() -> None:
    rec = recommender(Recipe())
    events = [{"item": "item 1", "time": START}, {"item": "nothing", "time": START + 60}]
    assert rec.histories(events)[0].moments().tolist() == [START + 60]
    assert rec.histories(events, now=START + 90)[0].moments().tolist() == [START + 90]
    assert rec.histories(["item 1"], now=5)[0].now.tolist() == [5]
    assert rec.histories(rec.histories(events)[0], now=7)[0].now.tolist() == [7]


@pytest.mark.parametrize("values_are", ["none", "rating"])
def test_a_dislike_of_a_model_without_weights_is_minus_one(values_are: str) -> None:
    rec = recommender(Recipe(values_are=values_are))
    events = [{"item": "item 1"}, {"item": "item 2", "kind": " Dislike "}, {"item": "item 3", "kind": "view"}]
    given, _ = rec.histories(events)
    assert given.values.tolist() == [1, -1, 1] and given.values_are == "weight" and given.liked is None
    assert rec.histories(events[:1])[0].values_are == values_are


def test_a_rating_model_keeps_the_ratings_of_dislikes() -> None:
    rec = recommender(Recipe(values_are="rating"), model=pc.Bias())
    given, _ = rec.histories([{"item": "item 1", "value": 2.0}, {"item": "item 2", "kind": "dislike", "value": 1.0}])
    assert given.values.tolist() == [2, 1] and given.values_are == "rating" and given.liked.tolist() == [True, False]


def test_items_that_a_longer_vocabulary_holds_are_unknown_to_the_model() -> None:
    rec = recommender(Recipe())
    rec.vocab.extend(["later"])
    given, unknown = rec.histories(["later", "item 2", "later", "item 1"])
    assert given.items.tolist() == [2, 1] and unknown == ["later"]
    log = pc.read_interactions(pl.DataFrame({"user": ["a"] * 2, "item": ["later", "item 5"]}))
    assert [columns(given)["items"] for given in rec.translation.of_log(log)[:1]] == [[5]]


def test_a_log_over_the_same_items_is_not_copied() -> None:
    log = pc.read_interactions(pl.DataFrame({"user": ["a"] * 6, "item": KNOWN}))
    given, unknown = recommender(log.recipe).translation.of_log(log)
    assert given.items is log.items and list(unknown) == [[]]
    assert np.array_equal(given.indptr, [0, 6])
