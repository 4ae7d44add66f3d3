"""``penchant fit --private``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import penchant as pc
from tests.cli.conftest import run  # noqa: F401  # the fixture that runs a command
from tests.privacy.logs import csv


def test_a_promise_goes_from_the_command_to_the_folder_and_the_ledger(run, tmp_path: Path) -> None:  # noqa: F811
    log = csv(tmp_path)
    said = run("fit", log, "--private", "epsilon=2,delta=1e-6", "-m", "popular", "-o", tmp_path / "m", "--budget", 3)
    assert said.code == 0, said.err
    assert "(epsilon 2, delta 1e-06) for one person's whole history, added or removed" in said.out
    (line,) = (tmp_path / "privacy-ledger.jsonl").read_text().splitlines()
    entry = json.loads(line)["entry"]
    stated = pc.load(tmp_path / "m").fitted_on["private"]
    assert (entry["epsilon"], entry["model"], entry["budget"]) == (2.0, "popular", 3.0)
    assert stated["ledger"]["entry"] == 1
    files = b"".join(file.read_bytes() for file in (tmp_path / "m").iterdir())
    assert b"u17" not in files
    again = run("fit", log, "--private", "epsilon=2,delta=1e-6", "-m", "popular", "-o", tmp_path / "e", "--json")
    document = json.loads(again.out)
    assert document["fitted_on"]["private"]["ledger"]["entry"] == 2
    refused = run("fit", log, "--private", "epsilon=2,delta=1e-6", "-m", "popular", "-o", tmp_path / "n")
    assert refused.code == 2
    assert "the budget of 'people' is epsilon 3" in refused.err
    assert not (tmp_path / "n").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["-m", "popular", "--seed", 1], "--seed does not go with --private"),
        (["-m", "popular", "--lists", "l.csv"], "--lists does not go with --private"),
        (["-m", "als", "--index"], "--index does not go with --private"),
        (["-m", "user-knn"], "user-knn cannot be fitted privately"),
        ([], "--private needs a model"),
    ],
)
def test_options_that_would_tell_more_are_refused(run, tmp_path: Path, options, said) -> None:  # noqa: F811
    done = run("fit", csv(tmp_path), "--private", "epsilon=2,delta=1e-6", "-o", tmp_path / "m", *options)
    assert done.code == 2
    assert said in done.err
    assert not (tmp_path / "privacy-ledger.jsonl").exists()


def test_a_ledger_needs_a_promise(run, tmp_path: Path) -> None:  # noqa: F811
    done = run("fit", csv(tmp_path), "-m", "popular", "-o", tmp_path / "m", "--ledger", "x")
    assert "--ledger and --ledger-key apply to --private" in done.err


def test_a_ledger_is_listed_and_checked_against_releases(run, tmp_path: Path) -> None:  # noqa: F811
    log = csv(tmp_path)
    for name in ("a", "b"):
        assert run("fit", log, "--private", "epsilon=1,delta=1e-6", "-m", "popular", "-o", tmp_path / name).code == 0
    ledger = tmp_path / "privacy-ledger.jsonl"
    done = run("privacy", "ledger", ledger, tmp_path / "a", tmp_path / "b")
    assert done.code == 0, done.err
    assert "is intact: 2 releases" in done.out
    assert [one["number"] for one in json.loads(run("privacy", "ledger", ledger, "--json").out)] == [1, 2]
    lines = ledger.read_text().splitlines(keepends=True)
    ledger.write_text(lines[0])
    assert "the end was cut off" in run("privacy", "ledger", ledger, tmp_path / "b").err
    assert run("privacy", "ledger", tmp_path / "none").code == 2
    assert run("fit", log, "-m", "popular", "-o", tmp_path / "open").code == 0
    ledger.write_text("".join(lines))
    assert "was not fitted with --private" in run("privacy", "ledger", ledger, tmp_path / "open").err


def test_a_model_that_is_no_better_than_popularity_is_counted_and_not_saved(run, tmp_path: Path) -> None:  # noqa: F811
    log = csv(tmp_path, people=150)
    items = tmp_path / "items.csv"
    items.write_text("item,title\n" + "".join(f"i{n},Title {n}\n" for n in range(24)))
    private = ("--private", "epsilon=0.1,delta=1e-6", "-m", "ease", "--items", items)
    done = run("fit", log, *private, "-o", tmp_path / "m")
    assert done.code == 2
    assert "ease is not found better than private popular" in done.err
    assert not (tmp_path / "m").exists()
    assert len((tmp_path / "privacy-ledger.jsonl").read_text().splitlines()) == 1
