"""How the weights of a log count: as they are, or as logarithms where a few are far above the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from penchant.core.curve import Shape
from penchant.core.histories import Floats, Ints
from penchant.data.reading.wording import option
from penchant.data.recipe import Recipe

SKEWED = 100  # times the median, above which the largest weight makes logarithms the default
CAP = 0.999  # the quantile at which logarithms are capped


class Sums:
    """The sums of the positive weights of each person and item, for their order statistics."""

    def __init__(self, sums: np.ndarray) -> None:
        self.sums = sums

    def kth(self, k: int) -> float:
        """The k-th smallest, from 0."""
        return float(np.partition(self.sums, k)[k])

    def max(self) -> float:
        """The largest."""
        return self.kth(len(self.sums) - 1)

    def median(self) -> float:
        """The middle one, or the mean of the two in the middle."""
        half, odd = divmod(len(self.sums), 2)
        return self.kth(half) if odd else (self.kth(half - 1) + self.kth(half)) / 2

    def cap(self) -> float:
        """The 99.9th percentile, one of the sums."""
        return self.kth(int(np.ceil((len(self.sums) - 1) * CAP)))


def shape_weights(
    recipe: Recipe, sums: Callable[[], Sums], asked: Shape | None, *, quantity: bool
) -> tuple[Recipe, str]:
    """The recipe with the curve of its weights, and words for the report.

    What counts is the sum of a person and item. Without ``asked``, quantities count as logarithms, and so does every
    weight whose largest sum is over 100 times the median; all others count as they are.
    """
    shape, found = asked, None
    if shape not in {"raw", "binary"}:
        found = sums()
        skewed = len(found.sums) > 0 and found.max() > SKEWED * found.median()
        shape = shape or ("log" if quantity or skewed else "raw")
    if shape == "raw":
        return recipe, ""
    other = "" if asked else f" ({option('weight', 'raw')} takes them as they are)"
    if shape == "binary":
        return replace(recipe, weight="binary"), "; every weight counts one"
    cap = found.cap() if found is not None and len(found.sums) else None
    capped = "" if cap is None else f", capped at {cap:,.6g}, the 99.9th percentile"
    words = f"; the sum w of a person and item counts log(1 + w){capped}{other}"
    return replace(recipe, weight="log", cap=cap), words


def positive_sums(users: Ints, items: Ints, weights: Floats) -> np.ndarray:
    """The sums of the positive weights of each person and item."""
    liked = weights > 0
    key = users[liked].astype(np.int64) * (int(items.max(initial=0)) + 1) + items[liked]
    _, pair = np.unique(key, return_inverse=True)
    return np.bincount(pair, weights=weights[liked])
