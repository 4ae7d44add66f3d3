"""The events of a history as baskets: what was taken at the same moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from penchant.core.histories import Histories, Longs

Doubles = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Baskets:
    """Events with equal times form one basket; without times every event is a basket of its own."""

    of: Longs  # (events,) the basket of each event, counted over all rows
    indptr: Longs  # (rows + 1,) the baskets of each row
    times: Longs | None  # (baskets,) unix seconds

    @classmethod
    def in_(cls, histories: Histories) -> Self:
        """One pass over the events."""
        events = len(histories.items)
        starts = np.ones(events, dtype=np.bool_)
        if histories.times is not None and events:
            starts[1:] = histories.times[1:] != histories.times[:-1]
            first = histories.indptr[:-1][histories.lengths > 0]
            starts[first] = True
        number = np.cumsum(starts)
        indptr = np.concatenate([[0], number])[histories.indptr].astype(np.int64)
        return cls(number - 1, indptr, None if histories.times is None else histories.times[starts])

    @property
    def counts(self) -> Longs:
        """The number of baskets of each row."""
        return np.diff(self.indptr)

    def newest(self) -> Longs:
        """The moment of the newest basket of each row, unix seconds; 0 where there is none, or without times."""
        newest = np.zeros(len(self.indptr) - 1, dtype=np.int64)
        filled = self.counts > 0
        if self.times is not None:
            newest[filled] = self.times[self.indptr[1:][filled] - 1]
        return newest

    def gaps(self) -> Doubles:
        """The mean number of seconds between the baskets of each row; 0 with fewer than two, or without times."""
        mean = np.zeros(len(self.indptr) - 1, dtype=np.float64)
        several = self.counts >= 2
        if self.times is not None and several.any():
            first, last = self.indptr[:-1][several], self.indptr[1:][several] - 1
            mean[several] = (self.times[last] - self.times[first]) / (last - first)
        return mean
