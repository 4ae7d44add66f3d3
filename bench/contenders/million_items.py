"""Recommendations from a million items of 64 factors, one history at a time, on one thread."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from bench.duel import Goal, Numbers, Question, Side

ITEMS, FACTORS, QUERIES, KS = 1_000_000, 64, 200, (10, 100)


def prepare(folder: Path) -> None:
    """Write vectors like those of factor models: factors of decreasing weight, long-tailed lengths; seed 0."""
    if (folder / "vectors.npy").exists():
        return
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((ITEMS, FACTORS), dtype=np.float32)
    vectors *= np.arange(1, FACTORS + 1, dtype=np.float32) ** -0.5
    vectors *= rng.lognormal(0.0, 0.5, (ITEMS, 1)).astype(np.float32)
    np.save(folder / "vectors.npy", vectors)


def _model(folder: Path) -> tuple[Any, Any, np.ndarray]:
    """A factor model with these vectors, which embeds a history as the mean of its items; and the histories."""
    from penchant.core.histories import Histories
    from penchant.core.rank import rank_by_popularity
    from penchant.models.kinds.vector import VectorModel

    class Means(VectorModel):
        name = "means"

        def _fit(self, *_: object) -> None: ...

        def embed(self, given: Histories) -> np.ndarray:
            return np.stack([self.item_vectors[given.row(r)].mean(axis=0) for r in range(len(given))])

    model = Means()
    model.item_vectors, model.item_counts = np.load(folder / "vectors.npy"), np.ones(ITEMS, np.int64)
    rng = np.random.default_rng(1)
    lists = [rng.choice(ITEMS, 20, replace=False).tolist() for _ in range(QUERIES)]
    return model, Histories.from_lists(lists, ITEMS), rank_by_popularity(model.item_counts)


def _measure(folder: Path, top: Any) -> Numbers:
    """The median time of one answer after the first, and all lists."""
    from penchant.kernels.threads import one_blas_thread

    model, histories, popularity_rank = _model(folder)
    numbers: Numbers = {}
    with one_blas_thread():
        start = time.perf_counter()
        top(model)(histories[:1], KS[0], exclude=histories[:1], allow=None, popularity_rank=popularity_rank, threads=1)
        numbers["first answer, seconds"] = time.perf_counter() - start
        for k in KS:
            took, lists = [], []
            for row in range(QUERIES):
                one = histories[row : row + 1]
                start = time.perf_counter()
                lists.append(
                    top(model)(one, k, exclude=one, allow=None, popularity_rank=popularity_rank, threads=1).items[0]
                )
                took.append(time.perf_counter() - start)
            numbers[f"top {k}, ms"] = 1e3 * float(np.median(took))
            numbers[f"items {k}"] = np.stack(lists)
    numbers["seconds"] = numbers[f"top {KS[0]}, ms"] / 1e3
    return numbers


def ours(folder: Path) -> Numbers:
    """The method of ``rank``; also the recall of the bytes alone, and the number of items scored exactly."""
    numbers = _measure(folder, lambda model: model.top)
    from penchant.models.kinds.vector import Coarse

    model, histories, _ = _model(folder)
    coarse, vectors = Coarse.make(model.item_vectors, 1), model.embed(histories)
    nothing = np.zeros(ITEMS, dtype=np.bool_)
    found = {k: [coarse.reach(vector, None, nothing, k) for vector in vectors] for k in KS}
    for k in KS:
        numbers[f"scored exactly for {k}"] = float(np.mean([len(near) for near in found[k] if near is not None]))
    from penchant.kernels.coarse import products

    out, right = np.empty(ITEMS, np.float32), []
    for vector in vectors[:50]:
        products(coarse.coarse, coarse.step, np.empty(0, np.float32), vector, out)
        for_sure = np.argsort(-(model.item_vectors @ vector))[: KS[0]]
        right.append(np.isin(for_sure, np.argpartition(-out, KS[0])[: KS[0]]).mean())
    numbers[f"recall@{KS[0]} of the bytes alone"] = float(np.mean(right))
    return numbers


def dense(folder: Path) -> Numbers:
    """Score every item with BLAS."""
    from penchant.models.kinds.base import Model

    return _measure(folder, lambda model: lambda *args, **options: Model.top(model, *args, **options))


def judge(mine: Side, theirs: Side) -> list[Goal]:
    """Goals: faster, and no item lost, since rounding cannot cross the bound."""
    goals = []
    for k in KS:
        times = theirs[f"top {k}, ms"] / mine[f"top {k}, ms"]
        a, b = mine.arrays[f"items {k}"], theirs.arrays[f"items {k}"]
        recall = float(np.mean([np.isin(y, x).mean() for x, y in zip(a, b, strict=True)]))
        goals += [
            Goal(f"top {k}: times faster than scoring all items", times, 2.0, at_least=True),
            Goal(f"top {k}: recall of the exact list", recall, 1.0, at_least=True),
        ]
    return goals


QUESTION = Question(
    title="Lists out of a million items of 64 factors, one history at a time, one thread",
    how="a first pass over one byte a number, then exact scores of what it cannot rule out, beside exact scores of all "
    f"by BLAS; the median of {QUERIES} answers",
    prepare=prepare,
    judge=judge,
    peer="dense",
    rounds=3,
)
