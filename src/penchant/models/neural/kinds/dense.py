"""The body of the textbook network: the embedded last items, concatenated, through dense ReLU layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from penchant.core.histories import Floats, Histories
from penchant.core.log_shape import LogShape
from penchant.models.kinds.base import Space, hyper
from penchant.models.neural.kinds.base import glorot, normal
from penchant.models.neural.kinds.sequence import SequenceModel
from penchant.models.neural.parts.passages import Passages
from penchant.models.neural.training.trainable import Arrays, Tensors

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(kw_only=True)
class DenseModel(SequenceModel):
    """h = ReLU(... ReLU(Σ_a W_a e_{item of age a} + b) ...): a subclass adds the output layer.

    Positions before the first event stay zero and are not computed in training, so the flattened first layer is a sum
    over the existing events.
    """

    hidden: int = hyper(512, "width of the dense layers", ge=1, space=Space(64, 512, log=True), other=7)
    layers: int = hyper(1, "dense layers", ge=1, space=Space(1, 3), other=2)

    def _body(self, rng: np.random.Generator) -> Arrays:
        """Weights below the output layer."""
        d, h = self.factors, self.hidden
        found: Arrays = {
            "embedding": normal(rng, self.n_items, d, scale=d**-0.5),
            "first": glorot(rng, self.window * d, h).reshape(self.window, d, h) * np.float32(2),
            "first.b": np.zeros(h, dtype=np.float32),
        }
        for n in range(1, self.layers):
            found |= {f"dense{n}": glorot(rng, h, h), f"dense{n}.b": np.zeros(h, dtype=np.float32)}
        return found

    def body_work(self, log: LogShape) -> tuple[float, float]:
        """Weights and multiplications below the output layer."""
        d, h = float(self.factors), float(self.hidden)
        rest = (self.layers - 1) * h**2
        read = min(self.window, log.pairs(self.window) / max(log.newest(self.window), 1)) / 2
        return d * log.items + self.window * d * h + rest, log.events * (max(read, 1) * d * h + rest)

    def batch_bytes(self, log: LogShape) -> float:
        """As in ``NeuralModel``, and the inputs of every position of the window."""
        return super().batch_bytes(log) + 4.0 * self.batch * self.window * (self.factors + self.hidden)

    def _states(self, weights: Tensors, passages: Passages) -> Tensor:
        import torch
        import torch.nn.functional as F

        device = weights["embedding"].device
        items = torch.from_numpy(passages.items).long().to(device)
        embedded = F.dropout(F.embedding(items, weights["embedding"]), self.dropout)
        places = passages.places
        x = weights["first.b"].expand(len(items), self.hidden)
        for back in range(int(places.max(initial=0)) + 1):  # the event ``back`` positions before, if any
            at = torch.from_numpy(np.flatnonzero(places >= back)).to(device)
            x = x.index_add(0, at, embedded[at - back] @ weights["first"][back])
        return self._rest(weights, x, self.dropout)

    def _rest(self, weights: Tensors, x: Tensor, dropout: float) -> Tensor:
        import torch.nn.functional as F

        x = F.relu(x)
        for n in range(1, self.layers):
            x = F.relu(F.dropout(x, dropout, bool(dropout)) @ weights[f"dense{n}"] + weights[f"dense{n}.b"])
        return F.dropout(x, dropout, bool(dropout))

    def encode(self, weights: Tensors, *inputs: Tensor) -> Tensor:
        (vectors,) = inputs
        first = weights["first"].reshape(-1, self.hidden)
        return self._rest(weights, vectors.reshape(-1, first.shape[0]) @ first + weights["first.b"], 0.0)

    def encoder_inputs(self, given: Histories, table: Floats) -> Arrays:
        vectors = np.zeros((len(given), self.window, table.shape[1]), dtype=np.float32)
        vectors[given.rows, given.ages()] = table[given.items]  # newest first, so a position is an age
        return {"vectors": vectors}
