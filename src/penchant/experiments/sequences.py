"""Confidence sequences: intervals of a mean that hold at every look, however often one looks."""

from __future__ import annotations

import math

import numpy as np

from penchant.core.metrics import Doubles
from penchant.errors import ParameterError

ALPHA = 0.05  # the chance that a sequence ever misses the truth


def rate(planned: float, alpha: float = ALPHA) -> float:
    """The ρ² of a sequence that is as narrow as possible after ``planned`` units.

    The squared bound (1 + 1/x)(ln(1 + x) + 2 ln(1/α)), x = nρ², is least where x = 2 ln(1/α) + ln(1 + x).
    Raises ``ParameterError`` for fewer than one unit, or an ``alpha`` outside (0, 1).
    """
    if not planned >= 1:
        raise ParameterError(f"an experiment is planned for at least one unit, not {planned:g}")
    if not 0 < alpha < 1:
        raise ParameterError(f"alpha lies between 0 and 1, not {alpha:g}")
    x = start = 2 * math.log(1 / alpha)
    for _ in range(50):  # a contraction: its slope 1/(1 + x) is below 1
        x = start + math.log1p(x)
    return x / planned


def bound(units: Doubles | float, planned: float, alpha: float = ALPHA) -> Doubles:
    """How many standard errors the mean of so many units lies from the truth at most, at every look with chance 1 - α.

    √((1 + 1/x)(ln(1 + x) + 2 ln(1/α))), x = nρ²: the asymptotic confidence sequence of I. Waudby-Smith, D. Arbour,
    R. Sinha, E. H. Kennedy and A. Ramdas, "Time-uniform central limit theory and asymptotic confidence sequences"
    (Annals of Statistics, 2024), with ρ² from ``rate``. Infinite for no unit.
    """
    x = np.asarray(units, dtype=np.float64) * rate(planned, alpha)
    with np.errstate(divide="ignore"):
        return np.asarray(np.sqrt((1 + 1 / x) * (np.log1p(x) + 2 * math.log(1 / alpha))))


def chance(errors: Doubles | float, units: Doubles | float, planned: float, alpha: float = ALPHA) -> Doubles:
    """The least α whose sequence, tuned for ``alpha``, would exclude a truth that lies so many standard errors away.

    min(1, √(1 + x) exp(-z² x / 2(1 + x))): a p value that holds at every look.
    """
    x = np.asarray(units, dtype=np.float64) * rate(planned, alpha)
    squared = np.square(np.asarray(errors, dtype=np.float64))
    return np.asarray(np.minimum(1.0, np.sqrt(1 + x) * np.exp(-squared * x / (2 * (1 + x)))))
