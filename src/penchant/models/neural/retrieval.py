"""What models share that learn by telling the true item from all the others: the losses and their parameters."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from penchant.models.base import Space, hyper
from penchant.models.neural.base import NeuralModel

if TYPE_CHECKING:
    from torch import Tensor

LOSSES = ("softmax", "sampled-softmax", "gbce", "bpr")
SAMPLED = {"loss": "sampled-softmax"}


@dataclass(kw_only=True)
class RetrievalModel(NeuralModel):
    """States and true items; any of the losses over the items says how far apart they are."""

    loss: str = hyper("softmax", "what is made small", choices=LOSSES, other="bpr")
    negatives: int = hyper(
        512, "items drawn for a step, for all its events", ge=1, space=Space(128, 2048, log=True), other=3, when=SAMPLED
    )
    sampling: float = hyper(
        0.0, "items are drawn with probability ∝ count^sampling", ge=0, le=1, space=Space(0, 1), other=1.0, when=SAMPLED
    )
    calibration: float = hyper(
        0.75, "t of the gBCE loss", ge=0, le=1, space=Space(0, 1), other=0.0, when={"loss": "gbce", "negatives": 20}
    )

    _drawing: Any = field(init=False, default=None, repr=False, compare=False)

    def _release(self) -> None:
        self._drawing = None

    def _item_loss(self, states: Tensor, table: Tensor, target: Tensor, bias: Tensor | None = None) -> Tensor:
        """The mean loss over states ``(events, width)`` whose true items are ``target`` (events,)."""
        import torch

        from penchant.models.neural import losses

        if self.loss == "softmax":
            return losses.softmax(states, table, target, bias)
        if self._drawing is None:
            self._drawing = losses.Negatives(torch.from_numpy(self.item_counts), self.sampling, self.negatives)
        if self.loss == "sampled-softmax":
            return losses.sampled_softmax(states, table, target, self._drawing, bias)
        if self.loss == "gbce":
            return losses.gbce(states, table, target, self._drawing, self.calibration, bias)
        return losses.bpr(states, table, target, self._drawing, bias)
