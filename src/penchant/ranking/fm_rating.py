"""Ratings from another model, corrected by a factorisation machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from penchant.models.kinds.base import Task
from penchant.ranking.correcting import Correcting
from penchant.ranking.factored import Factored


@dataclass(kw_only=True)
class FMRating(Correcting, Factored):
    """Predicted rating = that of the first member + a factorisation machine over history, item and context.

    The machine is that of ``fm``, with one field more: the ratings of the history, as differences from what is usual.
    Minimises Σ (r − p_0 − score)² / 2 + reg · |θ|² by Adagrad, over ratings that neither members nor statistics saw.

    Cost: the members ``folds`` + 1 times, and ``epochs`` passes over all ratings and their histories. An empty history
    gets what the first member says, corrected by item and context. Raises ``DataError`` when values are not ratings.
    """

    name: ClassVar[str] = "fm-rating"
    task: ClassVar[Task] = "rating"
    softmax: ClassVar[bool] = False
    feature_bytes: ClassVar[float] = 26  # the sparse rows of every fold beside the features
