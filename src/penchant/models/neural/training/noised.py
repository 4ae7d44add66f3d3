"""Training by noised gradients: whole steps of everybody, each person's gradient cut to a norm of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from penchant.core.histories import Histories
from penchant.models.kinds.private import Doubles, Layers, NoisySums

FIRST, SECOND = 0.9, 0.98  # how much of the moments of the gradient a step keeps
FALLS = 0.6  # after so much of the steps the rate falls, to LEAST of it
LEAST = 0.05
_ODD = np.uint64(0x9E3779B97F4A7C15)
_MIXES = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


def descend(
    sums: NoisySums, weights: Mapping[str, Doubles], layers: Callable[[dict[str, Doubles], Histories, int], Layers],
    *, clip: float, rate: float, steps: int, progress: Callable[[int, int], None] | None = None,
) -> dict[str, Doubles]:  # fmt: skip
    """The weights after ``steps`` noised gradients of all people (Abadi et al., "Deep learning with differential
    privacy", CCS 2016), scaled as by Adam; their order is that of the layers. What it makes of the gradients says
    nothing more about anybody than they do.
    """
    found = {name: one.astype(np.float64) for name, one in weights.items()}
    first = {name: np.zeros_like(one) for name, one in found.items()}
    second = {name: np.zeros_like(one) for name, one in found.items()}
    for step in range(1, steps + 1):
        slopes, _ = sums.gradients(lambda block, at=step: layers(found, block, at), clip, steps)  # type: ignore[misc]  # bound now
        left = (steps - step) / max(steps * (1 - FALLS), 1)
        now = rate * (1.0 if step < steps * FALLS else max(LEAST, left))
        for name, slope in zip(found, slopes, strict=True):
            first[name] = FIRST * first[name] + (1 - FIRST) * slope
            second[name] = SECOND * second[name] + (1 - SECOND) * slope**2
            length = np.sqrt(second[name] / (1 - SECOND**step))
            found[name] = found[name] - now * (first[name] / (1 - FIRST**step)) / (length + 1e-8)
        if progress is not None:
            progress(step, steps)
    return found


def kept_events(events: Histories, dropped: float, step: int) -> NDArray[np.bool_]:
    """Which events a step reads, ``(events,)``: each person's own choice, from their items and the step alone.

    A generator over all rows would let one person move the choices of all who follow, and so the sum by more than their
    own part.
    """
    with np.errstate(over="ignore"):
        of_item = _mixed(events.items.astype(np.uint64) + _ODD * np.uint64(step))
        of_row = np.zeros(len(events), dtype=np.uint64)
        np.add.at(of_row, events.rows, of_item)
        drawn = _mixed(of_item ^ of_row[events.rows])
    return np.asarray(drawn >= np.uint64(min(int(dropped * 2.0**64), 2**64 - 1)))


def _mixed(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of SplitMix64 (Steele, Lea and Flood 2014)."""
    words = (words + _ODD).astype(np.uint64)
    words = (words ^ (words >> np.uint64(30))) * _MIXES[0]
    words = (words ^ (words >> np.uint64(27))) * _MIXES[1]
    return np.asarray(words ^ (words >> np.uint64(31)), dtype=np.uint64)
