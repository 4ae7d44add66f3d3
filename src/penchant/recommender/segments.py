"""Who wants an item: the people of a log for whom it stands out most, and what choosing them is worth."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from penchant.core.histories import Bools, Histories, Ints
from penchant.core.rank import check_k
from penchant.errors import DataError, ParameterError
from penchant.recommender.held import Answering

if TYPE_CHECKING:
    from penchant.data.interactions import Interactions

Doubles = NDArray[np.float64]
BLOCK_BYTES = 128 * 2**20
Z95 = 1.96
FEWEST = 5  # held-out events of the items that an estimate needs


@dataclass(frozen=True)
class Lift:
    """How many times more often the chosen people took the items next than everybody did.

    Measured on the newest event of every person, which was held out: of ``chosen`` people ``hits`` took the items, of
    ``people`` ``taken``. ``low`` and ``high`` bound it at 95 % (Katz's interval of a ratio of shares).
    """

    lift: float
    low: float
    high: float
    hits: int
    chosen: int
    taken: int
    people: int

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return dict(vars(self))


@dataclass(frozen=True)
class Segment:
    """People, those first for whom the items stand out most, and the estimate; None where too few took them."""

    people: list[str]
    scores: list[float]
    lift: Lift | None

    def to_json(self) -> dict[str, Any]:
        """As the command line prints it."""
        people = [{"user": user, "score": score} for user, score in zip(self.people, self.scores, strict=True)]
        return {"people": people, "lift": None if self.lift is None else self.lift.to_json()}


def segment(recommender: Answering, log: Interactions, items: Ints, k: int = 1000) -> Segment:
    """The k people of a log who most likely want one of ``items``, without those who have one already.

    The score of a person is the mean, over the items, of (score − mean of the person's scores) / their deviation: how
    far the items stand out for the person. Cost: one dense scoring of the log, and one more without each newest event
    for the estimate. People without a known event are left out. Raises ``ParameterError`` for k below 1 or no items.
    """
    check_k(k)
    if not len(items):
        raise ParameterError("a segment needs at least one item that the model knows")
    given, _ = recommender.translation.of_log(log)
    if not len(given):
        raise DataError("the log has nobody")
    scores = standing_out(recommender, given, items)
    able = np.isfinite(scores) & ~_holds(given, items)
    order = np.argsort(-np.where(able, scores, -np.inf), kind="stable")[: min(k, int(able.sum()))]
    people = [log.user_ids[at] for at in order.tolist()]
    return Segment(people, scores[order].tolist(), estimate(recommender, given, items, len(order) / len(given)))


def standing_out(recommender: Answering, given: Histories, items: Ints) -> Doubles:
    """How far some items stand out for each history, ``(rows,)``; -inf for an empty one."""
    found = np.full(len(given), -np.inf)
    size = max(1, BLOCK_BYTES // (8 * max(1, given.n_items)))
    for lo in range(0, len(given), size):
        some = given[lo : lo + size]
        scores = recommender.model.score(some).astype(np.float64)
        spread = scores.std(axis=1)
        there = (some.lengths > 0) & (spread > 0)
        apart = scores[:, items].mean(axis=1) - scores.mean(axis=1)
        found[lo : lo + size][there] = apart[there] / spread[there]
    return found


def _holds(given: Histories, items: Ints) -> Bools:
    """The rows that hold one of the items."""
    held = np.zeros(len(given), np.bool_)
    held[given.rows[np.isin(given.items, items)]] = True
    return held


def estimate(recommender: Answering, given: Histories, items: Ints, share: float) -> Lift | None:
    """What choosing a ``share`` of the people would have been worth, one event ago; None where too few took an item."""
    lengths = given.lengths
    rows = np.flatnonzero(lengths >= 2)
    newest = given.indptr[1:][rows] - 1
    keep = np.ones(len(given.items), np.bool_)
    keep[newest] = False
    before = given.where(keep)[rows]
    taken = np.isin(given.items[newest], items)
    able = ~_holds(before, items)
    people = int(able.sum())
    total, chosen = int(taken[able].sum()), max(1, round(share * people))
    if total < FEWEST or people <= chosen:
        return None
    scores = np.where(able, standing_out(recommender, before, items), -np.inf)
    best = np.argsort(-scores, kind="stable")[:chosen]
    hits = int(taken[best].sum())
    base = total / people
    lift = hits / chosen / base
    if hits == 0:
        return Lift(0.0, 0.0, 3.0 / chosen / base, 0, chosen, total, people)  # the rule of three
    error = math.sqrt(max(0.0, 1 / hits - 1 / chosen + 1 / total - 1 / people))
    return Lift(lift, lift * math.exp(-Z95 * error), lift * math.exp(Z95 * error), hits, chosen, total, people)
