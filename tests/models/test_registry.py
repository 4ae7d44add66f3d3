"""The registry is the only list of models: what is written from it is up to date, and follows it."""

from __future__ import annotations

import importlib
import runpy
from pathlib import Path

import pytest

from penchant.models import registry
from penchant.models.kinds.base import Model
from penchant.models.registry import CLASS_NAMES, MODELS, Registered

ROOT = Path(__file__).parents[2]
README, INIT = (ROOT / "README.md").read_text(), (ROOT / "src/penchant/__init__.py").read_text()


def test_the_table_and_the_imports_are_those_of_the_registry() -> None:
    written = runpy.run_path(str(ROOT / ".ci/models.py"))
    assert written["readme"](README) == README, "run make models"
    assert written["init"](INIT) == INIT, "run make models"


def test_a_new_entry_is_all_that_a_model_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MODELS, "mine", Registered("penchant.models.mine", "Mine", "what I like"))
    monkeypatch.setitem(CLASS_NAMES, "Mine", "mine")
    written = runpy.run_path(str(ROOT / ".ci/models.py"))
    readme, init = written["readme"](README), written["init"](INIT)
    assert [line for line in readme.split("\n") if line not in README.split("\n")] == ["| `mine` | what I like |"]
    new = [line.strip() for line in init.split("\n") if line not in INIT.split("\n")]
    assert new == ["from penchant.models.mine import Mine as Mine"]
    assert init.index("models.mine import") > init.index("models.logistic_mf import")
    monkeypatch.undo()
    assert (written["readme"](readme), written["init"](init)) == (README, INIT)  # and a model that is gone is gone


@pytest.mark.parametrize("name", MODELS)
def test_an_entry_says_what_the_class_says(name: str) -> None:
    entry = MODELS[name]
    cls = getattr(importlib.import_module(entry.module), entry.cls)
    assert issubclass(cls, Model) and cls.name == name
    assert registry.model_class(name) is cls
    assert entry.summary and not entry.summary.endswith(".")
    networks = ("penchant.models.neural.", "penchant.ranking.deepfm")
    assert (entry.extra == "neural") == entry.module.startswith(networks)
