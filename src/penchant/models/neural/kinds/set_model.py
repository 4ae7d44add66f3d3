"""Neural models over the set of a history: training steps take whole histories, with each item once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from penchant.core.histories import Floats, Histories, Longs
from penchant.core.run import Run
from penchant.models.neural.kinds.base import NeuralModel
from penchant.models.parts.repeats import one_row_an_item

if TYPE_CHECKING:
    from torch import Tensor

    from penchant.core.split import Split


@dataclass(frozen=True, eq=False)
class SetBatch:
    """Some histories as tensors: the row, item and, if any, value of every event."""

    rows: Tensor  # (events,)
    items: Tensor  # (events,)
    lengths: Tensor  # (rows,) float
    values: Tensor | None  # (events,)


@dataclass(kw_only=True)
class SetModel(NeuralModel):
    """Steps of whole histories in random order, as many as have ``batch`` events on average.

    Their number is the same in every step, or one less: matrix products of a new shape must be compiled.
    """

    _train: Histories | None = field(init=False, default=None, repr=False, compare=False)

    def _fit(self, train: Histories, valid: Split | None, run: Run) -> None:
        super()._fit(one_row_an_item(train, run.rng()), valid, run)

    def prepare(self, train: Histories) -> int:
        self._train = train[np.flatnonzero(train.lengths > 0)]
        return len(self._train.items)

    def release(self) -> None:
        super().release()
        self._train = None

    def pass_steps(self, rng: np.random.Generator) -> Sequence[Longs]:
        assert self._train is not None
        order = rng.permutation(len(self._train))
        steps = max(1, round(len(self._train.items) / self.batch))
        return np.array_split(order, min(steps, len(order)))

    def _batch_of(self, step: Longs, device: object) -> SetBatch:
        import torch

        assert self._train is not None
        part = self._train[step]
        values = None if part.values is None else torch.from_numpy(part.values).to(device)
        return SetBatch(
            torch.from_numpy(part.rows).to(device),
            torch.from_numpy(part.items).long().to(device),
            torch.from_numpy(part.lengths.astype(np.float32)).to(device),
            values,
        )

    def batches(self, given: Histories, table: Floats) -> list[tuple[Longs, dict[str, np.ndarray]]]:
        """As in ``NeuralModel``, with each item once."""
        return super().batches(given.distinct(), table)


def pooled(inputs: tuple[Tensor, ...], power: float) -> Tensor:
    """Sum of a history's vectors over length^power, ``(rows, width)``: positions after its end are zero."""
    vectors, lengths = inputs
    return vectors.sum(1) / lengths[:, None].to(vectors.dtype) ** power
