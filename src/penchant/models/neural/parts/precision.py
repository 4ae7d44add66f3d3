"""Products whose factors may be rounded to bfloat16."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def dense(x: Tensor, weight: Tensor, bias: Tensor, short: bool) -> Tensor:
    """A layer, ``x @ weight + bias``; ``short``: the factors are rounded to bfloat16, forwards and backwards."""
    import torch

    if not short:
        return torch.addmm(bias, x, weight)
    return bias + x.to(torch.bfloat16) @ weight.to(torch.bfloat16)


def native() -> bool:
    """Whether this processor supports bfloat16 natively; without that it is many times slower than float32."""
    import torch

    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))
