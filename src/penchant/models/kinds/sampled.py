"""The shared base of factorisations that sample negatives: the schedule of steps, and folding in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from penchant.core.cost import Cost
from penchant.core.histories import Floats, Histories, Ints, Longs
from penchant.core.log_shape import LogShape
from penchant.core.run import Run
from penchant.models.kinds.base import Space, hyper
from penchant.models.kinds.vector import VectorModel

if TYPE_CHECKING:
    from penchant.core.split import Split

LANES = 8  # groups of rows and of items: fixed, so that the numbers do not depend on the threads
ROWS = 64  # rows a block of folding in


@dataclass(kw_only=True)
class SampledModel(VectorModel):
    """Items and rows learned by single steps on sampled pairs; the rows of the training log are discarded afterwards.

    The schedule is that of distributed stochastic gradient descent (Gemulla, Nijkamp, Haas and Sismanis 2011). An
    epoch divides rows and items into eight new groups. In turn s, lane p visits the events of row group p with items of
    group p + s, and draws its negatives from that item group. No two lanes of a turn touch the same vector, so the
    result is the same, bit for bit, on any number of threads.

    With ``shown`` = α every negative comes with the chance α from the items that the row was shown and did not take,
    of the same item group and where there are any (events of kind ``impression`` and weight 0; Ding, Feng, He, Yu, Li
    and Jin 2018 draw from views likewise). Later histories are folded in without them.
    """

    loss: ClassVar[int]

    factors: int = hyper(64, "length of the item vectors", ge=1, space=Space(16, 256, log=True), other=5)
    epochs: int = hyper(30, "passes over the events", ge=1, space=Space(10, 100, log=True), other=2)
    rate: float = hyper(0.1, "learning rate of Adagrad", gt=0, space=Space(0.02, 0.5, log=True), other=0.02)
    reg: float = hyper(0.01, "regularisation of every step", ge=0, space=Space(1e-4, 0.1, log=True), other=0.2)
    fold_passes: int = hyper(10, "passes over a history that is folded in", ge=1, space=Space(5, 40), other=2)
    shown: float = hyper(0.0, "share of the negatives drawn from what was shown and not taken", ge=0, le=1, other=0.9)

    def _tries(self) -> int:
        """Negatives drawn for one event, at most."""
        raise TypeError(f"{self.name} must define _tries")

    def _fit(self, train: Histories, valid: Split | None, run: Run) -> None:
        self.learn_rows(train, run)

    def cost(self, log: LogShape) -> Cost:
        """As in ``Model``."""
        f = float(self.factors)
        fit = {"events": log.distinct, "steps": self.epochs * log.distinct * f, "draws": self.epochs * log.distinct}
        answer = {"histories": 1.0, "fold": self.fold_passes * log.length * f, "cells": f * log.items}
        held = 4 * f * log.items
        return Cost(fit, held, 4 * f * log.users + 64 * log.events, answer)

    def learn_rows(self, train: Histories, run: Run) -> Floats:
        """Learn the items; returns the training rows' own vectors, which ``fit`` discards."""
        from penchant.kernels.sgd import learn_events
        from penchant.kernels.threads import over_blocks

        events = rising(train)
        rng, n, rows = run.rng(), train.n_items, events.rows.astype(np.int32)
        y, x = _start(rng, n, self.factors), _start(rng, len(events), self.factors)
        x_sum, y_sum = np.ones(len(x), dtype=np.float32), np.ones(n, dtype=np.float32)
        bias, weights = np.zeros(n, dtype=np.float32), events.weights()
        shown_at, shown, share = self._shown(train, events)
        owners = np.repeat(np.arange(len(events)), np.diff(shown_at)) if share else shown
        lanes = min(LANES, n, max(1, len(events)))
        progress = run.report(self.name)
        for epoch in range(self.epochs):
            row_group, item_group = _deal(rng, len(events), lanes), _deal(rng, n, lanes)
            pools = [np.flatnonzero(item_group == g).astype(np.int32) for g in range(lanes)]
            bucket = row_group[rows] * lanes + item_group[events.items]
            order = np.argsort(bucket.astype(np.int16), kind="stable").astype(
                np.int64
            )  # by rows, whose vectors stay cached
            bounds = np.concatenate([[0], np.cumsum(np.bincount(bucket, minlength=lanes * lanes))])
            seeds = rng.integers(2**62, size=(lanes, lanes))
            drawn_at, drawn = shown_at, shown
            if share:  # a lane touches no item of another group
                drawn_at, drawn = _by_group(owners * lanes + item_group[shown], shown, len(events) * lanes)
            for turn in range(lanes):

                def work(
                    lane: int,
                    _: int,
                    turn: int = turn,
                    order: Longs = order,
                    bounds: Longs = bounds,
                    pools: list[Ints] = pools,
                    seeds: Longs = seeds,
                    drawn_at: Longs = drawn_at,
                    drawn: Ints = drawn,
                ) -> None:
                    group = (lane + turn) % lanes
                    lo, hi = bounds[lane * lanes + group : lane * lanes + group + 2]
                    learn_events(
                        lo, hi, self.loss, order, rows, events.indptr, events.items, weights, pools[group],
                        x, x_sum, y, y_sum, bias, self.rate, self.reg, self._tries(), seeds[turn, lane],
                        drawn_at, drawn, group, lanes, share,
                    )  # fmt: skip

                over_blocks(work, lanes, size=1, threads=run.threads)
            if progress is not None:
                progress(epoch + 1, self.epochs)
        self.item_vectors, self.item_bias = y, bias
        self._forget_unseen()
        return x

    def _shown(self, train: Histories, events: Histories) -> tuple[Longs, Ints, float]:
        """Where each row's items begin that were shown and not taken, these items, and the share drawn from them."""
        if not self.shown or train.shown is None:
            if self.shown:
                self.notes.append("shown has no effect: the log has no impressions of weight 0")
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int32), 0.0
        found = train.shown.not_taken(events)
        return found.indptr, found.items, float(self.shown)

    def _forget_unseen(self) -> None:
        """An item without a training event was only ever a negative: it keeps its bias and no direction."""
        self.item_vectors[self.item_counts == 0] = 0

    def embed(self, given: Histories) -> Floats:
        """Vectors of histories, ``(len(given), factors)``: the same steps with fixed items; zeros if empty."""
        from penchant.kernels.sgd import fold_rows
        from penchant.kernels.threads import over_blocks

        events = rising(given)
        x = np.zeros((len(events), self.factors), dtype=np.float32)
        pool, weights = np.arange(given.n_items, dtype=np.int32), events.weights()
        bias = np.zeros(given.n_items, np.float32) if self.item_bias is None else self.item_bias

        def work(lo: int, hi: int) -> None:
            fold_rows(
                lo, hi, self.loss, self.fold_passes, events.indptr, events.items, weights, pool, x, self.item_vectors,
                bias, self.rate, self.reg, self._tries(),
            )  # fmt: skip

        over_blocks(work, len(events), size=ROWS)
        return x


def rising(given: Histories) -> Histories:
    """Distinct events, each row by ascending item: the order in which a row's items are searched and folded in."""
    events = given.distinct()
    order = np.lexsort((events.items, events.rows))
    values = None if events.values is None else events.values[order]
    return Histories(events.indptr, events.items[order], given.n_items, values, events.values_are, curve=events.curve)


def _start(rng: np.random.Generator, rows: int, factors: int) -> Floats:
    return rng.standard_normal((rows, factors), dtype=np.float32) * np.float32(0.1 / np.sqrt(factors))


def _by_group(keys: Longs, items: Ints, count: int) -> tuple[Longs, Ints]:
    """Items by their keys, of which there are ``count``, and where those of each key begin."""
    at = np.concatenate([[0], np.cumsum(np.bincount(keys, minlength=count))]).astype(np.int64)
    return at, items[np.argsort(keys, kind="stable")]


def _deal(rng: np.random.Generator, count: int, groups: int) -> np.ndarray:
    """A random group for each of ``count``; groups have about equal sizes.

    Where there are many, sixteen neighbours stay together: two threads that write to one cache line slow each other.
    """
    together = 16 if count >= 256 * groups else 1
    return np.repeat(rng.permutation(-(-count // together)) % groups, together)[:count]
