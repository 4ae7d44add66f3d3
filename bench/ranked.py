"""The second stage over the members of a blend, and items that are new.

``python -m bench ranked [--set SET]`` fits the members of the best committed blend of a set once, and compares
``ranked`` over them with the blend and with each of them, on the same cases. ``python -m bench cold-items [--set SET]``
holds out a fifth of the items with all their events, and asks for the last event of people whose last item is one of
them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from bench import machine
from bench.accuracy import PARAMS, Entry
from bench.duel import RESULTS
from bench.sets import SETS

if TYPE_CHECKING:
    from penchant.core.split import Split
    from penchant.models.kinds.base import Model

DONE = RESULTS / "second-stage"
BLENDS = ("blend", "blend-sasrec")  # rows with parameters, where a set has them
LISTS = ("amazon-beauty", "amazon-sports", "yelp-s3rec", "ml-1m-last")
COLD = ("amazon-beauty", "amazon-sports", "yelp-s3rec")
METRICS = ("ndcg@10", "hit@10")
HELD = 0.2  # of the items
FIRST_STAGE = ("content-knn", "item-knn")


def work(sets: Sequence[str], rows: Sequence[str], *, seed: int = 0) -> None:
    """Compare ``ranked`` with every blend of some sets, and write a result for each."""
    for name in sets or LISTS:
        for row in rows or BLENDS:
            if (PARAMS / f"{name}-{row}.json").exists():
                _write(f"{name}-{row}", lists(name, row, seed))


def lists(name: str, row: str, seed: int) -> dict[str, Any]:
    """The blend, its members and ``ranked`` over them, on the test cases of a set."""
    from penchant.core.run import Run
    from penchant.models import registry
    from penchant.models.blend import Blend
    from penchant.ranking.ranked import Ranked

    bench_set, run = SETS[name], Run(seed=seed)
    (split,), catalog = bench_set.load(seed=seed)
    features = None if catalog is None else catalog.features()
    blend = registry.from_saved(Entry(name, row, seed).choice())
    assert isinstance(blend, Blend)
    start = time.process_time()
    blend.fit(split.train, valid=split.held_out, run=run, features=features)
    fitted = {"blend": round(time.process_time() - start, 1)}

    class Over(Ranked):
        """``ranked`` with members that are fitted already: the same, once."""

        def fresh(self, train: Any, run: Run, *, tell: bool = False) -> list[Model]:
            if train is not split.train:
                raise ValueError(f"{name} has no held-out cases that a second stage could learn from")
            return blend.members

    start = time.process_time()
    ranked = Over(members=[registry.to_json(one) for one in blend.members])
    ranked.fit(split.train, valid=split.held_out, run=run, features=features)
    fitted["ranked"] = round(time.process_time() - start, 1)
    models: dict[str, Model] = {"ranked": ranked, row: blend} | {one.name: one for one in blend.members}
    return {
        "set": name,
        "rows": judged(models, split, "ranked"),
        "notes": ranked.notes,
        "fit_seconds": fitted,
        "cases": len(split),
        "params": registry.to_json(Ranked(members=ranked.members)),
        "command": f"python -m bench ranked --set {name} --model {row}",
        **_about(),
    }


def judged(models: dict[str, Model], split: Split, ours: str) -> list[dict[str, Any]]:
    """The metrics of every model, and the gain of ours over it with the 95 % interval over the cases."""
    from penchant.core.run import Run
    from penchant.evaluation.bootstrap import ends, resample
    from penchant.evaluation.measure import measure, parse_metrics

    metrics = parse_metrics(METRICS)
    sums = {name: measure(model, split, metrics, run=Run(), progress=False).sums for name, model in models.items()}
    counted = split.truth.lengths > 0
    rows = []
    for name, values in sums.items():
        gain = (sums[ours] - values)[counted]
        drawn = resample(gain, np.ones_like(gain))
        rows.append({
            "row": name,
            "metrics": dict(zip(METRICS, values[counted].mean(axis=0).tolist(), strict=True)),
            "gain": {m: [float(gain[:, n].mean()), *ends(drawn[:, n])] for n, m in enumerate(METRICS)},
        })  # fmt: skip
        print(f"{name}: {rows[-1]['metrics']}, gain of {ours} {rows[-1]['gain']}", flush=True)
    return rows


def cold(sets: Sequence[str], *, seed: int = 0) -> None:
    """Measure new items on some sets, and write a result for each."""
    for name in sets or COLD:
        _write(f"{name}-cold", new_items(name, seed))


def new_items(name: str, seed: int) -> dict[str, Any]:
    """Items that training never saw: lists of them alone, and of all items."""
    from penchant.core.run import Run
    from penchant.core.split import Split
    from penchant.models import registry
    from penchant.ranking.ranked import Ranked

    (whole,), catalog = SETS[name].load(seed=seed)
    assert catalog is not None
    features, n = catalog.features(), whole.train.n_items
    new = np.random.default_rng(seed).random(n) < HELD
    train = whole.train.where(~new[whole.train.items])
    train = train[train.lengths > 0]
    asked = np.flatnonzero((whole.truth.lengths == 1) & np.isin(np.arange(len(whole)), _rows_of(whole, new)))
    given = whole.given[asked]
    given = given.where(~new[given.items])
    full = Split("new items", train, given, whole.truth[asked])
    every = np.flatnonzero(new).astype(np.int32)
    among = replace(full, candidates=_same(every, len(asked), n))
    content = registry.from_saved(Entry(name, "content-knn", seed).choice())
    models: dict[str, Model] = {
        "content-knn": content, "popular": registry.parse("popular"), "ranked": Ranked(members=list(FIRST_STAGE)),
    }  # fmt: skip
    for model in models.values():
        model.fit(train, run=Run(seed=seed), features=features)
    found = {
        what: judged({k: models[k] for k in kept}, split, "content-knn")
        for what, split, kept in (
            ("new items alone", among, ("content-knn", "popular")),
            ("all items", full, ("content-knn", "popular", "ranked")),
        )
    }
    return {
        "set": name,
        "new": int(new.sum()),
        "cases": len(asked),
        "rows": found,
        "notes": models["ranked"].notes,
        "first_list": first_list(name, seed),
        "command": f"python -m bench cold-items --set {name}",
        **_about(),
    }


def first_list(name: str, seed: int) -> dict[str, Any]:
    """A new item is described, and the very next request, by somebody who took an item like it, is answered with it."""
    from penchant.core.run import Run
    from penchant.data.catalog import Catalog
    from penchant.models import registry
    from penchant.recommender.recommender import Recommender

    (split,), catalog = SETS[name].load(seed=seed)
    assert catalog is not None
    frame = catalog.frame()
    model = registry.parse("content-knn")  # parameters that were chosen on known items may count popularity
    model.fit(split.train, run=Run(seed=seed), features=catalog.features())
    found = Recommender(catalog.vocab, model, catalog=Catalog.read(frame, catalog.vocab))
    liked = str(frame["item"][int(np.argmax(model.item_counts))])
    import polars as pl

    like = frame.filter(pl.col("item") == liked).with_columns(item=pl.lit("brand-new"))
    start = time.perf_counter()
    found.extend(pl.concat([frame, like]))
    described = time.perf_counter() - start
    start = time.perf_counter()
    answer = found.recommend([liked], 10)
    return {
        "requests": 1 if "brand-new" in map(str, answer.ids) else None,
        "described_seconds": round(described, 3),
        "answer_ms": round(1e3 * (time.perf_counter() - start), 2),
    }


def _rows_of(split: Split, new: np.ndarray) -> np.ndarray:
    """Cases whose answer is a new item."""
    return split.truth.rows[new[split.truth.items]]


def _same(items: np.ndarray, rows: int, n: int) -> Any:
    from penchant.core.histories import Histories

    return Histories(np.arange(rows + 1, dtype=np.int64) * len(items), np.tile(items, rows), n)


def _about() -> dict[str, Any]:
    return {
        "machine": machine.describe(),
        "versions": machine.versions("penchant", "numpy", "scipy", "numba", "lightgbm", "torch"),
    }


def _write(name: str, result: dict[str, Any]) -> None:
    DONE.mkdir(parents=True, exist_ok=True)
    (DONE / f"{name}.json").write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")


def section(table: Callable[..., str], where: Callable[[dict[str, Any]], str]) -> str:
    """The section of ``docs/benchmarks.md``."""
    parts = [
        "## The second stage\n",
        "`ranked` over the members of a committed blend, all fitted once on the training part; weights of the blend",
        "and the trees are learned from the same validation cases. The last columns are the gain over each, with the",
        "95 % interval over the same cases.\n",
    ]
    for file in sorted(DONE.glob("*-blend*.json")):
        result = json.loads(file.read_text())
        title = file.stem.removeprefix(f"{result['set']}-")
        parts += [f"### {result['set']}, {title}\n", table(_HEAD, _lines(result["rows"], "ranked"))]
        parts += [f"- {note}" for note in result["notes"] if "candidates hold" in note]
        parts.append(f"\n`{result['command']}`; {result['cases']:,} cases; {where(result['machine'])}.\n")
    for file in sorted(DONE.glob("*-cold.json")):
        result = json.loads(file.read_text())
        parts.append(
            f"### New items, {result['set']}\n\n{result['new']:,} items (20 %) are held out with their events; "
            f"{result['cases']:,} people took one last. The gain is that of `content-knn`.\n"
        )
        for what, rows in result["rows"].items():
            parts += [f"Lists of {what}:\n", table(_HEAD, _lines(rows, "content-knn"))]
        first = result["first_list"]
        if first["requests"] is None:
            parts.append("A new item was not in the first answer after it was described.\n")
        else:
            parts.append(
                f"A new item is in the first answer after it was described ({first['answer_ms']:g} ms; describing it "
                f"took {first['described_seconds']:g} s).\n"
            )
        parts.append(f"`{result['command']}`; {where(result['machine'])}.\n")
    return "\n".join(parts)


_HEAD = ("model", *METRICS, *(f"gain in {metric}" for metric in METRICS))


def _lines(rows: list[dict[str, Any]], ours: str) -> list[tuple[str, ...]]:
    return [
        (
            f"`{row['row']}`",
            *(f"{row['metrics'][metric]:.4f}" for metric in METRICS),
            *("" if row["row"] == ours else "{:+.4f} ({:+.4f} to {:+.4f})".format(*row["gain"][m]) for m in METRICS),
        )
        for row in rows
    ]
