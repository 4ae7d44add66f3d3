"""The comparison of two trees: what it calls equal, what it lets pass and what not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench import equality, peers
from penchant.models import registry


def answers() -> dict[str, np.ndarray]:
    scores = np.array([[3.0, 2.0, 2.0 - 1e-6, -np.inf], [0.5, 0.25, 1.0, 0.0]])
    return {
        "asked.made.values": np.array([1.0, 2.0]),
        "made.scores": scores,
        "made.list.items": np.array([[0, 1, 2], [2, 0, 1]]),
        "made.list.scores": np.array([[3.0, 2.0, 2.0 - 1e-6], [1.0, 0.5, 0.25]]),
        "empty.scores": np.zeros((1, 4)),
    }


def changed(name: str, where: tuple[int, ...], value: float) -> dict[str, np.ndarray]:
    found = answers()
    found[name] = found[name].copy()
    found[name][where] = value
    return found


def test_the_same_answers_are_equal():
    found = equality.compare(answers(), answers(), close=False)
    assert (found.said, found.wrong, found.empty) == ("equal", [], [])


def test_the_last_digits_pass_only_where_other_code_computes():
    other = changed("made.scores", (0, 0), 3.0 + 3e-6)
    assert equality.compare(answers(), other, close=True).said == "within 1e-06"
    exact = equality.compare(answers(), other, close=False)
    assert (exact.said, len(exact.wrong)) == ("DIFFERENT", 1)
    assert "made.scores: 1 of 8 numbers, up to 1.0e-06" in exact.wrong[0]
    assert equality.compare(answers(), changed("made.scores", (0, 0), 3.1), close=True).wrong
    assert equality.compare(answers(), changed("made.scores", (0, 3), 0.0), close=True).wrong  # was -inf
    assert equality.compare(answers(), changed("made.scores", (1, 0), np.nan), close=True).wrong
    assert equality.compare(answers(), changed("asked.made.values", (0,), 1.0 + 1e-9), close=True).wrong


def test_lists_may_change_only_among_ties():
    ties, others = answers(), answers()
    ties["made.list.items"] = np.array([[0, 2, 1], [2, 0, 1]])
    others["made.list.items"] = np.array([[1, 0, 2], [2, 0, 1]])
    assert not equality.compare(answers(), ties, close=True).wrong
    assert equality.compare(answers(), ties, close=False).wrong
    assert equality.compare(answers(), others, close=True).wrong


def test_empty_histories_stand_apart():
    found = equality.compare(answers(), changed("empty.scores", (0, 1), 5.0), close=False)
    assert (found.said, found.wrong, len(found.empty)) == ("equal", [], 1)


def test_what_one_side_alone_says_or_says_in_another_shape_differs():
    fewer = {name: array for name, array in answers().items() if name != "made.list.items"}
    assert equality.compare(answers(), fewer, close=True).wrong == ["made.list.items: only one side says it"]
    assert equality.compare(fewer, answers(), close=True).wrong
    assert equality.compare(answers(), answers() | {"made.scores": np.zeros((2, 3))}, close=True).wrong
    assert equality.compare(answers(), answers() | {"made.scores": np.zeros((2, 4), np.int64)}, close=True).wrong


def test_every_model_that_is_named_exists_and_every_network_is_named():
    named = {*equality.CLOSE, *equality.PARAMS, *equality.RATING, *equality.DESCRIBED, *equality.NETWORKS}
    assert named <= set(registry.MODELS)
    networks = {name for name, entry in registry.MODELS.items() if entry.extra == "neural"}
    assert networks == equality.NETWORKS


def test_a_tree_equals_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(equality, "PLACE", tmp_path)
    here = equality.Side("here", peers.ROOT, fixed=False)
    found = equality.work(here, here, ["ml-latest-small"], ["popular"], limit=200)
    line = found["ml-latest-small"]["popular"]
    assert (line["answers"], line["saved_by_old"]) == ("equal", "equal")
    assert equality.failed(found) == []
    assert "popular" in capsys.readouterr().out
    assert not list((here.work / "new").glob("**/*.npz")), "answers of a folder are not kept"


def test_a_model_that_cannot_be_compared_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(equality, "PLACE", tmp_path)
    here = equality.Side("here", peers.ROOT, fixed=False)
    monkeypatch.setitem(equality.PARAMS, "popular", {"no_such": 1})
    line = equality.one(here, here, "ml-latest-small", "popular", 200)
    assert line["failed"].startswith("old: ")
    assert "no_such" in line["failed"]
    assert equality.failed({"ml-latest-small": {"popular": line}}) == ["ml-latest-small popular"]


def test_another_penchant_than_that_of_the_tree_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(equality, "PLACE", tmp_path)
    with pytest.raises(equality.child.ChildError, match="was imported from"):
        equality.Side("nothing", tmp_path, fixed=False).run({})
