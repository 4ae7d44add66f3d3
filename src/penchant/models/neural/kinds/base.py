"""The base of all neural models: named weights, a loss of steps, and an encoder from a history to a vector."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from penchant.core.cost import Cost
from penchant.core.histories import Floats, Histories
from penchant.core.log_shape import LogShape
from penchant.core.run import Run
from penchant.errors import MissingExtraError
from penchant.models.kinds.base import Space, hyper, learned
from penchant.models.kinds.iterative import Iterative
from penchant.models.kinds.vector import VectorModel
from penchant.models.neural.parts.encoder import ENCODER, Encoder
from penchant.models.neural.training.trainable import LOOKS, MOST_CASES, SHARE, Arrays, Tensors

if TYPE_CHECKING:
    from torch import Tensor

    from penchant.core.split import Split

CELLS = 2**22  # numbers in the history vectors that the encoder gets at once: 16 MiB


@dataclass(kw_only=True)
class NeuralModel(VectorModel, Iterative):
    """Weights learned by gradient steps; score = encoder(vectors of the history) @ item_vectors.T (+ item_bias)."""

    uses_device: ClassVar[bool] = True
    assets_needed: ClassVar[tuple[str, ...]] = (ENCODER,)

    factors: int = hyper(64, "length of the item vectors", ge=1, space=Space(32, 128, log=True), other=6)
    dropout: float = hyper(
        0.2, "share of activations dropped in training", ge=0, le=0.99, space=Space(0, 0.6), other=0.5
    )
    epochs: int = hyper(100, "passes over the training events, at most", ge=1, other=2)
    batch: int = hyper(2048, "events per step", ge=1, space=Space(512, 8192, log=True), other=150)
    optimiser: str = hyper(
        "adam",
        "optimiser; gd: one step per pass, on the full gradient",
        choices=("adam", "adamw", "adagrad", "momentum", "sgd", "gd"),
        other="adagrad",
    )
    rate: float = hyper(1e-3, "learning rate", gt=0, space=Space(3e-4, 1e-2, log=True), other=0.03)
    momentum: float = hyper(
        0.9, "share of the last step that is kept", ge=0, le=0.999, other=0.5, when={"optimiser": "momentum"}
    )
    reg: float = hyper(0.0, "weight decay", ge=0, space=Space(1e-6, 1e-2, log=True), other=0.01)
    warmup: float = hyper(0.0, "passes over which the learning rate rises", ge=0, other=2.0)
    decay: str = hyper(
        "none", "how the learning rate falls after that", choices=("none", "linear", "cosine"), other="linear"
    )
    clip: float | None = hyper(
        5.0, "largest norm of a step's gradient; none: no limit", gt=0, optional=True, was={0: None}, other=0.01
    )
    patience: int | None = hyper(
        10, "passes without a better held-out NDCG@10 before training stops; none: it never stops early", ge=1,
        optional=True, was={0: None},
    )  # fmt: skip

    history: list[dict[str, Any]] = field(
        init=False, default_factory=list, repr=False, compare=False
    )  # a record per pass
    passes_done: float = field(init=False, default=0.0, repr=False, compare=False)  # passes so far, while training
    input_vectors: Floats | None = (
        learned()
    )  # (n_items, width) the item vectors that the encoder reads; None: item_vectors

    # -- what a model writes ----------------------------------------------------------------------------------------

    @abstractmethod
    def start_weights(self, rng: np.random.Generator) -> Arrays:
        """Weights before the first step, float32."""

    @abstractmethod
    def pass_steps(self, rng: np.random.Generator) -> Sequence[Any]:
        """The steps of one pass over the training events, as arguments of ``step_loss``."""

    @abstractmethod
    def step_loss(self, weights: Tensors, step: Any) -> tuple[Tensor, int]:
        """The mean loss of a step, and its number of events."""

    @abstractmethod
    def encode(self, weights: Tensors, *inputs: Tensor) -> Tensor:
        """The exported encoder: vectors ``(rows, vector_width)`` from the ``encoder_inputs``, in their order."""

    @abstractmethod
    def prepare(self, train: Histories) -> int:
        """Index the training events; returns how many a pass learns from."""

    @abstractmethod
    def work(self, log: LogShape) -> tuple[float, float]:
        """How many weights there are, and the multiplications of a pass forward over a log of that shape."""

    def release(self) -> None:
        """Release what ``prepare`` keeps."""

    def encoder_inputs(self, given: Histories, table: Floats) -> Arrays:
        """The inputs of the encoder, shaped by the longest history of the batch; every row has an event.

        ``vectors`` (rows, length, width), zeros after a row's last event, and ``lengths`` (rows,).
        """
        lengths = given.lengths
        vectors = np.zeros((len(given), int(lengths.max()), table.shape[1]), dtype=np.float32)
        vectors[np.arange(vectors.shape[1]) < lengths[:, None]] = table[given.items]
        return {"vectors": vectors, "lengths": lengths}

    def tables_of(self, weights: Arrays) -> tuple[Floats, Floats | None, Floats | None]:
        """item_vectors, item_bias and input_vectors from the weights."""
        return weights["items"], None, None

    @property
    def encoder_window(self) -> int | None:
        """Newest events that the encoder reads; None: all."""
        return None

    @property
    def predicts_ratings(self) -> bool:
        """Whether training stops by the RMSE of ratings instead of NDCG."""
        return self.task == "rating"

    # -- training ---------------------------------------------------------------------------------------------------

    def _fit(self, train: Histories, valid: Split | None, run: Run) -> None:
        require_torch(self.name)
        from penchant.models.neural.training.export import export
        from penchant.models.neural.training.loop import learn

        self.assets, self.history = {}, []
        try:
            weights = learn(self, train, valid, run)
            self.set_tables(weights)
        finally:
            self.release()
        self.assets = {ENCODER: export(self, weights)}

    def set_tables(self, weights: Arrays) -> None:
        """Set the learned tables."""
        tables = (None if table is None else np.ascontiguousarray(table) for table in self.tables_of(weights))
        self.item_vectors, self.item_bias, self.input_vectors = tables  # type: ignore[assignment]  # the first is never None

    def cost(self, log: LogShape) -> Cost:
        """As in ``Model``."""
        weights, forward = self.work(log)
        steps = self.epochs * (1.0 if self.optimiser == "gd" else max(1.0, log.events / self.batch))
        looks = min(self.epochs, LOOKS) if self.patience else 0
        seen = looks * min(MOST_CASES, SHARE * log.users) * float(self.factors) * log.items
        fit = {
            "export": 1.0,
            "multiplications": self.epochs * forward + seen / 3,
            "events": self.epochs * log.events,
            "steps": steps,
            "updates": steps * weights,
        }
        tables = float(self.factors) * log.items
        answer = {"histories": 1.0, "cells": tables}
        copies = 6 if self.patience else 5  # weights, gradient, two moments, what is exported; the best so far
        return Cost(
            fit,
            8 * tables,
            4 * copies * weights + 60 * log.events + self.batch_bytes(log),
            answer,
            at_most=bool(self.patience),
        )

    def batch_bytes(self, log: LogShape) -> float:
        """What the activations of a step take at most; most where every event is compared with every item."""
        return 12.0 * self.batch * self.compared(log)

    def compared(self, log: LogShape) -> float:
        """The items that every event of a step is compared with."""
        return float(self.factors)

    # -- answers ----------------------------------------------------------------------------------------------------

    def embed(self, given: Histories) -> Floats:
        """Vectors of histories by the exported encoder, ``(len(given), width)``; zeros for an empty history.

        Raises ``MissingExtraError`` where ONNX Runtime is not installed.
        """
        out = np.zeros((len(given), self.vector_width), dtype=np.float32)
        table = self.item_vectors if self.input_vectors is None else self.input_vectors
        for rows, inputs in self.batches(given, table):
            out[rows] = self._encoder().run(inputs)
        return out

    @property
    def vector_width(self) -> int:
        """The length of the encoder's vectors."""
        return int(self.item_vectors.shape[1])

    def batches(self, given: Histories, table: Floats) -> list[tuple[NDArray[np.int64], Arrays]]:
        """Rows with an event, grouped by similar length, and the encoder's inputs for them."""
        given = given.newest(self.encoder_window)
        rows = np.flatnonzero(given.lengths > 0)
        rows = rows[np.argsort(given.lengths[rows], kind="stable")]
        cells = np.cumsum(given.lengths[rows]) * table.shape[1] // CELLS
        parts = np.split(rows, np.flatnonzero(np.diff(cells)) + 1) if len(rows) else []
        return [(part, self.encoder_inputs(given[part], table)) for part in parts]

    def _encoder(self) -> Encoder:
        return Encoder.of(self.assets[ENCODER])


def require_torch(what: str) -> None:
    """Raises ``MissingExtraError`` where torch is not installed."""
    try:
        import torch  # noqa: F401  # only whether it is there
    except ModuleNotFoundError as missing:
        if missing.name != "torch":
            raise
        raise MissingExtraError("neural", f"training {what}") from None


def normal(rng: np.random.Generator, *shape: int, scale: float) -> Floats:
    """Normal random numbers, clipped at two standard deviations."""
    return np.clip(rng.standard_normal(shape, dtype=np.float32), -2, 2) * np.float32(scale)


def glorot(rng: np.random.Generator, inward: int, outward: int) -> Floats:
    """A dense layer's matrix ``(inward, outward)``, uniform as in Glorot and Bengio (2010)."""
    bound = np.sqrt(6 / (inward + outward))
    return rng.uniform(-bound, bound, (inward, outward)).astype(np.float32)


def unit(table: Floats) -> Floats:
    """Rows scaled to length one; a row of zeros stays."""
    return np.asarray(table / np.maximum(np.linalg.norm(table, axis=1, keepdims=True), 1e-12), dtype=np.float32)
