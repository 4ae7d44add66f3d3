"""``python -m bench.forms``: compare representations of a history in BPR on several sets; ``docs/forms-of-bpr.md``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from bench import machine
from bench.contenders import _held, _logs
from bench.duel import RESULTS, WORK
from bench.peers import ROOT
from bench.report import table

SETS = ("gowalla", "ml-1m-bars", "amazon-beauty")
RATES = (0.03, 0.1, 0.3)
EPOCHS = (10, 40)
SAMPLE, K = 4000, 20
FORMS = {
    "items": "scaled sum of the items' vectors, also while learning (the default)",
    "fold": "vectors of their own while learning; then folded in by the same steps (`form=vectors`)",
    "mean": "vectors of their own while learning; then the mean of the items' vectors",
    "original": "the very vectors that were learned: known rows only",
}
DONE, PAGE = RESULTS / "bpr-forms", ROOT / "docs" / "forms-of-bpr.md"

HEAD = """\
# What stands for a history in BPR

This page is generated from `bench/results/bpr-forms/` by `python -m bench.forms`; nothing in it is written by hand.

BPR as published learns a vector for every user, so that it cannot answer for anybody else. Here are the forms that can,
beside it. A tenth of the training events is held out. NDCG@{k} on one half of {sample:,} rows chooses the learning
rate (of {rates}) and the epochs (of {epochs}) of every form, the other half gives the table. 64 factors, other
parameters as they are by default, seed 0. In brackets: the same as a share of the original.

"""


def lists_of(x: np.ndarray, y: np.ndarray, bias: np.ndarray, seen: list[np.ndarray]) -> np.ndarray:
    """The best items for every row, without the items it already has."""
    lists = np.empty((len(x), K), dtype=np.int64)
    for start in range(0, len(x), 256):
        for row, scores in enumerate(x[start : start + 256] @ y.T + bias, start):
            scores[seen[row]] = -np.inf
            best = np.argpartition(-scores, K)[:K]
            lists[row] = best[np.argsort(-scores[best], kind="stable")]
    return lists


def study(name: str) -> dict[str, dict[str, float]]:
    """NDCG of every form on both halves of the held-out data, at the rate and epochs chosen on the first half."""
    from penchant import BPR
    from penchant.core.histories import Histories
    from penchant.core.run import Run

    folder = WORK / "bpr-forms"
    folder.mkdir(parents=True, exist_ok=True)
    _logs.write(folder, name)
    indptr, items, held_indptr, held_items, n_items = _held.parts(folder, name)
    train = Histories(indptr, items, n_items)
    able = np.flatnonzero((np.diff(held_indptr) > 0) & (np.diff(indptr) > 0))
    chosen = np.sort(np.random.default_rng(1).permutation(able)[:SAMPLE])
    rows = train[chosen]
    seen = [items[indptr[row] : indptr[row + 1]] for row in chosen]
    halves = np.arange(len(chosen)) % 2
    found: dict[str, dict[str, float]] = {}

    def tell(form: str, rate: float, epochs: int, x: np.ndarray, model: BPR) -> None:
        assert model.item_bias is not None
        lists = lists_of(x, model.item_vectors, model.item_bias, seen)
        valid, test = (_held.ndcg(lists[halves == h], held_indptr, held_items, chosen[halves == h]) for h in (0, 1))
        print(f"{name}, {form}, rate {rate:g}, {epochs} epochs: {valid:.4f}", file=sys.stderr)
        if form not in found or valid > found[form]["valid"]:
            found[form] = {"rate": rate, "epochs": epochs, "valid": valid, "test": test}

    for rate in RATES:
        for epochs in EPOCHS:
            model = BPR(rate=rate, epochs=epochs, form="items").fit(train)
            tell("items", rate, epochs, model.embed(rows), model)
            model = BPR(rate=rate, epochs=epochs, form="vectors")
            model.item_counts = train.counts()  # fit does this before it learns
            x = model.learn_rows(train, Run())
            tell("original", rate, epochs, x[chosen], model)
            tell("fold", rate, epochs, model.embed(rows), model)
            means = np.stack([model.item_vectors[known].mean(axis=0) for known in seen])
            tell("mean", rate, epochs, means, model)
    return found


def page() -> str:
    """The page with the table of results."""
    files = [DONE / f"{name}.json" for name in SETS if (DONE / f"{name}.json").exists()]
    found = {file.stem: json.loads(file.read_text())["forms"] for file in files}
    lines = []
    for form, about in FORMS.items():
        cells = []
        for of in found.values():
            share = of[form]["test"] / of["original"]["test"]
            cells.append(f"{of[form]['test']:.4f} ({share:.0%})")
        lines.append([about, *cells])
    head = HEAD.format(
        k=K, sample=SAMPLE, rates=", ".join(f"{rate:g}" for rate in RATES), epochs=", ".join(map(str, EPOCHS))
    )
    return head + table(["a history is", *found], lines) + "\n"


def main() -> None:
    """Study the sets without a result, then write the page."""
    DONE.mkdir(parents=True, exist_ok=True)
    for name in SETS:
        file: Path = DONE / f"{name}.json"
        if not file.exists():
            result = {"set": name, "forms": study(name), "command": "python -m bench.forms"}
            result |= {"machine": machine.describe(), "versions": machine.versions("penchant", "numpy", "numba")}
            file.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
