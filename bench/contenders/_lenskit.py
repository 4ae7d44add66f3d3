"""Training on ml-1m and a list for every user, compared with LensKit for each model."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.contenders import _held, _logs
from bench.duel import Goal, Numbers, Question, Side

if TYPE_CHECKING:
    from penchant.models.kinds.base import Model

K = 20
WORSE = 0.99  # the least allowed ratio of our NDCG to theirs


def ours(folder: Path, model: Model) -> Numbers:
    """Time the second run; the first loads the compiled kernels."""
    from penchant import rank
    from penchant.core.histories import Histories

    indptr, items, held_indptr, held_items, n_items = _held.parts(folder, "ml-1m")
    numbers: Numbers = {}
    for _ in range(2):
        train = Histories(indptr, items, n_items)
        start = time.perf_counter()
        model.fit(train)
        trained = time.perf_counter()
        lists = rank(model, train, K)
        numbers = {"seconds": time.perf_counter() - start, "training": trained - start}
    assert np.all(lists.items >= 0)
    return {**numbers, "ndcg": _held.ndcg(lists.items, held_indptr, held_items)}


def lenskit(folder: Path, scorer: Any) -> Numbers:
    """Time the second run here too. It uses one process: that is faster here than sending the model to two."""
    import pandas as pd
    from lenskit.batch import recommend
    from lenskit.data import from_interactions_df
    from lenskit.pipeline import topn_pipeline

    indptr, items, held_indptr, held_items, _ = _held.parts(folder, "ml-1m")
    users = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
    log = from_interactions_df(pd.DataFrame({"user_id": users, "item_id": items}))
    numbers: Numbers = {}
    for _ in range(2):
        pipeline = topn_pipeline(scorer, n=K)
        start = time.perf_counter()
        pipeline.train(log)
        trained = time.perf_counter()
        found = recommend(pipeline, np.arange(len(indptr) - 1), K, n_jobs=1)
        numbers = {"seconds": time.perf_counter() - start, "training": trained - start}
    lists = np.full((len(indptr) - 1, K), -1)
    for user, items_of in found:
        best = items_of.ids()
        lists[user.user_id, : len(best)] = best
    return {**numbers, "ndcg": _held.ndcg(lists, held_indptr, held_items)}


def question(model: str, how: str, rounds: int = 3) -> Question:
    """Goal: three times as fast, with equally good lists (see ``WORSE``)."""

    def judge(mine: Side, theirs: Side) -> list[Goal]:
        return [
            Goal("times faster than LensKit", theirs["seconds"] / mine["seconds"], 3.0, at_least=True),
            Goal("our NDCG@20 over theirs", mine["ndcg"] / theirs["ndcg"], WORSE, at_least=True),
        ]

    return Question(
        title=f"Training {model} on ml-1m and {K} recommendations for everybody: Penchant and LensKit",
        how=f"{how}; the second time in a fresh process, all cores; NDCG@{K} on a tenth of the events, held out",
        prepare=lambda folder: _logs.write(folder, "ml-1m"),
        judge=judge,
        peer="lenskit",
        environment="lenskit",
        rounds=rounds,
    )
