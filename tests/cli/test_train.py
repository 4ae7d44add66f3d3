"""``penchant train``: its words, its exit codes, its document."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Said
from tests.training.loop.conftest import planted


@pytest.fixture
def config(tmp_path: Path) -> Path:
    planted().write_csv(tmp_path / "log.csv")
    file = tmp_path / "penchant.toml"
    file.write_text(
        f'folder = "{tmp_path / "models"}"\nstore = "sqlite:///{tmp_path / "store.db"}"\n[train]\n'
        f'sources = "{tmp_path / "log.csv"}"\nmodels = "item-knn"\nholdout = "14d"\n[train.gate]\nmin_cases = 50\n'
    )
    return file


def test_it_says_what_it_does_and_why(run: Callable[..., Said], config: Path) -> None:
    planned = run("train", "--config", config, "--dry-run")
    assert planned.code == 0
    assert "popular (baseline): about" in planned.out
    said = run("train", "--config", config)
    assert (said.code, said.err.count("fitting")) == (0, 3)
    assert "★ item-knn: ndcg@10 0." in said.out
    assert "ok: coverage" in said.out
    assert "activated (" in said.out.splitlines()[-1]
    again = json.loads(run("train", "--config", config, "--json").out)
    assert again["outcome"] == "unchanged"


def test_exit_codes(run: Callable[..., Said], config: Path) -> None:
    text = config.read_text()
    config.write_text(text.replace("min_cases = 50", "min_cases = 5000"))
    unclear = run("train", "--config", config)
    assert unclear.code == 4
    assert "warning: the gate can never pass: min_cases is 5,000, and the log has 240 people" in unclear.out
    config.write_text(text.replace("min_cases = 50", "min_cases = 50\nmax_answer_ms = 0"))
    refused = run("train", "--config", config)
    assert refused.code == 3
    assert "REFUSED: answer time" in refused.out
    config.write_text(text + "min_case = 5\n")
    wrong = run("train", "--config", config)
    assert wrong.code == 2
    assert "line 9: there is no setting 'min_case' in [train.gate]" in wrong.err
    config.write_text(text)
    assert run("train", "--config", config, "--store", "sqlite:////nowhere/at/all.db").code == 1
    assert run("train", "--config", config, "--folder", "").code == 2
    assert run("train").code == 2


def test_a_store_of_a_newer_version_is_refused(run: Callable[..., Said], config: Path, tmp_path: Path) -> None:
    import sqlite3

    assert run("train", "--config", config).code == 0
    with sqlite3.connect(tmp_path / "store.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    newer = run("train", "--config", config)
    assert newer.code == 2
    assert "newer" in newer.err
