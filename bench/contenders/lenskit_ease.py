"""Training ease on ml-1m and recommending for every user: Penchant and LensKit."""

from __future__ import annotations

from pathlib import Path

from bench.contenders import _lenskit
from bench.duel import Numbers


def ours(folder: Path) -> Numbers:
    """Ours with the same regularisation and no half-life."""
    from penchant import EASE

    return _lenskit.ours(folder, EASE(reg=250.0, half_life=None))


def lenskit(folder: Path) -> Numbers:
    """Its ease with the same regularisation."""
    from lenskit.knn.ease import EASEScorer

    return _lenskit.lenskit(folder, EASEScorer(regularization=250.0))


QUESTION = _lenskit.question("ease", "regularisation 250 on both sides")
