"""The noised sums that private models learn from, each paid for by its share of the privacy loss."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from statistics import NormalDist

import numpy as np

from penchant.core.histories import Floats, Histories, Longs
from penchant.errors import ParameterError
from penchant.models.kinds.private import Doubles, Layers
from penchant.privacy.mechanism.contributions import (
    HALF,
    count_steps,
    equation_steps,
    gradient_steps,
    pair_steps,
    steps_of,
)
from penchant.privacy.mechanism.sampler import FINE_SIGMA, SIGMA, fine, noise

Noise = Callable[[int], Longs]
TIMES_TRIED = 64  # numbers of items of one person that a threshold is computed for; the bound lies between them


class Sums:
    """``models.kinds.private.NoisySums`` of histories: discrete Gaussian noise, each sum at most as often as paid for.

    The noise multiplier of a sum with share s of a release with multiplier m is m / √s: Gaussians compose by
    1 / m² = Σ 1 / mᵢ². ``draw`` is the source of noise; only tests and simulations name another.
    """

    def __init__(
        self, events: Histories, multiplier: float, shares: Mapping[str, float], *, draw: Noise = noise
    ) -> None:
        self.events, self.draw = events, draw
        self.multipliers = {name: multiplier / math.sqrt(share) for name, share in shares.items()}
        self._counts: tuple[Floats, float] | None = None
        self._steps: tuple[int, int, float] | None = None  # gradients: all, left, and the multiplier of each

    def _pay(self, name: str) -> float:
        if name not in self.multipliers:
            raise ParameterError(f"the sum {name!r} is not paid for, or was asked for before")
        return self.multipliers.pop(name)

    def counts(self) -> tuple[Floats, float]:
        """As in ``NoisySums``; drawn once, then the same again."""
        if self._counts is None:
            multiplier = self._pay("counts")
            steps = count_steps(self.events, multiplier) + self.draw(self.events.n_items)
            self._counts = (steps / steps_of(multiplier)).astype(np.float32), multiplier
        return self._counts

    def keep(self, items: Longs) -> None:
        """Limit what follows to some items, chosen by the counts; their counts stay."""
        assert self._counts is not None  # they chose
        index = np.full(self.events.n_items, -1, dtype=np.int32)
        index[items] = np.arange(len(items))
        here = index[self.events.items]
        some = self.events.where(here >= 0)
        self.events = Histories(some.indptr, index[some.items], len(items))
        self._counts = self._counts[0][items], self._counts[1]

    def gram(self) -> tuple[Floats, float]:
        """As in ``NoisySums``."""
        multiplier, n = self._pay("gram"), self.events.n_items
        steps = pair_steps(self.events, multiplier)
        upper = np.triu_indices(n)
        steps[upper] += self.draw(len(upper[0]))
        scale = HALF / steps_of(multiplier)
        out = (steps * scale).astype(np.float32)
        own = out.diagonal() / np.float32(HALF)
        out += out.T
        np.fill_diagonal(out, own)
        return out, SIGMA * scale

    def equations(self, embed: Callable[[Histories], Floats], factors: int) -> tuple[Floats, Floats, float]:
        """As in ``NoisySums``."""
        multiplier = self._pay("equations")
        left, right = equation_steps(self.events, embed, factors, multiplier)
        left = left + self.draw(left.size).reshape(left.shape)
        right = right + self.draw(right.size).reshape(right.shape)
        upper, scale = np.triu_indices(factors), 1 / steps_of(multiplier)
        matrices = np.zeros((len(left), factors, factors), dtype=np.float32)
        matrices[:, upper[0], upper[1]] = left * (scale / np.where(upper[0] == upper[1], HALF, 1.0))
        matrices[:, upper[1], upper[0]] = matrices[:, upper[0], upper[1]]
        return matrices, (right * scale).astype(np.float32), SIGMA * scale

    def gradients(self, layers: Callable[[Histories], Layers], clip: float, steps: int) -> tuple[list[Doubles], float]:
        """As in ``NoisySums``."""
        if clip <= 0 or steps < 1:
            raise ParameterError(f"gradients need a clip above 0 and a step at least, got {clip:g} and {steps}")
        if self._steps is None:
            self._steps = steps, steps, self._pay("gradients") * math.sqrt(steps)
        every, left, multiplier = self._steps
        if steps != every or not left:
            raise ParameterError(f"{every} gradients are paid for, no more")
        self._steps = every, left - 1, multiplier
        sums, one = gradient_steps(self.events, layers, clip, multiplier)
        noised = [part + fine(part.size, self.draw).reshape(part.shape) for part in sums]
        return [part / one for part in noised], FINE_SIGMA / one


def threshold(multiplier: float, chance: float, most: int) -> float:
    """The noised count above which an item is published although nobody vouches for it.

    An item that one person alone has, among t ≤ ``most`` items of theirs, counts 1 / √t; that none of the t passes has
    a probability of at least 1 − ``chance`` (Gopi et al., "Differentially private set union", ICML 2020).
    """
    deviation = NormalDist(0.0, multiplier)
    tried = np.unique(np.geomspace(1, most, TIMES_TRIED).astype(np.int64)).tolist()
    ends = [*tried[1:], most]
    # between two numbers tried: the larger count of the one, the more items of the other
    return max(
        1 / math.sqrt(t) + deviation.inv_cdf((1 - chance) ** (1 / end)) for t, end in zip(tried, ends, strict=True)
    )
