"""Killed anywhere, with a real signal: the active model stays, nothing is half-written, and the next run goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from penchant.recommender.folder.listing import evaluation_of, saved_in
from penchant.recommender.folder.load import verify
from penchant.store.active_model import ActiveModel
from penchant.store.events import EventStore
from penchant.store.trainings import Trainings
from tests.training.loop.conftest import Go, planted

RUN = "from penchant.cli.main import run; run()"
# kills the process just before, or just after, the n-th call of a function
KILL = """
import importlib, os, signal, sys
module, owner, name, number, when = sys.argv[1:6]
sys.argv[1:6] = []
place = importlib.import_module(module)
place = getattr(place, owner) if owner else place
real, calls = getattr(place, name), []
def dying(*given, **named):
    calls.append(1)
    if len(calls) == int(number) and when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    result = real(*given, **named)
    if len(calls) == int(number):
        os.kill(os.getpid(), signal.SIGKILL)
    return result
setattr(place, name, dying)
"""
POINTS = [
    ("penchant.training.loop.stages", "Stages", "begin", 1, "before", 2),
    ("penchant.training.loop.stages", "Stages", "keep", 1, "before", 2),
    ("penchant.training.loop.stages", "Stages", "keep", 1, "after", 1),
    ("penchant.training.loop.stages", "Stages", "keep", 2, "after", 0),
    ("penchant.recommender.folder.tensors", "", "write", 3, "before", 0),
    ("penchant.recommender.recommender", "Recommender", "save", 1, "after", 0),
    ("penchant.training.loop.stages", "Stages", "publish", 1, "before", 0),
    ("penchant.training.loop.stages", "Stages", "publish", 1, "after", 0),
    ("penchant.store.trainings", "Trainings", "note", 1, "before", 0),
    ("penchant.store.trainings", "Trainings", "note", 1, "after", None),
    ("penchant.training.loop.train", "", "prune", 1, "before", None),
]


@pytest.fixture
def config(tmp_path: Path, log: Path) -> Path:
    """The settings of the fixture ``go`` as a file."""
    file = tmp_path / "penchant.toml"
    file.write_text(
        f'folder = "{tmp_path / "models"}"\nstore = "sqlite:///{tmp_path / "store.db"}"\n[train]\n'
        f'sources = "{log}"\nmodels = ["item-knn", "random"]\nholdout = "14d"\nmetric = "ndcg@5"\n'
        "[train.gate]\nmin_cases = 50\n"
    )
    return file


def command(config: Path, *before: object, code: str = RUN) -> list[str]:
    return [sys.executable, "-c", code, *map(str, before), "train", "--config", str(config), "--json"]


def finished(config: Path) -> tuple[int, dict[str, Any], str]:
    done = subprocess.run(command(config), capture_output=True, text=True, check=False)
    return done.returncode, json.loads(done.stdout or "{}"), done.stderr


@pytest.mark.parametrize(("module", "owner", "name", "number", "when", "fitted"), POINTS)
def test_killed_and_gone_on(
    go: Go, config: Path, log: Path, store: EventStore, tmp_path: Path, module: str, owner: str, name: str,
    number: int, when: str, fitted: int | None,
) -> None:  # fmt: skip
    first = go(models=("item-knn",)).document["name"]
    planted(1).write_csv(log)
    killing = command(config, module, owner, name, number, when, code=KILL + RUN)
    assert subprocess.run(killing, capture_output=True, check=False).returncode == -signal.SIGKILL
    root, active = tmp_path / "models", ActiveModel(store)
    for folder in saved_in(root).values():  # whatever is visible is complete
        verify(folder)
        assert evaluation_of(folder).is_file()
    assert (active.names() == [first]) == (fitted is not None)
    code, told, said = finished(config)
    assert code == 0
    assert told["outcome"] == ("activated" if fitted is not None else "unchanged")
    assert said.count("fitting\n") == (fitted or 0)  # what was judged is not fitted again
    assert active.names()[0] == told["name"] != first
    assert {*saved_in(root)} == {first, told["name"]}
    assert [one.name for one in Trainings(store).lately()] == [told["name"], first]
    leftovers = [path.name for path in root.iterdir() if path.name.startswith(".")]
    assert leftovers == ([] if fitted is not None else leftovers)


def test_stages_of_other_data_are_removed(go: Go, config: Path, log: Path, tmp_path: Path) -> None:
    killing = command(config, "penchant.store.trainings", "Trainings", "note", 1, "before", code=KILL + RUN)
    subprocess.run(killing, capture_output=True, check=False)
    (unrecorded,) = saved_in(tmp_path / "models")
    planted(1).write_csv(log)
    name = go().document["name"]
    assert name != unrecorded
    assert [*saved_in(tmp_path / "models")] == [name]
    assert not evaluation_of(tmp_path / "models" / unrecorded).exists()


def test_two_trainers_have_one_winner(config: Path, store: EventStore) -> None:
    children = [
        subprocess.Popen(command(config), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(3)
    ]
    told = [json.loads(child.communicate()[0]) for child in children]
    codes = sorted(child.returncode for child in children)
    assert [one["outcome"] for one in told].count("activated") == 1
    assert {one["outcome"] for one in told} <= {"activated", "busy", "unchanged"}
    assert codes[0] == 0
    assert {*codes} <= {0, 5}
    assert len(ActiveModel(store).names()) == len(Trainings(store).lately()) == 1


def test_trainers_that_are_killed_again_and_again_end_with_one_model(
    config: Path, store: EventStore, tmp_path: Path
) -> None:
    for tenths in (9, 11, 13, 15, 17):
        child = subprocess.Popen(command(config), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            child.wait(tenths / 10)
        except subprocess.TimeoutExpired:
            os.kill(child.pid, signal.SIGKILL)
            child.wait()
        for folder in saved_in(tmp_path / "models").values():
            verify(folder)
    code, told, _ = finished(config)
    assert (code, ActiveModel(store).names()) == (0, [told["name"]])
