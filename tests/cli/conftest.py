"""A tiny shop: a log, an item table, and a recommender fitted on them by the command line itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from penchant.cli.main import main

TITLES = [
    "Dune", "Dune Messiah", "Hyperion", "The Fall of Hyperion", "Foundation", "Neuromancer, The", "Solaris",
    "Emma", "Persuasion", "Middlemarch", "Jane Eyre", "Villette",
]  # fmt: skip


@dataclass(frozen=True)
class Said:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Run one command in this process."""

    def call(*arguments: object) -> Said:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return Said(code, said.out, said.err)

    return call


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``log.csv``, ``items.csv`` and the saved recommender ``model``; nobody changes it."""
    folder = tmp_path_factory.mktemp("shop")
    rng = np.random.default_rng(0)
    lines = ["user,item,timestamp"]
    for user in range(50):
        shelf = range(7) if user % 2 else range(7, 12)
        for n, item in enumerate(rng.permutation(list(shelf))[:4]):
            lines.append(f"u{user},b{item},{1_500_000_000 + 86_400 * (10 * user + n)}")
    (folder / "log.csv").write_text("\n".join(lines) + "\n")
    titles = [f'b{n},"{title}"' for n, title in enumerate(TITLES)]
    (folder / "items.csv").write_text("\n".join(["item,title", *titles]) + "\n")
    log, items, model = (str(folder / name) for name in ("log.csv", "items.csv", "model"))
    assert main(["fit", log, "--items", items, "-m", "item-knn:neighbours=6", "-o", model]) == 0
    return folder
