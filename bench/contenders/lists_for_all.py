"""Twenty recommendations for every user of gowalla from 100 neighbours an item: Penchant and implicit."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from bench.contenders import _gowalla
from bench.duel import WORK, Arrays, Goal, Numbers, Question, Side

NEIGHBOURS = 100
K = 20


def ours(folder: Path) -> Numbers:
    """The second batch: the first loads the compiled kernels."""
    from penchant import ItemKNN, rank

    train = _gowalla.histories(folder)
    model = ItemKNN(neighbours=NEIGHBOURS, max_history=0, half_life=0.0).fit(train)
    rank(model, train[:100], K)
    start = time.perf_counter()
    lists = rank(model, train, K)
    return {"seconds": time.perf_counter() - start, "scores": lists.scores}


def implicit(folder: Path) -> Numbers:
    """Its own batch call; one neighbour more, because it counts the item itself."""
    from implicit.nearest_neighbours import CosineRecommender

    train = _gowalla.matrix(folder)
    model = CosineRecommender(K=NEIGHBOURS + 1, num_threads=0)
    model.fit(train, show_progress=False)
    users = np.arange(train.shape[0])
    model.recommend(users[:100], train[:100], N=K)
    start = time.perf_counter()
    _, scores = model.recommend(users, train, N=K, filter_already_liked_items=True)
    seconds, s = time.perf_counter() - start, model.similarity
    return {"seconds": seconds, "scores": scores, "indptr": s.indptr, "indices": s.indices, "data": s.data}


def from_their_neighbours(theirs: Arrays) -> np.ndarray:
    """The scores of our lists when the neighbours are implicit's.

    Where many items tie for the last place among the neighbours, either side may keep others; the lists can be
    compared only from the same ones. That the neighbours are equal but for ties is what item-knn-fit checks.
    """
    from penchant import ItemKNN, rank
    from penchant.models.linear import Weights

    train = _gowalla.histories(WORK / "lists-for-all")
    model = ItemKNN(neighbours=1).fit(train)
    model.weights = Weights(
        theirs["indptr"].astype(np.int64), theirs["indices"].astype(np.int32), theirs["data"].astype(np.float32)
    )
    return rank(model, train, K).scores


def judge(mine: Side, theirs: Side) -> list[Goal]:
    """Twice as fast, at the same lists from the same neighbours."""
    a, b = from_their_neighbours(theirs.arrays), theirs.arrays["scores"]
    same = np.isclose(np.where(a > 0, a, 0), np.where(b > 0, b, 0), rtol=1e-5, atol=1e-5).all(axis=1)
    return [
        Goal("times faster than implicit", theirs["seconds"] / mine["seconds"], 2.0, at_least=True),
        Goal("share of users with the same scores from the same neighbours", float(same.mean()), 1.0, at_least=True),
    ]


QUESTION = Question(
    title="Top 20 for all 29,858 users of gowalla, from 100 neighbours an item",
    how="after a batch of 100 users; seen items left out; all cores",
    prepare=_gowalla.write,
    judge=judge,
    peer="implicit",
    environment="implicit",
)
