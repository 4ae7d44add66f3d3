"""Two arms compared: differences of means and of ratios, less what people did before, at any number of looks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from penchant.core.histories import Bools
from penchant.core.metrics import Doubles
from penchant.errors import ParameterError
from penchant.experiments.sequences import ALPHA, bound, chance

VALUE, BASE, BEFORE = range(3)  # the columns of a unit


@dataclass(frozen=True)
class Moments:
    """Sums over the units of an arm; each may have leading axes, one entry a look.

    A unit has a value, a base and what it did before. The metric is Σ value / Σ base: a mean where the base is 1, else
    a ratio (clicks to lists shown).
    """

    units: Doubles  # (...)
    sums: Doubles  # (..., 3)
    products: Doubles  # (..., 3, 3)

    @classmethod
    def of(
        cls, value: Doubles, base: Doubles | None = None, before: Doubles | None = None, *, own: Bools | None = None
    ) -> Moments:
        """Of units in the order in which their windows closed: entry ``i`` holds those of the first ``i + 1``.

        ``own`` marks the units of this arm, so that the looks of two arms are the same moments. Raises
        ``ParameterError`` unless all have one length and are finite. Cost: about 200 bytes a unit.
        """
        n = len(value)
        mask = np.ones(n) if own is None else own.astype(np.float64)
        columns = [value, np.ones(n) if base is None else base, np.zeros(n) if before is None else before, mask]
        if any(len(column) != n for column in columns):
            raise ParameterError("values, bases and what was before have one entry a unit each")
        table = np.stack(columns[:3], axis=1).astype(np.float64)
        if not np.isfinite(table).all():
            raise ParameterError("the outcome of a unit is a finite number")
        table *= mask[:, None]
        products = table[:, :, None] * table[:, None, :]
        return cls(np.cumsum(mask), np.cumsum(table, axis=0), np.cumsum(products, axis=0))

    def at(self, look: int | slice | np.ndarray) -> Moments:
        """The sums at some looks."""
        return Moments(self.units[look], self.sums[look], self.products[look])

    @property
    def metric(self) -> Doubles:
        """Σ value / Σ base; zero where there is no base."""
        base = self.sums[..., BASE]
        return np.divide(self.sums[..., VALUE], base, out=np.zeros_like(base), where=base != 0)

    def covariance(self) -> Doubles:
        """Of the three columns, ``(..., 3, 3)``."""
        n = np.maximum(self.units, 1.0)[..., None, None]
        means = self.sums / n[..., 0]
        spread = self.products / n - means[..., :, None] * means[..., None, :]
        return np.asarray(spread * (n / np.maximum(n - 1, 1.0)))

    def direction(self) -> Doubles:
        """What turns a unit's columns into its share in the metric, (value - metric · base) / mean base: the delta
        method."""
        mean_base = self.sums[..., BASE] / np.maximum(self.units, 1.0)
        scale = np.divide(1.0, mean_base, out=np.zeros_like(mean_base), where=mean_base != 0)
        return np.stack([scale, -self.metric * scale, np.zeros_like(scale)], axis=-1)


@dataclass(frozen=True)
class Effects:
    """What an arm changes against another, with intervals that hold at every look; each an entry a look."""

    control: Doubles  # the metric there
    treatment: Doubles
    difference: Doubles  # treatment - control, less what was different before
    error: Doubles  # its standard error
    low: Doubles
    high: Doubles
    chance: Doubles  # a p value that holds at every look
    kept: Doubles  # share of the variance that is left after what was before is taken off


def compare(control: Moments, treatment: Moments, *, planned: float, alpha: float = ALPHA) -> Effects:
    """The difference between two arms at every look, as an asymptotic confidence sequence.

    Means and ratios are linearised by the delta method, by unit, so that several lists of one person count as one unit
    (A. Deng, U. Knoblich and J. Lu, KDD 2018). What units did before is taken off by the regression over both arms
    (A. Deng, Y. Xu, R. Kohavi and T. Walker, "CUPED", WSDM 2013). ``planned`` is the number of units of both arms for
    which the intervals are narrowest. Cost: a few operations a look. An arm without units has endless intervals.
    """
    arms, n = (control, treatment), control.units + treatment.units
    covariances, directions = [arm.covariance() for arm in arms], [arm.direction() for arm in arms]
    of = [np.maximum(arm.units, 1.0) for arm in arms]
    own = [np.einsum("...i,...ij,...j->...", d, c, d) for c, d in zip(covariances, directions, strict=True)]
    with_before = [
        np.einsum("...i,...i->...", c[..., BEFORE, :], d) for c, d in zip(covariances, directions, strict=True)
    ]
    spread = [c[..., BEFORE, BEFORE] for c in covariances]
    total = spread[0] / of[0] + spread[1] / of[1]
    joint = with_before[0] / of[0] + with_before[1] / of[1]
    slope = np.divide(joint, total, out=np.zeros_like(total), where=total > 0)
    raw = own[0] / of[0] + own[1] / of[1]
    variance = np.maximum(raw - slope * joint, 0.0)
    before = [arm.sums[..., BEFORE] / size for arm, size in zip(arms, of, strict=True)]
    difference = treatment.metric - control.metric - slope * (before[1] - before[0])
    error = np.sqrt(variance)
    empty = (control.units < 1) | (treatment.units < 1) | (error == 0)
    radius = np.where(empty, np.inf, error * bound(n, planned, alpha))
    errors = np.divide(difference, error, out=np.zeros_like(difference), where=~empty)
    return Effects(
        control.metric, treatment.metric, difference, error, difference - radius, difference + radius,
        chance(errors, n, planned, alpha), np.divide(variance, raw, out=np.ones_like(raw), where=raw > 0),
    )  # fmt: skip


def against_zero(units: Moments, *, planned: float, alpha: float = ALPHA) -> Effects:
    """Whether a mean over units is zero, at every look: the preference for one of two interleaved rankings."""
    direction, n = units.direction(), np.maximum(units.units, 1.0)
    variance = np.einsum("...i,...ij,...j->...", direction, units.covariance(), direction) / n
    error, mean = np.sqrt(np.maximum(variance, 0.0)), units.metric
    empty = (units.units < 1) | (error == 0)
    radius = np.where(empty, np.inf, error * bound(n, planned, alpha))
    errors = np.divide(mean, error, out=np.zeros_like(mean), where=~empty)
    ones, zeros = np.ones_like(mean), np.zeros_like(mean)
    return Effects(zeros, mean, mean, error, mean - radius, mean + radius, chance(errors, n, planned, alpha), ones)
