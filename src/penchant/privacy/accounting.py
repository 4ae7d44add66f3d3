"""What a private release promises, and what several promise together, by Google's ``dp-accounting``."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penchant.errors import FormatError, MissingExtraError, ParameterError

if TYPE_CHECKING:
    from types import ModuleType

UNIT = "one person's whole history, added or removed"
POPULATION = 100_000  # people, where the operator states no number: delta must then stay below one in so many
FEWEST_PEOPLE = 100  # of a population: noise that hides one of fewer leaves nothing
MOST_EPSILON = 100.0  # beyond it a promise says nothing
GAUSSIAN_SHARE = 0.89  # of delta, for the Gaussian noise
SELECTION_SHARE = 0.1  # of delta, for items that only one person has
GRID_SHARE = 0.01  # of delta, for what a Gaussian on a grid of 1 / 4096 of its deviation differs from a continuous one
MAX_HISTORY = 500  # events of a person that count, the newest
_WORDS = {"epsilon": float, "delta": float, "population": int, "name": str, "max_history": int}


@dataclass(frozen=True)
class Promise:
    """(epsilon, delta) for one person's whole history, in a named population of a size that the operator states.

    For all sets S of outcomes and logs D, D′ that differ in one person, P[M(D) ∈ S] ≤ e^epsilon · P[M(D′) ∈ S] + delta
    (Dwork and Roth, "The algorithmic foundations of differential privacy", 2014). Raises ``ParameterError`` for an
    epsilon outside (0, 100], a delta outside (0, 1 / population) and a population of fewer than 100 people.
    """

    epsilon: float
    delta: float
    population: int = POPULATION
    name: str = "people"
    max_history: int = MAX_HISTORY

    def __post_init__(self) -> None:
        if not 0 < self.epsilon <= MOST_EPSILON:
            raise ParameterError(f"epsilon must be above 0 and at most {MOST_EPSILON:g}, got {self.epsilon:g}")
        if self.population < FEWEST_PEOPLE:
            raise ParameterError(
                f"a population of {self.population:,} people is too small to hide one of them: private fitting needs "
                f"at least {FEWEST_PEOPLE}"
            )
        if not 0 < self.delta < 1 / self.population:
            raise ParameterError(
                f"delta must be above 0 and below 1 / population = {1 / self.population:.3g}, got {self.delta:g}: "
                "with a larger one, publishing somebody's history would be allowed"
            )
        if self.max_history < 1:
            raise ParameterError(f"max_history must be at least 1, got {self.max_history}")
        if not self.name.strip() or not self.name.isprintable() or len(self.name) > 100:
            raise ParameterError("the name of a population is a text of at most 100 characters")

    @classmethod
    def parse(cls, text: str) -> Promise:
        """A promise as on the command line: ``epsilon=2,delta=1e-6,population=20000,name=customers``."""
        found: dict[str, Any] = {}
        for part in filter(None, (p.strip() for p in text.split(","))):
            key, sign, value = (p.strip() for p in part.partition("="))
            if not sign or key not in _WORDS or key in found:
                raise ParameterError(f"--private takes {', '.join(_WORDS)}, each once as name=value, not {part!r}")
            try:
                found[key] = int(float(value)) if _WORDS[key] is int else _WORDS[key](value)
            except (ValueError, OverflowError):
                raise ParameterError(f"--private: {key} must be a number, got {value!r}") from None
        if missing := [key for key in ("epsilon", "delta") if key not in found]:
            raise ParameterError(f"--private needs {' and '.join(missing)}: --private epsilon=2,delta=1e-6")
        if not all(math.isfinite(value) for value in found.values() if isinstance(value, float)):
            raise ParameterError("--private: epsilon and delta must be finite numbers")
        return cls(**found)


@dataclass(frozen=True)
class Cost:
    """What a release takes: a Gaussian of this noise multiplier (noise over sensitivity), sampled or not, and a chance.

    ``sampling`` and ``steps`` describe training by noisy gradients on people drawn at random (1 and 1: none);
    ``chance`` is the probability that is added to delta.
    """

    multiplier: float
    chance: float = 0.0
    sampling: float = 1.0
    steps: int = 1

    def to_json(self) -> dict[str, float]:
        """As the ledger holds it."""
        return {
            "multiplier": self.multiplier, "chance": self.chance, "sampling": self.sampling, "steps": self.steps,
        }  # fmt: skip

    @classmethod
    def from_json(cls, stated: Mapping[str, Any]) -> Cost:
        """Raises ``FormatError`` for anything that ``to_json`` does not write."""
        try:
            numbers = {key: float(stated[key]) for key in ("multiplier", "chance", "sampling")}
            steps = int(stated["steps"])
        except (TypeError, ValueError, KeyError):
            raise FormatError("the ledger holds a release without its mechanism") from None
        made = cls(**numbers, steps=steps)
        if not (made.multiplier > 0 and 0 <= made.chance < 1 and 0 < made.sampling <= 1 and steps > 0):
            raise FormatError("the ledger holds a mechanism that does not exist")
        return made


def accounting() -> ModuleType:
    """The library; raises ``MissingExtraError`` where it is not installed."""
    try:
        import dp_accounting
        import dp_accounting.pld
    except ModuleNotFoundError as missing:
        raise MissingExtraError("privacy", "fitting with a private promise") from missing
    return dp_accounting  # type: ignore[no-any-return]  # it publishes no types


def multiplier_for(epsilon: float, delta: float) -> float:
    """The noise, over the sensitivity, with which one Gaussian mechanism keeps (epsilon, delta); rounded up."""
    accounting()
    from dp_accounting.pld import accountant, common

    wanted = common.DifferentialPrivacyParameters(epsilon, delta)
    return float(accountant.get_smallest_gaussian_noise(wanted, 1, 1.0)) * (1 + 1e-6)


def epsilon_of(costs: Iterable[Cost], delta: float) -> float:
    """The epsilon of several releases together at ``delta``, by composing their privacy loss distributions.

    Their chances are taken from ``delta`` first; infinite where nothing is left of it.
    """
    costs = list(costs)
    left = delta - sum(cost.chance for cost in costs)
    if not costs:
        return 0.0
    if left <= 0:
        return math.inf
    library = accounting()
    accountant = library.pld.PLDAccountant(library.NeighboringRelation.ADD_OR_REMOVE_ONE)
    alone = [cost.multiplier for cost in costs if cost.sampling == 1 and cost.steps == 1]
    if alone:  # the composition of Gaussians is a Gaussian, exactly
        accountant.compose(library.GaussianDpEvent(sum(m**-2 for m in alone) ** -0.5))
    for cost in costs:
        if cost.sampling < 1 or cost.steps > 1:
            event = library.PoissonSampledDpEvent(cost.sampling, library.GaussianDpEvent(cost.multiplier))
            accountant.compose(event, cost.steps)
    return float(accountant.get_epsilon(left))
