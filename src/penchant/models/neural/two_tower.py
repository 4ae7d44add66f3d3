"""Two towers: one for items, out of what they are and who had them; one for histories, out of their items."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from penchant.errors import DataError
from penchant.features import ItemFeatures
from penchant.histories import Floats, Longs
from penchant.models.base import Space, hyper, learned
from penchant.models.neural.bags import BagModel, pooled
from penchant.models.neural.base import Arrays, Weights, glorot, normal
from penchant.models.neural.retrieval import RetrievalModel

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(kw_only=True)
class TwoTower(BagModel, RetrievalModel):
    """score(i) = u·v_i, v_i = e_i + Σ attributes of i w_a + V x_i, u = dense ReLU layers over the mean v of a history.

    Yi et al. 2019, trained on each event with the others of its history as the user. ``cold`` is the share of items
    whose own e_i is left out of a step, which teaches attributes and vectors to stand alone: ``extend`` then gives
    items that nobody has had their vectors, without training. What differs: the item tower is linear in what the
    catalogue says, so an item's vector can be worked out without torch.

    Cost a pass: O(events · n_items · factors) with the full softmax; with a sampled one ``negatives`` stands in place
    of n_items. An empty history scores zero everywhere. Raises ``DataError`` without a catalogue.
    """

    name: ClassVar[str] = "two-tower"
    uses_catalog: ClassVar[bool] = True

    hidden: int = hyper(128, "width of the dense layer of the history tower", ge=1, space=Space(64, 256), other=7)
    cold: float = hyper(0.2, "share of items that a step knows by their features alone", ge=0, le=1, other=0.9)

    attribute_vectors: Floats = learned()  # (attributes, factors)
    attribute_names: NDArray[np.uint8] = learned()  # their names, UTF-8, a line each
    projection: Floats = learned()  # (length of the catalogue's vectors, factors)

    _known: Any = field(init=False, default=None, repr=False, compare=False)

    def _start(self, rng: np.random.Generator) -> Arrays:
        assert self.features is not None
        d, dimensions = self.factors, 0 if self.features.vectors is None else self.features.vectors.shape[1]
        return {
            "own": normal(rng, self.n_items, d, scale=d**-0.5),
            "attributes": normal(rng, len(self.features.names), d, scale=0.1 * d**-0.5),
            "projection": normal(rng, dimensions, d, scale=0.1 * (max(dimensions, 1)) ** -0.5),
            "up": glorot(rng, d, self.hidden),
            "up.b": np.zeros(self.hidden, dtype=np.float32),
            "down": glorot(rng, self.hidden, d) * np.float32(0.1),
        }

    def _loss(self, weights: Weights, step: Longs) -> tuple[Tensor, int]:
        import torch
        import torch.nn.functional as F

        bag = self._bag(step, weights["own"].device)
        table = self._items(weights, self.cold)
        x = F.embedding(bag.items, table)
        total = x.new_zeros(len(step), self.factors).index_add(0, bag.rows, x)
        others = bag.lengths[bag.rows] - 1
        use = torch.nonzero(others > 0)[:, 0]  # a history of one event has no others to speak for it
        if len(use) == 0:
            return table.sum() * 0, len(bag.items)
        context = (total[bag.rows] - x)[use] / others[use, None]
        states = self._tower(weights, F.dropout(context, self.dropout))
        return self._item_loss(states, table, bag.items[use]), len(bag.items)

    def _items(self, weights: Weights, cold: float) -> Tensor:
        """The item tower for all items."""
        import torch
        import torch.nn.functional as F

        assert self.features is not None
        device = weights["own"].device
        if self._known is None:
            f = self.features
            attributes = (
                torch.from_numpy(part).to(device) for part in (f.indices.astype(np.int64), f.indptr[:-1], f.data)
            )
            self._known = *attributes, None if f.vectors is None else torch.from_numpy(f.vectors).to(device)
        indices, starts, data, vectors = self._known
        keep = (torch.rand(self.n_items, 1) >= cold).to(device)
        table = weights["own"] * keep
        if len(indices):
            bags = F.embedding_bag(indices, weights["attributes"], starts, mode="sum", per_sample_weights=data)
            table = table + bags
        return table if vectors is None else table + vectors @ weights["projection"]

    def _tower(self, weights: Weights, x: Tensor) -> Tensor:
        import torch.nn.functional as F

        return x + F.relu(x @ weights["up"] + weights["up.b"]) @ weights["down"]

    def _encode(self, weights: Weights, *inputs: Tensor) -> Tensor:
        return self._tower(weights, pooled(inputs, 1.0))

    def _tables(self, weights: Arrays) -> tuple[Floats, Floats | None, Floats | None]:
        assert self.features is not None
        self.attribute_vectors, self.projection = weights["attributes"], weights["projection"]
        self.attribute_names = np.frombuffer("\n".join(self.features.names).encode(), dtype=np.uint8)
        return weights["own"] + self._described(self.features), None, None

    def _described(self, features: ItemFeatures) -> Floats:
        """What the catalogue alone says of every item, ``(n_items, factors)``."""
        known = {name: n for n, name in enumerate(bytes(self.attribute_names).decode().split("\n"))}
        column = np.array([known.get(name, -1) for name in features.names] or [-1])
        rows = np.repeat(np.arange(features.n_items), np.diff(features.indptr))
        at = column[features.indices]
        use = at >= 0
        out = np.zeros((features.n_items, self.attribute_vectors.shape[1]), dtype=np.float32)
        np.add.at(out, rows[use], features.data[use, None] * self.attribute_vectors[at[use]])
        if features.vectors is not None and len(self.projection):
            out += features.vectors @ self.projection
        return out

    def extend(self, features: ItemFeatures) -> None:
        """Know the items that a catalogue has gained since ``fit``, which stand after those it had, by what they are.

        Attributes that training did not see say nothing. Raises ``DataError`` when there are fewer items than before,
        or vectors of another length.
        """
        self._check_fitted()
        new = features.n_items - self.n_items
        width = 0 if features.vectors is None else features.vectors.shape[1]
        if new < 0:
            raise DataError(f"{self.name} knows {self.n_items} items, the catalogue describes {features.n_items}")
        if width not in {0, len(self.projection)}:
            raise DataError(f"{self.name} learned from vectors of length {len(self.projection)}, not {width}")
        gained = self._described(features)[self.n_items :]
        self.item_vectors = np.concatenate([self.item_vectors, gained])
        self.item_counts = np.concatenate([self.item_counts, np.zeros(new, dtype=np.int64)])

    def _release(self) -> None:
        super()._release()
        self._known = None
