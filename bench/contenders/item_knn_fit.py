"""Fitting cosine item neighbourhoods on gowalla: Penchant and implicit."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from bench.contenders import _gowalla
from bench.duel import Arrays, Goal, Numbers, Question, Side

NEIGHBOURS = 100


def ours(folder: Path) -> Numbers:
    """The second fit: the first loads the compiled kernels."""
    from penchant import ItemKNN

    model = ItemKNN(neighbours=NEIGHBOURS, max_history=0, half_life=0.0).fit(_gowalla.histories(folder))
    train = _gowalla.histories(folder)  # afresh: what a batch has looked up about itself does not count
    start = time.perf_counter()
    model.fit(train)
    seconds = time.perf_counter() - start
    w = model.weights
    return {"seconds": seconds, "indptr": w.indptr, "indices": w.indices, "data": w.data}


def implicit(folder: Path) -> Numbers:
    """The second fit as well; one neighbour more, because it counts the item itself."""
    from implicit.nearest_neighbours import CosineRecommender

    train = _gowalla.matrix(folder)
    model = CosineRecommender(K=NEIGHBOURS + 1, num_threads=0)
    model.fit(train, show_progress=False)
    start = time.perf_counter()
    model.fit(train, show_progress=False)
    seconds = time.perf_counter() - start
    s = model.similarity
    return {"seconds": seconds, "indptr": s.indptr, "indices": s.indices, "data": s.data}


def neighbours(arrays: Arrays, item: int) -> tuple[np.ndarray, np.ndarray]:
    """The neighbours of one item and their similarities, best first, without the item itself."""
    span = slice(arrays["indptr"][item], arrays["indptr"][item + 1])
    items, values = arrays["indices"][span], arrays["data"][span]
    keep = (items != item) & (values > 0)
    items, values = items[keep], values[keep]
    order = np.argsort(-values, kind="stable")[:NEIGHBOURS]
    return items[order], values[order]


def compare(mine: Arrays, theirs: Arrays) -> tuple[float, int]:
    """The largest difference between sorted similarities, and how many sure neighbours stand on one side only.

    A neighbour is sure when its similarity lies above the last one kept, by more than float32 rounding.
    """
    gap, missing = 0.0, 0
    for item in range(len(mine["indptr"]) - 1):
        (a, x), (b, y) = neighbours(mine, item), neighbours(theirs, item)
        if len(a) != len(b):
            missing += abs(len(a) - len(b))
            continue
        if len(a) == 0:
            continue
        gap = max(gap, float(np.abs(x - y).max()))
        full = len(a) == NEIGHBOURS
        sure_a, sure_b = (a[x > x[-1] + 1e-5], b[y > y[-1] + 1e-5]) if full else (a, b)
        missing += int((~np.isin(sure_a, b)).sum() + (~np.isin(sure_b, a)).sum())
    return gap, missing


def judge(mine: Side, theirs: Side) -> list[Goal]:
    """Twice as fast, at the same neighbours."""
    gap, missing = compare(mine.arrays, theirs.arrays)
    return [
        Goal("times faster than implicit", theirs["seconds"] / mine["seconds"], 2.0, at_least=True),
        Goal("largest difference between sorted similarities", gap, 1e-5, at_least=False),
        Goal("sure neighbours that only one side has", missing, 0, at_least=False),
    ]


QUESTION = Question(
    title="Fitting item-knn, cosine, 100 neighbours, on gowalla",
    how="second fit in a fresh process, all cores; CosineRecommender keeps 101, as it counts the item itself",
    prepare=_gowalla.write,
    judge=judge,
    peer="implicit",
    environment="implicit",
)
