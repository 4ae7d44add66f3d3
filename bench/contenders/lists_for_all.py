"""Twenty recommendations for every user of gowalla from 100 neighbours an item: Penchant and implicit."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from bench.contenders import _gowalla
from bench.duel import Goal, Numbers, Question, Side

NEIGHBOURS = 100
K = 20


def ours(folder: Path) -> Numbers:
    """The second batch: the first loads the compiled kernels."""
    from penchant import ItemKNN, rank

    train = _gowalla.histories(folder)
    model = ItemKNN(neighbours=NEIGHBOURS, max_history=0).fit(train)
    rank(model, train[:100], K)
    start = time.perf_counter()
    lists = rank(model, train, K)
    return {"seconds": time.perf_counter() - start, "items": lists.items, "scores": lists.scores}


def implicit(folder: Path) -> Numbers:
    """Its own batch call; one neighbour more, because it counts the item itself."""
    from implicit.nearest_neighbours import CosineRecommender

    train = _gowalla.matrix(folder)
    model = CosineRecommender(K=NEIGHBOURS + 1, num_threads=0)
    model.fit(train, show_progress=False)
    users = np.arange(train.shape[0])
    model.recommend(users[:100], train[:100], N=K)
    start = time.perf_counter()
    items, scores = model.recommend(users, train, N=K, filter_already_liked_items=True)
    return {"seconds": time.perf_counter() - start, "items": items, "scores": scores}


def judge(mine: Side, theirs: Side) -> list[Goal]:
    """Twice as fast, at lists of the same scores wherever a tie at the last neighbour does not decide."""
    a, b = mine.arrays["scores"].astype(np.float64), theirs.arrays["scores"].astype(np.float64)
    same = np.isclose(np.where(np.isfinite(a), a, 0), np.where(b > 0, b, 0), atol=1e-3).all(axis=1)
    return [
        Goal("times faster than implicit", theirs["seconds"] / mine["seconds"], 2.0, at_least=True),
        Goal("share of users whose scores agree to 0.001", float(same.mean()), 0.95, at_least=True),
    ]


QUESTION = Question(
    title="Top 20 for all 29,858 users of gowalla, from 100 neighbours an item",
    how="after a batch of 100 users; seen items left out; all cores",
    prepare=_gowalla.write,
    judge=judge,
    peer="implicit",
    environment="implicit",
)
