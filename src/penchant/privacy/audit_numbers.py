"""The numbers of an audit: how well an attack tells members from others, and what that says about epsilon."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
CONFIDENCE = 0.95
FALSE_POSITIVES = 0.01  # the rate at which the true positives are stated
POINTS = 101  # of a drawn curve


@dataclass(frozen=True)
class Attack:
    """An attack: its area under the curve, and the members it finds at 1 % false alarms, with 95 % intervals."""

    name: str
    auc: float
    auc_low: float
    auc_high: float
    found: float
    found_low: float
    found_high: float
    members: int
    others: int
    curve: list[tuple[float, float]]  # false and true positive rate

    def to_json(self) -> dict[str, object]:
        """As in the report."""
        return {
            "attack": self.name, "auc": {"mean": self.auc, "low": self.auc_low, "high": self.auc_high},
            "tpr_at_1_percent_fpr": {"mean": self.found, "low": self.found_low, "high": self.found_high},
            "members": self.members, "others": self.others, "curve": self.curve,
        }  # fmt: skip


def judged(name: str, members: Doubles, others: Doubles) -> Attack:
    """An attack from what it says of members and of others: the higher, the more likely a member.

    AUC = P[member above other] + ½ P[equal], with DeLong's variance (Biometrics 1988); the share of members above the
    99th percentile of the others, with its Clopper–Pearson interval.
    """
    m, n = len(members), len(others)
    ordered_others, ordered_members = np.sort(others), np.sort(members)

    def below(values: Doubles, ordered: Doubles) -> Doubles:
        left, right = (np.searchsorted(ordered, values, side=side) for side in ("left", "right"))
        return np.asarray((left + right) / (2 * len(ordered)), dtype=np.float64)

    of_member, of_other = below(members, ordered_others), 1 - below(others, ordered_members)
    auc = float(of_member.mean())
    deviation = math.sqrt(of_member.var(ddof=1) / m + of_other.var(ddof=1) / n)
    bar = float(np.quantile(others, 1 - FALSE_POSITIVES, method="higher"))
    hits = int((members > bar).sum())
    low, high = clopper_pearson(hits, m, 1 - CONFIDENCE)
    bars = np.quantile(others, np.linspace(1, 0, POINTS))
    curve = [(float(np.mean(others >= one)), float(np.mean(members >= one))) for one in bars.tolist()]
    return Attack(
        name, auc, max(0.0, auc - 1.96 * deviation), min(1.0, auc + 1.96 * deviation), hits / m, low, high, m, n,
        [(0.0, 0.0), *curve],
    )  # fmt: skip


def clopper_pearson(hits: int, tries: int, chance: float) -> tuple[float, float]:
    """The interval of a probability that misses it with at most ``chance`` (Clopper and Pearson, Biometrika 1934)."""
    from scipy.stats import beta

    low = 0.0 if hits == 0 else float(beta.ppf(chance / 2, hits, tries - hits + 1))
    high = 1.0 if hits == tries else float(beta.ppf(1 - chance / 2, hits + 1, tries - hits))
    return low, high


def epsilon_at_least(right: int, guesses: int, chance: float, delta: float = 0.0) -> float:
    """A lower bound on epsilon that is wrong with at most ``chance``, from ``right`` of ``guesses`` about coins.

    Whether each of many canaries is in the log is a fair coin. Under (epsilon, 0) the number of right guesses is at
    most binomial with e^epsilon / (1 + e^epsilon) (Steinke, Nasr and Jagielski, "Privacy auditing with one (1) training
    run", NeurIPS 2023), so epsilon ≥ ln(p / (1 − p)) for the one-sided Clopper–Pearson bound p. ``delta`` times the
    guesses is added to ``chance`` that is spent, which keeps the bound valid for (epsilon, delta).
    """
    left = chance - 2 * guesses * delta
    if guesses == 0 or left <= 0:
        return 0.0
    low, _ = clopper_pearson(right, guesses, 2 * left)
    return 0.0 if low <= 0.5 else math.inf if low >= 1 else math.log(low / (1 - low))


def chance_of(right: int, guesses: int, epsilon: float) -> float:
    """How likely so many right guesses are if ``epsilon`` holds: the p-value against the claim."""
    from scipy.stats import binom

    share = 1 / (1 + math.exp(-epsilon))
    return float(binom.sf(right - 1, guesses, share))


def holm(chances: Mapping[str, float], level: float = 1 - CONFIDENCE) -> dict[str, bool]:
    """Which claims are refuted when several are tested together (Holm, 1979)."""
    out = dict.fromkeys(chances, False)
    for n, name in enumerate(sorted(chances, key=lambda one: chances[one])):
        if chances[name] > level / (len(chances) - n):
            break
        out[name] = True
    return out
