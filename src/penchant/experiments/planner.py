"""How many units an experiment needs for an effect, and how long that takes."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any

from penchant.errors import ParameterError
from penchant.experiments.sequences import ALPHA, rate

POWER = 0.8


@dataclass(frozen=True)
class Needed:
    """Units of both arms together."""

    fixed: int  # looked at once, at the end
    units: int  # looked at all the time: by then it is found with this power, mostly much sooner
    days: float | None  # for ``units``

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def units_needed(
    mean: float, spread: float, effect: float, *, share: float = 0.5, alpha: float = ALPHA, power: float = POWER,
    kept: float = 1.0, tests: int = 1, a_day: float | None = None,
) -> Needed:  # fmt: skip
    """The units after which a relative ``effect`` on a metric of this mean and standard deviation is found.

    n = (z + z_power)² σ² kept / (share (1 - share) δ²), δ = mean · effect, with z = z_{1 - α/2} for one look at the end
    and the bound of the sequence for looks all the time. ``kept`` is the share of variance that is left after what
    units did before; ``tests`` is the number of comparisons that are corrected for. Raises ``ParameterError`` for an
    effect, mean, spread, share or power that cannot be.
    """
    if not (effect > -1 and effect != 0 and mean > 0 and spread > 0):
        raise ParameterError("a plan needs a mean and a spread above 0, and an effect that is not 0 (0.05 is 5 % more)")
    if not (0 < share < 1 and 0 < alpha < 1 and alpha / 2 < power < 1 and 0 < kept <= 1 and tests >= 1):
        raise ParameterError("share, alpha and power lie between 0 and 1, kept in (0, 1], and tests is at least 1")
    if a_day is not None and not a_day > 0:
        raise ParameterError("the units a day are above 0")
    each = alpha / tests
    variance = spread**2 * kept / (share * (1 - share) * (mean * effect) ** 2)
    wanted = NormalDist().inv_cdf(power)
    fixed = (NormalDist().inv_cdf(1 - each / 2) + wanted) ** 2 * variance
    at_best = math.sqrt(1 + rate(1, each))  # the bound after as many units as were planned for
    units = math.ceil((at_best + wanted) ** 2 * variance)
    return Needed(math.ceil(fixed), units, None if a_day is None else units / a_day)


def spread_of_rate(share: float) -> float:
    """The standard deviation of a yes or no with this share of yes."""
    if not 0 < share < 1:
        raise ParameterError(f"a rate lies between 0 and 1, not {share:g}")
    return math.sqrt(share * (1 - share))
