"""What the members say together, before the trees: a weighted sum that is learned from the same questions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from penchant.core.histories import Floats, Longs

STEPS = 30
NEAR = 1e-5  # a step below which the weights are found
SMALL = 1.0  # added to the curvature of every weight: the belief that it is 0
MOST = 20_000  # questions that weights are learned from
Doubles = NDArray[np.float64]


def lead_columns(names: Sequence[str]) -> Longs:
    """Which features are those of members."""
    return np.array([at for at, name in enumerate(names) if name.startswith("member.")], dtype=np.int64)


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
