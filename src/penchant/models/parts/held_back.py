"""A sample of training histories with one event held back from many of them, and the choice between tried values."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from penchant.core.histories import Histories, Ints, Longs
from penchant.core.run import Run
from penchant.models.parts.repeats import one_row_an_item

EVENTS = 100_000  # in the sample, at most
ITEMS = 2_000  # the most common ones
CASES = 2_000  # histories with an event held back, at most
FEWEST = 200  # cases below which nothing is estimated
NEWEST = 100  # events of a history
LIST = 10  # values are compared by NDCG at this depth
NEAR = 0.01  # relative distance from the best within which the value nearest to the default is taken


def choose_value(gains: np.ndarray, default: int) -> int:
    """Which column of ``gains`` ``(cases, values in order)`` to take.

    A column counts as its mean less one standard error of its difference to the default column. Of the columns within
    1 % of the best, the one nearest to the default is taken.
    """
    difference = gains - gains[:, [default]]
    lower = gains.mean(axis=0) - difference.std(axis=0, ddof=1) / np.sqrt(len(gains))
    near = np.flatnonzero(lower >= (1 - NEAR) * lower.max())
    return int(near[np.argmin(np.abs(near - default))])


@dataclass(frozen=True, eq=False)
class HeldBack:
    """A sample of histories without the events held back, and those events."""

    train: Histories
    rows: Longs  # (cases,) histories from which an event was held back
    items: Ints  # (cases,) the item of that event

    @classmethod
    def of(cls, train: Histories, run: Run) -> HeldBack | None:
        """A sample drawn with the seed: at most 100,000 events over their 2,000 most common items.

        Up to 2,000 histories hold back their last event, or any one where the log has no order. None where fewer than
        200 histories can.
        """
        events, rng = train.positives().distinct(), run.rng()
        order = rng.permutation(len(events))
        sample = order[np.cumsum(np.minimum(events.lengths[order], NEWEST)) <= EVENTS]
        events = one_row_an_item(events[sample], rng).newest(NEWEST)
        counts = events.counts()
        kept = np.sort(np.argsort(-counts, kind="stable")[: min(ITEMS, int((counts > 0).sum()))])
        column = np.full(events.n_items, -1, dtype=np.int32)
        column[kept] = np.arange(len(kept))
        events = events.where(column[events.items] >= 0)
        events = replace(events, items=column[events.items], n_items=len(kept))
        rows = np.flatnonzero(events.lengths >= 2)[:CASES]
        if len(rows) < FEWEST:
            return None
        lengths = events.lengths[rows]
        at = events.indptr[rows] + lengths - 1
        keep = np.ones(len(events.items), dtype=np.bool_)
        keep[at] = False
        return cls(events.where(keep), rows, events.items[at])
