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
    """Tensors, gradients and steps are float32 always; the factors of the largest products may be rounded.

    Not by default: what the next processor or another number of threads sums up differently in its last digit, rounding
    to bfloat16 now and then makes a difference in the third.
    """

    precision: str = hyper(
        "float32",
        "of the factors in the largest products of training; auto: bfloat16 where the processor multiplies it",
        choices=CHOICES,
        other="bfloat16",
    )

    def _short(self, device: torch.device) -> bool:
        """Whether the factors are rounded to bfloat16; by itself only on processors that multiply it natively."""
        return self.precision == "bfloat16" or (self.precision == "auto" and device.type == "cpu" and native())
