"""A recipe weighs events when they are served exactly as when they were read."""

from __future__ import annotations

import json

import numpy as np
import pytest

from penchant import Recipe, read_interactions
from penchant.errors import DataError, ParameterError


def weighed(recipe, kinds=None, values=None):
    value, liked = recipe.weigh(kinds, values)
    return (None if value is None else value.tolist()), (None if liked is None else liked.tolist())


def test_kinds_map_to_weights_and_unknown_kinds_weigh_one():
    recipe = Recipe({"View": 1, "cart": 3, "dislike": -1}, values_are="weight")
    assert weighed(recipe, ["view", " CART ", "dislike", "other", None]) == ([1, 3, -1, 1, 1], None)


def test_weights_are_the_kind_times_the_value_where_there_is_one():
    recipe = Recipe({"buy": 2}, values_are="weight")
    assert weighed(recipe, ["buy", "buy", "view"], [3, np.nan, 5]) == ([6, 1 * 2, 5], None)
    assert weighed(recipe, None, [3, 4]) == ([3, 4], None)


def test_ratings_are_themselves_and_a_missing_one_is_refused():
    recipe = Recipe(values_are="rating")
    assert weighed(recipe, None, [3, 4.5]) == ([3, 4.5], None)
    with pytest.raises(DataError, match="no rating"):
        recipe.weigh(None, [3, np.nan])
    with pytest.raises(DataError, match="finite"):
        recipe.weigh(None, [np.inf])


def test_no_values_where_there_are_none():
    assert weighed(Recipe(), ["view"], [3]) == (None, None)
    assert weighed(Recipe(values_are="weight")) == (None, None)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("value>=4", [False, True, True]),
        ("value > 4", [False, False, True]),
        ("value<=4", [True, True, False]),
        ("value<4.0", [True, False, False]),
        (" value == 4e0 ", [False, True, False]),
    ],
)
def test_positives_follow_their_rule(rule, expected):
    assert weighed(Recipe(positive=rule, values_are="rating"), None, [3, 4, 5]) == ([3, 4, 5], expected)


@pytest.mark.parametrize("rule", ["value=4", "rating>=4", "value>=", "value>=4 or 1", "__import__('os')", "", 4])
def test_other_rules_are_refused(rule):
    with pytest.raises(ParameterError, match="positive"):
        Recipe(positive=rule)


def test_an_event_of_a_kind_that_weighs_nothing_is_not_liked():
    recipe = Recipe({"dislike": -1, "rate": 1}, positive="value>=4", values_are="rating")
    assert weighed(recipe, ["rate", "dislike", "rate"], [5, 5, 2])[1] == [True, False, False]
    assert weighed(Recipe({"skip": 0}), ["skip", "play"]) == (None, [False, True])


@pytest.mark.parametrize(
    "wrong",
    [
        {"values_are": "stars"},
        {"max_history": -1},
        {"max_history": True},
        {"kinds": {"a": np.nan}},
        {"kinds": {"a": "1"}},
    ],
)
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(ParameterError):
        Recipe(**wrong)


def test_json_round_trip_and_strange_keys():
    recipe = Recipe({"buy": 2.5}, "value>=4", "weight", 50)
    assert Recipe.from_json(json.loads(json.dumps(recipe.to_json()))) == recipe
    with pytest.raises(ParameterError, match="colour"):
        Recipe.from_json({"colour": 1})
    with pytest.raises(ParameterError, match="kinds"):
        Recipe.from_json({"kinds": [1]})


def test_serving_weighs_as_reading_does(tmp_path):
    kinds, values = ["view", "buy", "dislike", "odd"], [1.0, 2.0, 1.0, 4.0]
    path = tmp_path / "log.csv"
    path.write_text(
        "user,item,event,count\n"
        + "".join(f"u,i{n},{k},{v}\n" for n, (k, v) in enumerate(zip(kinds, values, strict=True)))
    )
    log = read_interactions(path, kinds="view=1,buy=3,dislike=-2", positive="value>=4")
    served_values, served_liked = log.recipe.weigh(kinds, values)
    assert log.values.tolist() == served_values.tolist() == [1, 6, -2, 4]
    assert log.liked.tolist() == served_liked.tolist() == [False, True, False, True]
