"""Two towers: one for items, from their features and histories; one for histories, from their items."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from penchant.core.histories import Floats, Histories, Longs
from penchant.core.log_shape import LogShape
from penchant.models.kinds.base import Space, hyper
from penchant.models.neural.kinds.base import glorot, normal
from penchant.models.neural.kinds.item_features import ItemFeatureModel
from penchant.models.neural.kinds.retrieval import RetrievalModel
from penchant.models.neural.kinds.set_model import SetModel, pooled
from penchant.models.neural.training.trainable import Arrays, Tensors

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(kw_only=True)
class TwoTower(SetModel, RetrievalModel, ItemFeatureModel):
    """score(i) = u·v_i, v_i = e_i + mean w_a of i's attributes + V x_i, u = dense ReLU layers over a history's mean v.

    Yi et al. 2019, trained on each event, with the other events of its history as the user. ``cold`` is the share of
    items whose own e_i is left out of a step, so that attributes and vectors learn to work alone: ``extend`` then gives
    vectors to new items without training. What differs: the item tower is linear in the features, so an item's vector
    can be computed without torch.

    Cost a pass: O(events · n_items · factors) with the full softmax; with a sampled one ``negatives``
    replaces n_items. An empty history scores zero everywhere. Raises ``DataError`` without a catalogue.
    """

    name: ClassVar[str] = "two-tower"

    hidden: int = hyper(128, "width of the dense layer of the history tower", ge=1, space=Space(64, 256), other=7)
    cold: float = hyper(0.2, "share of items of which a step uses the features alone", ge=0, le=1, other=0.9)

    @property
    def needs_features(self) -> bool:
        """Always: item vectors are made from features."""
        return True

    def start_weights(self, rng: np.random.Generator) -> Arrays:
        d = self.factors
        return {
            "own": normal(rng, self.n_items, d, scale=d**-0.5),
            **self._feature_weights(rng, 0.1 * d**-0.5),
            "up": glorot(rng, d, self.hidden),
            "up.b": np.zeros(self.hidden, dtype=np.float32),
            "down": glorot(rng, self.hidden, d) * np.float32(0.1),
        }

    def prepare(self, train: Histories) -> int:
        events = super().prepare(train)
        assert self._train is not None  # just set
        self._look_at_shown(self._train)
        return events

    def step_loss(self, weights: Tensors, step: Longs) -> tuple[Tensor, int]:
        import torch
        import torch.nn.functional as F

        bag = self._batch_of(step, weights["own"].device)
        table = self._items(weights, self.cold)
        x = F.embedding(bag.items, table)
        total = x.new_zeros(len(step), self.factors).index_add(0, bag.rows, x)
        others = bag.lengths[bag.rows] - 1
        use = torch.nonzero(others > 0)[:, 0]  # a history of one event has no other events
        if len(use) == 0:
            return table.sum() * 0, len(bag.items)
        context = (total[bag.rows] - x)[use] / others[use, None]
        states = self._tower(weights, F.dropout(context, self.dropout))
        rows = step[bag.rows[use].cpu().numpy()]
        return self._item_loss(states, table, bag.items[use], rows=rows), len(bag.items)

    def work(self, log: LogShape) -> tuple[float, float]:
        """As in ``NeuralModel``."""
        d = float(self.factors)
        return d * log.items + 2 * d * self.hidden, log.events * d * (2 * self.hidden + self.compared(log))

    def _items(self, weights: Tensors, cold: float) -> Tensor:
        """The item tower for all items."""
        import torch

        keep = (torch.rand(self.n_items, 1) >= cold).to(weights["own"].device)
        return self._add_features(weights, weights["own"] * keep)

    def _tower(self, weights: Tensors, x: Tensor) -> Tensor:
        import torch.nn.functional as F

        return x + F.relu(x @ weights["up"] + weights["up.b"]) @ weights["down"]

    def encode(self, weights: Tensors, *inputs: Tensor) -> Tensor:
        return self._tower(weights, pooled(inputs, 1.0))

    def tables_of(self, weights: Arrays) -> tuple[Floats, Floats | None, Floats | None]:
        return weights["own"] + self._keep_features(weights), None, None
