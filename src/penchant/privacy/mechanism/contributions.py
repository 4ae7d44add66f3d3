"""What one person adds to a statistic, bounded and in whole steps of a grid, so that the bound holds exactly."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from penchant.core.histories import Floats, Histories, Longs
from penchant.errors import ParameterError
from penchant.models.kinds.private import Layers
from penchant.privacy.mechanism.sampler import FINE_SIGMA, SIGMA

# A statistic is measured in steps: noise of standard deviation SIGMA steps is added to it. With a sensitivity of
# SIGMA / m steps, the noise multiplier is m. Rounding is towards zero, so it cannot raise what a person adds.
SAFE = 1 - 1e-9  # against the rounding of floating point before that
HALF = math.sqrt(0.5)
ROWS_AT_ONCE = 4096
FEW_ROWS = 1024  # where every row is as wide as there are items
Doubles = NDArray[np.float64]


def bounded(log: Histories, most: int) -> Histories:
    """Each person's positives: every item once, the newest ``most``, without values and times."""
    events = log.timeless().positives().distinct().newest(most)
    return Histories(events.indptr, events.items, events.n_items)


def unit(lengths: Longs) -> Doubles:
    """The entries of vectors with equal entries and norm one: 1 / √m for m items."""
    return np.maximum(lengths, 1) ** -0.5


def steps_of(multiplier: float) -> float:
    """How many steps of the grid a sensitivity of one has."""
    return SIGMA / multiplier


def count_steps(events: Histories, multiplier: float) -> Longs:
    """Σ_u x_u in steps, ``(n_items,)``; one person changes it by at most ``steps_of(multiplier)`` in Euclidean norm."""
    of_row = np.floor(unit(events.lengths) * (steps_of(multiplier) * SAFE)).astype(np.int64)
    out = np.zeros(events.n_items, dtype=np.int64)
    np.add.at(out, events.items, np.repeat(of_row, events.lengths))
    return out


def pair_steps(events: Histories, multiplier: float) -> Longs:
    """Σ_u x_u x_uᵀ in steps, ``(n_items, n_items)``, its diagonal over √2; zeros below the diagonal.

    The entries on and above the diagonal of one person have a norm of at most ½ · √2 before they are scaled to
    ``steps_of(multiplier)``: Σ_i x_i⁴ / 2 + Σ_{i<j} x_i² x_j² = (Σ x_i²)² / 2.
    """
    scale = steps_of(multiplier) / HALF * SAFE
    out = np.zeros((events.n_items, events.n_items), dtype=np.int64)
    entry = 1.0 / np.maximum(events.lengths, 1)  # of x xᵀ
    off, own = np.floor(entry * scale).astype(np.int64), np.floor(entry * (scale * HALF)).astype(np.int64)
    for row in np.flatnonzero(off).tolist():
        items = np.sort(events.row(row))
        out[np.ix_(items, items)] += off[row]
    out = np.triu(out, 1)
    np.add.at(out, (events.items, events.items), np.repeat(own, events.lengths))
    return out


def equation_steps(
    events: Histories, embed: Callable[[Histories], Floats], factors: int, multiplier: float
) -> tuple[Longs, Longs]:
    """The normal equations in steps: upper triangles ``(n_items + 1, f(f+1)/2)``, their diagonals over √2, and right
    sides ``(n_items + 1, f)``.

    A person with m items adds w · (v vᵀ, v) to m + 1 rows, with |v| ≤ 1 and w = 1 / √(1.5 · (m + 1)); each row's part
    has a squared norm of at most w² · (½ + 1).
    """
    from scipy.sparse import csr_array

    upper = np.triu_indices(factors)
    share = np.where(upper[0] == upper[1], HALF, 1.0)
    n, width = events.n_items, len(share) + factors
    out = np.zeros((n + 1, width), dtype=np.int64)
    for lo in range(0, len(events), ROWS_AT_ONCE):
        block = events[lo : lo + ROWS_AT_ONCE]
        vectors = embed(block).astype(np.float64)
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1.0)
        weight = (1.5 * (block.lengths + 1.0)) ** -0.5 * (steps_of(multiplier) * SAFE)
        weight[block.lengths == 0] = 0
        both = np.concatenate([vectors[:, upper[0]] * vectors[:, upper[1]] * share, vectors], axis=1)
        whole = np.trunc(both * weight[:, None])
        ones = np.ones(len(block.items))
        incidence = csr_array((ones, block.items, block.indptr), shape=(len(block), n))
        out[:n] += (incidence.T @ whole).astype(np.int64)  # sums of whole numbers below 2⁵³, which are exact
        out[n] += whole.sum(axis=0).astype(np.int64)
    return out[:, : len(share)], out[:, len(share) :]


def gradient_steps(
    events: Histories, layers: Callable[[Histories], Layers], clip: float, multiplier: float
) -> tuple[list[Longs], float]:
    """Σ_u g_u / max(|g_u|, clip) in fine steps, for every layer, and the steps of one.

    |g_u|² is the sum over layers of the products of both squared norms (Goodfellow, "Efficient per-example gradient
    computations", 2015), so no gradient of a person is ever formed. The sum is rounded, not what each adds: with d
    numbers in all, one person changes it by at most a norm of one and √d steps, so one is by so much less than the
    sensitivity. Sums are of doubles, whose own rounding is below a step. A gradient that is no number adds nothing.

    Raises ``ParameterError`` where so many numbers leave nothing of the sensitivity.
    """
    sums: list[Doubles] = []
    for lo in range(0, len(events), FEW_ROWS):
        block = events[lo : lo + FEW_ROWS]
        found = layers(block)
        with np.errstate(over="ignore", invalid="ignore"):
            squares = np.sum([_squares(into) * _squares(out) for into, out in found], axis=0)
        usable = np.isfinite(squares) & (block.lengths > 0)
        if not usable.all():
            found, squares = [(into[usable], out[usable]) for into, out in found], squares[usable]
        weight = (1 / np.maximum(np.sqrt(squares), clip))[:, None]
        parts = [
            (into * weight).T @ out if into.shape[1] < out.shape[1] else into.T @ (out * weight) for into, out in found
        ]
        sums = [before + part for before, part in zip(sums, parts, strict=True)] if sums else parts
    if not sums:
        sums = [
            np.zeros((into.shape[1], out.shape[1])) for into, out in layers(Histories.from_lists([], events.n_items))
        ]
    whole, size = FINE_SIGMA / multiplier, sum(part.size for part in sums)
    one = whole * SAFE - math.sqrt(size) - 1
    if one < whole / 2:
        raise ParameterError(
            f"{size:,} weights are too many for noise of {multiplier:.3g} times what one person adds: fewer items, "
            "factors or epochs, or a larger epsilon"
        )
    return [np.rint(part * one).astype(np.int64) for part in sums], one


def _squares(rows: Doubles) -> Doubles:
    """The squared norm of every row."""
    return np.asarray(np.einsum("ij,ij->i", rows, rows))
