"""What ten rules cost: ``python -m bench placements [--force]``.

The items of gowalla with made-up attributes. Answers of item-knn for one person and lists of everybody, with ten rules
and without, in turn.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np

from bench import machine
from bench.duel import RESULTS, Goal
from bench.sets import SETS

FILE = RESULTS / "placements.json"
REQUESTS, PEOPLE, ROUNDS = 300, 30_000, 3
K = 20


def rules(pinned: str) -> dict[str, object]:
    """Ten rules: a filter, two exclusions, three limits, two quotas, a boost and a pin."""
    return {
        "k": K,
        "where": {"attribute": "stock", "from": 1},
        "exclude": [{"kind": "purchase", "within": "30d"}, {"items": [pinned + "?"]}],
        "at_most": [
            {"attribute": "category", "items": 2},
            {"attribute": "brand", "items": 3},
            {"attribute": "colour", "items": 6},
        ],
        "at_least": [
            {"where": {"attribute": "new", "in": [True]}, "items": 2},
            {"where": {"attribute": "price", "to": 50}, "items": 5},
        ],
        "boost": [{"where": {"attribute": "margin", "from": 0.5}, "by": 0.5}],
        "pin": [{"item": pinned, "position": 3}],
    }  # fmt: skip


def spent(work: Callable[[], object], clock: Callable[[], float]) -> float:
    """Seconds of one run."""
    start = clock()
    work()
    return clock() - start


def main(*, force: bool) -> int:
    """Measure and write the result; returns the number of goals that were missed."""
    from penchant.data.catalog import Catalog
    from penchant.models.item_knn import ItemKNN
    from penchant.placements.reading import read_placement
    from penchant.training.fit import fit

    busy = machine.require_quiet(force=force)
    log = SETS["gowalla"].read()
    dice, n = np.random.default_rng(0), log.n_items
    attributes = {
        "stock": dice.integers(0, 20, n).tolist(),
        "category": [f"c{one}" for one in dice.integers(0, 200, n)],
        "brand": [f"b{one}" for one in dice.integers(0, 1000, n)],
        "colour": [[f"k{one}" for one in row] for row in dice.integers(0, 12, (n, 2))],
        "new": (dice.random(n) < 0.1).tolist(),
        "price": dice.integers(1, 200, n).tolist(),
        "margin": dice.random(n).tolist(),
    }
    rec = fit(log, ItemKNN(), catalog=Catalog(log.vocab, [None] * n, attributes))
    placement = read_placement("home", rules(log.vocab.ids[int(np.argmax(rec.item_counts))]))
    given = rec.translation.of_log(log)[0]
    people = dice.choice(len(given), REQUESTS, replace=False).tolist()

    def one(person: int, *, placed: bool) -> None:
        rec.recommend(given[person : person + 1], K, placement=placement if placed else None)

    for person in people[:10]:
        one(person, placed=True)
        one(person, placed=False)
    with_rules, without = [], []
    for person in people:
        without.append(spent(lambda: one(person, placed=False), time.perf_counter))  # noqa: B023  # run at once
        with_rules.append(spent(lambda: one(person, placed=True), time.perf_counter))  # noqa: B023  # run at once
    everybody = log.where(log.users < min(PEOPLE, log.n_users))
    ratios: list[float] = []
    batch: dict[str, list[float]] = {"with": [], "without": []}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "lists.parquet"
        for _ in range(ROUNDS):
            plain = spent(lambda: rec.write_all(everybody, file, K, force=True), time.process_time)
            ruled = spent(lambda: rec.write_all(everybody, file, placement=placement, force=True), time.process_time)
            ratios.append(ruled / plain)
            batch["without"].append(plain)
            batch["with"].append(ruled)
    more = 1000 * (median(with_rules) - median(without))
    goals = [
        Goal("milliseconds more of an answer with ten rules, median", more, 2, False),
        Goal(f"times the processor time of lists for {everybody.n_users:,} people", median(ratios), 1.5, False),
    ]
    result = {
        "title": f"Placements: ten rules over {n:,} items",
        "how": "answers of item-knn for one person in turn with and without the rules; lists of everybody likewise, "
        "processor time of all threads",
        "rounds": REQUESTS,
        "medians": {
            "with ten rules": {"answer ms": 1000 * median(with_rules), "everybody s": median(batch["with"])},
            "without": {"answer ms": 1000 * median(without), "everybody s": median(batch["without"])},
        },
        "goals": [{"text": g.text, "value": g.value, "limit": g.limit, "at_least": g.at_least, "met": g.met}
                  for g in goals],
        "busy_before": busy,
        "command": "python -m bench placements",
        "machine": machine.describe(),
        "versions": machine.versions("penchant", "numpy", "numba", "scipy"),
    }  # fmt: skip
    FILE.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    for goal in goals:
        print(f"{goal.text}: {goal.value:.3g} ({'met' if goal.met else 'MISSED'}, limit {goal.limit:g})")
    return sum(not goal.met for goal in goals)
