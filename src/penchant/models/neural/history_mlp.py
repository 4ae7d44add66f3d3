"""The textbook network: the embedded last items, concatenated, through dense layers to the next item."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from penchant.core.histories import Floats
from penchant.core.log_shape import LogShape
from penchant.models.neural.kinds.base import normal
from penchant.models.neural.kinds.dense import DenseModel
from penchant.models.neural.kinds.sequence import NextItemModel
from penchant.models.neural.training.trainable import Arrays


@dataclass(kw_only=True)
class HistoryMLP(DenseModel, NextItemModel):
    """score(i) = h·o_i + b_i, h = the last ReLU layer over the embedded last ``window`` items, newest first.

    The retrieval network of Covington, Adams and Sargin 2016 with positions kept apart instead of averaged: embedding,
    flatten, dense layers with ReLU, softmax over the items. What differs: positions before the first event stay zero
    and are not computed in training; every event of a history is a target once per pass.

    Cost a pass: O(events · (n_items · hidden + mean events in the window · factors · hidden)); item_vectors are
    ``hidden`` long. An empty history scores zero everywhere. Raises ``MissingExtraError`` without torch and
    ``TrainingError`` when the loss is no longer a number.
    """

    name: ClassVar[str] = "history-mlp"

    def start_weights(self, rng: np.random.Generator) -> Arrays:
        return self._body(rng) | {
            "items": normal(rng, self.n_items, self.hidden, scale=0.02),
            "items.b": np.zeros(self.n_items, dtype=np.float32),
        }

    def work(self, log: LogShape) -> tuple[float, float]:
        """As in ``NeuralModel``."""
        weights, forward = self.body_work(log)
        return weights + self.hidden * log.items, forward + log.events * self.compared(log) * self.hidden

    def tables_of(self, weights: Arrays) -> tuple[Floats, Floats | None, Floats | None]:
        return weights["items"], weights["items.b"], weights["embedding"]
