"""What a person will take again: their own rhythm, how lately, how often, and how often others repeat the item."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from penchant.core.baskets import Baskets
from penchant.core.cost import Cost
from penchant.core.histories import Floats, Histories, Longs
from penchant.core.log_shape import LogShape
from penchant.core.run import Run
from penchant.models.kinds.base import Model, Space, Task, hyper, learned
from penchant.models.parts.baskets import Purchases

if TYPE_CHECKING:
    from penchant.core.split import Split

Doubles = NDArray[np.float64]
DAY = 86_400.0
SHARES = np.array([0.02, 0.04, 0.07, 0.12, 0.2, 0.3, 0.45, 0.6, 0.8])  # of the person's baskets that hold the item
TIMES_TAKEN = np.array([2, 3, 5, 9])
BASKETS_SINCE = np.array([2, 3, 4, 6, 9, 17])
OF_THE_RHYTHM = np.array([0.25, 0.5, 0.75, 0.9, 1.1, 1.35, 2, 4])  # time since the last purchase, in usual gaps
SIZES = (len(SHARES) + 1, len(TIMES_TAKEN) + 1, len(BASKETS_SINCE) + 1, len(OF_THE_RHYTHM) + 2)  # + no times
TRIALS = 4_000_000  # at most; beyond, every n-th history is counted
AT_ONCE = 500_000
RIDGE = 1.0


@dataclass(kw_only=True)
class BuyAgain(Model):
    """Score = the chance that the next basket holds the item.

    Of an item that the history holds: σ(c + s(share of baskets with it) + n(times taken) + b(baskets since the last)
    + r(time since the last / usual gap)) · (what the item was taken again + item_prior) / (what was expected of it +
    item_prior)

    Of any other: new items a basket · the item's share of all first purchases.

    A basket is what was taken at the same moment. s, n, b and r are step functions, fitted by logistic regression to
    every basket of the training histories after the first (the newest ``baskets`` of each). The usual gap is the
    history's own, drawn towards the item's by ``rhythm_prior`` gaps. The idea of repeat rates and of own rhythms is
    that of Bhagat et al. (KDD 2018); the regression is ours.

    Where a request states no moment, it is one usual gap between baskets after the newest. Cost: a sort of the events
    and a pass over the trials, at most 4 million; 24 bytes an item. An empty history gets the first purchases.
    """

    name: ClassVar[str] = "buy-again"
    task: ClassVar[Task] = "ranking"
    learns: ClassVar[bool] = False  # of what one has never taken it knows only how popular it is

    rhythm_prior: float = hyper(
        1.0, "gaps of the item that are added to the history's own", gt=0, space=Space(0.1, 10, log=True), other=50.0
    )
    item_prior: float = hyper(
        20.0, "expected repeats of an item before its own rate counts half", gt=0, space=Space(1, 200, log=True),
        other=0.1,
    )  # fmt: skip
    baskets: int = hyper(20, "newest baskets of each training history that are learnt from", ge=1, other=1)

    effects: Doubles = learned()  # (1 + Σ steps,): the constant, then the steps of s, n, b, r
    repeats: Floats = learned()  # (n_items,) factor of each item
    usual: Floats = learned()  # (n_items,) mean gap between purchases, days; 0: unknown
    first: Floats = learned()  # (n_items,) chance that a basket holds it as something new

    def _fit(self, train: Histories, valid: Split | None, run: Run) -> None:
        n_items = train.n_items
        baskets = Baskets.in_(train)
        bought = Purchases.of(train, baskets)
        self.usual = _usual(baskets, bought, n_items)
        fresh = bought.nth == 0
        later = fresh & (bought.baskets > 0)
        count = np.bincount(bought.items[fresh], minlength=n_items) / max(1, int(fresh.sum()))
        after = int(np.maximum(baskets.counts - 1, 0).sum())
        self.first = (count * (max(1, int(later.sum())) / max(1, after))).astype(np.float32)
        trials, hits, by_item = self._count(baskets, bought, n_items)
        self.effects = _logistic(trials, hits)
        expected = by_item[0] @ _chances(self.effects)
        self.repeats = ((by_item[1] + self.item_prior) / (expected + self.item_prior)).astype(np.float32)

    def cost(self, log: LogShape) -> Cost:
        """As in ``Model``."""
        answer = {"histories": 1.0, "items": log.items}
        return Cost(
            {"events": log.events}, 20 * log.items, 130 * log.events + 190.0 * min(AT_ONCE, 10 * log.events), answer
        )

    def _score(self, given: Histories) -> Floats:
        baskets = Baskets.in_(given)
        bought = Purchases.of(given, baskets)
        out = np.tile(self.first, (len(given), 1))
        last = np.flatnonzero(bought.is_last)
        rows, items = bought.rows[last], bought.items[last]
        elapsed = None
        if baskets.times is not None:
            newest = baskets.newest()
            asked = newest + baskets.gaps() if given.now is None else np.maximum(given.now, newest)
            elapsed = asked[rows] - baskets.times[baskets.indptr[rows] + bought.baskets[last]]
        cell = self._cells(baskets, bought, last, baskets.counts[rows], elapsed)
        out[rows, items] = _chances(self.effects)[cell] * self.repeats[items]
        return out

    def _cells(
        self, baskets: Baskets, bought: Purchases, at: Longs, now: Longs, elapsed: Longs | Doubles | None
    ) -> Longs:
        """The cell of each trial: purchase ``at`` is the last before basket ``now``, ``elapsed`` seconds before it."""
        times = bought.nth[at] + 1
        found = [
            np.searchsorted(SHARES, times / (now + 1.0), side="right"),
            np.searchsorted(TIMES_TAKEN, times, side="right"),
            np.searchsorted(BASKETS_SINCE, now - bought.baskets[at], side="right"),
            np.full(len(at), SIZES[3] - 1),
        ]
        if elapsed is not None and baskets.times is not None:
            moment = baskets.times[baskets.indptr[bought.rows[at]] + bought.baskets[at]]
            begin = bought.first[at]
            span = (moment - baskets.times[baskets.indptr[bought.rows[begin]] + bought.baskets[begin]]) / DAY
            usual = self.usual[bought.items[at]].astype(np.float64)
            rhythm = (span + self.rhythm_prior * usual) / (bought.nth[at] + self.rhythm_prior)
            known = (usual > 0) & (rhythm > 0)
            ratio = elapsed[known] / DAY / rhythm[known]
            found[3][known] = np.searchsorted(OF_THE_RHYTHM, ratio, side="right")
        return np.ravel_multi_index(found, SIZES).astype(np.int64)

    def _count(self, baskets: Baskets, bought: Purchases, n_items: int) -> tuple[Doubles, Doubles, tuple[Any, Doubles]]:
        """Trials and hits of every cell, and of every item: its trials by cell, and its hits."""
        from scipy.sparse import csr_matrix

        total = baskets.counts[bought.rows]
        until = np.where(bought.is_last, total - 1, np.append(bought.baskets[1:], 0))  # the last trial of a purchase
        since = np.maximum(bought.baskets + 1, total - self.baskets)
        trials = np.maximum(until - since + 1, 0)
        step = max(1, -(-int(trials.sum()) // TRIALS))
        trials[bought.rows % step != 0] = 0
        cells = int(np.prod(SIZES))
        counted, hit = np.zeros(cells), np.zeros(cells)
        table, hits = csr_matrix((n_items, cells)), np.zeros(n_items)
        ends = np.cumsum(trials)
        lo = 0
        while lo < len(trials):
            hi = max(lo + 1, int(np.searchsorted(ends, (ends[lo - 1] if lo else 0) + AT_ONCE)))
            at = np.repeat(np.arange(lo, hi), trials[lo:hi])
            offset = np.arange(len(at)) - np.repeat(np.cumsum(trials[lo:hi]) - trials[lo:hi], trials[lo:hi])
            now = since[at] + offset
            took = (now == until[at]) & ~bought.is_last[at]
            elapsed = None
            if baskets.times is not None:
                start = baskets.indptr[bought.rows[at]]
                elapsed = baskets.times[start + now] - baskets.times[start + bought.baskets[at]]
            cell, item = self._cells(baskets, bought, at, now, elapsed), bought.items[at]
            counted += np.bincount(cell, minlength=cells)
            hit += np.bincount(cell, weights=took, minlength=cells)
            table = table + csr_matrix((np.ones(len(at)), (item, cell)), shape=table.shape)
            hits += np.bincount(item, weights=took, minlength=n_items)
            lo = hi
        return counted, hit, (table, hits)


def _usual(baskets: Baskets, bought: Purchases, n_items: int) -> Floats:
    """The mean days between two purchases of each item, of all items where nobody took it twice; 0 if unknown."""
    again = np.flatnonzero(bought.nth > 0)
    if baskets.times is None or not len(again):
        return np.zeros(n_items, np.float32)
    when = baskets.times[baskets.indptr[bought.rows] + bought.baskets]
    days = (when[again] - when[again - 1]) / DAY
    items = bought.items[again]
    sums, counts = np.bincount(items, weights=days, minlength=n_items), np.bincount(items, minlength=n_items)
    everybody = float(days.mean())  # five gaps of all items steady a rare one
    return np.where(counts > 0, (sums + 5 * everybody) / (counts + 5), everybody).astype(np.float32)


def _design() -> Doubles:
    """The steps of every cell as zeros and ones, after a constant."""
    places = np.unravel_index(np.arange(int(np.prod(SIZES))), SIZES)
    return np.hstack([np.ones((len(places[0]), 1)), *(np.eye(n)[p] for n, p in zip(SIZES, places, strict=True))])


def _logistic(trials: Doubles, hits: Doubles) -> Doubles:
    """Logistic regression on counts by Newton's method; a ridge holds the steps, which are not free of each other."""
    used = trials > 0
    x, n, y = _design()[used], trials[used], hits[used]
    ridge = np.full(x.shape[1], RIDGE)
    ridge[0] = 1e-3
    w = np.zeros(x.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(x @ w, -30, 30)))
        step = np.linalg.solve((x.T * (n * p * (1 - p))) @ x + np.diag(ridge), x.T @ (y - n * p) - ridge * w)
        w += np.clip(step, -5, 5)
        if np.abs(step).max() < 1e-8:
            break
    return w


def _chances(effects: Doubles) -> Doubles:
    """The chance of every cell."""
    return 1 / (1 + np.exp(-np.clip(_design() @ effects, -30, 30)))
