"""What people were shown: impressions beside histories, which are neither positives nor seen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int32]
Longs = NDArray[np.int64]
Bools = NDArray[np.bool_]


class Rows(Protocol):
    """Histories, which hold this and so cannot be named here."""

    @property
    def indptr(self) -> Longs: ...
    @property
    def items(self) -> Ints: ...
    @property
    def times(self) -> Longs | None: ...
    @property
    def n_items(self) -> int: ...
    @property
    def rows(self) -> Longs: ...


@dataclass(frozen=True, eq=False)
class Shown:
    """The items that people of a batch were shown; row ``r`` is ``items[indptr[r]:indptr[r + 1]]``, oldest first."""

    indptr: Longs  # (rows + 1,)
    items: Ints  # (impressions,)
    times: Longs | None = None  # (impressions,) unix seconds

    @classmethod
    def of(cls, rows: Longs, items: Ints, n_rows: int, times: Longs | None = None) -> Shown:
        """From the row of each impression; ``rows`` never decreases."""
        indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=n_rows))]).astype(np.int64)
        return cls(indptr, items.astype(np.int32), None if times is None else times.astype(np.int64))

    @property
    def rows(self) -> Longs:
        """The row of every impression, ``(impressions,)``."""
        return np.repeat(np.arange(len(self.indptr) - 1, dtype=np.int64), np.diff(self.indptr))

    def __getitem__(self, rows: slice | Longs | Bools) -> Shown:
        """The chosen rows, in the order chosen."""
        chosen = np.arange(len(self.indptr) - 1, dtype=np.int64)[rows]
        lengths = np.diff(self.indptr)[chosen]
        indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        at = np.arange(indptr[-1], dtype=np.int64) + np.repeat(self.indptr[chosen] - indptr[:-1], lengths)
        return Shown(indptr, self.items[at], None if self.times is None else self.times[at])

    def where(self, keep: Bools) -> Shown:
        """The impressions where ``keep`` (impressions,) is true; all rows remain."""
        passed = np.concatenate([[0], np.cumsum(keep, dtype=np.int64)])
        return Shown(passed[self.indptr], self.items[keep], None if self.times is None else self.times[keep])

    def until(self, given: Rows) -> Shown:
        """Those up to the newest event of each row, and none of an empty row; all where there are no times."""
        if self.times is None or given.times is None:
            return self
        newest = np.full(len(given.indptr) - 1, np.iinfo(np.int64).min)
        np.maximum.at(newest, given.rows, given.times)
        return self.where(self.times <= newest[self.rows])

    def over(self, index: Longs) -> Shown:
        """Over other items: ``index`` has the new number of each, -1 where it is dropped."""
        found = index[self.items]
        return replace(self.where(found >= 0), items=found[found >= 0].astype(np.int32))

    def not_taken(self, given: Rows) -> Shown:
        """Each item once a row, in ascending order, without those of any event of the row."""
        n = np.int64(given.n_items)
        keys = np.unique(self.rows * n + self.items)
        keys = keys[~np.isin(keys, given.rows * n + given.items)]
        return Shown.of(keys // n, (keys % n).astype(np.int32), len(given.indptr) - 1)

    def too_often(self, given: Rows, most: int) -> Shown:
        """Each item once a row, in ascending order, that was shown ``most`` times or more since its last event.

        Without times, an impression counts only where the row has no event of its item.
        """
        n = np.int64(given.n_items)
        keys, events = self.rows * n + self.items, given.rows * n + given.items
        if self.times is None or given.times is None:
            counts = ~np.isin(keys, events)
        else:
            pairs, at = np.unique(events, return_inverse=True)
            last = np.full(len(pairs) + 1, np.iinfo(np.int64).min)
            np.maximum.at(last, at, given.times)
            place = np.searchsorted(pairs, keys)
            there = np.append(pairs, -1)[place] == keys
            counts = ~there | (self.times > last[place])
        pairs, times = np.unique(keys[counts], return_counts=True)
        pairs = pairs[times >= most]
        return Shown.of(pairs // n, (pairs % n).astype(np.int32), len(given.indptr) - 1)
