"""How the weights of a log count: as they are, or as logarithms where a few are far above the others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from penchant.core.curve import Shape
from penchant.core.histories import Floats, Ints
from penchant.data.reading.wording import option
from penchant.data.recipe import Recipe

SKEWED = 100  # times the median, above which the largest weight makes logarithms the default
CAP = 0.999  # the quantile at which logarithms are capped


def shape_weights(
    recipe: Recipe, users: Ints, items: Ints, weights: Floats, asked: Shape | None, *, quantity: bool
) -> tuple[Recipe, str]:
    """The recipe with the curve of its weights, and words for the report.

    What counts is the sum of a person and item. Without ``asked``, quantities count as logarithms, and so does every
    weight whose largest sum is over 100 times the median; all others count as they are.
    """
    shape = asked
    sums = np.empty(0)
    if shape not in {"raw", "binary"}:
        sums = positive_sums(users, items, weights)
        skewed = len(sums) > 0 and sums.max() > SKEWED * np.median(sums)
        shape = shape or ("log" if quantity or skewed else "raw")
    if shape == "raw":
        return recipe, ""
    other = "" if asked else f" ({option('weight', 'raw')} takes them as they are)"
    if shape == "binary":
        return replace(recipe, weight="binary"), "; every weight counts one"
    cap = float(np.quantile(sums, CAP, method="higher")) if len(sums) else None
    capped = "" if cap is None else f", capped at {cap:,.6g}, the 99.9th percentile"
    words = f"; the sum w of a person and item counts log(1 + w){capped}{other}"
    return replace(recipe, weight="log", cap=cap), words


def positive_sums(users: Ints, items: Ints, weights: Floats) -> np.ndarray:
    """The sums of the positive weights of each person and item."""
    liked = weights > 0
    key = users[liked].astype(np.int64) * (int(items.max(initial=0)) + 1) + items[liked]
    _, pair = np.unique(key, return_inverse=True)
    return np.bincount(pair, weights=weights[liked])
