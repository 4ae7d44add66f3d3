"""``python -m bench plan``: what models really take, each in a process of its own, against what ``plan`` says.

Logs come from ``bench.zipf``. Measurements are kept in ``bench/results/plan/ROWS-MODEL.json``, and what decides the
costs of a log in ``bench/results/plan/shape-ROWS.json``; those that are there are not measured again. Times are
processor seconds on one thread, which other programs disturb little, beside those of the clock. Networks are trained
for one pass without early stopping: what grows with the passes is known. ``--set NAME`` measures on the training part
of a real set; the coefficients are never fitted to those.

``python -m bench plan --refit`` fits the seconds of each kind of work to the measurements of this machine and writes
``src/penchant/planning/coefficients.json``. ``python -m bench.plan ROWS MODEL`` is one measurement.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from bench import child, machine, zipf
from bench.peers import ROOT

if TYPE_CHECKING:
    from penchant.core.log_shape import LogShape
    from penchant.data.catalog import Catalog
    from penchant.data.interactions import Interactions

RESULTS = ROOT / "bench" / "results" / "plan"
WORK = ROOT / "bench" / ".work" / "plan"
ROWS = (100_000, 1_000_000)  # of every model
KERNELS = (  # models that are also measured at ten million rows
    "popular", "random", "bias", "item-knn", "user-knn", "transitions", "session-knn", "content-knn", "rp3beta",
    "graph-filter", "als", "pure-svd", "bpr", "warp", "logistic-mf", "svd", "svdpp", "nmf",
)  # fmt: skip
LARGEST = ("popular", "transitions", "item-knn", "als")  # and at a hundred million
READING = "read-text"  # not a model: the same log as CSV
PLAIN = ("popular", "item-knn", "user-knn", "session-knn", "transitions", "rp3beta", "als")  # of plain logs
VARIANTS = ("als:factors=32", "als:solver=blocks")  # that do other kinds of work than by default
NEEDED = ("content-knn", "history-classifier", "two-tower")  # that need an item table
A_PERSON = 160  # events of a dense log, as in MovieLens; two items for every three people
ANSWERED = 1_000  # histories
COMPILED = 0.3  # seconds of compiling in a measured fit beyond which it is repeated
LIMIT = 6 * 3600.0
ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Log:
    """A generated log; a plain one has no ratings, and nobody has an item twice. Or the training part of a real set."""

    rows: int
    plain: bool = False
    dense: bool = False  # few people and items, so that the same two items meet in many histories
    source: str = ""  # the set

    @property
    def name(self) -> str:
        return self.source or f"{self.rows}{'-dense' if self.dense else ''}{'-plain' if self.plain else ''}"

    @classmethod
    def named(cls, name: str) -> Self:
        """The log of that name."""
        rows, *kinds = name.split("-")
        return cls(int(rows), "plain" in kinds, "dense" in kinds) if rows.isdecimal() else cls(0, source=name)


def wanted(
    rows: Sequence[int], models: Sequence[str], *, plain: bool = False, dense: bool = False, sets: Sequence[str] = ()
) -> list[tuple[Log, str]]:
    """The measurements to make: every model at the two small sizes, fewer at the large ones and of real sets."""
    from penchant.planning.plan import everything

    if sets:
        return [(Log(0, source=name), model) for name in sets for model in (models or PLAIN)]
    out = []
    for size in rows or ROWS:
        of_size = everything() if size <= max(ROWS) else KERNELS if size <= 10_000_000 else LARGEST
        small = [*of_size, *VARIANTS] if size <= max(ROWS) else of_size
        chosen = models or (PLAIN if plain or dense else [READING, *small])
        out += [(Log(size, plain, dense), model) for model in chosen]
    return out


def work(
    rows: Sequence[int], models: Sequence[str], *, plain: bool = False, dense: bool = False, sets: Sequence[str] = ()
) -> int:
    """Make the measurements that are missing; return how many failed."""
    failed = 0
    for log, model in wanted(rows, models, plain=plain, dense=dense, sets=sets):
        file = RESULTS / f"{log.name}-{re.sub('[:=,]', '-', model)}.json"
        if file.exists():
            continue
        log_of(log), shape_of(log)
        try:
            found = child.run([sys.executable, "-m", "bench.plan", log.name, model], env=ONE_THREAD, limit=LIMIT)
        except child.ChildError as error:
            print(f"plan: {log.name} {model}: {error}", file=sys.stderr)
            failed += 1
            continue
        of = f"--set {log.source}" if log.source else f"--rows {log.rows}"
        kinds = f"{' --plain' if log.plain else ''}{' --dense' if log.dense else ''}"
        about = {
            "command": f"python -m bench plan {of} --model {model}{kinds}",
            "machine": machine.describe(),
        }
        RESULTS.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(found | about, indent=1) + "\n")
        print(f"plan: {log.name} {model}: {json.dumps(found['steps'])}", file=sys.stderr)
    return failed


def spec(model: str) -> str:
    """The model as it is measured: networks for one pass."""
    from penchant.models.registry import MODELS, model_class

    name, _, given = model.partition(":")
    if MODELS[name].extra != "neural" or given:
        return model
    stops = any(one.name == "patience" for one in model_class(name).hyper_parameters())
    return f"{model}:epochs=1,patience=none" if stops else f"{model}:epochs=1"


def log_of(log: Log, suffix: str = ".parquet") -> Path:
    """The file of a log, made where it is missing."""
    path = WORK / f"{log.name}{suffix}"
    if not path.exists():
        WORK.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f"fresh-{path.name}")
        if log.source:
            from bench.sets import table

            rows = table(log.source)
            rows = rows.filter(rows["split"].cast(str) == "train").drop("split") if "split" in rows.columns else rows
            rows.write_parquet(fresh)
        else:
            few = {"users": log.rows // A_PERSON, "items": 2 * log.rows // A_PERSON // 3} if log.dense else {}
            zipf.write(fresh, log.rows, plain=log.plain, **few)
        fresh.rename(path)
    return path


def shape_of(log: Log) -> LogShape:
    """The shape of a log, kept beside the results."""
    from penchant.core.log_shape import LogShape

    file = RESULTS / f"shape-{log.name}.json"
    if not file.exists():
        child.run([sys.executable, "-m", "bench.plan", log.name])
    kept = json.loads(file.read_text())
    arrays = {name: np.array(kept.pop(name)) for name in ("lengths", "sizes", "shares")}
    return LogShape(**kept, **arrays)


def keep_shape(log: Log) -> None:
    """Write the shape of a log, read in this process."""
    import penchant
    from penchant.core.log_shape import LogShape

    shape = LogShape.of(penchant.read_interactions(log_of(log), rejected=False).histories(), described=True)
    kept = {name: getattr(shape, name) for name in ("events", "users", "items", "ratings", "ordered", "described")}
    arrays = {name: [float(f"{x:.5g}") for x in getattr(shape, name)] for name in ("lengths", "sizes", "shares")}
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"shape-{log.name}.json").write_text(json.dumps(kept | arrays) + "\n")


# -- one measurement --------------------------------------------------------------------------------------------------


class Stage:
    """A step: processor seconds, seconds of the clock, and the peak memory of the process while it lasts."""

    def __init__(self, kept: dict[str, Any], name: str) -> None:
        self.kept, self.name = kept, name

    def __enter__(self) -> Self:
        with suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")  # the record of the memory begins anew
        self.cpu, self.wall = time.process_time(), time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kept[self.name] = {
            "cpu": round(time.process_time() - self.cpu, 4),
            "wall": round(time.perf_counter() - self.wall, 4),
            "peak_mib": round(machine.peak_mib() - without_name_mib(), 1),
        }


def without_name_mib() -> float:
    """Pages of mapped files without a name, which the system takes back when it needs the memory."""
    held, mapping = 0, ""
    with suppress(OSError):
        for line in Path("/proc/self/smaps").read_text().splitlines():
            key, _, value = line.partition(":")
            if line.endswith("(deleted)"):
                mapping = "file"
            elif " " in key:
                mapping = ""
            elif key == "Rss" and mapping:
                held += int(value.split()[0])
    return held / 2**10


def measure(which: Log, model: str) -> dict[str, Any]:
    """Read, fit, save and answer once, on one thread; kernels are loaded before, by a fit on few histories."""
    steps: dict[str, Any] = {}
    with Stage(steps, "start"):
        import penchant
        from penchant.core.run import Run
        from penchant.kernels.compiling import CompileClock
        from penchant.models.registry import parse
        from penchant.recommender import bulk
    with Stage(steps, "read"):
        log = penchant.read_interactions(log_of(which), rejected=False)
    catalog = _catalog(log) if model in NEEDED else None
    run, histories = Run(threads=1), log.histories()
    with Stage(steps, "load"):
        small = parse(spec(model))
        few = histories[np.arange(min(300, len(histories)))]
        small.fit(few, run=run, features=None if catalog is None else catalog.features())
        _answer(bulk, small, few[:2])
    del small  # it may be as large as the one that is measured
    for _ in range(2):
        with CompileClock() as compiling, Stage(steps, "fit"):
            fitted = penchant.fit(log, parse(spec(model)), catalog=catalog, run=run)
        if compiling.seconds < COMPILED:
            break
    with tempfile.TemporaryDirectory(dir=WORK) as folder:
        with Stage(steps, "save"):
            fitted.save(f"{folder}/model")
        saved = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())
    chosen = np.random.default_rng(0).choice(len(histories), min(ANSWERED, len(histories)), replace=False)
    asked = histories[np.sort(chosen)]
    with CompileClock() as compiling, Stage(steps, "answer"):
        _answer(bulk, fitted.model, asked)
    if compiling.seconds > COMPILED / 10:
        with Stage(steps, "answer"):
            _answer(bulk, fitted.model, asked)
    size = {"events": len(log), "users": log.n_users, "items": log.n_items}
    return {
        "rows": which.rows or len(log), "plain": which.plain, "dense": which.dense, "set": which.source,
        "model": model.partition(":")[0], "spec": spec(model), "log": size, "steps": steps, "answered": len(asked),
        "saved_bytes": saved, "versions": machine.versions("penchant", "numpy", "scipy", "numba", "polars", "torch"),
    }  # fmt: skip


def measure_text(which: Log) -> dict[str, Any]:
    """Read the log from CSV."""
    import penchant

    steps: dict[str, Any] = {}
    file = log_of(which, ".csv")
    with Stage(steps, "read"):
        penchant.read_interactions(file, rejected=False)
    return {"rows": which.rows, "plain": which.plain, "model": READING, "size": file.stat().st_size, "steps": steps}


def _answer(bulk: Any, model: Any, given: Any) -> None:
    names = [str(row) for row in range(len(given))]
    for _ in bulk.blocks(model, given, names, [()] * len(given), 10):
        pass


def _catalog(log: Interactions) -> Catalog:
    """Three of forty genres for every item."""
    import polars as pl

    from penchant.data.catalog import Catalog

    rng = np.random.default_rng(0)
    genres = ["|".join(f"genre {g}" for g in rng.integers(0, 40, 3)) for _ in log.vocab.ids]
    with tempfile.TemporaryDirectory(dir=WORK) as folder:
        file = Path(folder) / "items.csv"
        pl.DataFrame({"item": log.vocab.ids, "genres": genres}).write_csv(file)
        return Catalog.read(file, log.vocab)


if __name__ == "__main__":
    asked = Log.named(sys.argv[1])
    if len(sys.argv) == 2:
        keep_shape(asked)
        print("{}")
    else:
        what = sys.argv[2]
        print(json.dumps(measure_text(asked) if what == READING else measure(asked, what)))
