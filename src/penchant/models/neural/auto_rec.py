"""AutoRec: an autoencoder from a history's ratings to a rating of every item."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from penchant.core.histories import Floats, Histories, Longs
from penchant.core.log_shape import LogShape
from penchant.models.kinds.base import Task, learned
from penchant.models.kinds.rating import RatingModel
from penchant.models.neural.kinds.base import normal
from penchant.models.neural.kinds.set_model import SetModel, pooled
from penchant.models.neural.training.trainable import Arrays, Tensors
from penchant.models.parts.rating_baseline import rated

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(kw_only=True)
class AutoRec(SetModel, RatingModel):
    """rating(i) = mean + h·o_i + b_i, h = σ-like layer over the history's ratings above the mean, Σ (r_j − mean) w_j.

    loss = mean of (rating − predicted)² over events; ``dropout`` hides part of them from the input.

    Sedhain, Menon, Sanner and Xie 2015, the variant over a person's ratings, because that answers for new people. What
    differs: tanh, the sum is divided by √(events rated), and inputs are dropped so that the model predicts instead of
    copying.

    Cost a pass: O(events · factors). An empty history gets the mean and the item's bias. Raises ``DataError``
    when values are not ratings.
    """

    name: ClassVar[str] = "auto-rec"
    task: ClassVar[Task] = "rating"
    uses_negatives: ClassVar[bool] = True

    scale: Floats = learned()  # (3,): mean, lowest and highest rating

    def prepare(self, train: Histories) -> int:
        ratings = rated(train)
        self.scale = np.array([ratings.mean(), ratings.min(), ratings.max()], dtype=np.float32)
        return super().prepare(train)

    def start_weights(self, rng: np.random.Generator) -> Arrays:
        n, d = self.n_items, self.factors
        return {
            "inputs": normal(rng, n, d, scale=0.3 * d**-0.5),
            "inputs.b": np.zeros(d, dtype=np.float32),
            "items": normal(rng, n, d, scale=0.3 * d**-0.5),
            "items.b": np.zeros(n, dtype=np.float32),
        }

    def step_loss(self, weights: Tensors, step: Longs) -> tuple[Tensor, int]:
        import torch
        import torch.nn.functional as F

        bag = self._batch_of(step, weights["items"].device)
        assert bag.values is not None
        above = bag.values - float(self.scale[0])
        read = F.dropout(above, self.dropout) / bag.lengths.sqrt()[bag.rows]
        each = F.embedding(bag.items, weights["inputs"]) * read[:, None]
        x = torch.tanh(weights["inputs.b"].repeat(len(step), 1).index_add(0, bag.rows, each))
        said = (x[bag.rows] * F.embedding(bag.items, weights["items"])).sum(1) + weights["items.b"][bag.items]
        return F.mse_loss(said, above), len(bag.items)

    def work(self, log: LogShape) -> tuple[float, float]:
        """As in ``NeuralModel``."""
        return 2.0 * self.factors * log.items, 2.0 * log.events * self.factors

    def encoder_inputs(self, given: Histories, table: Floats) -> Arrays:
        found = super().encoder_inputs(given, table)
        longest = int(given.lengths.max())
        above = np.zeros((len(given), longest), dtype=np.float32)
        if given.values is not None:  # the exporter uses histories without values
            above[np.arange(longest) < given.lengths[:, None]] = rated(given, self.scale[1:3]) - self.scale[0]
        return {"vectors": found["vectors"] * above[:, :, None], "lengths": given.lengths}

    def embed(self, given: Histories) -> Floats:
        """Vectors of histories, ``(len(given), factors)``; raises ``DataError`` where their values are not ratings."""
        rated(given)
        found: Floats = super().embed(given)
        return found

    def encode(self, weights: Tensors, *inputs: Tensor) -> Tensor:
        import torch

        return torch.tanh(pooled(inputs, 0.5) + weights["inputs.b"])

    def tables_of(self, weights: Arrays) -> tuple[Floats, Floats | None, Floats | None]:
        return weights["items"], weights["items.b"], weights["inputs"]

    @property
    def score_offset(self) -> float:
        """The mean rating."""
        return float(self.scale[0])

    def _predict(self, given: Histories, items: Histories) -> Floats:
        vectors, rows = self.embed(given), items.rows
        said = np.einsum("ed,ed->e", vectors[rows], self.item_vectors[items.items])
        if self.item_bias is not None:
            said += self.item_bias[items.items]
        return np.asarray(np.clip(said + self.scale[0], self.scale[1], self.scale[2]), dtype=np.float32)
