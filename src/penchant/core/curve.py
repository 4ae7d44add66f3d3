"""How a summed weight counts: its logarithm up to a cap, or one whatever its size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from penchant.errors import ParameterError

Shape = Literal["raw", "log", "binary"]


@dataclass(frozen=True)
class Curve:
    """Turns the sum of the weights of one history and item into what it counts.

    ``log`` is ``log(1 + min(sum, cap))``; ``binary`` is 1. Sums below zero (dislikes) keep their sign.
    """

    shape: Shape
    cap: float | None = None  # of the sum, before the logarithm; None: no cap

    def __post_init__(self) -> None:
        if self.shape not in get_args(Shape):
            raise ParameterError(f"weights count 'raw', 'log' or 'binary', not {self.shape!r}")
        if self.cap is not None and not (np.isfinite(self.cap) and self.cap > 0):
            raise ParameterError(f"the cap of weights must be a finite number above 0, not {self.cap!r}")

    def of(self, sums: NDArray[np.floating]) -> NDArray[np.float64]:
        """What sums of weights count, of the same shape."""
        size = np.asarray(sums, dtype=np.float64)
        sign: NDArray[np.float64] = np.sign(size)
        if self.shape == "raw":
            return size
        if self.shape == "binary":
            return sign
        counted: NDArray[np.float64] = sign * np.log1p(np.minimum(np.abs(size), self.cap or np.inf))
        return counted
