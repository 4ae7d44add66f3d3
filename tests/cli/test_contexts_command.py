"""Contexts on the command line: from the columns of a log to a list that follows what is stated."""

from __future__ import annotations

import json
from pathlib import Path

from tests.ranking.test_ranked import moody

ASKED = ("--history", "i01", "--history", "i20", "-k", 6, "--json")


def items(out: str) -> list[int]:
    return [int(one["item"][1:]) for one in json.loads(out)["items"]]


def test_a_stated_context_turns_the_list(run, tmp_path: Path) -> None:
    log, model = tmp_path / "log.csv", tmp_path / "model"
    moody(100).write_csv(log)
    spec = "ranked:members=item-knn+popular,trees=20,min_rows=5"
    said = run("fit", log, "--context", "mood,noise", "-m", spec, "-o", model)
    assert said.code == 0 and "the candidates hold" in said.err
    sad = run("recommend", model, *ASKED, "--context", "mood=sad,hat=red")
    assert json.loads(sad.out)["strange"] == ["hat=red"]
    assert min(items(sad.out)) >= 15
    happy = run("recommend", model, "--log", log, "--user", "u3", "--repeat", "--context", "mood=happy", "--json")
    assert max(items(happy.out)) < 15
    moody(100).drop("noise").write_csv(log)  # a later log may lack a context
    assert run("recommend", model, "--log", log, "--user", "u3", "--context", "mood=sad").code == 0


def test_what_is_wrong_with_a_context_is_said(run, tmp_path: Path, shop: Path) -> None:
    missing = run("fit", shop / "log.csv", "--context", "mood", "-m", "popular", "-o", tmp_path / "model")
    assert missing.code != 0 and "no column 'mood' for context" in missing.err
    wrong = run("recommend", shop / "model", "--history", "Emma", "--context", "sad")
    assert wrong.code != 0 and "mood=sad,weather=rain" in wrong.err
    everyone = ["--all", "--log", shop / "log.csv", "-o", tmp_path / "lists.csv", "--context", "mood=sad"]
    assert "--context" in run("recommend", shop / "model", *everyone).err
