"""Off-policy estimates: what another way to answer would have earned, from lists that were drawn with known chances."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from penchant.core.histories import Longs
from penchant.core.metrics import Doubles
from penchant.errors import DataError

LEAST_EFFECTIVE = 100.0  # below it an estimate is refused
Z = 1.959964  # of a 95 % interval
Form = Literal["item-position", "slate"]
METHODS = ("ips", "snips", "dr")
SWITCH_ON = (
    'let the placement explore (explore = {method = "plackett-luce", ...}), so that every list is drawn with a known '
    "chance, and estimate again when enough lists were shown"
)  # fmt: skip


@dataclass(frozen=True)
class Logged:
    """Shown items, one row an item of a list; rows of one list stand together.

    ``chance`` is that of the item at its position when it was drawn (given the items above it, where a list has no item
    twice), ``target`` that of the other policy at the same place, 0 or 1 for one that does not draw. ``predicted`` is
    what a model of rewards says of the item, ``expected`` its mean over what the target would show there; both only
    for ``dr``, and from a model that has not seen the row. ``unit`` names who asked: lists of one unit are not
    independent.
    """

    list: Longs
    unit: Longs
    position: Longs  # from 0
    reward: Doubles
    chance: Doubles
    target: Doubles
    predicted: Doubles | None = None
    expected: Doubles | None = None


@dataclass(frozen=True)
class OffPolicy:
    """Reward a list, with a 95 % interval over units."""

    method: str
    form: Form
    mean: float
    low: float
    high: float
    effective: float  # lists that would say as much if drawn by the target itself
    outside: float  # share of what the target shows that the log can never have shown, at least
    lists: int

    def to_json(self) -> dict[str, Any]:
        return dict(vars(self))


def off_policy(logged: Logged, method: str = "dr", *, form: Form = "item-position") -> OffPolicy:
    """Estimate the reward a list of the target from lists of another policy.

    With w = target / chance, form ``item-position`` takes an item's reward to depend on its own place only and weighs
    each row by its w; ``slate`` takes it to depend on the whole list and weighs every row by the product of the list's.
    ``ips`` is Σ w r / lists (D. G. Horvitz and D. J. Thompson, 1952), ``snips`` divides by Σ w at each position
    (A. Swaminathan and T. Joachims, 2015), ``dr`` is Σ (expected + w (r - predicted)) / lists (M. Dudík, J. Langford
    and L. Li, 2011). Intervals are normal, with the variance over units. E[w] is 1 where the log can show all that the
    target shows, so 1 - mean w is the share ``outside``. Raises ``DataError`` where chances are missing, and where the
    effective number (Σ w)² / Σ w² is below 100, with what to switch on. Cost: a few operations a row.
    """
    _check(logged, method)
    lists, row_list = np.unique(logged.list, return_inverse=True)
    n = len(lists)
    own = logged.target / logged.chance
    if form == "slate":
        logs = np.log(own, out=np.full(len(own), -np.inf), where=own > 0)
        logs = np.bincount(row_list, weights=logs, minlength=n)
        weights = np.exp(logs)[row_list]
    else:
        weights = own
    effective = _effective(weights, row_list, logged.position, form)
    if effective < LEAST_EFFECTIVE:
        raise DataError(
            f"the {n:,} lists say no more of this target than {effective:,.0f} of its own would, and 100 are needed: "
            f"{SWITCH_ON}"
        )
    units, list_unit = _units(logged, row_list, n)
    if method == "snips":
        mean, share = _normalised(logged, weights, row_list, n)
    else:
        if method == "dr":
            assert logged.predicted is not None
            assert logged.expected is not None
            rows = logged.expected + weights * (logged.reward - logged.predicted)
        else:
            rows = weights * logged.reward
        by_list = np.bincount(row_list, weights=rows, minlength=n)
        mean = float(by_list.mean())
        share = np.asarray(by_list - mean, dtype=np.float64)
    summed = np.bincount(list_unit, weights=share, minlength=units)
    error = float(np.sqrt(np.square(summed).sum() * units / max(units - 1, 1)) / n)
    outside = max(0.0, 1.0 - float(weights.mean()))
    return OffPolicy(method, form, mean, mean - Z * error, mean + Z * error, effective, outside, n)


def _check(logged: Logged, method: str) -> None:
    if method not in METHODS:
        raise DataError(f"an estimate is one of {', '.join(METHODS)}, not {method!r}")
    if not len(logged.reward):
        raise DataError("there is no list to estimate from")
    missing = int((~(logged.chance > 0) | ~np.isfinite(logged.chance)).sum())
    if missing:
        raise DataError(f"{missing:,} of {len(logged.chance):,} shown items have no chance above 0: {SWITCH_ON}")
    if (logged.chance > 1 + 1e-9).any() or (logged.target < 0).any() or (logged.target > 1 + 1e-9).any():
        raise DataError("a chance lies between 0 and 1")
    if method == "dr" and (logged.predicted is None or logged.expected is None):
        raise DataError("dr needs predicted and expected rewards: take ips or snips, or give a model of rewards")


def _effective(weights: Doubles, row_list: Longs, position: Longs, form: Form) -> float:
    """Of whole lists, or the least of any position."""
    if form == "slate":
        weights = weights[np.unique(row_list, return_index=True)[1]]
        position = np.zeros(len(weights), dtype=position.dtype)
    sums, squares = np.bincount(position, weights=weights), np.bincount(position, weights=np.square(weights))
    there = squares > 0
    return float((sums[there] ** 2 / squares[there]).min()) if there.all() and len(there) else 0.0


def _units(logged: Logged, row_list: Longs, n: int) -> tuple[int, Longs]:
    """How many units there are, and the unit of each list."""
    names, row_unit = np.unique(logged.unit, return_inverse=True)
    list_unit = np.zeros(n, dtype=np.int64)
    list_unit[row_list] = row_unit
    return len(names), list_unit


def _normalised(logged: Logged, weights: Doubles, row_list: Longs, n: int) -> tuple[float, Doubles]:
    """The sum over positions of weighted mean rewards, and what each list adds to it, by the delta method."""
    places = int(logged.position.max()) + 1
    sums = np.bincount(logged.position, weights=weights, minlength=places)
    means = np.bincount(logged.position, weights=weights * logged.reward, minlength=places)
    means = np.divide(means, sums, out=np.zeros(places), where=sums > 0)
    reached = np.bincount(logged.position, minlength=places) / n  # lists may be shorter
    scale = np.divide(n * reached, sums, out=np.zeros(places), where=sums > 0)
    residual = scale[logged.position] * weights * (logged.reward - means[logged.position])
    share = np.bincount(row_list, weights=residual, minlength=n)
    return float((means * reached).sum()), np.asarray(share, dtype=np.float64)


def cross_fitted(
    reward: Doubles, key: Longs, unit: Longs, *, keys: int, folds: int = 5, prior: float = 20.0
) -> Doubles:
    """Mean rewards by ``key`` (an item and its place, or a finer cell), of the units of other folds, ``(folds, keys)``.

    Shrunken to the fold's overall mean as if it had been seen ``prior`` times. Fold of a unit: ``unit % folds``.
    """
    out = []
    for fold in range(folds):
        rest = unit % folds != fold
        total = float(reward[rest].mean()) if rest.any() else 0.0
        sums = np.bincount(key[rest], weights=reward[rest], minlength=keys)
        out.append((sums + prior * total) / (np.bincount(key[rest], minlength=keys) + prior))
    return np.array(out)
