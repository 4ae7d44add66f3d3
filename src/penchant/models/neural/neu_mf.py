"""NeuMF: a product of factors plus a small network over both sides."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from penchant.core.histories import Floats, Histories, Longs
from penchant.core.log_shape import LogShape
from penchant.models.kinds.base import Space, hyper, learned
from penchant.models.neural.kinds.base import glorot, normal
from penchant.models.neural.kinds.set_model import SetModel, pooled
from penchant.models.neural.parts.not_taken import NotTaken, not_taken
from penchant.models.neural.training.trainable import Arrays, Tensors

if TYPE_CHECKING:
    from torch import Tensor

CELLS = 2**22  # hidden numbers of pairs computed at once
SIDES = ("gmf", "mlp")


@dataclass(kw_only=True)
class NeuMF(SetModel):
    """score(i) = Σ_f p_f g_if + w·ReLU(ReLU(A q + V m_i + b) W + c) + b_i, p and q the mean vectors of the history.

    He et al. 2017, with GMF and MLP parts as there; the user's own embedding is replaced by the pooled history, so that
    it answers for new people, and each training event is left out of its own history. ``loss``: binary cross-entropy
    with ``negatives`` sampled items an event, as in the paper, or BPR against them. What differs: both parts are
    trained together from the start.

    Cost a pass: O(events · negatives · factors²); an answer evaluates the network for every item, n_items · hidden²/2
    products a history, in NumPy. An empty history scores zero everywhere. Raises ``MissingExtraError`` without torch
    and ``TrainingError`` when the loss is no longer a number.
    """

    name: ClassVar[str] = "neu-mf"

    hidden: int = hyper(
        32, "width of the first dense layer, twice that of the second", ge=2, space=Space(16, 64), other=4
    )
    negatives: int = hyper(4, "items drawn for each event", ge=1, space=Space(2, 16, log=True), other=1)
    shown: float = hyper(0.0, "share of the negatives drawn from what was shown and not taken", ge=0, le=1, other=0.9)
    loss: str = hyper("bce", "binary cross-entropy, or pairs", choices=("bce", "bpr"), other="bpr")

    _not_taken: NotTaken | None = field(init=False, default=None, repr=False, compare=False)

    item_hidden: Floats = learned()  # (n_items, hidden) V m_i + b
    second: Floats = learned()  # (hidden, hidden // 2) W
    second_bias: Floats = learned()  # (hidden // 2,) c
    last: Floats = learned()  # (hidden // 2,) w

    def start_weights(self, rng: np.random.Generator) -> Arrays:
        n, d, h = self.n_items, self.factors, self.hidden
        found: Arrays = {"items.b": np.zeros(n, np.float32), "first.b": np.zeros(h, np.float32)}
        for side in SIDES:
            found |= {f"in.{side}": normal(rng, n, d, scale=d**-0.5), f"item.{side}": normal(rng, n, d, scale=d**-0.5)}
        found |= {"first.user": glorot(rng, d, h), "first.item": glorot(rng, d, h)}
        found |= {"second": glorot(rng, h, h // 2), "second.b": np.zeros(h // 2, np.float32)}
        return found | {"last": glorot(rng, h // 2, 1)[:, 0]}

    def prepare(self, train: Histories) -> int:
        events = super().prepare(train)
        assert self._train is not None  # just set
        self._not_taken = not_taken(self._train, self.shown, self.notes)
        return events

    def release(self) -> None:
        super().release()
        self._not_taken = None

    def step_loss(self, weights: Tensors, step: Longs) -> tuple[Tensor, int]:
        import torch
        import torch.nn.functional as F

        bag = self._batch_of(step, weights["second"].device)
        others = bag.lengths[bag.rows] - 1
        use = torch.nonzero(others > 0)[:, 0]
        if len(use) == 0:
            return weights["items.b"].sum() * 0, len(bag.items)
        context = []
        for side in SIDES:
            x = F.embedding(bag.items, weights[f"in.{side}"])
            total = x.new_zeros(len(step), self.factors).index_add(0, bag.rows, x)
            context.append(F.dropout((total[bag.rows] - x)[use] / others[use, None], self.dropout))
        drawn = torch.randint(self.n_items, (len(use), self.negatives), device=use.device)
        if self._not_taken is not None:
            rows = step[bag.rows[use].cpu().numpy()]
            own, there = self._not_taken.draw(rows, use.device, self.negatives)
            mine = (torch.rand(drawn.shape) < self.shown).to(use.device) & there[:, None]
            drawn = torch.where(mine, own, drawn)
        items = torch.cat([bag.items[use, None], drawn], 1)
        scores = self._pairs(weights, context[0][:, None], context[1][:, None], items)
        true, false = scores[:, :1], scores[:, 1:]
        if self.loss == "bpr":
            return F.softplus(false - true).mean(), len(bag.items)
        return (F.softplus(-true).sum() + F.softplus(false).sum()) / len(use), len(bag.items)

    def _pairs(self, w: Tensors, p: Tensor, q: Tensor, items: Tensor) -> Tensor:
        """Scores of pairs, ``(events, items an event)``."""
        import torch.nn.functional as F

        product = (p * F.embedding(items, w["item.gmf"])).sum(-1)
        first = F.relu(q @ w["first.user"] + F.embedding(items, w["item.mlp"]) @ w["first.item"] + w["first.b"])
        return product + F.relu(first @ w["second"] + w["second.b"]) @ w["last"] + w["items.b"][items]

    def work(self, log: LogShape) -> tuple[float, float]:
        """As in ``NeuralModel``."""
        d, h = float(self.factors), float(self.hidden)
        return 4 * d * log.items, log.events * ((1 + self.negatives) * (d * h + h**2 / 2 + d) + d * h)

    def encode(self, weights: Tensors, *inputs: Tensor) -> Tensor:
        import torch

        x = pooled(inputs, 1.0)
        return torch.cat([x[:, : self.factors], x[:, self.factors :] @ weights["first.user"]], 1)

    def tables_of(self, weights: Arrays) -> tuple[Floats, Floats | None, Floats | None]:
        self.item_hidden = weights["item.mlp"] @ weights["first.item"] + weights["first.b"]
        self.second, self.second_bias, self.last = weights["second"], weights["second.b"], weights["last"]
        inputs = np.concatenate([weights["in.gmf"], weights["in.mlp"]], axis=1)
        return weights["item.gmf"], weights["items.b"], inputs

    @property
    def vector_width(self) -> int:
        return int(self.item_vectors.shape[1] + self.item_hidden.shape[1])

    def score_vectors(self, vectors: Floats) -> Floats:
        d, known = self.item_vectors.shape[1], vectors.any(axis=1)
        scores = super().score_vectors(vectors[:, :d])
        step = max(1, CELLS // self.item_hidden.size)
        for lo in range(0, len(vectors), step):
            first = np.maximum(vectors[lo : lo + step, None, d:] + self.item_hidden, 0)
            scores[lo : lo + step] += np.maximum(first @ self.second + self.second_bias, 0) @ self.last
        scores[~known] = 0
        return scores
