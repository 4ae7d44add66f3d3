"""What the training loop needs of a model, so that the loop knows no model class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from penchant.core.histories import Floats, Histories, Longs

if TYPE_CHECKING:
    from torch import Tensor

LOOKS = 30  # evaluations of the held-out metric, at most, spread evenly: one may cost as much as a pass
SHARE = 0.1  # of the histories hold back their last event, where no cases are given
MOST_CASES = 5_000  # drawn at random from more

Tensors = Mapping[str, "Tensor"]
Arrays = dict[str, NDArray[Any]]


class Trainable(Protocol):
    """A model that learns named weights by gradient steps; ``kinds.base.Trainable`` is one."""

    name: ClassVar[str]
    uses_negatives: ClassVar[bool]
    epochs: int
    optimiser: str
    rate: float
    momentum: float
    reg: float
    warmup: float
    decay: str
    clip: float | None
    patience: int | None

    notes: list[str]
    history: list[dict[str, Any]]  # a record for every pass
    passes_done: float  # while training
    item_counts: Longs
    item_vectors: Floats
    input_vectors: Floats | None

    @property
    def predicts_ratings(self) -> bool:
        """Whether the held-out metric is the RMSE of ratings instead of NDCG."""
        ...

    @property
    def encoder_window(self) -> int | None:
        """Newest events that the encoder reads; None: all."""
        ...

    @property
    def vector_width(self) -> int:
        """The length of the encoder's vectors."""
        ...

    def params(self) -> dict[str, Any]:
        """The hyper-parameters by name."""
        ...

    def prepare(self, train: Histories) -> int:
        """Index the training events; returns how many there are to learn from in a pass."""
        ...

    def start_weights(self, rng: np.random.Generator) -> Arrays:
        """Tensors before the first step, float32."""
        ...

    def pass_steps(self, rng: np.random.Generator) -> Sequence[Any]:
        """The steps of one pass over the training events, as arguments of ``step_loss``."""
        ...

    def step_loss(self, weights: Tensors, step: Any) -> tuple[Tensor, int]:
        """The mean loss of a step, and its number of events."""
        ...

    def encode(self, weights: Tensors, *inputs: Tensor) -> Tensor:
        """The vectors of histories from what ``encoder_inputs`` returns, in that order."""
        ...

    def encoder_inputs(self, given: Histories, table: Floats) -> Arrays:
        """The encoder's inputs for histories that all have an event."""
        ...

    def batches(self, given: Histories, table: Floats) -> list[tuple[Longs, Arrays]]:
        """Rows that have an event, and the encoder's inputs for them."""
        ...

    def set_tables(self, weights: Arrays) -> None:
        """Set the learned tables from weights."""
        ...

    def score_vectors(self, vectors: Floats) -> Floats:
        """Scores of all items for vectors of histories, ``(rows, n_items)``."""
        ...
