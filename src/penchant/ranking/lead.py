"""What is said before the trees: a weighted sum that is learned from the same questions.

An order starts from a sum of what the members say. A rating starts from a sum of what the members say and of how
ratings differ in each context: a tree sees the offsets of a few contexts, a sum sees those of all that are stated.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from penchant.core.histories import Floats, Longs

STEPS = 30
NEAR = 1e-5  # a step below which the weights are found
SMALL = 1.0  # added to the curvature of every weight: the belief that it is 0
MOST = 20_000  # questions that weights are learned from
CALM = 10.0  # added to the squares of what is summed before ratings: about as many ratings' worth of doubt
OFFSETS = ("level", "rating", "mine", "kind")  # of a context, in units of ratings
Doubles = NDArray[np.float64]


def lead_columns(names: Sequence[str]) -> Longs:
    """Which features are those of members."""
    return np.array([at for at, name in enumerate(names) if name.startswith("member.")], dtype=np.int64)


def list_columns(names: Sequence[str]) -> Longs:
    """Which features tell the items of a list apart that was shown: those of members and of impressions."""
    return np.array([at for at, name in enumerate(names) if name.startswith(("member.", "shown."))], dtype=np.int64)


def rating_columns(names: Sequence[str]) -> Longs:
    """Which features are units of ratings: those of members, of ratings, and the offsets of each context."""
    found = [
        at
        for at, name in enumerate(names)
        if name.startswith(("member.", "rating."))
        or (name.startswith("context.") and name.count(".") == 2 and name.rpartition(".")[2] in OFFSETS)
    ]
    return np.array(found, dtype=np.int64)


def least_squares(table: Floats, columns: Longs, names: Sequence[str], target: Floats) -> Doubles:
    """Weights of the columns under which their sum is nearest to the target: min ‖y − Xw‖² + 10 ‖w‖².

    One kind of offset has one weight for all contexts, so that a context that is seldom stated is trusted as much as
    others; how few ratings it rests on is in the offset already. Cost: one pass over the rows.
    """
    kinds = [_kind(names[at]) for at in columns]
    known = list(dict.fromkeys(kinds))
    of = np.array([known.index(one) for one in kinds], dtype=np.int64)
    summed = np.zeros((len(table), len(known)))
    values = said(table, columns)
    for at, kind in enumerate(of):
        summed[:, kind] += values[:, at]
    square = summed.T @ summed + CALM * np.eye(len(known))
    weights = np.linalg.solve(square, summed.T @ target.astype(np.float64))
    return np.asarray(weights[of], dtype=np.float64)


def _kind(name: str) -> str:
    """The name without the number of the context."""
    return f"context.{name.rpartition('.')[2]}" if name.startswith("context.") else name


def together(table: Floats, columns: Longs, weights: Doubles) -> Doubles:
    """The weighted sum of the members for each row of a table; what a member cannot say counts nothing."""
    return np.asarray(said(table, columns) @ weights)


def said(table: Floats, columns: Longs) -> Doubles:
    """What the members say, ``(rows, columns)``, zero where it is missing."""
    return np.nan_to_num(table[:, columns].astype(np.float64), nan=0.0)


def conditional_logit(table: Floats, columns: Longs, target: Floats, group: Longs) -> Doubles:
    """Weights under which the answers are most likely: P(i) = exp(w·x_i) / Σ_j exp(w·x_j) over each question.

    McFadden, "Conditional logit analysis of qualitative choice behavior", 1974; by Newton's steps, each halved until
    the likelihood rises, with a small ridge. Cost: a few passes over at most 20,000 evenly spaced questions.
    """
    kept = np.unique(np.linspace(0, len(group) - 1, min(MOST, len(group))).astype(np.int64))
    ends = np.cumsum(group)
    rows = np.concatenate([np.arange(ends[at] - group[at], ends[at]) for at in kept.tolist()])
    sizes = group[kept]
    x, y = said(table[rows], columns), target[rows].astype(np.float64)
    question = np.repeat(np.arange(len(sizes)), sizes)
    starts = np.cumsum(sizes) - sizes
    total = np.bincount(question, y, len(sizes))[question]
    y = np.divide(y, total, out=np.zeros_like(y), where=total > 0)
    usable = total > 0

    def shares(weights: Doubles) -> tuple[Doubles, float]:
        worth = x @ weights
        worth -= np.maximum.reduceat(worth, starts)[question]
        whole = np.bincount(question, np.exp(worth), len(sizes))[question]
        likely = float((y * (worth - np.log(whole))).sum()) - SMALL / 2 * float(weights @ weights)
        return np.exp(worth) / whole * usable, likely

    weights = np.zeros(len(columns))
    p, best = shares(weights)
    for _ in range(STEPS):
        slope = x.T @ (y - p) - SMALL * weights
        mean = np.stack([np.bincount(question, p * one, len(sizes)) for one in x.T], axis=1)
        curve = (x * p[:, None]).T @ x - mean.T @ mean + SMALL * np.eye(len(weights))
        step = np.linalg.solve(curve, slope)
        for _ in range(STEPS):
            tried, likely = shares(weights + step)
            if likely >= best:
                break
            step = step / 2
        else:
            break
        weights, p, best = weights + step, tried, likely
        if np.abs(step).max(initial=0) < NEAR:
            break
    return weights
