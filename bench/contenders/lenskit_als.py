"""Training als on ml-1m and recommending for every user: Penchant and LensKit."""

from __future__ import annotations

from pathlib import Path

from bench.contenders import _lenskit
from bench.duel import Numbers


def ours(folder: Path) -> Numbers:
    """Ours with LensKit's 50 factors and 10 epochs."""
    from penchant import ALS

    return _lenskit.ours(folder, ALS(factors=50, reg=0.01, epochs=10, unobserved=0.3, reg_exponent=1.0))


def lenskit(folder: Path) -> Numbers:
    """Its defaults."""
    from lenskit.als import ImplicitMFScorer

    return _lenskit.lenskit(folder, ImplicitMFScorer(embedding_size=50, epochs=10))


QUESTION = _lenskit.question("als", "50 factors, 10 epochs, each with its own solver and weights")
