"""Sparse EASE: how close it comes to EASE, and a catalogue of a million items."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.duel import Goal, Numbers, Question, Side

if TYPE_CHECKING:
    from penchant.core.histories import Histories

SETS = ("ml-1m-bars", "gowalla")
SHARE = 0.98  # the share of EASE's NDCG to reach
ITEMS, HISTORIES, EVENTS, GROUP = 1_000_000, 250_000, 20, 1_000
BYTES = 4_096  # peak memory allowed per item, including events and answers


def prepare(folder: Path) -> None:
    """Write the tuned parameters of EASE on each set, and its result on the validation part."""
    from bench.accuracy import PARAMS

    for name in SETS:
        chosen = json.loads((PARAMS / f"{name}-ease.json").read_text())
        (folder / f"{name}.json").write_text(json.dumps({key: chosen[key] for key in ("params", "metric", "value")}))


def ours(folder: Path) -> Numbers:
    """The validation parts with EASE's parameters, then a million items. A small first fit loads the kernels."""
    from bench.sets import SETS as ALL
    from penchant import Run, SparseEASE
    from penchant.evaluation.measure import measure, parse_metric

    SparseEASE(reg=60.0, neighbours=5, rank=2).fit(_drawn(200, 2_000))
    numbers: Numbers = {"seconds": 0.0}
    for name in SETS:
        ease = json.loads((folder / f"{name}.json").read_text())
        valid = ALL[name].load()[0][0].valid
        assert valid is not None  # every column split has one
        for what, rank in ((name, SparseEASE.rank), (f"{name}, rank 0", 0)):
            start = time.perf_counter()
            model = SparseEASE(**ease["params"], rank=rank).fit(valid.train)
            numbers[f"{what}: fit seconds"] = time.perf_counter() - start
            found = measure(model, valid, [parse_metric(ease["metric"])], run=Run(), progress=False)
            numbers[f"{what}: ndcg"] = float(found.sums.sum() / found.counts.sum())
        numbers[f"{name}: ndcg of ease"] = ease["value"]
    log = _drawn(HISTORIES, ITEMS)
    start = time.perf_counter()
    model = SparseEASE(reg=60.0, neighbours=30, rank=32).fit(log)
    numbers["a million: fit seconds"] = time.perf_counter() - start
    start = time.perf_counter()
    model.score(log[:100])
    numbers["a million: seconds for 100 answers"] = time.perf_counter() - start
    numbers["seconds"] = sum(value for key, value in numbers.items() if key.endswith("fit seconds"))
    return numbers


def _drawn(histories: int, items: int) -> Histories:
    """Histories of ``EVENTS`` events, four in five from one item group; low numbers in a group are frequent."""
    from penchant.core.histories import Histories

    rng = np.random.default_rng(0)
    group = rng.integers(0, items // GROUP, (histories, 1))
    group = np.where(rng.random((histories, EVENTS)) < 0.8, group, rng.integers(0, items // GROUP, (histories, EVENTS)))
    inside = (GROUP * rng.random((histories, EVENTS)) ** 2).astype(np.int64)
    indptr = np.arange(histories + 1, dtype=np.int64) * EVENTS
    return Histories(indptr, (group * GROUP + inside).ravel().astype(np.int32), items)


def judge(mine: Side, _theirs: Side) -> list[Goal]:
    """Goals: close to EASE on both sets, and bounded memory per item for a million items."""
    goals = []
    for name in SETS:
        share = mine[f"{name}: ndcg"] / mine[f"{name}: ndcg of ease"]
        goals.append(Goal(f"ndcg on {name} as a share of ease's", share, SHARE, at_least=True))
    peak = mine["peak_mib"] * 2**20 / ITEMS
    return [*goals, Goal("bytes an item at the peak, a million items", peak, BYTES, at_least=False)]


QUESTION = Question(
    title="sparse-ease beside ease, and with a million items",
    how="NDCG@20 of the validation parts, reg and dropout as ease was tuned there, all else default; then 250,000 "
    "drawn histories of 20 events over a million items, neighbours 30 and rank 32; the peak is of the whole run",
    prepare=prepare,
    judge=judge,
    rounds=1,
)
