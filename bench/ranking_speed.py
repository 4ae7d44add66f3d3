"""How fast the second stage answers and learns: ``python -m bench ranking-speed [--force]``.

Made-up data of a shop: 60 features of a request and its candidates (members, history, items, eight attributes, four
numbers, four contexts). An answer computes the features of 500 candidates and sums 300 trees; the yardstick is one call
of LightGBM's ``Booster.predict`` on the same ready-made features, on one thread as well. Learning computes the features
of five million candidates and fits trees; the yardstick is LightGBM's own fit on these features.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from bench import machine
from bench.duel import RESULTS, Goal

if TYPE_CHECKING:
    from penchant.core.histories import Histories
    from penchant.core.item_features import ItemFeatures
    from penchant.ranking.features import Asked

FILE = RESULTS / "ranking-speed.json"
ITEMS, PEOPLE, EVENTS = 5_000, 20_000, 20
CANDIDATES, FEATURES, TREES, LEAVES = 500, 60, 300, 31
MEMBERS, ATTRIBUTES, NUMBERS, CONTEXTS = 3, 8, 4, 4
DAY = 86_400
REQUESTS = 200
ROWS = 5_000_000
LEARNT_TREES = 150  # the default of ``ranked``


def log(rng: np.random.Generator) -> Histories:
    """Histories with contexts, at the same time of each day."""
    from penchant.core.histories import Histories

    events = PEOPLE * EVENTS
    items = (ITEMS * rng.random(events) ** 2).astype(np.int32)
    times = np.tile(np.arange(EVENTS) * DAY, PEOPLE) + 17_000 * DAY
    return Histories(
        np.arange(PEOPLE + 1) * EVENTS, items, ITEMS, times=times,
        context=rng.integers(-1, 8, (events, CONTEXTS)).astype(np.int32),
    )  # fmt: skip


def described(rng: np.random.Generator) -> ItemFeatures:
    """Items with attributes and numbers, a tenth of them missing."""
    from penchant.core.item_features import ItemFeatures

    columns: dict[str, list[object]] = {}
    for n in range(ATTRIBUTES):
        codes = rng.integers(0, 2 ** (n + 2), ITEMS)
        columns[f"kind{n}"] = [None if rng.random() < 0.1 else f"v{code}" for code in codes.tolist()]
    for n in range(NUMBERS):
        columns[f"number{n}"] = [None if rng.random() < 0.1 else float(value) for value in rng.random(ITEMS)]
    return ItemFeatures.from_columns(ITEMS, columns)


def asked(train: Histories, rows: int, rng: np.random.Generator) -> Asked:
    """So many requests, each with 500 candidates that three members scored."""
    from dataclasses import replace

    from penchant.ranking.features import Asked

    people = rng.integers(0, len(train), rows)
    given = train[people]
    given = replace(given, asked=rng.integers(-1, 8, (rows, CONTEXTS)).astype(np.int32))
    items = np.argsort(rng.random((rows, ITEMS)), axis=1)[:, :CANDIDATES].astype(np.int32).ravel()
    scores = rng.random((MEMBERS, rows * CANDIDATES)).astype(np.float32)
    return Asked(given, np.repeat(np.arange(rows), CANDIDATES), items, scores)


def timed(one: Callable[[int], object], numbers: range) -> list[float]:
    """Milliseconds of the call with each number."""
    found = []
    for n in numbers:
        start = time.perf_counter()
        one(n)
        found.append(1e3 * (time.perf_counter() - start))
    return found


def main(*, force: bool, rows: int = ROWS) -> int:
    """Measure, write the result, and return the number of missed goals."""
    import lightgbm

    from penchant.core.run import Run
    from penchant.ranking.booster import boost
    from penchant.ranking.features import compute, declared
    from penchant.ranking.statistics import Statistics
    from penchant.ranking.trees import parse

    busy = machine.require_quiet(force=force)
    rng = np.random.default_rng(0)
    train = log(rng)
    statistics, names = Statistics.fit(train, described(rng))
    columns = [one.name for one in declared(statistics, MEMBERS, names)]
    if len(columns) != FEATURES:
        raise RuntimeError(f"{len(columns)} features are declared, the question is about {FEATURES}")

    def table_of(requests: int) -> tuple[np.ndarray, np.ndarray]:
        pairs = asked(train, requests, rng)
        found = compute(statistics, pairs)
        worth = pairs.scores[0] + pairs.scores[1] * pairs.scores[2] + 0.2 * np.nan_to_num(found[:, -2])
        best = worth.reshape(requests, -1).argmax(axis=1)
        labels = np.zeros((requests, CANDIDATES), np.float32)
        labels[np.arange(requests), best] = 1
        return found, labels.ravel()

    settings: dict[str, Any] = {"rate": 0.1, "min_rows": 20, "reg": 1.0, "share": 0.8, "run": Run(threads=1)}
    sample, target = table_of(200)
    group = np.full(200, CANDIDATES)
    text = boost(sample, target, columns, objective="lambdarank", group=group, trees=TREES, leaves=LEAVES, **settings)
    forest = parse(text)
    peer = lightgbm.Booster(model_str=text.decode())
    requests = [asked(train, 1, rng) for _ in range(REQUESTS)]
    tables = [compute(statistics, one) for one in requests]
    for one, table in zip(requests[:3], tables, strict=False):
        np.testing.assert_allclose(forest.predict(table), peer.predict(table, num_threads=1), rtol=1e-9, atol=1e-9)
        compute(statistics, one)

    def answer(n: int) -> None:
        predicted = forest.predict(compute(statistics, requests[n]))
        np.argpartition(-predicted, 10)

    spent: dict[str, list[float]] = {"whole": [], "features": [], "trees": [], "theirs": []}
    for lo in range(0, REQUESTS, 20):  # in turn
        some = range(lo, lo + 20)
        spent["whole"] += timed(answer, some)
        spent["features"] += timed(lambda n: compute(statistics, requests[n]), some)
        spent["trees"] += timed(lambda n: forest.predict(tables[n]), some)
        spent["theirs"] += timed(lambda n: peer.predict(tables[n], num_threads=1), some)
    ms = {name: median(values) for name, values in spent.items()}

    # learning: processor time, so that other programs count for neither side
    blocks, marks = rows // CANDIDATES // 100, []
    parts, labels = [], []
    looking = 0.0
    for _ in range(blocks):
        pairs = asked(train, 100, rng)
        start = time.process_time()
        found = compute(statistics, pairs)
        looking += time.process_time() - start
        parts.append(found)
        of = pairs.scores[0] + pairs.scores[1] * pairs.scores[2] + 0.2 * np.nan_to_num(found[:, -2])
        mark = np.zeros((100, CANDIDATES), np.float32)
        mark[np.arange(100), of.reshape(100, -1).argmax(axis=1)] = 1
        labels.append(mark.ravel())
        marks.append(np.full(100, CANDIDATES))
    table, target, group = np.concatenate(parts), np.concatenate(labels), np.concatenate(marks)
    del parts
    start = time.process_time()
    learnt = boost(
        table, target, columns, objective="lambdarank", group=group, trees=LEARNT_TREES, leaves=15, **settings
    )
    parse(learnt)
    ours = time.process_time() - start
    start = time.process_time()
    params = {
        "objective": "lambdarank", "num_leaves": 15, "learning_rate": 0.1, "min_data_in_leaf": 20, "lambda_l2": 1.0,
        "feature_fraction": 0.8, "num_threads": 1, "verbosity": -1, "force_row_wise": True, "seed": 0,
    }  # fmt: skip
    lightgbm.train(params, lightgbm.Dataset(table, target, group=group, params=params), LEARNT_TREES)
    theirs = time.process_time() - start
    goals = [
        Goal("milliseconds of an answer, median: features and trees of 500 candidates", ms["whole"], 8, False),
        Goal("times faster than a call of LightGBM's predict, the trees", ms["theirs"] / ms["trees"], 3, True),
        Goal(f"fit of {rows:,} candidates over LightGBM's own, processor time", ours / theirs, 1.2, False),
        Goal("features of these candidates over the fit, processor time", looking / ours, 1, False),
    ]
    result = {
        "title": f"The second stage: {CANDIDATES} candidates, {FEATURES} features, {TREES} trees",
        "how": "one thread each; ours and LightGBM's predict in turn on the same features; the sums agree to 1e-9; "
        f"trees of {LEAVES} leaves for answers, {LEARNT_TREES} of 15 leaves for the fit",
        "rounds": REQUESTS,
        "medians": {
            "ours": {"answer ms": ms["whole"], "features ms": ms["features"], "trees ms": ms["trees"],
                     "features of the fit s": looking, "fit s": ours},
            "LightGBM": {"trees ms": ms["theirs"], "fit s": theirs},
        },
        "goals": [{"text": g.text, "value": g.value, "limit": g.limit, "at_least": g.at_least, "met": g.met}
                  for g in goals],
        "busy_before": busy,
        "command": "python -m bench ranking-speed",
        "machine": machine.describe(),
        "versions": machine.versions("penchant", "numpy", "numba", "lightgbm"),
    }  # fmt: skip
    FILE.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    for goal in goals:
        print(f"{goal.text}: {goal.value:.3g} ({'met' if goal.met else 'MISSED'}, limit {goal.limit:g})")
    return sum(not goal.met for goal in goals)
