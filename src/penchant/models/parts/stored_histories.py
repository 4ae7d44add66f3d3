"""Training histories stored without names, for models that use the most similar ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from penchant.core.histories import Bools, Floats, Histories, Ints, Longs, ValuesAre
from penchant.models.parts.similarity import Index, Measure, Vectors

KINDS: tuple[ValuesAre, ...] = ("none", "weight", "rating")


@dataclass(frozen=True, eq=False)
class StoredHistories:
    """Histories as arrays that can be saved: items, values and which events were liked; no times, no ids."""

    indptr: Longs  # (rows + 1,)
    items: Ints
    values: Floats | None
    liked: Bools | None
    kind: int  # of the values, an index into ``KINDS``

    @classmethod
    def of(cls, train: Histories) -> Self:
        """With each item once per history."""
        once = train.distinct()
        values = once.weights() if once.values_are == "weight" else once.values  # as they count, so no curve is kept
        return cls(once.indptr, once.items, values, once.liked, KINDS.index(once.values_are))

    def histories(self, n_items: int) -> Histories:
        """As histories again, checked, because the indexes may come from a file."""
        return Histories(self.indptr, self.items, n_items, self.values, KINDS[self.kind], liked=self.liked)


@dataclass(frozen=True, eq=False)
class Side:
    """Stored histories found by their items and by their exact content."""

    events: Histories
    index: Index
    hashes: Longs  # (rows,) sorted
    by_hash: Longs  # (rows,) which row has that hash

    @classmethod
    def of(cls, measure: Measure, events: Histories, values: Floats) -> Self:
        """Takes one pass over the events and a sort of the rows."""
        index = Index.of(measure, Vectors(events.indptr, events.items, values), events.n_items)
        hashes = content(events)
        by_hash = np.argsort(hashes, kind="stable")
        return cls(events, index, hashes[by_hash], by_hash)

    def twins(self, given: Histories) -> Ints:
        """For every history the first stored one with exactly the same items and values; -1 where there is none."""
        found = np.full(len(given), -1, dtype=np.int32)
        hashes = content(given)
        first = np.searchsorted(self.hashes, hashes)
        for row in np.flatnonzero(given.lengths > 0):
            at = first[row]
            while at < len(self.hashes) and self.hashes[at] == hashes[row]:
                stored = int(self.by_hash[at])
                if _same(given, int(row), self.events, stored):
                    found[row] = stored
                    break
                at += 1
        return found


def content(histories: Histories) -> Longs:
    """A hash of each row's items that ignores their order, ``(rows,)``."""
    mixed = (histories.items.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(32)
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(mixed, dtype=np.uint64)])
    rows: Longs = (sums[histories.indptr[1:]] - sums[histories.indptr[:-1]]).view(np.int64)
    return rows


def _same(one: Histories, r: int, other: Histories, s: int) -> bool:
    left, right = (slice(h.indptr[n], h.indptr[n + 1]) for h, n in ((one, r), (other, s)))
    a, b = np.argsort(one.items[left]), np.argsort(other.items[right])
    if not np.array_equal(one.items[left][a], other.items[right][b]):
        return False
    if one.values is None or other.values is None:
        return one.values is other.values
    x, y = (h.weights() if h.values_are == "weight" else h.values for h in (one, other))
    assert x is not None and y is not None  # both have values
    return bool(np.array_equal(x[left][a], y[right][b]))
