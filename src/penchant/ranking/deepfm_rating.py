"""Ratings from another model, corrected by a factorisation machine and a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from penchant.models.kinds.base import Task
from penchant.ranking.correcting import Correcting
from penchant.ranking.deep import Deep


@dataclass(kw_only=True)
class DeepFMRating(Correcting, Deep):
    """Predicted rating = that of the first member + the score of ``deepfm`` over history, item and context.

    Minimises Σ (r − p_0 − score)² / 2 + reg · |θ|² by Adagrad, over ratings that neither members nor statistics saw.

    Cost: the members ``folds`` + 1 times, and ``epochs`` passes over all ratings and their histories. An empty history
    gets what the first member says, corrected by item and context. Raises ``DataError`` when values are not ratings and
    ``MissingExtraError`` without torch.
    """

    name: ClassVar[str] = "deepfm-rating"
    task: ClassVar[Task] = "rating"
    softmax: ClassVar[bool] = False
    feature_bytes: ClassVar[float] = 26  # the sparse rows of every fold beside the features
