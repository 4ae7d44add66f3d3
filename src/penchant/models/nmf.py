"""Non-negative matrix factorisation for ratings: factors that only add."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from penchant.core.cost import Cost
from penchant.core.histories import Floats, Histories, Ints, Longs
from penchant.core.log_shape import LogShape
from penchant.core.run import Run
from penchant.models.kinds.base import Space, Task, hyper, learned
from penchant.models.kinds.products import ProductModel, Products
from penchant.models.kinds.rating import RatingModel
from penchant.models.parts.rating_baseline import rated

if TYPE_CHECKING:
    from penchant.core.split import Split

ROWS = 128  # rows a block
PASSES = 10  # of coordinate descent for a row


@dataclass(kw_only=True)
class NMF(ProductModel, RatingModel):
    """rating = x·y_i with x ≥ 0 and y_i ≥ 0, so that every factor only adds.

    min Σ (rating − x·y_i)² + reg · (Σ_rows |x − x̄|² + Σ_items |y_i − ȳ|²)  over x, y ≥ 0

    Lee and Seung 1999, for sparse ratings as in Luo, Zhou, Xia and Zhu 2014. What differs: each side is solved in turn
    by coordinate descent on its non-negative ridge problems instead of multiplicative steps, and is shrunk towards
    its mean x̄, ȳ instead of zero, since without data a rating of zero is not plausible. A history is folded in by the
    same problem as in training.

    Cost an epoch, for E events, R rows, n items and f factors: O(E·f² + (R + n)·f²); memory 4·f bytes a row and item.
    An empty history is x̄. Raises ``DataError`` when values are not ratings.
    """

    name: ClassVar[str] = "nmf"
    task: ClassVar[Task] = "rating"
    uses_negatives: ClassVar[bool] = True

    factors: int = hyper(10, "length of the item vectors", ge=1, space=Space(5, 40, log=True), other=3)
    epochs: int = hyper(20, "times both sides are solved", ge=1, space=Space(5, 50), other=2)
    reg: float = hyper(
        8.0, "shrinkage of every vector towards the mean vector", gt=0, space=Space(1, 50, log=True), other=40.0
    )

    item_vectors: Floats = learned()  # (n_items, factors), none below zero
    centre: Floats = learned()  # (factors,) x̄
    scale: Floats = learned()  # (2,): lowest and highest rating

    def _fit(self, train: Histories, valid: Split | None, run: Run) -> None:
        from penchant.kernels.ragged import by_item

        events = train.distinct()
        ratings, n, f = rated(events), train.n_items, self.factors
        self.scale = np.array([ratings.min(), ratings.max()], dtype=np.float32)
        indptr = np.zeros(n + 1, dtype=np.int64)
        rows, order = np.empty(len(ratings), dtype=np.int32), np.empty(len(ratings), dtype=np.int64)
        by_item(events.indptr, events.items, indptr, rows, order)
        # so that the product of two such vectors is about the mean rating
        level = np.sqrt(max(float(ratings.mean()), 1e-3) / f)
        y = (level * run.rng().uniform(0.5, 1.5, (n, f))).astype(np.float32)
        x = np.zeros((len(events), f), dtype=np.float32)
        self.centre, middle = np.full(f, level, dtype=np.float32), np.full(f, level, dtype=np.float32)
        has = events.lengths > 0, np.diff(indptr) > 0
        progress = run.report("nmf")
        for epoch in range(self.epochs):
            self._solve(events.indptr, events.items, ratings, y, self.centre, x, run.threads)
            self.centre = x[has[0]].mean(axis=0)
            self._solve(indptr, rows, ratings[order], x, middle, y, run.threads)
            middle = y[has[1]].mean(axis=0)
            if progress is not None:
                progress(epoch + 1, self.epochs)
        self.item_vectors = y

    def cost(self, log: LogShape) -> Cost:
        """As in ``Model``."""
        f, sides = float(self.factors), log.users + log.items
        fit = {"squares": self.epochs * log.distinct * f**2, "sides": self.epochs * sides * f**2}
        answer = {"histories": 1.0, "fold": log.length * f**2, "cells": f * log.items}
        held = 4 * f * log.items
        return Cost(fit, held, 4 * f * sides + 60 * log.events, answer)

    def _solve(
        self, indptr: Longs, items: Ints, ratings: Floats, y: Floats, centre: Floats, x: Floats, threads: int
    ) -> None:
        from penchant.kernels.nmf import nonnegative
        from penchant.kernels.threads import over_blocks

        def work(lo: int, hi: int) -> None:
            nonnegative(lo, hi, indptr, items, ratings, y, centre, self.reg, PASSES, x)

        over_blocks(work, len(x), size=ROWS, threads=threads)

    def embed(self, given: Histories) -> Floats:
        """The non-negative vectors of histories, ``(len(given), factors)``; x̄ for an empty one."""
        events = given.distinct()
        x = np.empty((len(events), self.factors), dtype=np.float32)
        self._solve(events.indptr, events.items, rated(events, self.scale), self.item_vectors, self.centre, x, 0)
        return x

    def _predict(self, given: Histories, items: Histories) -> Floats:
        x = self.embed(given)
        expected = np.einsum("ef,ef->e", x[items.rows], self.item_vectors[items.items])
        return np.asarray(np.clip(expected, self.scale[0], self.scale[1]), dtype=np.float32)

    def _score(self, given: Histories) -> Floats:
        return np.asarray(self.embed(given) @ self.item_vectors.T, dtype=np.float32)

    def item_side(self) -> tuple[Floats, Floats | None]:
        """As in ``ProductModel``."""
        return self.item_vectors, None

    def products(self, given: Histories) -> Products:
        """As in ``ProductModel``."""
        return Products(self.embed(given), np.zeros(len(given), np.float32))

    def similar(self, item: int) -> Floats:
        """Cosine between the item vectors, ``(n_items,)``; zero where a vector is zero."""
        self._check_fitted()
        norms = np.linalg.norm(self.item_vectors, axis=1)
        norms[norms == 0] = np.inf
        return np.asarray((self.item_vectors @ self.item_vectors[item]) / (norms * norms[item]), dtype=np.float32)
