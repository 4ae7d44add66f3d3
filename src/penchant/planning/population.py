"""How many users or items a log has, and how often each occurs, estimated from a sample of its rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
Longs = NDArray[np.int64]

SPREADS = np.linspace(0.05, 4.0, 80)  # tried standard deviations of the logarithm of the counts
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(61)
CLUSTERED = 0.3  # of the expected overlap of two halves: with less, the rows of one stand together
MOST = 300_000  # counts that stand for all
COUNTED = 30  # larger counts of a sample are compared as one


@dataclass(frozen=True)
class Population:
    """The number of classes, and the counts of typical ones, ascending, each standing for equally many."""

    size: float
    counts: Doubles


def whole(counts: Longs | Doubles) -> Population:
    """Where all rows are known."""
    seen = np.sort(np.asarray(counts, dtype=np.float64))
    seen = seen[seen > 0]
    return Population(float(len(seen)), seen)


def population(both: Longs, one: Longs, other: Longs, rows: float, known: float | None = None) -> Population:
    """From the counts of each seen class in a sample, and in its two halves, to those of a log of so many rows.

    Where the rows of a class stand together, the classes of a sample are those of its share of the log. Otherwise the
    counts of the log are taken as log-normal and those of the sample as Poisson (Bulmer, "On fitting the Poisson
    lognormal distribution to species-abundance data", 1974): of the spreads that explain the sample, the likeliest.
    ``known`` is the number of classes, where it was counted.
    """
    sampled = float(both.sum())
    if sampled == 0 or rows <= sampled:
        return whole(both)
    share = sampled / rows
    met = both[both > 0]
    expected = float((1 - 2.0 ** (1 - met.astype(np.float64))).sum())
    overlap = float(((one > 0) & (other > 0)).sum())
    if expected > 0.02 * len(met) and overlap < CLUSTERED * expected:
        return Population(len(met) / share if known is None else known, np.sort(met.astype(np.float64)))
    level, spread = _fitted(met, share, rows, known)
    size = known
    if size is None:  # a class of the log has a row in it
        absent = float(np.exp(-np.exp(level + spread * NODES)) @ WEIGHTS / WEIGHTS.sum())
        size = max(len(met), rows / np.exp(level + spread**2 / 2) * (1 - absent))
    quantiles = np.exp(level + spread * _normal_quantiles(int(min(MOST, max(size, 1)))))
    most = np.sort(met)[::-1]
    sure = most[most >= COUNTED] / share  # those that are common enough are known
    each = max(size, 1) / len(quantiles)
    top = min(len(quantiles) - 1, round(len(sure) / each))
    if top > 0:
        quantiles[-top:] = np.sort([part.mean() for part in np.array_split(sure, top)])
    quantiles = np.maximum(quantiles, 1.0)
    return Population(float(size), quantiles * (rows / size / quantiles.mean()))


def _fitted(met: Longs, share: float, rows: float, known: float | None) -> tuple[float, float]:
    """Mean and standard deviation of the logarithm of the counts in the log."""
    frequencies = np.bincount(np.minimum(met, COUNTED), minlength=COUNTED + 1)[1:]
    factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, COUNTED)))])
    best = (-np.inf, 0.0, 1.0)
    for spread in SPREADS:
        level = _level(spread, len(met), share, rows, known)
        mean = share * np.exp(level + spread * NODES)  # of a class in the sample, by quantile
        at = np.arange(COUNTED)[:, None]
        chances = np.exp(at * np.log(mean) - mean - factorial[:, None]) @ (WEIGHTS / WEIGHTS.sum())
        seen = np.concatenate([chances[1:], [max(1 - chances.sum(), 1e-12)]])
        likely = float((frequencies * np.log(np.maximum(seen / max(seen.sum(), 1e-12), 1e-12))).sum())
        best = max(best, (likely, level, float(spread)))
    return best[1], best[2]


def _level(spread: float, met: int, share: float, rows: float, known: float | None) -> float:
    """The level at which so many classes are seen, of those that have all the rows together."""
    if known is not None:
        return float(np.log(rows / known) - spread**2 / 2)
    low, high = -5.0, float(np.log(rows))
    weights = WEIGHTS / WEIGHTS.sum()
    for _ in range(60):
        level = (low + high) / 2
        unseen = float(np.exp(-share * np.exp(level + spread * NODES)) @ weights)
        size = rows / np.exp(level + spread**2 / 2)
        low, high = (level, high) if size * (1 - unseen) > met else (low, level)
    return (low + high) / 2


def _normal_quantiles(size: int) -> Doubles:
    from scipy.special import ndtri

    return np.asarray(ndtri((np.arange(size) + 0.5) / size), dtype=np.float64)
