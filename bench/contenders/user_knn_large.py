"""user-knn on a log too large for dense similarities: 150,000 users, 30,000 items, 5 million rows."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from bench.duel import Goal, Numbers, Question, Side
from bench.machine import peak_mib

USERS, ITEMS, ROWS = 150_000, 30_000, 5_000_000
ANSWERS = 200


def prepare(folder: Path) -> None:
    """Write a log as skewed as real ones: Zipf's law over items, log-normal over users; seed 0."""
    if (folder / "log.npz").exists():
        return
    rng = np.random.default_rng(0)
    activity = rng.lognormal(0.0, 1.0, USERS)
    popularity = 1.0 / np.arange(10, ITEMS + 10) ** 0.8
    pairs = np.empty(0, np.int64)
    while len(pairs) < ROWS:  # replace repeated pairs with new draws
        users = rng.choice(USERS, ROWS, p=activity / activity.sum())
        items = rng.choice(ITEMS, ROWS, p=popularity / popularity.sum())
        pairs = np.unique(np.concatenate([pairs, users * np.int64(ITEMS) + items]))
    pairs = np.sort(rng.choice(pairs, ROWS, replace=False))
    indptr = np.concatenate([[0], np.cumsum(np.bincount(pairs // ITEMS, minlength=USERS))])
    np.savez(folder / "log.npz", indptr=indptr, items=(pairs % ITEMS).astype(np.int32))


def ours(folder: Path) -> Numbers:
    """Fit, then answer for single users, one at a time."""
    from penchant import UserKNN, rank
    from penchant.core.histories import Histories

    with np.load(folder / "log.npz") as data:
        train = Histories(data["indptr"], data["items"], ITEMS)
    start = time.perf_counter()
    model = UserKNN().fit(train)
    seconds = time.perf_counter() - start
    fit_peak = peak_mib()
    rows = np.random.default_rng(1).choice(USERS, ANSWERS + 1, replace=False)
    rank(model, train[rows[:1]], 10)  # loads the compiled kernels
    times = []
    for row in rows[1:]:
        one = train[np.array([row])]
        begun = time.perf_counter()
        rank(model, one, 10)
        times.append(time.perf_counter() - begun)
    return {
        "seconds": seconds,
        "fit peak MiB": fit_peak,
        "median answer ms": 1e3 * float(np.median(times)),
        "99th percentile ms": 1e3 * float(np.quantile(times, 0.99)),
    }


def judge(mine: Side, theirs: Side) -> list[Goal]:
    """Goals: fits on a small machine, and answers without a noticeable delay."""
    return [
        Goal("peak memory of the fit, GiB", mine["fit peak MiB"] / 1024, 4.0, at_least=False),
        Goal("median time of one answer, ms", mine["median answer ms"], 20.0, at_least=False),
        Goal("99th percentile of one answer, ms", mine["99th percentile ms"], 20.0, at_least=False),
    ]


QUESTION = Question(
    title="user-knn on a synthetic log of 150,000 users, 30,000 items and 5 million rows",
    how="default parameters; one answer = the ten best for one history, after the first",
    prepare=prepare,
    judge=judge,
    rounds=3,
)
