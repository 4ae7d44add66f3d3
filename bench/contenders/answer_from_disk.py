"""A whole ``penchant recommend`` process on a saved gowalla model: start, load, answer, exit."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from bench.duel import Goal, Numbers, Question, Side


def prepare(folder: Path) -> None:
    """Fit item-knn on the training part and save it."""
    from bench.accuracy import Entry
    from bench.sets import table

    if (folder / "model").exists():
        return
    rows = table("gowalla")
    rows.filter(rows["split"].cast(str) == "train").write_parquet(folder / "train.parquet")
    params = Entry("gowalla", "item-knn", 0).params_file
    command = ["fit", str(folder / "train.parquet"), "-m", f"@{params}", "-o", str(folder / "model")]
    subprocess.run([_penchant(), *command], check=True)


def _penchant() -> str:
    return str(Path(sys.executable).with_name("penchant"))


def ours(folder: Path) -> Numbers:
    """Time the second run; in the first, the files may not be cached in memory."""
    command = [_penchant(), "recommend", str(folder / "model"), "-k", "10", "--json"]
    for item in ("3", "41", "500"):
        command += ["--history", item]
    subprocess.run(command, check=True, capture_output=True)
    start = time.perf_counter()
    done = subprocess.run(command, check=True, capture_output=True)
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "items": len(json.loads(done.stdout)["items"])}


def judge(mine: Side, theirs: Side) -> list[Goal]:
    """Goal: the command line answers at once."""
    return [
        Goal("seconds of the whole process", mine["seconds"], 1.0, at_least=False),
        Goal("items in the answer", mine["items"], 10, at_least=True),
    ]


QUESTION = Question(
    title="A second penchant recommend on a saved gowalla model, as a whole process",
    how="three items of history, ten recommendations",
    prepare=prepare,
    judge=judge,
)
