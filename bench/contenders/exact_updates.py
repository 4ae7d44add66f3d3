"""The cost of exact updates with 1, 10 and 100 histories against a refit, on all of gowalla and on half of it."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from bench.contenders import _logs
from bench.duel import Goal, Numbers, Question, Side

SIZES = (1, 10, 100)
MODELS = {
    "popular": {},
    "item-knn": {"half_life": None, "candidate_exponent": 0.5},
    "transitions": {"neighbours": 200, "half_life": None},
    "graph-filter": {"rank": 0, "sharpen": 0.0, "low_pass": 0.0, "neighbours": 200, "half_life": None},
}
EASE_UPDATES, EASE_REG = 200, 500.0


def prepare(folder: Path) -> None:
    """Write gowalla for the sums of pairs, and ml-1m for ease, whose matrix is dense."""
    for name in ("gowalla", "ml-1m"):
        _logs.write(folder, name)


def _histories(folder: Path, name: str) -> Any:
    from penchant.core.histories import Histories

    return Histories(*_logs.read(folder, name))


def _updates(name: str, log: Any, changes: list[Any]) -> list[float]:
    """The seconds per update: the mean of adding the histories and removing them again."""
    from penchant.models.kinds.updatable import Updatable
    from penchant.models.registry import create

    model = create(name, MODELS[name])
    assert isinstance(model, Updatable)
    model.fit(log[:500], updatable=True).update(log[:5])  # loads the compiled kernels
    model.fit(log, updatable=True).update(changes[0]).update(removed=changes[0])  # the first update allocates
    took = []
    for change in changes:
        start = time.perf_counter()
        model.update(added=change)
        model.update(removed=change)
        took.append((time.perf_counter() - start) / 2)
    return took


def ours(folder: Path) -> Numbers:
    """For each model, a fit, then updates with the same histories on the whole log and on half of it. Then ease."""
    from penchant.models.registry import create

    numbers: Numbers = {"seconds": 0.0}
    log = _histories(folder, "gowalla")
    order = np.random.default_rng(0).permutation(len(log))
    half = log[np.sort(order[: len(log) // 2])]
    singles = 10  # changes of one history each, averaged
    ends = len(log) - np.cumsum([0] + [1] * singles + list(SIZES[1:]))
    changes = [log[np.sort(order[b:a])] for a, b in pairwise(ends)]
    for name, params in MODELS.items():
        create(name, params).fit(log[:500])
        start = time.perf_counter()
        create(name, params).fit(log)
        numbers[f"{name} fit"] = time.perf_counter() - start
        took = _updates(name, log, changes)
        numbers[f"{name} 1"] = float(np.mean(took[:singles]))
        numbers |= {f"{name} {size}": seconds for size, seconds in zip(SIZES[1:], took[singles:], strict=True)}
        numbers[f"{name} 1 of half the log"] = float(np.mean(_updates(name, half, changes[:singles])))
        numbers["seconds"] += numbers[f"{name} 1"]
    return numbers | _ease(folder)


def _ease(folder: Path) -> Numbers:
    """Two hundred updates of ease on ml-1m, one history each, compared with a fit on the resulting log."""
    from penchant import EASE

    log = _histories(folder, "ml-1m")
    EASE(reg=EASE_REG).fit(log[:300], updatable=True).update(log[:1])
    model = EASE(reg=EASE_REG).fit(log[EASE_UPDATES // 2 :], updatable=True)
    start = time.perf_counter()
    for n in range(EASE_UPDATES // 2):  # add the first hundred, remove the last hundred
        model.update(added=log[n : n + 1])
        model.update(removed=log[len(log) - 1 - n : len(log) - n])
    took = (time.perf_counter() - start) / EASE_UPDATES
    start = time.perf_counter()
    fresh = EASE(reg=EASE_REG).fit(log[: len(log) - EASE_UPDATES // 2])
    fit = time.perf_counter() - start
    one, two = model.weights.dense, fresh.weights.dense
    assert one is not None and two is not None
    return {"ease fit": fit, "ease 1": took, "ease error": float(np.abs(one - two).max() / np.abs(two).max())}


def judge(mine: Side, theirs: Side) -> list[Goal]:
    """Goals: one history costs a fraction of a fit, and no more on a log twice as long; ease ends equal to a fit."""
    pairs = [name for name in MODELS if name != "popular"]
    return [
        *(
            Goal(
                f"{name}: times faster than a fit, one history", mine[f"{name} fit"] / mine[f"{name} 1"], 5.0,
                at_least=True,
            )
            for name in pairs
        ),
        *(
            Goal(
                f"{name}: one history, on the whole log over on half of it",
                mine[f"{name} 1"] / mine[f"{name} 1 of half the log"], 2.0, at_least=False,
            )
            for name in pairs
        ),
        Goal(
            f"ease on ml-1m after {EASE_UPDATES} updates: largest difference over largest weight", mine["ease error"],
            1e-3, at_least=False,
        ),
    ]  # fmt: skip


QUESTION = Question(
    title="Exact updates on gowalla: one history, ten, a hundred, beside a fit; ease on ml-1m",
    how="the mean of adding histories and of removing them again, of one history the mean of ten; the fit is one "
    "without statistics",
    prepare=prepare,
    judge=judge,
    rounds=3,
)
