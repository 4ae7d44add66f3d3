"""Neural models that read a history in its order: a state after every event, and what comes next as the target."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from penchant.histories import Histories, Longs
from penchant.models.base import Space, Task, hyper
from penchant.models.neural.base import NeuralModel, Weights
from penchant.models.neural.sequences import Passages, Sequences

if TYPE_CHECKING:
    from torch import Tensor

LOSSES = ("softmax", "sampled-softmax", "gbce", "bpr")
SAMPLED = {"loss": "sampled-softmax"}


@dataclass(kw_only=True)
class SequenceModel(NeuralModel):
    """Every event of a passage predicts the next; a subclass says what the states are."""

    task: ClassVar[Task] = "sequence"
    uses_times: ClassVar[bool] = False

    window: int = hyper(50, "newest events it looks at", ge=1, space=Space(10, 200, log=True), other=2)  # type: ignore[misc]  # a field here
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

    _sequences: Sequences | None = field(init=False, default=None, repr=False, compare=False)
    _drawing: Any = field(init=False, default=None, repr=False, compare=False)

    @abstractmethod
    def _states(self, weights: Weights, passages: Passages) -> Tensor:
        """The state after every event, ``(events, factors)``, with dropout."""

    def _prepare(self, train: Histories) -> int:
        times = self.uses_times and train.times is not None and getattr(self, "times", True)
        self._sequences = Sequences(train, self.window, times=times)
        if len(self._sequences) == 0:
            self.notes.append("no history holds two events, so nothing follows anything: it knows nothing")
        return self._sequences.positions

    def _release(self) -> None:
        self._sequences = self._drawing = None

    def _steps(self, rng: np.random.Generator) -> Sequence[Longs]:
        assert self._sequences is not None
        return self._sequences.steps(rng, self.batch)

    def _loss(self, weights: Weights, step: Longs) -> tuple[Tensor, int]:
        import torch

        assert self._sequences is not None
        passages = self._sequences.take(step)
        states = self._states(weights, passages)
        target = torch.from_numpy(passages.targets).long().to(states.device)
        return self._next_item_loss(states, weights, target), len(target)

    def _next_item_loss(self, states: Tensor, weights: Weights, target: Tensor) -> Tensor:
        import torch

        from penchant.models.neural import losses

        table, bias = weights["items"], weights.get("items.b")
        if self.loss == "softmax":
            return losses.softmax(states, table, target, bias)
        if self._drawing is None:
            self._drawing = losses.Negatives(torch.from_numpy(self.item_counts), self.sampling, self.negatives)
        if self.loss == "sampled-softmax":
            return losses.sampled_softmax(states, table, target, self._drawing, bias)
        if self.loss == "gbce":
            return losses.gbce(states, table, target, self._drawing, self.calibration, bias)
        return losses.bpr(states, table, target, self._drawing, bias)
