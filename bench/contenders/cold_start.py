"""A whole ``penchant fit``, the first time on a machine and afterwards, beside the build of an old commit."""

from __future__ import annotations

import io
import os
import resource
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

from bench.duel import Goal, Numbers, Question, Side
from bench.peers import ROOT

BEFORE = "04e943e"
MODELS = ("popular", "item-knn", "transitions", "als", "ease", "graph-filter", "user-knn")
FIRST = dict.fromkeys(MODELS, 0.25) | {"popular": 0.5}  # of the old build's time, with an empty kernel cache
AGAIN = dict.fromkeys(("popular", "item-knn", "transitions"), 0.4)
DATA = "src/penchant/data/bundled/ml-latest-small/interactions.parquet"
CODE = "from penchant.cli.main import run; run()"


def prepare(folder: Path) -> None:
    """Extract the old commit, and compile the kernels of this tree as the build of the package does."""
    old = folder / BEFORE
    if not old.exists():
        files = subprocess.run(["git", "archive", BEFORE, "src"], cwd=ROOT, check=True, capture_output=True).stdout  # noqa: S607  # found on the path
        with tarfile.open(fileobj=io.BytesIO(files)) as archive:
            archive.extractall(folder / "part", filter="data")
        (folder / "part").rename(old)
    env = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    subprocess.run([sys.executable, "-P", "-c", CODE, "warm"], env=env, check=True, stdout=sys.stderr)
    for tree in (ROOT, old):  # no side compiles Python files while it is measured
        subprocess.run([sys.executable, "-m", "compileall", "-q", str(tree / "src")], check=True)


def _measured(tree: Path) -> Numbers:
    """Seconds and processor seconds of whole processes by model: the first without any cached kernel, then the next."""
    found: Numbers = {"seconds": 0.0}
    for model in MODELS:
        work = Path(tempfile.mkdtemp())
        env = os.environ | {"PYTHONPATH": str(tree / "src"), "NUMBA_CACHE_DIR": str(work / "numba")}
        words = ["fit", str(ROOT / DATA), "-m", model, "-o", str(work / "model"), "--force"]
        for when in ("first", "again")[: 2 if model in AGAIN else 1]:
            start, before = time.perf_counter(), _processor_seconds()
            subprocess.run([sys.executable, "-P", "-c", CODE, *words], env=env, check=True, capture_output=True)
            found[f"{model} {when}"] = time.perf_counter() - start
            found[f"{model} {when}, processor"] = _processor_seconds() - before
            found["seconds"] += found[f"{model} {when}"]
        shutil.rmtree(work)
    return found


def _processor_seconds() -> float:
    """Of all processes that this one has waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def ours(folder: Path) -> Numbers:
    """This tree."""
    return _measured(ROOT)


def before(folder: Path) -> Numbers:
    """The old commit."""
    return _measured(folder / BEFORE)


def judge(mine: Side, theirs: Side) -> list[Goal]:
    """The first fit of every model at most a quarter of the old one, later ones of the quick models at most 40 %."""
    return [
        Goal(f"{model}, {words}: share of the old time", mine[f"{model} {when}"] / theirs[f"{model} {when}"], limit,
             at_least=False)
        for when, words, limits in (("first", "the first time", FIRST), ("again", "afterwards", AGAIN))
        for model, limit in limits.items()
    ]  # fmt: skip


QUESTION = Question(
    title="A whole fit on a new machine",
    how=(
        f"`penchant fit` as a process, 100,004 ratings of ml-latest-small to a saved folder, beside commit {BEFORE}: "
        "with an empty cache of compiled kernels, then again; the kernels of this tree are compiled beforehand, as in "
        "the wheel"
    ),
    prepare=prepare,
    judge=judge,
    peer="before",
)
