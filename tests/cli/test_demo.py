"""The demo: models compared, a person typed in, reasons painted."""

from __future__ import annotations

import json

import pytest

from penchant.cli import demo
from penchant.cli.reasons import stacked
from penchant.cli.render import show
from penchant.recommender.answer import Answer, Item, Part, Why, bar


@pytest.fixture(autouse=True)
def quick_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "MODELS", ("popular", "item-knn"))  # the others take seconds each


def test_the_demo_compares_and_recommends_with_reasons(run) -> None:
    said = run("demo")
    assert said.code == 0
    assert said.err == ""
    for title in demo.TITLES:
        assert title in said.out
    assert "item-knn" in said.out
    assert "█" in said.out
    assert "▓" in said.out
    assert "penchant inspect" in said.out


def test_the_demo_takes_titles_and_speaks_json(run) -> None:
    said = run("demo", "the matrix", "Toy Story (1995)", "Shrek (2001)", "-k", 4, "--json")
    document = json.loads(said.out)
    assert [model["name"] for model in document["evaluation"]["models"]] == ["popular", "item-knn"]
    assert document["evaluation"]["split"]["name"] == "leave-last"
    answer = document["recommendations"]
    assert len(answer["items"]) == 4
    assert answer["model"]["name"] == "item-knn"
    liked = {part["item"] for entry in answer["items"] for part in entry["why"]["parts"]}
    assert liked <= {"2571", "1", "4306"}


def test_a_title_that_several_films_share_is_bad_input_at_once(run) -> None:
    said = run("demo", "star wars")
    assert said.code == 2
    assert "260  Star Wars: Episode IV" in said.err


@pytest.mark.parametrize(
    ("share", "drawn"), [(0, ""), (1, "████"), (0.5, "██"), (0.28125, "█▏"), (2, "████"), (-1, "")]
)
def test_bars_are_as_long_as_they_should(share: float, drawn: str) -> None:
    assert bar(share, 4) == drawn


def test_a_film_that_nothing_speaks_for_gets_words_instead_of_a_bar(capsys: pytest.CaptureFixture[str]) -> None:
    against = Why("leave-one-out", 0.0, [Part("a", "Alien", -0.5)])
    show(stacked(Answer([Item("b", "Heat", 1.0, against)]), [("a", "Alien")]))
    assert "nothing in the history" in capsys.readouterr().out
