"""``fit`` without ``-m``: what is compared is shown, what is chosen is fitted and says why."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import penchant as pc
from penchant.training import choose as choosing
from penchant.training.attempts import Candidate


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = ("popular", "item-knn", "rp3beta")
    monkeypatch.setattr(choosing, "LISTS", tuple(map(Candidate, listed)))


def test_it_compares_says_why_and_fits_on_all(run, shop: Path, tmp_path: Path) -> None:
    said = run("fit", shop / "log.csv", "--items", shop / "items.csv", "-o", tmp_path / "m")
    assert said.code == 0
    assert all("candidate_exponent" in line or "beta" in line for line in said.err.splitlines()), "only what fit found"
    for words in ("popular", "item-knn", "rp3beta", "ndcg@10", "fit s", "answer ms", "★", "is chosen"):
        assert words in said.out
    rec = pc.load(tmp_path / "m")
    assert rec.fitted_on["events"] == 200
    assert rec.fitted_on["choice"]["model"] == rec.model.name
    assert rec.fitted_on["choice"]["why"] in " ".join(said.out.split())
    assert f"{rec.model.name} fitted in" in said.out


def test_it_speaks_json(run, shop: Path, tmp_path: Path) -> None:
    said = run(
        "fit", shop / "log.csv", "-o", tmp_path / "m", "--metric", "hit@3", "--budget", 30, "--seed", 4, "--json"
    )
    choice = json.loads(said.out)["fitted_on"]["choice"]
    assert (choice["metric"], choice["budget"]) == ("hit@3", 30)
    assert [model["name"] for model in choice["models"]] == ["popular", "item-knn", "rp3beta"]
    for model in choice["models"]:
        assert model["low"] <= model["mean"] <= model["high"]
        assert model["answer_ms"] > 0
    again = run("fit", shop / "log.csv", "-o", tmp_path / "n", "--metric", "hit@3", "--seed", 4, "--json")
    means = [[model["mean"] for model in json.loads(one.out)["fitted_on"]["choice"]["models"]] for one in (said, again)]
    assert means[0] == means[1]


def test_what_there_was_no_time_for_is_named(run, shop: Path, tmp_path: Path) -> None:
    said = run("fit", shop / "log.csv", "-o", tmp_path / "m", "--budget", 1e-6)
    assert said.code == 0
    assert "– rp3beta: not tried: the budget of 1e-06 s is spent" in said.out


def test_a_log_too_small_to_compare_on_says_so(run, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("user,item\na,x\n")
    said = run("fit", tmp_path / "log.csv", "-o", tmp_path / "m")
    assert said.code == 0
    assert "popular is chosen: no part of this log can be held out" in " ".join(said.out.split())
    assert pc.load(tmp_path / "m").model == pc.Popular()


@pytest.mark.parametrize(
    "options",
    [
        ["-m", "popular", "--budget", "5"],
        ["-m", "popular", "--metric", "ndcg"],
        ["--metric", "beauty"],
        ["--metric", "coverage"],
        ["--metric", "rmse"],
        ["--budget", "0"],
        ["--checkpoints", "c"],
        ["--resume"],
        ["--training-log", "t"],
    ],
)
def test_options_that_do_not_go_together_are_bad_input(run, shop: Path, tmp_path: Path, options: list[str]) -> None:
    said = run("fit", shop / "log.csv", "-o", tmp_path / "m", *options)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("penchant: ")
    assert not (tmp_path / "m").exists()
