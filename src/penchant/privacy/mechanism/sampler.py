"""Noise that cannot be taken back: whole numbers from a discrete Gaussian, drawn with the randomness of the system."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from penchant.core.histories import Longs
from penchant.errors import MissingExtraError, ParameterError

SIGMA = 4096  # standard deviation of the noise in steps of the grid: every statistic is rounded to 1 / 4096 of it
FEW = 4_000  # up to so many numbers OpenDP draws them, at 50 µs each; more come from a table
REACH = 14 * SIGMA  # beyond it lies a chance of 2e-44
FINE = 256  # how many steps of a fine grid make one
FINE_SIGMA = SIGMA * (FINE**2 + 1) ** 0.5  # of the noise on that grid
BITS = 128  # of the chances in the table
AT_ONCE = 2**20
_LOW = (1 << 64) - 1


def noise(size: int) -> Longs:
    """``size`` independent whole numbers x with P[x] ∝ exp(−x² / (2 · SIGMA²)), from the system's secure generator.

    Adding continuous Gaussian noise in floating point reveals the sum through its last bits (Mironov, CCS 2012); whole
    numbers on a stated grid do not (Canonne, Kamath and Steinke, "The discrete Gaussian for differential privacy",
    NeurIPS 2020). Up to 4,000 numbers come from OpenDP, whose sampler is exact. More come from a table of their
    distribution with 128 bits, of which no draw differs from the exact one by more than 2⁻¹¹⁰ in total variation.
    """
    return _exact(size) if size <= FEW else _tabled(size)


def fine(size: int, draw: Callable[[int], Longs] = noise) -> Longs:
    """``size`` whole numbers from a discrete Gaussian of standard deviation ``FINE_SIGMA``: FINE · x + y of two draws.

    For every remainder r, the sum over x of exp(−(FINE · x − r)² / 2τ²) is the same but for a share of
    2 · exp(−2π² (τ / FINE)²) < 10⁻²⁰⁰⁰, with τ² the harmonic mean of both variances, so the sum is a discrete Gaussian
    (Micciancio and Walter, "Gaussian sampling over the integers", CRYPTO 2017). For statistics whose single numbers are
    small beside the noise.
    """
    return FINE * draw(size) + draw(size)


def _exact(size: int) -> Longs:
    try:
        import opendp.prelude as dp
    except ModuleNotFoundError as missing:
        raise MissingExtraError("privacy", "fitting with a private promise") from missing
    dp.enable_features("contrib")
    domain = dp.vector_domain(dp.atom_domain(T=int), size=size)
    measurement = dp.m.make_gaussian(domain, dp.l2_distance(T=float), scale=float(SIGMA))
    return np.array(measurement([0] * size), dtype=np.int64)


def _tabled(size: int) -> Longs:
    """By inversion: 64 random bits choose the entry; where they do not decide, 64 more do."""
    high, low = _table()
    out = np.empty(size, dtype=np.int64)
    for lo in range(0, size, AT_ONCE):
        hi = min(lo + AT_ONCE, size)
        drawn = np.frombuffer(os.urandom(8 * (hi - lo)), dtype=np.uint64)
        found = np.searchsorted(high, drawn, side="left")  # the first entry whose bound is not below the drawn one
        for at in np.flatnonzero(high[np.minimum(found, len(high) - 1)] == drawn).tolist():
            more = int.from_bytes(os.urandom(8), "little")
            entry = int(found[at])
            while entry < len(high) and high[entry] == drawn[at] and more >= low[entry]:
                entry += 1
            found[at] = entry
        out[lo:hi] = np.minimum(found, 2 * REACH) - REACH
    return out


@cache
def _table() -> tuple[NDArray[np.uint64], list[int]]:
    """The upper ends of P[x ≤ k] for k from −REACH, as whole numbers of 128 bits: the high words and the low ones."""
    one = 1 << (BITS + 64)  # with 64 bits more than are kept
    weights = [one]  # exp(−k² / 2σ²) by the ratio exp(−(2k + 1) / 2σ²) of neighbours
    ratio, square = _exp_minus(1, 2 * SIGMA**2), _exp_minus(1, SIGMA**2)
    for _ in range(REACH):
        weights.append((weights[-1] * ratio) >> (BITS + 64))
        ratio = (ratio * square) >> (BITS + 64)
    both = [*weights[:0:-1], *weights]
    total = sum(both)
    ends = [(running << BITS) // total for running in accumulate(both)]
    high = np.array([min(end >> 64, _LOW) for end in ends], dtype=np.uint64)
    return high, [end & _LOW if end >> 64 <= _LOW else _LOW + 1 for end in ends]


def _exp_minus(numerator: int, denominator: int) -> int:
    """exp(−numerator / denominator) as a whole number of 192 bits, by its series."""
    one = 1 << (BITS + 64)
    term, total, n = one, 0, 0
    while term:
        total += term if n % 2 == 0 else -term
        n += 1
        term = term * numerator // (denominator * n)
    return total


def refuse_seed(seed: object) -> None:
    """Raises ``ParameterError`` for a seed: noise that can be drawn again can be taken off again."""
    if seed not in (None, 0):
        raise ParameterError("--seed does not apply to private fitting: its noise comes from the system's generator")
