"""Item neighbourhoods: what resembles the things of a history, by who else had both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from penchant.errors import DataError
from penchant.histories import Floats, Histories, Ints, Longs
from penchant.models.base import Run, Space, hyper
from penchant.models.linear import LinearModel, Weights
from penchant.topk import places

if TYPE_CHECKING:
    from penchant.split import Split


@dataclass(kw_only=True)
class ItemKNN(LinearModel):
    """Score = the sum of the similarities between the items of a history and the candidate.

    w(i → j) = n_ij / (n_ij + shrink) · Σ_u x_ui·x_uj·|u|^(−user_exponent)
               / (n_i^history_exponent · n_j^candidate_exponent)

    over the training histories u; for each history item i the ``neighbours`` largest are kept. With the exponents
    0, ½, ½ this is the cosine (Sarwar et al. 2001), with 0, 1, 0 the conditional probability (Deshpande and Karypis
    2004), with 0, α, 1 − α the asymmetric cosine (Aiolli 2013).

    Cost: one addition a pair of events of one history, divided among the threads; memory is what is kept, 8 bytes a
    neighbour. An empty history scores zero everywhere. Raises ``DataError`` when there are no positives.
    """

    name: ClassVar[str] = "item-knn"

    neighbours: int = hyper(
        100, "similar items kept for each history item; 0: all", ge=0, space=Space(20, 1000, log=True), other=2
    )
    user_exponent: float = hyper(
        0.0, "how far an event in a long history counts less", ge=0, space=Space(0, 1), other=1.0
    )
    history_exponent: float = hyper(
        0.5, "how far the popularity of the history item counts against a pair", space=Space(0, 1), other=0.1
    )
    candidate_exponent: float = hyper(
        0.5, "how far the popularity of the candidate counts against a pair", space=Space(0, 1), other=0.1
    )
    shrink: float = hyper(0.0, "pairs seen n times count n / (n + shrink)", ge=0, space=Space(0, 100), other=5.0)
    min_overlap: int = hyper(1, "fewest common histories a pair must have", ge=1, other=3)
    max_history: int = hyper(500, "newest events of a history that are counted in pairs; 0: all", ge=0, other=3)

    def _fit(self, train: Histories, valid: Split | None, run: Run) -> None:
        events = self.bounded(train.distinct(), self.max_history)
        if len(events.items) == 0:
            raise DataError(f"{self.name}: the training histories hold no positive event")
        self.weights = nearest_items(self, events, run)


def nearest_items(model: ItemKNN, events: Histories, run: Run) -> Weights:
    """The sparse item→item operator of distinct events."""
    from penchant.kernels.nearest import overlap_nearest
    from penchant.kernels.threads import over_blocks

    n = events.n_items
    place = places(np.bincount(events.items, minlength=n))
    labels = place[events.items]
    x = events.weights()
    rows = events.rows.astype(np.int32)
    order = np.argsort(labels, kind="stable")
    holders, of_holder = rows[order], x[order]
    indptr = np.concatenate([[0], np.cumsum(np.bincount(labels, minlength=n))]).astype(np.int64)
    norms = np.bincount(labels, weights=x.astype(np.float64) ** 2, minlength=n)
    norms[norms == 0] = 1
    left = (norms**-model.history_exponent).astype(np.float32)
    right = (norms**-model.candidate_exponent).astype(np.float32)
    damped = x * np.repeat(np.maximum(events.lengths, 1.0) ** -model.user_exponent, events.lengths).astype(np.float32)
    kept = min(model.neighbours or n, n)
    size = int(np.clip(2**23 // kept, 16, 512))

    def work(lo: int, hi: int) -> tuple[Longs, Ints, Floats]:
        found = np.empty((hi - lo, kept), dtype=np.int32)
        scores = np.empty((hi - lo, kept), dtype=np.float32)
        sizes = np.zeros(hi - lo, dtype=np.int64)
        overlap_nearest(
            lo, hi, indptr, holders, of_holder, events.indptr, labels, damped, left, right, 0, model.shrink,
            model.min_overlap, found, scores, sizes,
        )  # fmt: skip
        held = np.arange(kept) < sizes[:, None]
        return sizes, found[held], scores[held]

    parts = over_blocks(work, n, size=size, threads=run.threads, progress=run.report("neighbours"))
    return _operator(place, [p[0] for p in parts], [p[1] for p in parts], [p[2] for p in parts])


def _operator(place: Ints, sizes: list[Longs], items: list[Ints], scores: list[Floats]) -> Weights:
    """Labels back to items, rows and columns ascending."""
    n = len(place)
    by_place = np.argsort(place).astype(np.int32)
    counts = np.concatenate(sizes)
    row = np.repeat(by_place, counts)
    column = by_place[np.concatenate(items)]
    order = np.lexsort((column, row))
    indptr = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=n))]).astype(np.int64)
    return Weights(indptr=indptr, indices=column[order], data=np.concatenate(scores)[order])
