"""An opinion: what a text says for and against, as a number, a probability and an interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
Z = 1.645  # standard errors of the interval: nine in ten of a binomial share lie within
WORDS = 3  # words of a text that are named


@dataclass(frozen=True, eq=False)
class Opinions:
    """The opinions of some texts; entry ``i`` of every array belongs to text ``i``."""

    probability: Doubles  # (n,) of a positive opinion
    low: Doubles  # (n,) the interval of the probability
    high: Doubles  # (n,)
    words: list[list[str]]  # (n,) those that decided it, the most important first

    @property
    def opinion(self) -> Doubles:
        """From -1, negative, to 1, positive: 2 ``probability`` - 1; shape ``(n,)``."""
        return 2 * self.probability - 1

    def __len__(self) -> int:
        return len(self.probability)


class Opiner(Protocol):
    """Whatever turns texts into opinions."""

    def score(self, texts: Sequence[object], *, words: int = WORDS) -> Opinions:
        """The opinion of each text, with at most ``words`` words that decided it."""
        ...


def weighed(margin: Doubles, balance: Doubles, evidence: Doubles, words: list[list[str]]) -> Opinions:
    """Opinions from log odds (``margin``), the sum of what speaks for and against (``balance``) and of its sizes
    (``evidence``).

    The interval is that of Wilson (1927) for a share p of n = 1 + balance² / evidence observations: evidence that
    agrees adds up, evidence that contradicts itself cancels. It is wide for mixed texts and for nearly empty ones.
    """
    p = 1 / (1 + np.exp(-np.clip(margin, -30, 30)))
    n = 1 + balance**2 / np.maximum(evidence, 1e-9)
    centre = (p + Z**2 / (2 * n)) / (1 + Z**2 / n)
    reach = Z * np.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2)) / (1 + Z**2 / n)
    low, high = np.minimum(centre - reach, p), np.maximum(centre + reach, p)
    return Opinions(p, np.clip(low, 0, 1), np.clip(high, 0, 1), words)
