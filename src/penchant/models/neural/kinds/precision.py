"""Models that may round the factors of their largest products: most of training is spent in those."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from penchant.models.kinds.base import hyper
from penchant.models.neural.kinds.base import NeuralModel
from penchant.models.neural.parts.precision import native

if TYPE_CHECKING:
    import torch

CHOICES = ("float32", "auto", "bfloat16")


@dataclass(kw_only=True)
class PreciseModel(NeuralModel):
    """Weights, gradients and steps are always float32; the factors of the largest products may be rounded.

    Off by default: where another processor or number of threads changes the last digit of a sum, rounding to bfloat16
    may change the third.
    """

    precision: str = hyper(
        "float32",
        "of the factors in the largest products of training; auto: bfloat16 where the processor supports it natively",
        choices=CHOICES,
        other="bfloat16",
    )

    def _short(self, device: torch.device) -> bool:
        """Whether the factors are rounded to bfloat16; with ``auto``, only on processors with native support."""
        return self.precision == "bfloat16" or (self.precision == "auto" and device.type == "cpu" and native())
