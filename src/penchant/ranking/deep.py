"""A factorisation machine and a network over the same vectors, as a second stage."""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from penchant.core.histories import Floats
from penchant.core.log_shape import LogShape
from penchant.core.run import Run
from penchant.errors import FormatError, TrainingError
from penchant.models.kinds.base import Space, hyper, learned
from penchant.ranking.encoding import Rows
from penchant.ranking.factored import Factored
from penchant.ranking.network import LAYERS, Network, descend

CELLS = 2**22  # numbers of field vectors held at once


@dataclass(kw_only=True)
class Deep(Factored, ABC):
    """A factorisation machine plus two dense layers over the vectors of all its fields."""

    uses_device: ClassVar[bool] = True  # whatever the members are
    beyond: ClassVar[tuple[str, ...]] = ("id.network",)

    rate: float = hyper(0.1, "the first step", gt=0, le=2, space=Space(0.02, 0.5, log=True), other=0.02)
    hidden: int = hyper(32, "width of the first dense layer, twice that of the second", ge=2, le=1024, other=8)
    dropout: float = hyper(0.1, "share of the inputs that a step leaves out", ge=0, le=0.9, other=0.6)

    first: Floats = learned()  # (fields · factors, hidden)
    first_bias: Floats = learned()  # (hidden,)
    second: Floats = learned()  # (hidden, hidden // 2)
    second_bias: Floats = learned()  # (hidden // 2,)
    last: Floats = learned()  # (hidden // 2,)

    def descend(self, rows: Sequence[Rows], targets: Sequence[Floats], run: Run) -> None:
        """As in ``Factored``, by torch, from the extra ``neural``: answers do without it."""
        fields = self.encoding.fields(self.statistics)
        start = self._start(fields, run)
        found = descend(
            rows, targets, {"linear": self.linear, "vectors": self.vectors, **start}, fields=fields,
            softmax=self.softmax, epochs=self.epochs, rate=self.rate, reg=self.reg, dropout=self.dropout, run=run,
        )  # fmt: skip
        for name, array in found.items():
            if not np.isfinite(array).all():
                raise TrainingError(f"{self.name}: what it learns is no longer a number: lower rate")
            setattr(self, name, array)

    def _start(self, fields: int, run: Run) -> Network:
        rng, h = np.random.default_rng([run.seed, 1]), self.hidden
        sizes = {"first": (fields * self.factors, h), "second": (h, h // 2), "last": (h // 2, 1)}
        start = {name: (rng.standard_normal(size) * size[0] ** -0.5).astype(np.float32) for name, size in sizes.items()}
        biases = {"first_bias": np.zeros(h, np.float32), "second_bias": np.zeros(h // 2, np.float32)}
        return {**start, **biases, "last": start["last"][:, 0]}

    def add(self, rows: Rows, out: NDArray[np.float64]) -> None:
        """The sum of both."""
        super().add(rows, out)
        size = self.encoding.fields(self.statistics) * self.factors
        for some, pairs in rows.parts(max(1, CELLS // size)):
            vectors, _ = self.field_vectors(some)
            hidden = np.maximum(vectors.reshape(len(vectors), -1) @ self.first + self.first_bias, 0)
            out[pairs] += np.maximum(hidden @ self.second + self.second_bias, 0) @ self.last

    def of_each(self, vectors: Floats, flat: NDArray[np.float64]) -> NDArray[np.float64]:
        """What each field adds to the machine, and to the network as far as it is linear there; then the rest of it."""
        wide = vectors.reshape(len(vectors), -1).astype(np.float64)
        one = wide @ self.first + self.first_bias
        two = np.maximum(one, 0) @ self.second + self.second_bias
        slope = (((two > 0) * self.last) @ self.second.T * (one > 0)) @ self.first.T
        of_field = (slope * wide).reshape(vectors.shape).sum(axis=2)
        rest = np.maximum(two, 0) @ self.last - of_field.sum(axis=1)
        return np.concatenate([super().of_each(vectors, flat) + of_field, rest[:, None]], axis=1)

    def work(self, log: LogShape, rows: float) -> tuple[dict[str, float], float]:
        """As in ``Factored``, and the layers."""
        steps, held = super().work(log, rows)
        products = steps["products"] * self.hidden
        return {"layers": products}, held

    def check_loaded(self) -> None:
        """As in ``Factored``, and layers that fit it."""
        super().check_loaded()
        layers = [getattr(self, name) for name in LAYERS]
        if self.is_blank:
            return
        width = self.encoding.fields(self.statistics) * self.vectors.shape[1]
        h, half = self.hidden, self.hidden // 2
        shapes = [(width, h), (h,), (h, half), (half,), (half,)]
        if any(one is None or one.shape != shape for one, shape in zip(layers, shapes, strict=True)):
            raise FormatError(f"{self.name}: the layers are not over its fields")
