"""Models that learn to tell the true item from all others: the losses and their parameters."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from penchant.core.histories import Histories, Longs
from penchant.core.log_shape import LogShape
from penchant.models.kinds.base import Space, hyper
from penchant.models.neural.kinds.precision import PreciseModel
from penchant.models.neural.parts.not_taken import NotTaken, not_taken

if TYPE_CHECKING:
    from torch import Tensor

LOSSES = ("softmax", "sampled-softmax", "gbce", "bpr")
SAMPLED = {"loss": "sampled-softmax"}


@dataclass(kw_only=True)
class RetrievalModel(PreciseModel):
    """States and true items, with any of the losses over items."""

    loss: str = hyper("softmax", "the loss", choices=LOSSES, other="bpr")
    negatives: int = hyper(
        512, "items drawn per step, shared by its events", ge=1, space=Space(128, 2048, log=True), other=3, when=SAMPLED
    )
    sampling: float = hyper(
        0.0, "items are drawn with probability ∝ count^sampling", ge=0, le=1, space=Space(0, 1), other=1.0, when=SAMPLED
    )
    correction: float = hyper(
        1.0,
        "share of the log of the expected count that drawn items lose; 1: the loss estimates the full softmax",
        ge=0,
        le=1,
        space=Space(choices=(0.0, 1.0)),
        other=0.0,
        when=SAMPLED,
    )
    calibration: float = hyper(
        0.75, "t of the gBCE loss", ge=0, le=1, space=Space(0, 1), other=0.0, when={"loss": "gbce", "negatives": 20}
    )

    shown: float = hyper(
        0.0, "share of the negatives drawn from what was shown and not taken", ge=0, le=1, other=0.9, when=SAMPLED
    )

    _drawing: Any = field(init=False, default=None, repr=False, compare=False)
    _not_taken: NotTaken | None = field(init=False, default=None, repr=False, compare=False)

    def compared(self, log: LogShape) -> float:
        """As in ``NeuralModel``: all items with the full softmax, else the drawn ones."""
        return float(
            log.items if self.loss == "softmax" else 1 if self.loss == "bpr" else min(self.negatives, log.items)
        )

    def release(self) -> None:
        super().release()
        self._drawing = self._not_taken = None

    def _look_at_shown(self, train: Histories) -> None:
        """Keep what the people of training histories were shown, if the loss draws from it."""
        self._not_taken = not_taken(train, self.shown, self.notes, every_item=self.loss == "softmax")

    def _item_loss(
        self, states: Tensor, table: Tensor, target: Tensor, bias: Tensor | None = None, *, rows: Longs,
        unit: bool = False,
    ) -> Tensor:  # fmt: skip
        """The mean loss over states ``(events, width)`` whose true items are ``target`` (events,).

        ``rows`` (events,) are their training histories. ``unit``: item vectors are normalised to length one.
        """
        import torch

        from penchant.models.neural.training import losses

        short = self._short(states.device)
        if self.loss == "softmax":
            table = torch.nn.functional.normalize(table, dim=1) if unit else table
            return losses.softmax(states, table, target, bias, short=short)
        if self._drawing is None:
            counts = torch.from_numpy(self.item_counts)
            if not self.needs_features:  # otherwise nothing moves the vector of an item without events
                counts = counts.clamp(min=1)
            self._drawing = losses.Negatives(counts, self.sampling, self.negatives)
        drawing, own = self._drawing, None
        if self._not_taken is not None:
            items, there = self._not_taken.draw(rows, states.device)
            own = losses.Own(items[:, 0], there, self.shown)
        if self.loss == "sampled-softmax":
            return losses.sampled_softmax(
                states, table, target, drawing, bias, correction=self.correction, unit=unit, short=short, own=own
            )
        if self.loss == "gbce":
            return losses.gbce(states, table, target, drawing, self.calibration, bias, unit=unit, own=own)
        return losses.bpr(states, table, target, drawing, bias, unit=unit, own=own)
