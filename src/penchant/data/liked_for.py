"""What items are liked and blamed for: the aspects of the texts of a log, as attributes of a catalogue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

from penchant.core.histories import Bools, Floats, Ints
from penchant.data.catalog import Catalog

if TYPE_CHECKING:
    from penchant.text.aspects import Aspects

CLEAR = 0.2  # mean opinion from which an item is praised, and down to which it is blamed
SAID = 2  # mentions of an aspect of an item below which nothing is said of it
LIKED_FOR, BLAMED_FOR = "liked for", "blamed for"  # the attributes


@dataclass(frozen=True, eq=False)
class LogAspects:
    """The aspects of the texts of a log, and who mentioned which of what item; mention ``i`` is entry ``i``."""

    aspects: Aspects
    users: Ints  # (mentions,)
    items: Ints  # (mentions,)
    mentioned: Ints  # (mentions,) numbers of ``aspects.names``
    opinions: Floats  # (mentions,) from -1 to 1

    @classmethod
    def of(cls, texts: Sequence[str | None], users: Ints, items: Ints) -> LogAspects:
        """Learn the aspects of texts, and find them there."""
        from penchant.text.aspects import Aspects

        aspects = Aspects.learn(texts)
        found = aspects.mentions(texts)
        return cls(aspects, users[found.texts], items[found.texts], found.aspects, found.opinions)

    def of_items(self, n_items: int) -> Floats:
        """The opinion of each aspect of each item, ``(n_items, aspects)``: the sum over its mentions divided by one
        more than their number; 0 for one with fewer than ``SAID``."""
        return self._means(self.items, n_items)

    def of_person(self, user: int) -> dict[str, int]:
        """What one person speaks of, and how often."""
        counts = np.bincount(self.mentioned[self.users == user], minlength=len(self.aspects.names))
        return {self.aspects.names[at]: int(counts[at]) for at in np.flatnonzero(counts).tolist()}

    def of_people(self, kept: Ints) -> LogAspects:
        """Only what some people mentioned, ascending; they are numbered anew."""
        inside = np.isin(self.users, kept)
        users = np.searchsorted(kept, self.users[inside]).astype(np.int32)
        return LogAspects(self.aspects, users, self.items[inside], self.mentioned[inside], self.opinions[inside])

    def _means(self, rows: Ints, n: int) -> Floats:
        width = max(1, len(self.aspects.names))
        cell = rows.astype(np.int64) * width + self.mentioned
        counts = np.bincount(cell, minlength=n * width)[: n * width].reshape(n, width)
        sums = np.bincount(cell, weights=self.opinions, minlength=n * width)[: n * width].reshape(n, width)
        means: Floats = np.where(counts >= SAID, sums / (counts + 1), 0).astype(np.float32)
        return means

    def described(self, catalog: Catalog) -> Catalog:
        """The catalogue with the attributes ``liked for`` and ``blamed for``: lists of aspects, the clearest first."""
        means = self.of_items(len(catalog))
        named = {
            LIKED_FOR: [self._names(row, row >= CLEAR) for row in means],
            BLAMED_FOR: [self._names(-row, row <= -CLEAR) for row in means],
        }
        return replace(catalog, attributes={**catalog.attributes, **named})

    def _names(self, row: Floats, chosen: Bools) -> list[str] | None:
        order = np.argsort(-row, kind="stable")
        return [self.aspects.names[at] for at in order.tolist() if chosen[at]] or None


def aspects_of(catalog: Catalog | None) -> Aspects | None:
    """The aspects that the items of a catalogue are liked or blamed for; None where it does not say."""
    if catalog is None:
        return None
    if catalog not in _known:
        _known[catalog] = _named(catalog)
    return _known[catalog]


_known: WeakKeyDictionary[Catalog, Aspects | None] = WeakKeyDictionary()  # catalogues are read-only


def _named(catalog: Catalog) -> Aspects | None:
    columns = [catalog.attributes.get(name) for name in (LIKED_FOR, BLAMED_FOR)]
    from penchant.text.aspects import Aspects

    names = {name for column in columns if column is not None for named in column if named for name in named}
    return Aspects(tuple(sorted(names))) if names else None


def praised(catalog: Catalog, item: int, cares: Mapping[str, float]) -> list[str]:
    """The aspects that a person cares about and for which an item is liked."""
    column = catalog.attributes.get(LIKED_FOR)
    return [name for name in (None if column is None else column[item]) or [] if name in cares]
