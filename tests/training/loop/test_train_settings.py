"""The settings of training: each is checked one below and one above, and a key that is none is named with its line."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from penchant.core.settings import line_of, read_toml
from penchant.errors import ParameterError
from penchant.serve.common.settings import load
from penchant.training.loop.settings import TABLE, Gate, TrainSettings

ROOT = Path(__file__).parents[3]


def bounded(cls: Any) -> list[Any]:
    return [
        pytest.param(cls, one.name, one.metadata["low"], one.metadata["high"], type(one.default), id=one.name)
        for one in fields(cls)
        if one.metadata.get("low") is not None
    ]


@pytest.mark.parametrize(("cls", "name", "low", "high", "kind"), [*bounded(TrainSettings), *bounded(Gate)])
def test_every_bound_holds(cls: Any, name: str, low: float, high: float | None, kind: type) -> None:
    for value in [low, *([] if high is None else [high])]:
        assert getattr(cls(**{name: kind(value)}), name) == value
    step = 1 if kind is int else 1e-6
    for value in [low - step, *([] if high is None else [high + step])]:
        with pytest.raises(ParameterError, match=name):
            cls(**{name: kind(value)})


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"holdout": "0"}, "holdout"), ({"holdout": "100%"}, "holdout"), ({"holdout": "0%"}, "holdout"),
        ({"holdout": "x%"}, "holdout"), ({"holdout": "soon"}, "holdout"), ({"window": "all"}, "window"),
        ({"models": ()}, "models"), ({"sources": "log.csv"}, "sources"), ({"keep": 1.5}, "keep"),
    ],
)  # fmt: skip
def test_a_setting_that_cannot_be_is_named(values: dict[str, Any], named: str) -> None:
    with pytest.raises(ParameterError, match=named):
        TrainSettings(**values)
    assert TrainSettings(holdout="99.9%", window="1d").share == pytest.approx(0.999)


def test_a_size_that_is_none_is_named() -> None:
    with pytest.raises(ParameterError, match="memory"):
        Gate(max_size="much")


@pytest.mark.parametrize(
    ("text", "line", "key"),
    [
        ('port = 1\n\n[train]\nmodels = ["popular"]\nwindw = "9d"\n', 5, "windw"),
        ("[train.gate]\nmin_cases = 5\n# margin\nmargn = 0.1\n", 4, "margn"),
        ('[train]\nwindow = "9d"\n[train.gat]\nmargin = 1\n', 3, "gat"),
        ("colour = 1\n", 1, "colour"),
        ("port = 1\n[colour]\nx = 1\n", 2, "colour"),
    ],
)
def test_an_unknown_key_is_named_with_its_line(tmp_path: Path, text: str, line: int, key: str) -> None:
    file = tmp_path / "penchant.toml"
    file.write_text(text)
    with pytest.raises(ParameterError, match=rf"penchant\.toml, line {line}: there is no setting '{key}'"):
        load({}, file=str(file))


@pytest.mark.parametrize("text", ["train = 1", "[train]\ngate = 1", '[train.gate]\nmin_cases = "many"'])
def test_tables_that_are_none(tmp_path: Path, text: str) -> None:
    file = tmp_path / "penchant.toml"
    file.write_text(text)
    with pytest.raises(ParameterError, match=r"train|min_cases"):
        load({}, file=str(file))


def test_one_text_is_a_list_of_one(tmp_path: Path) -> None:
    file = tmp_path / "penchant.toml"
    file.write_text('[train]\nsources = "a.csv"\nmodels = "auto"\n')
    document, text = read_toml(str(file))
    read = TrainSettings.from_table(document[TABLE], str(file), text)
    assert (read.sources, read.models, read.auto) == (("a.csv",), ("auto",), True)
    assert line_of(text, "nothing") is None


def test_the_page_names_every_setting_with_its_default() -> None:
    page = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    for cls in (TrainSettings, Gate):
        for one in fields(cls):
            if "help" in one.metadata:
                shown = {"": "", "()": "", "False": "false"}.get(str(one.default), str(one.default))  # as in TOML
                shown = shown.removeprefix("('").removesuffix("',)")
                assert f"| `{one.name}` | {f'`{shown}`' if shown else ''} |".replace("|  |", "| |") in page, one.name
