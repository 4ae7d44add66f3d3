"""Content neighbourhoods: items that are similar by their attributes and vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from penchant.core.cost import Cost
from penchant.core.histories import Floats, Histories, Ints, Longs
from penchant.core.item_features import ItemFeatures
from penchant.core.log_shape import LogShape
from penchant.core.rank import rank_by_popularity, top_dense
from penchant.core.run import Run
from penchant.errors import DataError
from penchant.models.kinds.base import Space, hyper
from penchant.models.kinds.extendable import Extendable
from penchant.models.kinds.linear import LinearModel
from penchant.models.parts.weights import Weights

if TYPE_CHECKING:
    import scipy.sparse as sp

    from penchant.core.split import Split

CELLS_A_BLOCK = 2**23
DEFAULT_RUN = Run()


@dataclass(kw_only=True)
class ContentKNN(LinearModel, Extendable):
    """Score = the sum of similarities between the items of a history and the candidate, by attributes and vectors.

    w(i → j) = (share · cos(a_i, a_j) + (1 − share) · cos(v_i, v_j)) · n_j^popularity

    a holds the attributes that an item shares with another one, each times log(1 + n_items / items that have
    it)^rarity; v is its vector (any embedding of text, image or sound). Only similarities above zero count, and for
    each history item the ``neighbours`` largest are kept. Where a catalogue has only one of the two, only that one
    counts. n is the training count plus one.

    Only n is learned from behaviour: an item without a single event is recommended as soon as the catalogue
    describes it, by fitting or by ``extend``. Cost: products of all pairs in blocks; memory is what is kept, 8 bytes a
    neighbour. An empty history scores zero everywhere. Raises ``DataError`` when the catalogue describes no item.
    """

    name: ClassVar[str] = "content-knn"

    neighbours: int | None = hyper(
        100, "similar items kept for each history item; none: all", ge=1, optional=True, was={0: None},
        space=Space(20, 500, log=True), other=2,
    )  # fmt: skip
    share: float = hyper(0.5, "weight of attributes against vectors", ge=0, le=1, space=Space(0, 1), other=0.1)
    rarity: float = hyper(
        1.0, "how much more a rare attribute counts than a common one", ge=0, space=Space(0, 2), other=0.0
    )
    popularity: float = hyper(0.0, "exponent of the candidate's training count", space=Space(0, 1), other=1.0)

    @property
    def needs_features(self) -> bool:
        """Always: it compares items by their features."""
        return True

    def _fit(self, train: Histories, valid: Split | None, run: Run) -> None:
        assert self.features is not None  # needs_features: fit checks it
        self._relate(self.features, run)

    def cost(self, log: LogShape) -> Cost:
        """As in ``Model``."""
        n = float(log.items)
        kept = n * min(self.neighbours or n, n)
        fit = {"cells": n**2}
        return Cost(fit, 8 * kept, 8 * kept + 20.0 * CELLS_A_BLOCK, self.answer_work(log, log.length * kept / n))

    def extend(self, features: ItemFeatures, *, run: Run = DEFAULT_RUN) -> None:
        """Add the items that a catalogue gained since ``fit``, which come after the known ones.

        Raises ``DataError`` when there are fewer items than before.
        """
        self._check_fitted()
        new = features.n_items - self.n_items
        if new < 0:
            raise DataError(f"{self.name} knows {self.n_items} items, the catalogue describes {features.n_items}")
        self.item_counts = np.concatenate([self.item_counts, np.zeros(new, dtype=np.int64)])
        self._relate(features, run)

    def _relate(self, features: ItemFeatures, run: Run) -> None:
        attributes, vectors = _unit_attributes(features, self.rarity), _unit_vectors(features.vectors, features.n_items)
        if attributes.nnz == 0 and not vectors.any():
            raise DataError(f"{self.name}: the catalogue holds neither attributes nor vectors of any item")
        share = 1.0 if not vectors.any() else 0.0 if attributes.nnz == 0 else self.share
        n = features.n_items
        kept = min(self.neighbours or n, n)
        popularity_rank = rank_by_popularity(self.item_counts)
        factor = ((self.item_counts + 1.0) ** self.popularity).astype(np.float32)
        sizes: list[Longs] = []
        found: list[Ints] = []
        likeness: list[Floats] = []
        step = max(1, CELLS_A_BLOCK // n)
        report = run.report("similarities")
        other = attributes.T.tocsr()
        for lo in range(0, n, step):
            hi = min(n, lo + step)
            block = share * (attributes[lo:hi] @ other).toarray() + (1 - share) * (vectors[lo:hi] @ vectors.T)
            block = np.where(block > 0, block * factor, -np.inf).astype(np.float32)
            itself = Histories.from_lists([[i] for i in range(lo, hi)], n)
            best = top_dense(
                block, kept, exclude=itself, allow=None, popularity_rank=popularity_rank, threads=run.threads
            )
            held = best.items >= 0
            row, column = np.nonzero(held)[0], best.items[held]
            order = np.lexsort((column, row))
            sizes.append(held.sum(axis=1))
            found.append(column[order])
            likeness.append(best.scores[held][order])
            if report is not None:
                report(hi, n)
        self.weights = Weights(
            indptr=np.concatenate([[0], np.cumsum(np.concatenate(sizes))]).astype(np.int64),
            indices=np.concatenate(found),
            data=np.concatenate(likeness),
        )


def _unit_attributes(features: ItemFeatures, rarity: float) -> sp.csr_matrix:
    """Rows of length one; zero for an item without attributes."""
    import scipy.sparse as sp

    holders = np.bincount(features.indices, minlength=len(features.names))
    # an attribute of a single item adds no similarity, and must not reduce any
    weight = np.where(holders > 1, np.log1p(features.n_items / np.maximum(holders, 1)) ** rarity, 0)
    data = features.data * weight[features.indices]
    rows = np.repeat(np.arange(features.n_items), np.diff(features.indptr))
    length = np.sqrt(np.bincount(rows, weights=data**2, minlength=features.n_items))
    data = (data / np.where(length > 0, length, 1)[rows]).astype(np.float32)
    return sp.csr_matrix((data, features.indices, features.indptr), shape=(features.n_items, len(features.names)))


def _unit_vectors(vectors: Floats | None, n_items: int) -> Floats:
    """Rows of length one, or zero; no columns where there are no vectors."""
    if vectors is None:
        return np.zeros((n_items, 0), dtype=np.float32)
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.where(length > 0, length, 1)).astype(np.float32)
