"""``penchant plan``: what people see before anything is fitted."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from penchant.planning import check


@pytest.fixture(autouse=True)
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENCHANT_CACHE", str(tmp_path / "cache"))


def test_a_log_is_planned_for_some_models(run, shop: Path) -> None:
    said = run("plan", shop / "log.csv", "-m", "popular", "-m", "item-knn:neighbours=5")
    assert (said.code, said.err) == (0, "")
    assert "200 events of 50 users and 12 items: the whole log was read" in said.out
    for word in ("popular", "item-knn:neighbours=5", "read", "fit", "save", "answer all", "MiB"):
        assert word in said.out
    document = json.loads(run("plan", shop / "log.csv", "-m", "popular", "--json").out)
    assert document["log"]["events"] == 200 and document["models"][0]["fits"]


def test_without_a_model_all_are_planned(run, shop: Path) -> None:
    document = json.loads(run("plan", shop / "log.csv", "--json").out)
    assert {"popular", "ease", "sasrec", "als"} <= {model["model"] for model in document["models"]}


def test_a_log_that_one_does_not_have(run) -> None:
    numbers = ("--rows", "1e8", "--users", "1e7", "--items", "1e6", "--machine", "24GiB,2cores")
    said = run("plan", *numbers, "-m", "item-knn", "-m", "ease")
    assert said.code == 0 and "planned by numbers alone" in said.out and "24.0 GiB free, 2 cores" in said.out
    assert "does not fit" in said.out and "What would fit:" in " ".join(said.out.split())
    document = json.loads(run("plan", *numbers, "-m", "ease", "--json").out)
    assert document["log"]["seen"] == "numbers" and document["machine"]["given"]
    assert not document["models"][0]["fits"] and document["models"][0]["advice"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "no log was given: name one or more files, or plan by --rows, --users and --items"),
        (("--rows", "1e6"), "users, items is missing"),
        (("--rows", "many", "--users", "1", "--items", "1"), "--rows must be a number, such as 1e6, got 'many'"),
        (("--rows", "1e6", "--users", "1e7", "--items", "5"), "cannot have 10,000,000 users"),
        (("--rows", "1e6", "--users", "1e5", "--items", "1e3", "-m", "populer"), "did you mean popular?"),
        (("--rows", "9", "--users", "9", "--items", "9", "--machine", "tiny"), "write a machine as 24GiB,2cores"),
        (("no.csv",), "there is no such file"),
    ],
)
def test_wrong_input_is_said_in_a_line(run, arguments: tuple[str, ...], said: str) -> None:
    found = run("plan", *arguments)
    assert (found.code, found.out) == (2, "") and found.err.count("\n") == 1
    assert said in found.err


def test_numbers_beside_a_log_are_refused(run, shop: Path) -> None:
    found = run("plan", shop / "log.csv", "--rows", "1e6", "--users", "1e5")
    assert found.code == 2 and "leave them out, or the log" in found.err


def test_fit_refuses_what_would_not_fit_unless_told(run, shop: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(check, "SMALL", 0)
    monkeypatch.setattr(check, "memory", SimpleNamespace(free_bytes=lambda: 1_000, SHARE=0.8))
    asked = ("fit", shop / "log.csv", "-m", "popular", "-o", tmp_path / "m")
    said = run(*asked)
    assert said.code == 1 and "may be taken. What would fit:" in said.err and "--ignore-plan" in said.err
    assert not (tmp_path / "m").exists()
    assert run(*asked, "--ignore-plan").code == 0
