"""Confidence intervals of means: percentile bootstrap over users, with the same draws for every model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from penchant.core.histories import Longs
from penchant.core.metrics import Doubles

DRAWS = 1_000
BLOCK_NUMBERS = 4_000_000  # drawn at once


@dataclass(frozen=True)
class Estimate:
    """A mean and its 95 % interval; None where there is nothing to average, or no interval is defined."""

    mean: float | None
    low: float | None = None
    high: float | None = None

    def to_json(self) -> dict[str, float | None]:
        return {"mean": self.mean, "low": self.low, "high": self.high}


def resample(sums: Doubles, counts: Doubles, *, draws: int = DRAWS, seed: int = 0) -> Doubles:
    """Bootstrap means, ``(draws, columns)``: each draw resamples all groups with replacement.

    ``sums`` and ``counts`` (groups, columns) hold what each group adds to the numerator and the denominator of each
    column's mean. The groups drawn depend only on their number and ``seed``, so columns are paired. A draw whose
    denominator is zero is NaN. Cost: draws × groups random numbers, and one matrix product per block of draws.
    """
    groups = len(sums)
    out = np.full((draws, sums.shape[1]), np.nan)
    if groups == 0:
        return out
    rng = np.random.default_rng(seed)
    size = max(1, BLOCK_NUMBERS // groups)
    for lo in range(0, draws, size):
        n = min(size, draws - lo)
        drawn = rng.integers(0, groups, size=(n, groups))
        drawn += np.arange(n)[:, None] * groups
        times = np.bincount(drawn.ravel(), minlength=n * groups).reshape(n, groups).astype(np.float64)
        above, below = times @ sums, times @ counts
        np.divide(above, below, out=out[lo : lo + n], where=below > 0)
    return out


def by_group(values: Doubles, group: Longs) -> Doubles:
    """Column sums of ``values`` (cases, columns) over the cases of each group, ``(groups, columns)``."""
    _, inverse = np.unique(group, return_inverse=True)
    groups = int(inverse.max()) + 1 if len(inverse) else 0
    out = np.zeros((groups, values.shape[1]))
    for column in range(values.shape[1]):
        out[:, column] = np.bincount(inverse, weights=values[:, column], minlength=groups)
    return out


def estimates(sums: Doubles, counts: Doubles, means: Doubles, *, roots: Sequence[bool] | None = None) -> list[Estimate]:
    """Column means with the 2.5th and 97.5th percentile of their bootstrap ``means``; square roots where ``roots``."""
    out = []
    for column in range(sums.shape[1]):
        total = counts[:, column].sum()
        if total == 0:
            out.append(Estimate(None))
            continue
        mean = sums[:, column].sum() / total
        drawn = means[:, column]
        drawn = drawn[~np.isnan(drawn)]
        low, high = np.percentile(drawn, [2.5, 97.5]) if len(drawn) else (mean, mean)
        if roots is not None and roots[column]:
            mean, low, high = np.sqrt(mean), np.sqrt(low), np.sqrt(high)
        out.append(Estimate(float(mean), float(low), float(high)))
    return out


def ends(difference: Doubles) -> tuple[float, float]:
    """The 2.5th and 97.5th percentile of paired differences that can be told; zeros where none can."""
    told = difference[~np.isnan(difference)]
    if not len(told):
        return 0.0, 0.0
    low, high = np.percentile(told, [2.5, 97.5])
    return float(low), float(high)


def not_worse(means: Doubles, best: Doubles, *, lower_is_better: bool = False) -> bool:
    """Whether the 95 % interval of the paired difference to the best includes 0, or lies above it."""
    difference = (best - means) if not lower_is_better else (means - best)
    difference = difference[~np.isnan(difference)]
    return len(difference) == 0 or bool(np.percentile(difference, 2.5) <= 0)
