"""Contexts: from the columns of a log and the words of a request to the codes that models see."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from penchant.data.contexts import MOST_VALUES, encode, parse_names, parse_stated, word
from penchant.data.read import read_interactions
from penchant.data.recipe import Recipe
from penchant.errors import DataError, ParameterError
from penchant.evaluation.cases import asked_ratings
from penchant.evaluation.protocols import make_splits
from penchant.models.popular import Popular
from penchant.recommender.recommender import load
from penchant.training.fit import fit

ROWS = {
    "user": ["u", "u", "u", "v", "v", "w"],
    "item": ["a", "b", "a", "a", "c", "b"],
    "rating": [5, 3, 2, 4, 1, 2],
    "time": [30, 20, 10, 10, 20, 10],
    "mood": ["Sad", None, " happy", "sad", "", "NA"],
    "floor": ["10", "2", "2.0", None, "1", "1"],
}


def log(**options: object):  # type: ignore[no-untyped-def]
    return read_interactions(pl.DataFrame(ROWS, strict=False), **options)


def test_columns_become_codes_that_stay_with_their_events() -> None:
    found = log(context="mood,floor")
    assert found.recipe.contexts == {"mood": ("happy", "sad"), "floor": ("1", "2", "10")}
    histories = found.histories()
    assert [found.vocab.ids[item] for item in histories.row(0)] == ["a", "b", "a"]  # by time
    assert found.context is not None and histories.context is not None
    np.testing.assert_array_equal(histories.context[:3], [[0, 1], [-1, 1], [1, 2]])
    np.testing.assert_array_equal(histories[1:2].context, [[1, -1], [-1, 0]])
    np.testing.assert_array_equal(histories.where(histories.items == 0).context, [[0, 1], [1, 2], [1, -1]])
    assert histories.without_events().context.shape == (0, 2)
    kept = found.where(found.users == 1)
    np.testing.assert_array_equal(kept.context, [[1, -1], [-1, 0]])


def test_without_the_option_nothing_changes() -> None:
    plain = log()
    assert plain.context is None and plain.histories().context is None and plain.recipe.contexts == {}
    assert "contexts" not in plain.recipe.to_json()


def test_numbers_are_spelled_in_one_way() -> None:
    assert [word(v) for v in (3.0, 3, "3", 2.5, True, " Rain ", "", "n/a", None, float("nan"))] == [
        "3", "3", "3", "2.5", "true", "rain", None, None, None, None,
    ]  # fmt: skip


def test_a_context_may_have_the_name_of_another_role() -> None:
    rows = {**ROWS, "cost": ["free", "paid", "free", "free", "paid", "free"]}
    found = read_interactions(pl.DataFrame(rows, strict=False), context="cost,rating")
    assert found.values is None  # the rating is a context here
    assert found.recipe.contexts["cost"] == ("free", "paid")


def test_what_is_not_known_is_missing_and_named() -> None:
    known = {"mood": ("happy", "sad"), "floor": ("1", "2")}
    codes, strange = encode(known, [{"mood": "SAD", "floor": 2.0}, None, {"mood": "hangry", "hat": "red"}, {}])
    np.testing.assert_array_equal(codes, [[1, 1], [-1, -1], [-1, -1], [-1, -1]])
    assert strange == ["mood=hangry", "hat=red"]
    assert encode(known, [{"mood": {"deep": 1}}])[1] == ["mood={'deep': 1}"]
    with pytest.raises(ParameterError, match="names and values"):
        encode(known, ["sad"])  # type: ignore[list-item]


def test_a_missing_column_is_an_error_unless_the_values_are_known() -> None:
    with pytest.raises(DataError, match="'weather' for context"):
        log(context="mood,weather")
    found = log(context={"mood": ["sad"], "weather": ["rain"]})
    assert found.recipe.contexts == {"mood": ("sad",), "weather": ("rain",)}
    np.testing.assert_array_equal(found.context[:3], [[-1, -1], [-1, -1], [0, -1]])


def test_only_the_most_frequent_values_count() -> None:
    values = [str(n) for n in range(MOST_VALUES + 2)] + ["7"] * 3
    rows = {"user": [f"u{n}" for n in range(len(values))], "item": ["a"] * len(values), "city": values}
    found = read_interactions(pl.DataFrame(rows), context="city")
    assert len(found.recipe.contexts["city"]) == MOST_VALUES
    assert (found.context == -1).sum() == 2
    assert any("1,002 values" in note for note in found.report.notes)


def test_names_and_words_of_the_command_line() -> None:
    assert parse_names(" mood, weather ,") == ["mood", "weather"]
    assert parse_stated("mood=sad, who = kids") == {"mood": "sad", "who": "kids"}
    assert parse_stated(None) is None
    for wrong in ("mood", "=sad", "mood=sad,mood=happy"):
        with pytest.raises(ParameterError, match="mood=sad,weather=rain"):
            parse_stated(wrong)
    with pytest.raises(ParameterError, match="twice"):
        parse_names("mood,mood")


def test_a_recipe_keeps_its_contexts_and_refuses_what_is_none(tmp_path: Path) -> None:
    recommender = fit(log(context="mood,floor", values="none"), Popular())
    recommender.save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert again.recipe == recommender.recipe
    for wrong in ({"": ["a"]}, {"mood": "sad"}, {"mood": ["a", "a"]}, {"mood": [1]}, [1]):
        with pytest.raises(ParameterError, match="contexts are"):
            Recipe.from_json({"contexts": wrong})


def test_a_request_states_its_context() -> None:
    recommender = fit(log(context="mood,floor", values="none"), Popular())
    given, unknown = recommender.histories(
        [{"item": "a", "context": {"mood": "happy"}}, "b", {"item": "zzz", "context": {"mood": "sad"}}],
        context={"mood": "sad", "floor": "seventh"},
    )
    np.testing.assert_array_equal(given.context, [[0, -1], [-1, -1]])
    np.testing.assert_array_equal(given.asked, [[1, -1]])
    assert unknown == ["zzz"]
    answer = recommender.recommend(["a"], 2, context={"mood": "sad", "floor": "seventh"})
    assert answer.strange == ["floor=seventh"] == answer.to_json()["strange"]
    assert "floor=seventh" in str(answer)
    plain = recommender.recommend(["a"], 2)
    assert "strange" not in plain.to_json() and plain.ids == answer.ids


def test_every_held_out_row_is_asked_in_its_context() -> None:
    rows = {**ROWS, "split": ["test", "train", "train", "train", "test", "train"]}
    held = read_interactions(pl.DataFrame(rows, strict=False), context="mood,floor")
    (split,) = make_splits(held, "column", repeat=True)
    np.testing.assert_array_equal(split.given.asked, [[1, 2], [-1, 0]])
    assert split.group is not None and split.group.tolist() == [0, 1]
    assert [split.truth.row(r).tolist() for r in range(2)] == [[0], [2]]
    assert any("1 of 2 held-out rows are of an item that their user had" in note for note in split.notes)
    asked = asked_ratings(split)
    assert asked is not None and asked.lengths.tolist() == [1, 1]  # rated before, but in another mood
    (plain,) = make_splits(log_of(rows), "column", repeat=True)
    without = asked_ratings(plain)
    assert without is not None and without.lengths.tolist() == [0, 1]


def test_the_same_pair_in_the_same_context_is_no_question() -> None:
    rows = {**ROWS, "split": ["test", "train", "train", "train", "test", "train"]}
    rows["mood"] = ["sad", None, "Sad", "sad", "", None]
    rows["floor"] = ["2", "2", "2", None, "1", "1"]
    (split,) = make_splits(read_interactions(pl.DataFrame(rows, strict=False), context="mood,floor"), "column")
    asked = asked_ratings(split)
    assert asked is not None and asked.lengths.tolist() == [0, 1]


def log_of(rows: dict[str, list[object]]):  # type: ignore[no-untyped-def]
    return read_interactions(pl.DataFrame(rows, strict=False))
