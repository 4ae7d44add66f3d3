"""The next basket, and the rest of one: models of repeats against the frequency of a person's own purchases.

``python -m bench next-basket`` measures them on whole baskets that are made (``bench/rhythms.py``), on
complete-journey-sample, whose rows are a sample, so that its baskets are not whole, and completes the baskets of
groceries. Parameters of a model are the best of a few on the validation baskets, and the test part is read once.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bench import machine
from bench.duel import RESULTS
from bench.sets import data_folder

if TYPE_CHECKING:
    from penchant.core.split import Split

DONE = RESULTS / "next_basket"
METRICS = "recall@10,ndcg@10"
BASELINE = "tifu-knn:own_share=1.0,basket_decay=1.0,group_decay=1.0,group_size=1"  # personal frequency, then popularity
HABITS = [
    f"tifu-knn:own_share={own},basket_decay={basket},group_decay={group},group_size={size}"
    for own in (0.5, 0.8, 1.0)
    for basket, group, size in ((0.9, 0.7, 7), (1.0, 0.6, 7), (0.9, 0.9, 3), (1.0, 0.8, 15))
]
AGAIN = [f"buy-again:rhythm_prior={prior},item_prior={items}" for prior in (0.5, 1.0, 2.0) for items in (5.0, 20.0)]
FAMILIES = {"popular": ["popular"], "own frequency": [BASELINE], "tifu-knn": HABITS, "buy-again": AGAIN}
REST = {
    "popular": ["popular"],
    "item-knn": ["item-knn"],
    "ease": ["ease:reg=20.0", "ease:reg=100.0", "ease:reg=500.0"],
    "rp3beta": ["rp3beta"],
    "user-knn": ["user-knn"],
}


def made() -> Split:
    """The split of the log that is made."""
    from bench.rhythms import whole_baskets
    from penchant.evaluation.cuts import next_basket

    return next_basket(whole_baskets())


def journey() -> Split:
    """The split of complete-journey-sample: a basket is a person's rows of one moment."""
    from penchant.data.read import read_interactions
    from penchant.evaluation.protocols import make_splits

    columns = {"user": "user", "item": "item", "time": "time"}
    log = read_interactions(data_folder() / "complete-journey-sample" / "interactions.parquet", columns=columns)
    return make_splits(log, "next-basket")[0]


def completed() -> Split:
    """The split of groceries: the share .1 of the baskets is held out, and the next item is to be found after each."""
    from penchant.data.read import read_interactions
    from penchant.evaluation.protocols import make_splits

    columns = {"session": "session", "item": "item"}
    log = read_interactions(data_folder() / "groceries" / "interactions.parquet", columns=columns)
    return make_splits(log, "users:.1", repeat=False)[0]


SETS: dict[str, tuple[str, Callable[[], Split], dict[str, list[str]]]] = {
    "made": ("whole baskets of planted rhythms (`bench/rhythms.py`), the next basket", made, FAMILIES),
    "complete-journey-sample": ("a sample of the rows of baskets, the next basket", journey, FAMILIES),
    "groceries": ("a basket is completed: the next item, after every part of a held-out basket", completed, REST),
}


def work() -> None:
    """Measure all sets, and write a result for each."""
    DONE.mkdir(parents=True, exist_ok=True)
    for name in SETS:
        text = json.dumps(measured(name), indent=1, ensure_ascii=False)
        (DONE / f"{name}.json").write_text(text + "\n")


def measured(name: str) -> dict[str, Any]:
    """Choose the parameters of each family on validation, then measure all on the test part."""
    from penchant.core.split import Split
    from penchant.evaluation.evaluate import evaluate

    about, make, families = SETS[name]
    split = make()
    assert isinstance(split.valid, Split)
    chosen, tried = [], {}
    for family, labels in families.items():
        best = labels[0]
        if len(labels) > 1:
            found = evaluate(split.valid, labels, metrics=METRICS)
            values = [one.metrics["ndcg@10"].mean for one in found.models]
            best = labels[max(range(len(labels)), key=values.__getitem__)]
        chosen.append(best)
        tried[family] = len(labels)
        print(f"{name}, {family}: {best}", flush=True)
    result = evaluate(split, chosen, metrics=METRICS)
    return {
        "set": name,
        "about": about,
        "cases": len(split),
        "families": tried,
        "evaluation": result.to_json(),
        "rows": list(zip(families, chosen, strict=True)),
        "command": "python -m bench next-basket",
        "machine": machine.describe(),
        "versions": machine.versions("penchant", "numpy", "scipy"),
    }


def section(table: Callable[..., str], where: Callable[[dict[str, Any]], str]) -> str:
    """The section of ``docs/benchmarks.md``."""
    about = (
        "*Own frequency* is how often a person took each item, filled up by popularity. Each model has the best "
        "parameters of those tried on the validation baskets; the test part is read once. Intervals are over people.\n"
    )
    parts = ["## Baskets\n", about]
    for name in SETS:
        file = DONE / f"{name}.json"
        if not file.exists():
            continue
        result = json.loads(file.read_text())
        metrics = METRICS.split(",")
        rows = []
        for (family, label), model in zip(result["rows"], result["evaluation"]["models"], strict=True):
            found = [model["metrics"][metric] for metric in metrics]
            cells = [f"{one['mean']:.4f} ({one['low']:.4f} to {one['high']:.4f})" for one in found]
            rows.append((family, *cells, f"`{label}`", str(result["families"][family])))
        parts.append(f"### {name}\n\n{result['about'][0].upper()}{result['about'][1:]}. {result['cases']:,} cases.\n")
        parts.append(table(("model", *metrics, "parameters", "tried"), rows))
        parts.append(f"Verdict: {result['evaluation']['verdict']['says']}.\n")
        parts.append(f"`{result['command']}`; {where(result['machine'])}.\n")
    return "\n".join(parts)
