"""How exactly the products of a loss over all items are formed: most of training is spent in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from penchant.models.kinds.base import hyper
from penchant.models.neural.kinds.base import NeuralModel

if TYPE_CHECKING:
    import torch
    from torch import Tensor

CHOICES = ("float32", "auto", "bfloat16")


@dataclass(kw_only=True)
class PreciseModel(NeuralModel):
    """Weights, gradients and steps are float32 always; the factors of the largest products may be rounded.

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


def dense(x: Tensor, weight: Tensor, bias: Tensor, short: bool) -> Tensor:
    """A layer, ``x @ weight + bias``; ``short``: the factors are rounded to bfloat16, there and on the way back."""
    import torch

    if not short:
        return torch.addmm(bias, x, weight)
    return bias + x.to(torch.bfloat16) @ weight.to(torch.bfloat16)


def native() -> bool:
    """Whether this processor multiplies bfloat16 itself: where it does not, that is many times slower than float32."""
    import torch

    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))
