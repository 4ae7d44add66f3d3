"""On a small machine, what would not fit is refused before the work, with the numbers and what would fit."""

from __future__ import annotations

import json
import re
import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from penchant.core import memory
from penchant.training import choose
from penchant.training.attempts import Candidate

MIB = 2**20
ITEMS = 20_000  # whose matrix takes 1.6 GB
NEEDS = r"ease over 20,000 items and [\d,]+ events needs about [\d,]+ MiB, 700 MiB are free and at most 80%"


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log over many items: 6,000 people, each with five of them."""
    rng = np.random.default_rng(0)
    items = np.concatenate([np.arange(ITEMS), rng.integers(0, ITEMS, 10_000)])
    users = rng.permutation(np.repeat(np.arange(6_000), 5))
    file = tmp_path_factory.mktemp("wide") / "log.parquet"
    pl.DataFrame({"user": users, "item": items, "time": np.arange(30_000) + 1_500_000_000}).write_parquet(file)
    return file


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container that leaves 700 MiB."""
    monkeypatch.setattr(memory, "_container", lambda root: 700 * MIB)


@pytest.mark.usefixtures("small")
def test_fit_and_tune_refuse_what_a_container_does_not_leave(run, wide: Path, tmp_path: Path) -> None:
    for arguments in (("fit", wide, "-m", "ease:reg=100"), ("tune", wide, "-m", "ease", "--trials", "2")):
        said = run(*arguments, "-o", tmp_path / "out")
        words = " ".join(said.err.split())
        assert said.code == 1 and re.search(NEEDS, words), said.err
        for option in ("most popular items", "sparse-ease", "a machine with", "--ignore-plan"):
            assert option in words
        assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("small")
def test_in_a_comparison_only_its_row_is_lost(run, wide: Path) -> None:
    said = run("evaluate", wide, "-m", "popular", "-m", "ease:reg=100", "--split", "leave-last", "--json")
    assert said.code == 0
    popular, ease = json.loads(said.out)["models"]
    assert popular.get("error") is None and "700 MiB are free" in ease["error"]


@pytest.mark.usefixtures("small")
def test_the_choice_names_what_it_leaves_out(run, wide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose, "LISTS", tuple(map(Candidate, ("popular", "item-knn", "ease"))))
    said = run("fit", wide, "--budget", "1000", "-o", tmp_path / "m", "--json")
    assert said.code == 0
    tried = {one["name"]: one for one in json.loads(said.out)["fitted_on"]["choice"]["models"]}
    assert tried["ease"]["error"].startswith("not tried: ease over") and "700 MiB are free" in tried["ease"]["error"]
    assert "error" not in tried["popular"] and "error" not in tried["item-knn"]


PROGRAM = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]),) * 2)
from penchant.cli.main import main
sys.exit(main(sys.argv[2:]))
"""


def started(limit: int, *arguments: object, before: str = "") -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-c", before + PROGRAM, str(limit), *map(str, arguments)]
    return subprocess.run(words, check=False, capture_output=True, text=True, timeout=120)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs ulimit -v")
def test_under_ulimit_v_a_fit_is_refused_with_the_numbers(wide: Path, tmp_path: Path) -> None:
    said = started(2 * 1024 * MIB, "fit", wide, "-m", "ease:reg=100", "-o", tmp_path / "m")
    assert said.returncode == 1 and "MiB are free and at most 80%" in said.stderr, said.stderr
    assert "Traceback" not in said.stderr and list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_kill_leaves_no_pairs_of_transitions_behind(wide: Path, tmp_path: Path) -> None:
    """They are in files without names by then."""
    kill = (
        f"import os, tempfile; tempfile.tempdir = {str(tmp_path)!r}\n"
        "from penchant.models.parts import spilled\nspilled.IN_MEMORY = 1\nold = spilled.SpilledRows.append\n"
        "def append(rows, *part):\n    old(rows, *part)\n    assert rows._files and rows._files[0].tell()\n"
        f"    os.kill(os.getpid(), {signal.SIGKILL})\nspilled.SpilledRows.append = append\n"
    )
    said = started(resource.RLIM_INFINITY, "fit", wide, "-m", "transitions", "-o", tmp_path / "m", before=kill)
    assert said.returncode == -signal.SIGKILL, said.stderr
    assert [path for path in tmp_path.iterdir() if not path.name.startswith(".m")] == []
