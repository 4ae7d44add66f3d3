"""Training item-knn on ml-1m and recommending for every user: Penchant and LensKit."""

from __future__ import annotations

from pathlib import Path

from bench.contenders import _lenskit
from bench.duel import Numbers


def ours(folder: Path) -> Numbers:
    """Ours set up like theirs: as many neighbours, no half-life and whole histories."""
    from penchant import ItemKNN

    return _lenskit.ours(folder, ItemKNN(neighbours=20, max_history=None, half_life=None))


def lenskit(folder: Path) -> Numbers:
    """Implicit feedback, which makes it the cosine of binary vectors."""
    from lenskit.knn import ItemKNNScorer

    return _lenskit.lenskit(folder, ItemKNNScorer(max_nbrs=20, feedback="implicit"))


QUESTION = _lenskit.question(
    "item-knn", "20 neighbours, cosine; LensKit takes the 20 nearest of a history for every item, ours keeps 20 an item"
)
