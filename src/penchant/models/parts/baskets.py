"""When a history took each of its items: the purchases of every pair, by basket."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from penchant.core.baskets import Baskets
from penchant.core.histories import Histories, Ints, Longs


@dataclass(frozen=True, eq=False)
class Purchases:
    """The baskets of each history and item, by row, then item, then time; an item counts once a basket."""

    rows: Longs
    items: Ints
    baskets: Longs  # the number of the basket within its row, 0 the oldest
    nth: Longs  # how many times the history took the item before
    first: Longs  # the position here of the first purchase of the pair
    is_last: NDArray[np.bool_]  # the newest purchase of the pair

    @classmethod
    def of(cls, histories: Histories, baskets: Baskets) -> Self:
        """Sorts the events."""
        rows = histories.rows
        order = np.lexsort((baskets.of, histories.items, rows))
        row, item, basket = rows[order], histories.items[order], baskets.of[order]
        new = np.ones(len(order), dtype=np.bool_)
        new[1:] = (row[1:] != row[:-1]) | (item[1:] != item[:-1]) | (basket[1:] != basket[:-1])
        row, item, basket = row[new], item[new], basket[new]
        start = np.ones(len(row), dtype=np.bool_)
        start[1:] = (row[1:] != row[:-1]) | (item[1:] != item[:-1])
        position = np.arange(len(row), dtype=np.int64)
        first = np.maximum.accumulate(np.where(start, position, 0))
        is_last = np.ones(len(row), dtype=np.bool_)
        is_last[:-1] = start[1:]
        return cls(row, item, basket - baskets.indptr[row], position - first, first, is_last)
