"""Candidates of several models in an order by a factorisation machine and a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from penchant.ranking.deep import Deep
from penchant.ranking.ordering import Ordering


@dataclass(kw_only=True)
class DeepFM(Ordering, Deep):
    """Score = the machine of ``fm`` + w·ReLU(ReLU(A e + a) B + b), e the vectors of all fields one after the other.

    Guo et al., "DeepFM", IJCAI 2017; the loss, the fields and the questions are those of ``fm``. Learned by torch,
    answered in NumPy.

    Cost: the members twice (five times without an order), and ``epochs`` passes over up to two million candidates. An
    empty history is answered by popularity and its context. Raises ``MissingExtraError`` without torch, and
    ``TrainingError`` when what it learns is no longer a number.
    """

    name: ClassVar[str] = "deepfm"
    softmax: ClassVar[bool] = True
