"""Attributes of people become contexts of their events: what is kept of a table, and what is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from penchant.core.histories import Histories
from penchant.data.interactions import Interactions
from penchant.data.people import SHARED, People, throughout
from penchant.data.read import read_interactions
from penchant.data.recipe import Recipe
from penchant.errors import DataError, ParameterError

USERS = [f"u{at}" for at in range(40)]


def table(**columns: Any) -> pl.DataFrame:
    return pl.DataFrame({"user": USERS, **columns})


def log(users: Any, **more: Any) -> Interactions:
    events = pl.DataFrame(
        {"user": USERS * 2, "item": [f"i{at % 5}" for at in range(80)], "mood": ["sad", ""] * 40, "time": range(80)}
    )
    return read_interactions(events, users=users, **more)


def test_attributes_follow_the_contexts_of_events_and_hold_for_all_events_of_a_person() -> None:
    found = log(table(region=["north", "South "] * 19 + ["", "west"]), context="mood")
    assert found.recipe.contexts == {"mood": ("sad",), "region": ("north", "south")}
    assert found.recipe.people == {"region": ()}
    assert found.context is not None
    assert {tuple(pair) for pair in found.context[found.users == 0]} == {(0, 0)}
    assert {tuple(pair) for pair in found.context[found.users == 39]} == {(-1, -1)}  # fewer than five are in the west
    assert found.histories().people == 1
    assert Recipe.from_json(json.loads(json.dumps(found.recipe.to_json()))) == found.recipe


def test_a_value_that_describes_fewer_than_five_people_is_not_kept() -> None:
    few = ["rare"] * (SHARED - 1) + ["common"] * SHARED + [None] * (40 - 2 * SHARED + 1)
    found = log(table(what=few, mail=[f"{one}@example.org" for one in USERS]))
    assert found.recipe.contexts == {"what": ("common",)}
    assert any("'mail'" in note for note in found.report.notes)
    assert not any(one in str(found.recipe) for one in ("u3", "@"))


def test_a_number_with_many_values_is_cut_into_parts_and_one_with_few_is_not() -> None:
    found = log(table(age=list(range(20, 60)), children=[0, 1, 2, 10] * 10))
    assert found.recipe.contexts["children"] == ("0", "1", "2", "10")
    bounds = found.recipe.people["age"]
    assert len(bounds) == 7
    assert found.recipe.contexts["age"][:2] == (f"under {bounds[0]:g}", f"{bounds[0]:g} to under {bounds[1]:g}")
    for stated, part in (
        (bounds[0], 1),
        (bounds[0] - 0.5, 0),
        (1000, 7),
        (str(bounds[6]), 7),
        (f"under {bounds[0]:g}", 0),
    ):
        codes, strange = found.recipe.encode([{"age": stated}])
        assert (int(codes[0, 0]), strange) == (part, []), stated
    for odd in ("old", True):
        codes, strange = found.recipe.encode([{"age": odd}])
        assert int(codes[0, 0]) == -1
        assert strange
    assert found.recipe.encode([{"age": float("nan")}])[1] == []


def test_values_of_a_list_are_contexts_of_their_own() -> None:
    found = log(table(traits=["calm|funny", "calm", "shy", None] * 10))
    assert list(found.recipe.contexts) == ["traits: calm", "traits: funny", "traits: shy"]
    assert found.context is not None
    assert found.context[found.users == 0][0].tolist() == [1, 1, 0]
    assert found.context[found.users == 3][0].tolist() == [-1, -1, -1]  # missing is not no
    for stated in ("calm|funny", ["funny", "Calm"]):
        assert found.recipe.encode([{"traits": stated}])[0].tolist() == [[1, 1, 0]]
    assert found.recipe.encode([{"traits": "loud"}])[1] == ["traits: loud=yes"]
    assert found.recipe.known_of({"traits": "calm", "name": "Ann"}) == {"traits": "calm"}


def test_thousands_of_values_are_cut_to_the_most_frequent() -> None:
    users = [f"u{at}" for at in range(12_000)]
    people = pl.DataFrame({"user": users, "village": [f"v{at % 2_000}" for at in range(12_000)]})
    events = pl.DataFrame({"user": users, "item": ["i"] * 12_000})
    assert len(read_interactions(events, users=people).recipe.contexts["village"]) == 1_000


def test_repeated_people_are_told_and_the_first_row_counts() -> None:
    twice = pl.concat([table(region=["a"] * 40), table(region=["b"] * 40)])
    found = log(twice)
    assert found.recipe.contexts == {"region": ("a",)}
    assert "40 rows of the user table repeat a user: the first row counts" in found.report.notes


def test_what_cannot_be_used_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nobody of the log is in the user table"):
        log(pl.DataFrame({"user": ["x"], "region": ["a"]}))
    with pytest.raises(DataError, match="no column beside the ids"):
        log(pl.DataFrame({"user": USERS}))
    with pytest.raises(DataError, match="no column has user ids"):
        log(pl.DataFrame({"film": USERS, "region": USERS}))
    with pytest.raises(DataError, match="describes 5 people"):
        log(table(mail=USERS))
    with pytest.raises(DataError, match="rename one"):
        log(table(mood=["a"] * 40), context="mood")
    sessions = pl.DataFrame({"session": USERS, "item": USERS})
    with pytest.raises(ParameterError, match="sessions"):
        read_interactions(sessions, users=table(region=["a"] * 40), by="session")


def test_movielens_users_without_a_header_are_understood(tmp_path: Path) -> None:
    for name, line, age in (("u.user", "{}|24|M|technician|85711", "24"), ("users.dat", "{}::M::24::3::85711", "24")):
        file = tmp_path / name
        file.write_text("\n".join(line.format(at) for at in range(1, 30)), encoding="utf-8")
        people = People.read(file)
        assert str(people.of("7")["age"]) == age
        assert people.of("7")["gender"] == "M"


def test_what_a_request_states_holds_for_its_events_and_else_that_of_the_last_event() -> None:
    context = np.array([[0, 1], [1, 1], [0, -1]], np.int32)
    given = Histories(
        np.array([0, 2, 3, 3]), np.zeros(3, np.int32), 1, context=context, asked=np.array([[-1, -1], [2, 4], [1, 3]])
    )
    found = throughout(given, 1)
    assert found.context is not None
    assert found.asked is not None
    assert found.context.tolist() == [[0, 1], [1, 1], [0, 4]]
    assert found.asked.tolist() == [[-1, 1], [2, 4], [1, 3]]
    assert throughout(given, 0) is given


@pytest.mark.parametrize(
    "people",
    [{"age": [1]}, {"mood": []}, {"region": [2, 1]}, {"region": ["a"]}, ["region"], {"region": [True]}],
)
def test_a_recipe_refuses_attributes_that_do_not_fit(people: Any) -> None:
    data = {"contexts": {"mood": ["sad"], "region": ["under 2", "2 or more"]}, "people": people}
    with pytest.raises(ParameterError):
        Recipe.from_json(data)
    assert Recipe.from_json({**data, "people": {"region": [2]}}).people == {"region": (2.0,)}
