"""WARP: search for a wrongly ranked item; the faster it is found, the larger the step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from penchant.models.kinds.base import Space, hyper
from penchant.models.kinds.sampled import SampledModel


@dataclass(kw_only=True)
class WARP(SampledModel):
    """Weighted approximate-rank pairwise loss: precision at the top of the list.

    min Σ_{(u,i)} w · log(1 + rank_u(i)) · (1 − s_ui + s_uj)₊ + reg · |·|²,  s_ui = x_u·y_i + b_i,
    where j is the first drawn item without u with s_uj > s_ui − 1, after t draws, and rank_u(i) ≈ (n − 1) / t.
    With ``shown`` = α a draw comes with the chance α from what u was shown and did not take, and counts like any other.

    Weston, Bengio and Usunier 2011. What differs: Adagrad with one number a vector; steps are scheduled as
    ``SampledModel`` says, so that results do not depend on threads. A history is folded in by the same steps with
    fixed items.

    Cost an epoch for E events: O(E · factors · draws), few draws at first, up to ``tries`` at the end. Memory:
    4 · factors bytes a row and item. An empty history scores the item biases.
    """

    name: ClassVar[str] = "warp"
    loss: ClassVar[int] = 1

    tries: int = hyper(
        30, "draws for a wrongly ranked item before an event is skipped", ge=1, space=Space(5, 100), other=1
    )

    def _tries(self) -> int:
        return self.tries
