"""How close defaults come to tuned parameters on sets that were not used to choose them.

Every set gets the same candidate parameters, from ``bench/grids/MODEL.json``: number 0 is the model's defaults at the
start of the study, 1 to 40 are random draws from the declared space, and later ones are proposals. Each trial fits
the model once, without the validation rows, and measures it on the validation and the test cases.

*Tuned* is the best trial among 0 to 40 on the validation part of a set. The default for a left-out set is the trial
with the best mean over the validation parts of the other sets, each value relative to the set's best draw. Test values
are reported only; they choose nothing.

``bench/results/defaults/SET-MODEL.json`` holds the trials of one set and model. Each trial is saved when it ends,
so the queue can be stopped and restarted at any time.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.duel import RESULTS
from bench.peers import ROOT
from bench.sets import BenchSet

if TYPE_CHECKING:
    import polars as pl

    from penchant.core.split import Split

DONE = RESULTS / "defaults"
GRIDS = ROOT / "bench" / "grids"
METRIC = "ndcg@10"
DRAWS = 40
SEED = 0
A_ROUND = 10  # draws that every set and model gets before any gets more
CASES = 5000  # maximum number of validation cases and of test cases
MODELS = (
    "item-knn", "transitions", "rp3beta", "user-knn", "sparse-ease", "ease", "als", "graph-filter", "pure-svd",
)  # fmt: skip
# the shipped candidate: the one that all sets choose on their validation parts, or an earlier one within .5 % of it
SHIPPED = {
    "item-knn": 44, "transitions": 47, "rp3beta": 43, "user-knn": 42, "sparse-ease": 52, "ease": 54, "als": 60,
    "graph-filter": 46, "pure-svd": 50,
}  # fmt: skip
IN_ORDER = ("transitions",)  # models that learn from event order: skipped on sets without one


@dataclass(frozen=True)
class StudySet:
    """A set as used in the study: a seeded sample of users or sessions, and the items that occur often enough in it."""

    folder: str
    split: str
    columns: dict[str, str]
    users: int  # sample size, among users with at least
    events: int = 1  # this many different items
    items_in: int = 1  # minimum number of sampled histories that contain an item

    @property
    def ordered(self) -> bool:
        """Whether the set records the order of events."""
        return not {"time", "position"}.isdisjoint(self.columns)

    def sample(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows of the sampled users and the remaining items."""
        import polars as pl

        who = self.columns["user"]
        if not self.ordered:
            rows = rows.unique([who, "item"], keep="first", maintain_order=True)
        long_enough = rows.group_by(who).agg(pl.col("item").n_unique()).filter(pl.col("item") >= self.events)
        people = np.sort(long_enough[who].to_numpy())
        kept = np.random.default_rng(SEED).permutation(people)[: self.users]
        rows = rows.filter(pl.col(who).is_in(kept.tolist()))
        return rows.filter(pl.col(who).n_unique().over("item") >= self.items_in)


@cache
def load(name: str) -> Split:
    """The split of a set; models are fitted on the training part of its validation split."""
    studied = SETS[name]
    bench_set = BenchSet(studied.folder, studied.split, (METRIC,), "", studied.columns, studied.sample)
    split = bench_set.load(seed=SEED)[0][0]
    assert split.valid is not None  # every protocol here has one
    return replace(_few(split), valid=_few(split.valid))


def about(name: str) -> dict[str, Any]:
    """The sizes of the studied sample."""
    split = load(name)
    assert split.valid is not None
    train = split.valid.train
    return {
        "split": SETS[name].split, "ordered": SETS[name].ordered, "users": len(train), "items": train.n_items,
        "events": len(train.items), "valid": len(split.valid), "test": len(split),
    }  # fmt: skip


def _few(split: Split) -> Split:
    """At most ``CASES`` of the cases that have a true item."""
    asked = np.flatnonzero(split.truth.lengths > 0)
    return split.cases(np.sort(np.random.default_rng(SEED).permutation(asked)[:CASES]))


_USER, _SESSION = {"user": "user", "item": "item"}, {"user": "session", "item": "item"}
_STEPS = {**_SESSION, "position": "position"}
_ORDERED = {**_USER, "position": "position"}
_PARTED = {**_USER, "split": "split"}
SETS: dict[str, StudySet] = {
    "ml-1m": StudySet("ml-1m", "leave-last", _ORDERED, 2000, items_in=5),
    "amazon-beauty": StudySet("amazon-beauty", "leave-last", _ORDERED, 10_000, items_in=6),
    "gowalla": StudySet("gowalla", "column", _PARTED, 3000, items_in=6),
    "yoochoose": StudySet("yoochoose-100k", "leave-last", {**_SESSION, "time": "timestamp"}, 6000, 5, items_in=5),
    "complete-journey": StudySet("complete-journey-sample", "leave-last", {**_USER, "time": "time"}, 2377, items_in=5),
    "yelp-s3rec": StudySet("yelp-s3rec", "leave-last", _ORDERED, 8000, items_in=6),
    "msweb": StudySet("msweb", "users:.3", _USER, 9000, 3, items_in=3),
    "amazon-cds": StudySet("amazon-cds", "column", _PARTED, 5000, items_in=6),
    "diginetica": StudySet("diginetica-sessions", "leave-last", _STEPS, 8000, 6, items_in=6),
    "douban": StudySet("douban-monti", "column", {**_PARTED, "rating": "rating"}, 2999, items_in=5),
    "amazon-sports": StudySet("amazon-sports", "leave-last", _ORDERED, 10_000, items_in=6),
    "frappe": StudySet("frappe-cfm", "random:5", _USER, 957, items_in=3),
    "retailrocket": StudySet(
        "retailrocket-sessions", "leave-last", _STEPS, 8000, 5, items_in=6
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Place:
    """Where the trials of one set and model are stored."""

    set_name: str
    model: str

    @property
    def file(self) -> Path:
        return DONE / f"{self.set_name}-{self.model}.json"

    def read(self) -> dict[str, Any]:
        """Read the stored trials; without a file, an empty record."""
        if not self.file.exists():
            return {"set": self.set_name, "model": self.model, "metric": METRIC, "seed": SEED, "trials": []}
        found: dict[str, Any] = json.loads(self.file.read_text())
        return found

    def write(self, found: dict[str, Any]) -> None:
        """Replace the whole file atomically."""
        DONE.mkdir(parents=True, exist_ok=True)
        beside = self.file.with_suffix(".part")
        lines = ",\n".join("  " + json.dumps(trial) for trial in found["trials"])
        head = json.dumps({key: value for key, value in found.items() if key != "trials"})
        beside.write_text(f'{head[:-1]}, "trials": [\n{lines}\n]}}\n')
        beside.replace(self.file)


def places(sets: Sequence[str] = (), models: Sequence[str] = ()) -> Iterator[Place]:
    """Every set with every model that can learn from it."""
    for model in models or MODELS:
        for name in sets or SETS:
            if model not in IN_ORDER or SETS[name].ordered:
                yield Place(name, model)


def grid(model: str) -> list[dict[str, Any]]:
    """The candidate parameters, the same on every set. They are drawn once and kept, even if the defaults change."""
    from penchant.models import registry
    from penchant.training.tune import draw, search_spaces

    file = GRIDS / f"{model}.json"
    if not file.exists():
        start = registry.create(model)
        tried = [draw(start, search_spaces(type(start)), SEED, number) for number in range(DRAWS + 1)]
        file.parent.mkdir(exist_ok=True)
        file.write_text("[\n" + ",\n".join(" " + json.dumps(params) for params in tried) + "\n]\n")
    found: list[dict[str, Any]] = json.loads(file.read_text())
    return found


def work(sets: Sequence[str] = (), models: Sequence[str] = ()) -> None:
    """Run the missing trials; every set and model gets its first ten draws before any gets more."""
    for turn in range(DRAWS // A_ROUND + 1):
        for place in places(sets, models):
            found, tried = place.read(), grid(place.model)
            done = {trial["trial"] for trial in found["trials"]}
            for number, params in enumerate(tried):
                if number in done or number % (DRAWS + 1) // A_ROUND != turn:
                    continue
                found["sample"] = about(place.set_name)
                found["trials"].append({"trial": number, **attempt(place, params)})
                found["trials"].sort(key=lambda trial: trial["trial"])
                place.write(found)
            print(f"{place.set_name}, {place.model}: {len(found['trials'])} trials", file=sys.stderr, flush=True)


def attempt(place: Place, params: dict[str, Any]) -> dict[str, Any]:
    """Run one trial: its validation and test values, both None if the model rejects the set."""
    from penchant.core.run import Run
    from penchant.errors import PenchantError
    from penchant.evaluation.measure import measure, parse_metric
    from penchant.models import registry

    split, metric, run = load(place.set_name), parse_metric(METRIC), Run(seed=SEED)
    assert split.valid is not None
    model = registry.from_saved({"model": place.model, "params": params})
    trial: dict[str, Any] = {"valid": None, "test": None}
    start = time.perf_counter()
    try:
        model.fit(split.valid.train, run=run)
        trial["fit_seconds"] = round(time.perf_counter() - start, 3)
        for part, cases in (("valid", split.valid), ("test", split)):
            trial[part] = round(measure(model, cases, [metric], run=run).mean(metric, [metric]), 6)
        trial["seconds"] = round(time.perf_counter() - start, 3)
    except PenchantError as wrong:
        trial["error"] = str(wrong)
    return trial
