"""The shared base of rating factorisations: Gaussian factors; histories are integrated out instead of stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from penchant.core.cost import Cost
from penchant.core.histories import Bools, Floats, Histories, Ints, Longs
from penchant.core.log_shape import LogShape
from penchant.core.run import Run
from penchant.models.kinds.base import Space, Task, hyper, learned
from penchant.models.kinds.products import ProductModel, Products
from penchant.models.kinds.rating import RatingModel
from penchant.models.parts.rating_baseline import rated

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

    from penchant.core.split import Split

    Crew = ThreadPoolExecutor | None  # a thread pool for many short calls; None: only the current thread

ROWS = 256  # rows a block: a few milliseconds of work
START = 0.1  # standard deviation of the starting item factors

Table = tuple[Longs, Ints, Floats]


@dataclass(kw_only=True)
class LatentModel(ProductModel, RatingModel):
    """rating = mean + item bias + history bias + x·y_i + noise; x and the history's bias have Gaussian priors.

    A subclass may shift the prior's mean by features of a history (``_expect``) and learn that (``_learn_prior``).
    """

    task: ClassVar[Task] = "rating"
    uses_negatives: ClassVar[bool] = True

    factors: int = hyper(10, "length of the item vectors", ge=1, space=Space(5, 60, log=True), other=3)
    epochs: int = hyper(12, "times both sides are solved", ge=1, space=Space(6, 30), other=2)
    reg: float = hyper(
        1.0,
        "strength of the priors, relative to what the data suggest",
        gt=0,
        space=Space(0.5, 2.0, log=True),
        other=4.0,
    )

    item_vectors: Floats = learned()  # (n_items, factors + 1) posterior means; the last column is the item bias
    item_variances: Floats = learned()  # (n_items, factors + 1)
    prior: Floats = learned()  # (factors + 1,) noise over the variance of histories' vectors; the last is their bias
    scale: Floats = learned()  # (4,): mean, lowest and highest rating, noise variance

    def _fit(self, train: Histories, valid: Split | None, run: Run) -> None:
        from penchant.kernels.threads import crew

        events = train.distinct()
        ratings, f = rated(events), self.factors + 1
        mean, n, rows = float(ratings.mean()), train.n_items, len(events)
        noise = max(float(ratings.var()), 1e-3)
        self.scale = np.array([mean, ratings.min(), ratings.max(), noise], dtype=np.float32)
        by_row: Table = events.indptr, events.items, ratings - np.float32(mean)
        by_item = _turned(events, by_row[2])
        y = run.rng().standard_normal((n, f), dtype=np.float32) * np.float32(START)
        y[:, -1] = 0
        y_variance = np.full((n, f), START**2 / 10, dtype=np.float32)
        x, x_variance, errors = np.zeros((rows, f), np.float32), np.zeros((rows, f), np.float32), np.zeros(n)
        spread = {"row": np.full(f, 1.0), "item": np.full(f, 1.0 / self.factors)}
        spread["row"][-1] = spread["item"][-1] = 0.2
        active = {"row": events.lengths > 0, "item": np.diff(by_item[0]) > 0}
        nothing = np.zeros((1, f), dtype=np.float32)
        self.item_vectors, self.item_variances = y, y_variance
        progress = run.report(self.name)
        with crew(run.threads) as hands:
            for epoch in range(self.epochs):
                before = self._expect(events, hands)
                self.prior = (self.reg * noise / spread["row"]).astype(np.float32)
                self._posterior(by_row, y, y_variance, before, self.prior, noise, x, x_variance, hands)
                if epoch > 0:
                    spread["row"] = _spread(x - before, x_variance, active["row"])
                    self._learn_prior(events, by_item, x, hands)
                precision = (self.reg * noise / spread["item"]).astype(np.float32)
                self._posterior(by_item, x, x_variance, nothing, precision, noise, y, y_variance, hands, errors)
                if epoch > 0:
                    spread["item"] = _spread(y, y_variance, active["item"])
                noise = max(float(errors.sum()) / len(ratings), 1e-3)
                if progress is not None:
                    progress(epoch + 1, self.epochs)
        self.prior = (self.reg * noise / spread["row"]).astype(np.float32)
        self.scale[3] = noise

    def cost(self, log: LogShape) -> Cost:
        """As in ``Model``."""
        f, sides = self.factors + 1.0, log.users + log.items
        fit = {
            "events": log.distinct,
            "squares": self.epochs * log.distinct * f**2,
            "cubes": self.epochs * sides * f**3,
        }
        answer = {"histories": 1.0, "fold": log.length * f**2, "cells": f * log.items}
        held = 8 * f * log.items
        return Cost(fit, held, 16 * f * sides + 60 * log.events, answer)

    def _expect(self, events: Histories, hands: Crew) -> Floats:
        """Prior means of histories' vectors, ``(len(events), factors + 1)`` or one row for all."""
        return np.zeros((1, self.factors + 1), dtype=np.float32)

    def _learn_prior(self, events: Histories, by_item: Table, x: Floats, hands: Crew) -> None:
        """Learn the prior means of ``_expect`` from the histories' posterior means ``x``."""

    def _posterior(
        self,
        table: Table,
        y: Floats,
        y_variance: Floats,
        before: Floats,
        precision: Floats,
        noise: float,
        x: Floats,
        x_variance: Floats,
        hands: Crew,
        errors: np.ndarray | None = None,
    ) -> None:
        from penchant.kernels.latent import posterior
        from penchant.kernels.threads import over_blocks

        summed = np.empty(0) if errors is None else errors

        def work(lo: int, hi: int) -> None:
            posterior(lo, hi, *table, y, y_variance, before, precision, noise, x, x_variance, summed)

        over_blocks(work, len(x), size=ROWS, threads=0 if hands else 1, crew=hands)

    def embed(self, given: Histories) -> Floats:
        """Posterior means of histories, ``(len(given), factors + 1)``, their bias last: a ridge problem each.

        An empty history gets the prior's mean.
        """
        from penchant.kernels.threads import crew

        events = given.distinct()
        table: Table = events.indptr, events.items, rated(events, self.scale[1:3]) - self.scale[0]
        x = np.empty((len(events), self.factors + 1), dtype=np.float32)
        unused = np.empty((0, self.factors + 1), dtype=np.float32)
        noise = float(self.scale[3])
        with crew(0) as hands:
            before = self._expect(events, hands)
            self._posterior(table, self.item_vectors, self.item_variances, before, self.prior, noise, x, unused, hands)
        return x

    def _predict(self, given: Histories, items: Histories) -> Floats:
        from penchant.kernels.latent import expected
        from penchant.kernels.threads import over_blocks

        x, y = self.embed(given), self.item_vectors
        out = np.empty(len(items.items), dtype=np.float32)
        over_blocks(lambda lo, hi: expected(lo, hi, items.indptr, items.items, x, y, out), len(items), size=4096)
        ratings: Floats = np.clip(out + self.scale[0], self.scale[1], self.scale[2])
        return ratings

    def _score(self, given: Histories) -> Floats:
        x, y = self.embed(given), self.item_vectors
        scores = x[:, :-1] @ y[:, :-1].T
        scores += y[:, -1] + self.scale[0]
        scores += x[:, -1:]
        return np.asarray(scores, dtype=np.float32)

    def item_side(self) -> tuple[Floats, Floats | None]:
        """As in ``ProductModel``: an item's bias is the last factor, for which a history has a one."""
        return self.item_vectors, None

    def products(self, given: Histories) -> Products:
        """As in ``ProductModel``."""
        x = self.embed(given)
        base = x[:, -1] + self.scale[0]
        x[:, -1] = 1
        return Products(x, base)

    def similar(self, item: int) -> Floats:
        """Cosine between the item factors, ``(n_items,)``; zero where there are none."""
        self._check_fitted()
        y = self.item_vectors[:, :-1]
        norms = np.linalg.norm(y, axis=1)
        norms[norms == 0] = np.inf
        return np.asarray((y @ y[item]) / (norms * norms[item]), dtype=np.float32)


def _spread(means: Floats, variances: Floats, active: Bools) -> NDArray[np.float64]:
    """The second moment of the active rows' vectors, by factor."""
    moment = means[active].astype(np.float64) ** 2 + variances[active]
    spread: NDArray[np.float64] = np.maximum(moment.mean(axis=0), 1e-6)
    return spread


def _turned(events: Histories, values: Floats) -> Table:
    """The events by item: rows and values."""
    from penchant.kernels.ragged import by_item

    indptr = np.zeros(events.n_items + 1, dtype=np.int64)
    rows, order = np.empty(len(events.items), dtype=np.int32), np.empty(len(events.items), dtype=np.int64)
    by_item(events.indptr, events.items, indptr, rows, order)
    return indptr, rows, values[order]
