"""GRU4Rec: a recurrent network that carries one state from event to event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from penchant.core.histories import Longs
from penchant.core.log_shape import LogShape
from penchant.models.neural.kinds.base import normal
from penchant.models.neural.kinds.sequence import NextItemModel
from penchant.models.neural.parts.passages import Passages
from penchant.models.neural.training.trainable import Arrays, Tensors

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(kw_only=True)
class GRU4Rec(NextItemModel):
    """score(i) = state·v_i + b_i, state_t = GRU(state_{t−1}, v of event t).

    Hidasi, Karatzoglou, Baltrunas and Tikk 2016, with the losses of this package instead of theirs, and one table of
    item vectors for input and output (their later "constrained embedding"). What differs: all histories of a step
    run side by side, the longest first, and leave when they end, so that no step computes positions without an event.

    Cost a pass: O(events · (n_items · factors + factors²)), the time steps one after the other. An empty history
    scores zero everywhere. Raises ``MissingExtraError`` without torch and ``TrainingError`` when the loss is no longer
    a number.
    """

    name: ClassVar[str] = "gru4rec"

    def start_weights(self, rng: np.random.Generator) -> Arrays:
        d, bound = self.factors, self.factors**-0.5
        found: Arrays = {
            "items": normal(rng, self.n_items, d, scale=d**-0.5),
            "items.b": np.zeros(self.n_items, dtype=np.float32),
        }
        for name, shape in (("in", (3 * d, d)), ("state", (3 * d, d)), ("in.b", (3 * d,)), ("state.b", (3 * d,))):
            found[name] = rng.uniform(-bound, bound, shape).astype(np.float32)
        return found

    def work(self, log: LogShape) -> tuple[float, float]:
        """As in ``NeuralModel``."""
        d = float(self.factors)
        return d * log.items + 6 * d**2, log.events * (6 * d**2 + self.compared(log) * d)

    def _states(self, weights: Tensors, passages: Passages) -> Tensor:
        import torch
        import torch.nn.functional as F

        from penchant.models.neural.parts.dropout import drop

        device = weights["items"].device
        at, active = side_by_side(passages)
        order = torch.from_numpy(np.argsort(at)).to(device)
        items = torch.from_numpy(passages.items).long().to(device)[order]
        x = drop(F.embedding(items, weights["items"]), self.dropout)
        state = x.new_zeros(1, int(active[0]), self.factors)
        sizes = torch.from_numpy(active)
        x, _ = torch.gru(x, sizes, state, self._gates(weights), True, 1, 0.0, True, False)
        return drop(x[torch.from_numpy(at).to(device)], self.dropout)

    def encode(self, weights: Tensors, *inputs: Tensor) -> Tensor:
        import torch

        vectors, lengths = inputs
        state = torch.zeros_like(vectors[:, 0])[None]
        x, _ = torch.gru(vectors, state, self._gates(weights), True, 1, 0.0, False, False, True)
        return x.gather(1, (lengths - 1)[:, None, None].expand(-1, 1, self.factors))[:, 0]

    def _gates(self, weights: Tensors) -> list[Tensor]:
        return [weights[name] for name in ("in", "state", "in.b", "state.b")]

    def tables_of(self, weights: Arrays) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
        return weights["items"], weights["items.b"], None


def side_by_side(passages: Passages) -> tuple[Longs, Longs]:
    """The index of each event when all first events come first, then all second ones, and so on, longest passage first;
    and the number of passages with a first event, a second, and so on."""
    lengths = passages.lengths
    place_of = np.empty(len(lengths), dtype=np.int64)
    place_of[np.argsort(-lengths, kind="stable")] = np.arange(len(lengths))
    active = np.bincount(passages.places, minlength=1)
    before = np.cumsum(active) - active
    return before[passages.places] + np.repeat(place_of, lengths), active
