"""Logistic matrix factorisation: the probability of an event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from penchant.models.kinds.base import Space, hyper
from penchant.models.kinds.sampled import SampledModel


@dataclass(kw_only=True)
class LogisticMF(SampledModel):
    """The probability that a history holds an item, by logistic regression of both sides on each other.

    max Σ_{(u,i)} w · log σ(s_ui) + Σ_{(u,i)} Σ_{j of the drawn} log σ(−s_uj) − reg · |·|²,  s_ui = x_u·y_i + b_i

    Johnson 2014. What differs: instead of every pair without an event, ``negatives`` of them are drawn for each event,
    so that each represents many; Adagrad with one number a vector; steps are scheduled as in ``SampledModel``, so that
    results do not depend on threads. A history is folded in by the same steps with fixed items.

    Cost an epoch for E events: O(E · factors · (1 + negatives)). Memory: 4 · factors bytes a row and item. An empty
    history scores the item biases.
    """

    name: ClassVar[str] = "logistic-mf"
    loss: ClassVar[int] = 2

    negatives: int = hyper(
        8, "items without the history drawn for each event", ge=1, space=Space(2, 40, log=True), other=2
    )

    def _tries(self) -> int:
        return self.negatives
