"""README.md: its commands and its Python run as they stand, its transcript is that of the demo as it is."""

from __future__ import annotations

import importlib.util
import re
import shlex
from pathlib import Path

import polars as pl
import pytest

from penchant.cli import demo
from penchant.cli.main import main, make_app
from penchant.data.datasets import movielens_small_path
from penchant.models.registry import MODELS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"(?ms)^```(\w*)\n(.*?)^```$", README)


def blocks(language: str) -> list[str]:
    return [text for tag, text in BLOCKS if tag == language]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An ``events.csv`` and an ``items.csv`` as README describes them: bundled ratings of films that twenty rated."""
    log = pl.read_parquet(movielens_small_path())
    log.filter(pl.len().over("item") >= 20).write_csv(tmp_path / "events.csv")
    items = pl.read_parquet(movielens_small_path("items"))
    items.with_columns(pl.col("genres").list.join("|")).write_csv(tmp_path / "items.csv")
    (settings,) = blocks("toml")
    (tmp_path / "penchant.toml").write_text(settings)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_its_commands_run_as_they_stand(folder: Path, capsys: pytest.CaptureFixture[str]):
    lines = [line for text in blocks("sh") for line in text.splitlines()]
    assert len(lines) >= 12
    for line in lines:
        program, *arguments = shlex.split(line)
        assert program == "penchant"
        assert main(arguments) == 0, f"{line}\n{capsys.readouterr().err}"
        assert capsys.readouterr().out.strip(), line
    lists = pl.read_parquet("lists.parquet")
    assert lists.height > 0
    assert (folder / "model" / "manifest.json").exists()


def test_every_command_is_shown_on_some_page():
    pages = [README, *(page.read_text() for page in (ROOT / "docs").glob("*.md"))]
    shown = set(re.findall(r"\bpenchant ([a-z-]+)", " ".join(pages)))
    commands = {command.name or command.callback.__name__ for command in make_app().registered_commands}
    assert len(commands) >= 10
    assert commands <= {*shown, "demo"}  # the demo has its make target


def test_its_python_runs_as_it_stands(folder: Path, capsys: pytest.CaptureFixture[str]):
    first, *rest = blocks("python")
    assert len([line for line in first.splitlines() if line.strip()]) == 10
    names: dict[str, object] = {}
    for text in (first, *rest):
        exec(compile(text, "README.md", "exec"), names)  # noqa: S102  # our own page
    assert "Fargo (1996)" in capsys.readouterr().out
    assert len(names["answer"]) == 5
    assert names["table"].height == 5


def test_the_two_commands_and_the_targets_it_names_exist():
    targets = set(re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text()))
    named = set(re.findall(r"\bmake ([a-z-]+)", README))
    assert {"demo", "test"} <= named <= targets
    assert blocks("")[0].split("\n") == ["make demo", "make test", ""]


def test_its_table_of_models_is_the_registry():
    rows = re.findall(r"(?m)^\| (`[a-z0-9-]+`(?:, `[a-z0-9-]+`)*) \|", README)
    assert sorted(re.findall(r"`([a-z0-9-]+)`", " ".join(rows))) == sorted(MODELS)


def test_its_links_lead_somewhere():
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_every_page_stands_in_the_index():
    linked = set(re.findall(r"\]\(([\w-]+\.md)\)", (ROOT / "docs/index.md").read_text()))
    assert {page.name for page in (ROOT / "docs").glob("*.md")} <= linked | {"index.md"}


def transcript() -> str:
    (text,) = blocks("text")
    return text


def test_its_transcript_is_that_of_the_demo_as_it_is():
    text = transcript()
    assert text.startswith("$ make demo\n")
    compared = re.findall(r"(?m)^[★≈ ]  ([a-z-]+) +\d", text)
    assert compared == list(demo.MODELS)
    for title in demo.TITLES:
        assert title in text
    assert len(re.findall(r"(?m)^ +\d+   \S", text)) == 10
    for line in text.splitlines()[-3:]:
        program, command, *_ = line.split()
        assert (program, command) in {("penchant", c) for c in ("inspect", "fit", "recommend")}


@pytest.mark.slow
def test_its_transcript_says_what_the_demo_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Everything but times, memory and the last digits: a model or a list that changed asks for `make transcript`."""
    spec = importlib.util.spec_from_file_location("transcript", ROOT / ".ci" / "transcript.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    monkeypatch.setattr(script, "README", tmp_path / "README.md")
    (tmp_path / "README.md").write_text(README)
    script.main()
    fresh = (tmp_path / "README.md").read_text()

    def essence(page: str) -> list[str]:
        text = page.partition(script.BEGIN)[2].partition(script.END)[0]
        return re.findall(r"(?m)^[★≈ ]  [a-z-]+ +0\.\d\d|^ +\d+   [^\d]+", text)

    assert len(essence(fresh)) == len(demo.MODELS) + 10
    assert essence(fresh) == essence(README)
