"""What ``import penchant`` adds to the start of a Python process."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

from bench.duel import Goal, Numbers, Question, Side

STARTS = 11


def prepare(folder: Path) -> None:
    """Do nothing; no data is needed."""


def _start(code: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - start


def ours(folder: Path) -> Numbers:
    """Alternate processes with and without the import; take the difference of the medians."""
    _start("import penchant")
    bare, with_import = [], []
    for _ in range(STARTS):
        bare.append(_start("pass"))
        with_import.append(_start("import penchant"))
    return {"seconds": statistics.median(with_import) - statistics.median(bare)}


def judge(mine: Side, theirs: Side) -> list[Goal]:
    """Goal: an import cheap enough for any use."""
    return [Goal("seconds that the import adds", mine["seconds"], 0.3, at_least=False)]


QUESTION = Question(
    title="import penchant",
    how=f"median of {STARTS} processes with the import, less the median of as many without",
    prepare=prepare,
    judge=judge,
    rounds=3,
)
