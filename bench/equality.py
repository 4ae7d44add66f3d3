"""Whether two trees give the same numbers: what proves that a refactoring moved code and nothing else.

``python -m bench.equality OLD NEW [--set S ...] [--model M ...]``: each side is a commit or the folder of a checkout.
On either side every model is fitted at its defaults (networks for one pass), asked the same things by
``bench/answers.py`` and saved; the new side also loads what the old one saved, and is asked again. Answers are
compared bit by bit, but for the models of ``CLOSE``. Those to a history with nothing liked stand apart: where they
differ they are listed, which is no failure. Ends with 1 where anything else differs or could not be compared.

Trees, compiled kernels and answers stay in ``bench/.work/equality``; the answers of a commit are not asked for again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from bench import child, machine, searches
from bench.duel import RESULTS, WORK
from bench.peers import ROOT
from bench.sets import data_folder

SCRIPT = ROOT / "bench" / "answers.py"
SUMMARY = RESULTS / "equality" / "summary.json"
PLACE = WORK / "equality"
TOLERANCE = 1e-5  # relative to the spread of the scores
LIKED = 3.5  # as in the script, which this module never imports
LIMIT = 600  # seconds for one model on one side
Arrays = Mapping[str, np.ndarray]

_PRODUCT = "inner products of vectors come from BLAS"
_SOLVED = "LAPACK solves its systems"
_SPECTRAL = "BLAS and LAPACK find its subspace"
_TORCH = "torch trains it, ONNX Runtime encodes histories"
_FIELDS = "torch trains it, BLAS multiplies its layers"
CLOSE: dict[str, str] = {  # computed partly by external code, which may sum in a different order
    "als": _SOLVED, "bpr": _PRODUCT, "warp": _PRODUCT, "logistic-mf": _PRODUCT, "svd": _PRODUCT, "svdpp": _PRODUCT,
    "nmf": _PRODUCT, "ease": _SOLVED, "sparse-ease": _SOLVED, "pure-svd": _SPECTRAL, "graph-filter": _SPECTRAL,
    "content-knn": _PRODUCT, "history-mlp": _TORCH, "history-classifier": _TORCH, "auto-rec": _TORCH, "neu-mf": _TORCH,
    "two-tower": _TORCH, "mult-vae": _TORCH, "gru4rec": _TORCH, "sasrec": _TORCH, "deepfm": _FIELDS,
    "deepfm-rating": _FIELDS,
}  # fmt: skip
NETWORKS = {name for name, why in CLOSE.items() if why in {_TORCH, _FIELDS}}
RATING = {  # learn from ratings only
    "svd", "svdpp", "nmf", "slope-one", "bias", "auto-rec", "gbm-rating", "fm-rating", "deepfm-rating",
}  # fmt: skip
DESCRIBED = {"content-knn", "history-classifier", "two-tower"}  # learn from item attributes
MEMBERS: list[dict[str, Any]] = [
    {"model": name, "params": {}} for name in ("item-knn", "transitions", "user-knn", "popular")
]
PARAMS: dict[str, dict[str, Any]] = {"blend": {"members": MEMBERS}}
PASSES = {"epochs": 1}  # for networks
# sums split among threads differ in their last digits from run to run
ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"), "1")


@dataclass(frozen=True)
class EqualSet:
    """A log, and the models that are not fitted on it."""

    file: str | None  # relative to the data folder; None: bundled
    positive: str | None  # for models that do not predict ratings
    rows: int  # number of training histories to query
    left_out: Mapping[str, str] = field(default_factory=dict)
    networks: bool = True

    @property
    def table(self) -> str | None:
        return None if self.file is None else str(data_folder() / self.file)

    def why_not(self, name: str) -> str:
        """Why a model is not fitted on this set; empty if it is."""
        if name in self.left_out:
            return self.left_out[name]
        if self.file is None:
            return ""
        needs = {"it has no ratings": RATING, "it has no attributes": DESCRIBED}
        needs["networks take too long on it"] = set() if self.networks else NETWORKS
        return next((why for why, models in needs.items() if name in models), "")


SETS = {
    "ml-latest-small": EqualSet(None, f"value>={LIKED}", 250),
    "gowalla": EqualSet("gowalla/interactions.parquet", None, 100, {"ease": "its matrix takes 6.7 GB"}, networks=False),
}


@dataclass(frozen=True)
class Side:
    """One source tree: its files, its name, and whether its answers can be cached."""

    name: str
    tree: Path
    fixed: bool

    @classmethod
    def of(cls, text: str) -> Side:
        """Create a side from a folder, or from a commit, whose files are extracted once."""
        if (Path(text) / "src" / "penchant").is_dir():
            return cls(_named(Path(text)), Path(text).resolve(), fixed=False)
        sha = _git(ROOT, "rev-parse", "--verify", "--end-of-options", f"{text}^{{commit}}").decode().strip()
        tree = PLACE / sha[:12] / "tree"
        if not tree.exists():
            beside = tree.with_suffix(".part")
            shutil.rmtree(beside, ignore_errors=True)
            with tarfile.open(fileobj=BytesIO(_git(ROOT, "archive", sha, "src"))) as files:
                files.extractall(beside, filter="data")
            beside.rename(tree)
        return cls(sha[:12], tree, fixed=True)

    @property
    def work(self) -> Path:
        """The folder for its compiled kernels and answers."""
        return PLACE / (self.name if self.fixed else hashlib.sha256(str(self.tree).encode()).hexdigest()[:12])

    def run(self, asked: Mapping[str, Any], limit: float = LIMIT) -> dict[str, Any]:
        """Run the script with this tree on its path."""
        env = os.environ | {"PYTHONPATH": str(self.tree / "src"), "NUMBA_CACHE_DIR": str(self.work / "numba")}
        env |= ONE_THREAD
        command = [sys.executable, "-P", str(SCRIPT), json.dumps({**asked, "tree": str(self.tree)})]
        return child.run(command, env=env, limit=limit)

    def _compiled(self) -> int:
        """The number of kernels in the cache."""
        return sum(1 for _ in (self.work / "numba").rglob("*.nbc"))

    def ask(self, asked: Mapping[str, Any], where: Path, limit: float) -> tuple[Path, float]:
        """The answer file and the seconds it took; from the cache if the tree is a fixed commit."""
        out, stamp = where / "answers.npz", where / "asked.json"
        key = json.dumps([*map(str, asked.items()), hashlib.sha256(SCRIPT.read_bytes()).hexdigest(), _versions()])
        if self.fixed and stamp.exists() and json.loads(stamp.read_text())["key"] == key:
            return out, json.loads(stamp.read_text())["seconds"]
        shutil.rmtree(where, ignore_errors=True)
        where.mkdir(parents=True)
        words, before = {"load": None, **asked, "out": str(out), "save": str(where / "saved")}, self._compiled()
        seconds = self.run(words, limit)["seconds"]
        if self._compiled() != before:  # freshly compiled kernels round some sums differently from cached ones
            seconds = self.run(words, limit)["seconds"]
        stamp.write_text(json.dumps({"key": key, "seconds": seconds}))
        return out, seconds


@dataclass
class Verdict:
    """The result of comparing two sets of answers."""

    largest: float = 0.0  # accepted difference, relative to the spread
    same: bool = True  # bit by bit
    wrong: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)  # about histories without a liked item: allowed

    @property
    def said(self) -> str:
        if self.wrong:
            return "DIFFERENT"
        return "equal" if self.same else f"within {self.largest:.0e}"


def compare(old: Arrays, new: Arrays, *, close: bool) -> Verdict:
    """Compare answers written by ``bench/answers.py``, by name; ``close`` allows ``TOLERANCE``."""
    found, names = Verdict(), sorted({*old, *new})
    spread = max((_spread(old[name]) for name in ("trained.scores", "made.scores") if name in old), default=0.0)
    for name in names:
        into, granted = found.empty if name.startswith("empty.") else found.wrong, close and name[:6] != "asked."
        if name not in old or name not in new:
            into.append(f"{name}: only one side says it")
            continue
        a, b = old[name], new[name]
        if a.shape != b.shape or a.dtype.kind != b.dtype.kind:
            into.append(f"{name}: {a.dtype}{list(a.shape)} became {b.dtype}{list(b.shape)}")
            continue
        if np.array_equal(a, b, equal_nan=a.dtype.kind == "f") and a.dtype == b.dtype:
            continue
        found.same = found.same and into is found.empty
        if a.dtype.kind == "f":
            own = _spread(a) if name.startswith("similar.") or name.endswith("predict") else spread
            apart = _apart(a, b) / (own or 1.0)
            if granted and apart <= TOLERANCE:
                found.largest = max(found.largest, apart)
            else:
                into.append(f"{name}: {np.sum(a != b):,} of {a.size:,} numbers, up to {apart:.1e} of the spread")
        elif not (granted and name.endswith("items") and _only_ties(a, b, old[f"{name[:-5]}scores"], spread)):
            into.append(f"{name}: {np.sum(a != b):,} of {a.size:,} differ")
    return found


def _spread(array: np.ndarray) -> float:
    finite = array[np.isfinite(array)]
    return float(finite.max() - finite.min()) if finite.size else 0.0


def _apart(a: np.ndarray, b: np.ndarray) -> float:
    """The largest difference; infinities and NaN must match on both sides."""
    with np.errstate(invalid="ignore"):
        apart = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.abs(a.astype(float) - b.astype(float)))
    return float(np.nan_to_num(apart, nan=np.inf).max(initial=0.0))


def _only_ties(a: np.ndarray, b: np.ndarray, scores: np.ndarray, spread: float) -> bool:
    """Whether lists differ only among neighbours with almost equal scores, or in their last position."""
    scores = np.where(np.isfinite(scores), scores, 0.0)
    near = np.abs(np.diff(scores, axis=1)) <= 2 * TOLERANCE * spread
    edge = np.ones((len(a), 1), dtype=bool)
    return bool((a == b)[~(np.hstack([near, edge]) | np.hstack([~edge, near]))].all())


def work(old: Side, new: Side, sets: Sequence[str], models: Sequence[str], limit: float) -> dict[str, Any]:
    """Ask both sides everything; return the results by set and model."""
    there = old.run({})["models"]
    if unknown := {*models} - {*there}:
        raise SystemExit(f"bench.equality: there is no model {', '.join(sorted(unknown))}")
    found: dict[str, Any] = {}
    print(f"{'set':16} {'model':19} {'old s':>6} {'new s':>6}  {'answers':14} {'saved by old':14}", flush=True)
    for set_name in sets:
        found[set_name] = {}
        for name in models or there:
            if why := SETS[set_name].why_not(name):
                line: dict[str, Any] = {"left_out": why}
            else:
                line = one(old, new, set_name, name, limit)
            found[set_name][name] = line
            _tell(set_name, name, line)
    return found


def one(old: Side, new: Side, set_name: str, name: str, limit: float) -> dict[str, Any]:
    """Compare one model on one set: both sides fit it, then the new side loads the folder saved by the old one."""
    studied = SETS[set_name]
    asked = {
        "model": name,
        "params": PARAMS.get(name, PASSES if name in NETWORKS else {}),
        "threads": int(name in NETWORKS),
        "table": studied.table,
        "positive": None if name in RATING else studied.positive,
        "rows": studied.rows,
    }
    line: dict[str, Any] = {}
    what = ""
    try:
        what, place = "old", old.work / "old" / set_name / name
        before, line["old_seconds"] = old.ask(asked, place, limit)
        what = "new"
        after, line["new_seconds"] = new.ask(asked, new.work / "new" / set_name / name, limit)
        shutil.rmtree(after.parent / "saved", ignore_errors=True)  # it only has to be writable
        what = "loaded"
        loaded, _ = new.ask(
            {**asked, "load": str(place / "saved")}, new.work / "loaded" / old.name / set_name / name, limit
        )
    except child.ChildError as error:
        return line | {"failed": f"{what}: {str(error).strip().splitlines()[-1][:200]}"}
    for key, file in (("answers", after), ("saved_by_old", loaded)):
        with np.load(before) as mine, np.load(file) as theirs:
            verdict = compare(dict(mine), dict(theirs), close=name in CLOSE)
        line[key] = verdict.said
        line |= {f"{key}_{what}": told for what, told in (("wrong", verdict.wrong), ("empty", verdict.empty)) if told}
    for folder in (side.work / part for side, part in ((new, "new"), (new, "loaded")) if not side.fixed):
        shutil.rmtree(folder, ignore_errors=True)  # they are as large as the answers
    return line


def _tell(set_name: str, name: str, line: Mapping[str, Any]) -> None:
    """Print a line of the table, and the differences below it."""
    if "left_out" in line:
        print(f"{set_name:16} {name:19} {'':13}  left out: {line['left_out']}", flush=True)
        return
    times = " ".join(f"{line.get(f'{side}_seconds', ''):>6}" for side in ("old", "new"))
    said = f"FAILED: {line['failed']}" if "failed" in line else f"{line['answers']:14} {line['saved_by_old']:14}"
    print(f"{set_name:16} {name:19} {times}  {said}", flush=True)
    for key, told in line.items():
        if isinstance(told, list):
            note = ", of histories with nothing liked, which may differ" if key.endswith("_empty") else ""
            print(
                *(f"    {key.rpartition('_')[0].replace('_', ' ')}{note}: {text}" for text in told),
                sep="\n",
                flush=True,
            )


def failed(found: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> list[str]:
    """The sets and models that differ or could not be compared."""
    return [
        f"{set_name} {name}"
        for set_name, lines in found.items()
        for name, line in lines.items()
        if "failed" in line or {"answers_wrong", "saved_by_old_wrong"} & set(line)
    ]


def _named(folder: Path) -> str:
    """Name a checkout by its commit."""
    if not (folder / ".git").exists():
        return "a folder without commits"
    sha = _git(folder, "rev-parse", "--short=12", "HEAD").decode().strip()
    return f"{sha} with changes" if _git(folder, "status", "--porcelain", "--", "src").strip() else sha


def _git(folder: Path, *words: str) -> bytes:
    done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, check=False)  # noqa: S607  # found on the path
    if done.returncode:
        raise SystemExit(f"bench.equality: git {' '.join(words)}: {done.stderr.decode().strip()}")
    return done.stdout


def _versions() -> dict[str, str]:
    return machine.versions("numpy", "scipy", "numba", "torch", "onnxruntime")


def main() -> int:
    """Compare, print the table and write the summary."""
    parser = argparse.ArgumentParser(
        "python -m bench.equality", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("old", metavar="OLD", help="a commit, or the folder of a checkout")
    parser.add_argument("new", metavar="NEW", help="the same")
    parser.add_argument("--set", action="append", default=[], choices=sorted(SETS), help="only this set")
    parser.add_argument("--model", action="append", default=[], help="only this model")
    parser.add_argument("--limit", type=float, default=LIMIT, help=f"seconds of one model on one side ({LIMIT})")
    parser.add_argument("-o", "--out", type=Path, help="the summary; with all sets and models: bench/results/equality")
    options = parser.parse_args()
    sets = options.set or list(SETS)
    for name in sets:
        _ = SETS[name].table  # reports missing data before any fit
    start, (old, new) = time.perf_counter(), (Side.of(options.old), Side.of(options.new))
    found = work(old, new, sets, options.model, options.limit)
    wrong = failed(found)
    compared = sum("left_out" not in line for lines in found.values() for line in lines.values())
    print(f"{compared - len(wrong)} of {compared} equal, {time.perf_counter() - start:.0f} s")
    if wrong:
        print(f"not equal: {', '.join(wrong)}")
    file = options.out or (None if options.set or options.model else SUMMARY)
    if file is not None:
        summary = {
            "old": old.name, "new": new.name, "command": " ".join([
                f"python -m bench.equality {old.name} {new.name}", *(f"--set {name}" for name in options.set),
                *(f"--model {name}" for name in options.model),
            ]),
            "compared": compared, "not_equal": wrong, "tolerance": TOLERANCE, "close": CLOSE, "sets": found,
            "machine": machine.describe(), "versions": _versions(),
        }  # fmt: skip
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(searches.laid_out(summary) + "\n")
    return int(bool(wrong))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except FileNotFoundError as error:
        print(f"bench.equality: {error}", file=sys.stderr)
        sys.exit(2)
