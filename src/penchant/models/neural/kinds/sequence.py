"""Neural models over the order of a history: a state after every event, and the next item as the target."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from penchant.core.histories import Histories, Longs
from penchant.models.kinds.base import Space, Task, hyper
from penchant.models.neural.kinds.base import NeuralModel
from penchant.models.neural.kinds.retrieval import RetrievalModel
from penchant.models.neural.parts.passages import Passages, Sequences
from penchant.models.neural.training.trainable import Tensors

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(kw_only=True)
class SequenceModel(NeuralModel):
    """Every event of a passage has a state computed from it and the events before; a subclass defines the states."""

    task: ClassVar[Task] = "sequence"
    window: int = hyper(50, "newest events that are read", ge=1, space=Space(10, 200, log=True), other=2)

    _sequences: Sequences | None = field(init=False, default=None, repr=False, compare=False)

    @property
    def encoder_window(self) -> int:
        """Newest events that the encoder reads."""
        return self.window

    @property
    def reads_times(self) -> bool:
        """Whether the network is given the times of events."""
        return False

    @abstractmethod
    def _states(self, weights: Tensors, passages: Passages) -> Tensor:
        """The state after every event, ``(events, width)``, with dropout."""

    def prepare(self, train: Histories) -> int:
        self._sequences = Sequences(train, self.window, times=self.reads_times and train.times is not None)
        if len(self._sequences) == 0:
            self.notes.append("no history has two events, so nothing was learned")
        return self._sequences.positions

    def release(self) -> None:
        super().release()
        self._sequences = None

    def pass_steps(self, rng: np.random.Generator) -> Sequence[Longs]:
        assert self._sequences is not None
        return self._sequences.steps(rng, self.batch)


@dataclass(kw_only=True)
class NextItemModel(SequenceModel, RetrievalModel):
    """Every event of a passage predicts the next item; ``items`` among the weights are the items' vectors."""

    def _items(self, weights: Tensors) -> Tensor:
        """The vectors of all items, ``(n_items, factors)``: the learned ones, unless a model adds to them."""
        return weights["items"]

    def prepare(self, train: Histories) -> int:
        self._look_at_shown(train)
        return super().prepare(train)

    def step_loss(self, weights: Tensors, step: Longs) -> tuple[Tensor, int]:
        import torch

        assert self._sequences is not None
        passages = self._sequences.take(step)
        weights = {**weights, "items": self._items(weights)}
        states = self._states(weights, passages)
        target = torch.from_numpy(passages.targets).long().to(states.device)
        rows = self._sequences.rows(step)
        return self._item_loss(states, weights["items"], target, weights.get("items.b"), rows=rows), len(target)
