"""The committed parameters: small files that people read, each with the very trials that it was chosen by."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bench.sets import SETS

from bench import accuracy, peers, searches, tune
from penchant.core.histories import Histories
from penchant.evaluation.cuts import hold_out
from penchant.models import registry

BENCH = peers.ROOT / "bench"
FILES = sorted(accuracy.PARAMS.glob("*.json"))
NOT_OURS = {".envs", ".work"}  # made by benchmarks, never committed


def test_every_search_has_its_curve_and_the_curve_its_winner():
    searched = [file for file in FILES if "curve" in json.loads(file.read_text())]
    assert len(searched) > 100
    for file in searched:
        head, whole = json.loads(file.read_text()), searches.read(file)
        curve = peers.ROOT / head["curve"]["file"]
        assert curve == searches.curve_file(file)
        assert hashlib.sha256(curve.read_bytes()).hexdigest() == head["curve"]["sha256"], file.name
        assert all(isinstance(trial, dict) for trial in whole["curve"])
        if "best_trial" in head:
            (best,) = [trial for trial in whole["curve"] if trial["trial"] == head["best_trial"]]
            assert (best["params"], best["value"]) == (head["params"], head["value"]), file.name
            assert head["trials"] == len(whole["curve"]) or (head["trials"] > len(whole["curve"]) and "study" in head)
        else:
            assert head["value"] == max(tried["value"] for tried in whole["curve"]), file.name
    assert {searches.curve_file(file) for file in searched} == set((BENCH / "curves").iterdir())


def test_what_was_not_searched_has_nothing_to_choose():
    for file in FILES:
        found = json.loads(file.read_text())
        if "curve" not in found:
            assert set(found) == {"model", "params"}, file.name
            assert not registry.create(found["model"]).params() or found["model"] in {"popular", "random"}, file.name


def test_every_parameter_file_can_be_given_to_fit():
    for file in FILES:
        said = json.loads(file.read_text())
        model = registry.read(str(file))
        assert type(model).name == said["model"]
        if "members" not in said["params"]:
            assert model.params().items() >= registry.renewed(said["model"], said["params"]).items(), file.name


def test_no_json_is_longer_than_anybody_reads():
    long = {
        str(file): lines
        for file in BENCH.rglob("*.json")
        if not NOT_OURS.intersection(file.parts) and (lines := file.read_text().count("\n")) > 1000
    }
    assert long == {}


def test_a_search_is_filed_and_read_again(tmp_path: Path):
    search = {
        "model": "ease", "params": {"reg": 0.1 + 0.2, "long": ["ü" * 30] * 9}, "metric": "ndcg@10", "value": None,
        "curve": [{"trial": 0, "steps": [[10, 1 / 3]]}, {"trial": 1, "steps": []}], "study": [{"by": "hand"}, {}],
    }  # fmt: skip
    file = tmp_path / "params" / "set-ease.json"
    searches.write(file, search)
    assert json.dumps(searches.read(file)) == json.dumps(search)
    assert json.loads(file.read_text())["study"] == 2
    assert len(file.read_text().splitlines()) < 25
    curve = tmp_path / "curves" / "set-ease.jsonl"
    assert len(curve.read_text().splitlines()) == 4
    assert not list(tmp_path.rglob("*.part"))
    curve.write_text(curve.read_text().replace("0.3333", "0.4333"))
    with pytest.raises(ValueError, match=r"set-ease\.jsonl is not the curve"):
        searches.read(file)


@pytest.mark.parametrize("value", [{}, [], [[]], {"a": {}}, "text", 1.5, None, [{"a": [1, {"b": [2] * 99}]}] * 3])
def test_laid_out_is_the_same_json(value: object):
    assert json.loads(searches.laid_out(value)) == value


def test_a_search_that_is_filed_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    rng = np.random.default_rng(0)
    rows = [rng.permutation(12)[:6].tolist() for _ in range(60)]
    train = Histories.from_lists(rows, 12)
    valid = hold_out("last", train, train.ages() == 0)
    split = replace(valid, valid=valid)

    class Small:
        metrics = ("ndcg@10",)

        def load(self, *, seed: int):
            return [split], None

    monkeypatch.setattr(tune, "PARAMS", tmp_path / "params")
    monkeypatch.setitem(SETS, "small", Small())
    file = tune.tune("small", "ease", trials=2, row="mine")
    assert file == tmp_path / "params" / "small-mine.json"
    first = searches.read(file)
    assert [trial["trial"] for trial in first["curve"]] == [0, 1]
    searches.write(file, first | {"note": "seen before"})
    tune.tune("small", "ease", trials=3, row="mine")
    second = searches.read(file)
    assert second["curve"][:2] == first["curve"]
    assert (second["trials"], len(second["curve"]), second["note"]) == (3, 3, "seen before")
