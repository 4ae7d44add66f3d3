"""Exact updates on gowalla: what one history, ten and a hundred cost, beside fitting again."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from bench.contenders import _gowalla
from bench.duel import Goal, Numbers, Question, Side

SIZES = (1, 10, 100)
MODELS = {
    "popular": {},
    "item-knn": {},
    "transitions": {"neighbours": 200},
    "graph-filter": {"rank": 0, "sharpen": 0.0, "low_pass": 0.0, "neighbours": 200},
}


def ours(folder: Path) -> Numbers:
    """For each model: a fit, then updates that add and later remove the same histories; the weights must come back."""
    from penchant.models.updatable import Updatable
    from penchant.registry import create

    numbers: Numbers = {"seconds": 0.0}
    train = _gowalla.histories(folder)
    chosen = np.random.default_rng(0).permutation(len(train))[: sum(SIZES)]
    for name, params in MODELS.items():
        model = create(name, params)
        assert isinstance(model, Updatable)
        model.fit(train[:500], updatable=True).update(train[:5])  # loads the compiled kernels
        start = time.perf_counter()
        model.fit(train)
        numbers[f"{name} fit"] = time.perf_counter() - start
        model.fit(train, updatable=True)
        at = 0
        for size in SIZES:
            change = train[chosen[at : at + size]]
            start = time.perf_counter()
            model.update(added=change)
            model.update(removed=change)
            numbers[f"{name} {size}"] = (time.perf_counter() - start) / 2
            at += size
        numbers["seconds"] += numbers[f"{name} 1"]
    return numbers


def judge(mine: Side, theirs: Side) -> list[Goal]:
    """One history costs a fraction of a fit."""
    return [
        Goal(
            f"{name}: times faster than a fit, one history", mine[f"{name} fit"] / mine[f"{name} 1"], 5.0, at_least=True
        )
        for name in MODELS
        if name != "popular"
    ]


QUESTION = Question(
    title="Exact updates on gowalla: one history, ten, a hundred, beside a fit",
    how="the mean of adding histories and of removing them again; the fit is one without statistics",
    prepare=_gowalla.write,
    judge=judge,
    rounds=3,
)
