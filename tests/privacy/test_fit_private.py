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
    again = run("fit", log, "--private", "epsilon=2,delta=1e-6", "-m", "ease", "-o", tmp_path / "e", "--json")
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
