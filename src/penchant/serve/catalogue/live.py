"""The live catalogue: what was saved with the model, and the changes that the API made since."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from penchant.core.histories import Floats
from penchant.data.catalog import text_of
from penchant.data.conditions import holds
from penchant.data.item_values import Column
from penchant.recommender.recommender import Recommender
from penchant.serve.catalogue.filters import Available, Between, Exists, OneOf, Where, text, walk
from penchant.serve.catalogue.meanings import Meanings
from penchant.store.items import ItemChange

Bools = NDArray[np.bool_]
T = TypeVar("T")
NEVER = 2**62
KEPT_FILTERS = 256
KEPT_BYTES = 2**26  # of cached selections; fewer are kept where there are many items


@dataclass(frozen=True, eq=False)
class Selection:
    """The items that may be shown: a mask, and how many items each filter removed (each item counted once)."""

    mask: Bools
    removed: dict[str, int]
    unknown: list[str]  # attributes of the filter that no item has


class LiveCatalogue:
    """All items by position: first those of the model, in the order of its indexes, then those it does not know.

    ``apply`` takes effect at once. Selections are cached until the next change or expiry.
    """

    def __init__(self, recommender: Recommender, changes: Sequence[ItemChange] = ()) -> None:
        self.n_model = recommender.model.n_items
        self.vocab = recommender.vocab  # it grows by the items that the model does not know
        self.ids = self.vocab.ids
        catalog, n = recommender.catalog, len(self.ids)
        self.titles: list[str | None] = [None] * n if catalog is None else list(catalog.titles)
        self.domains = Column([None] * n if catalog is None or catalog.domains is None else catalog.domains)
        self.attributes = (
            {} if catalog is None else {name: Column(column) for name, column in catalog.attributes.items()}
        )
        available = None if catalog is None else catalog.available
        self.available: Bools = np.ones(n, np.bool_) if available is None else np.array(available, dtype=np.bool_)
        self.hidden, self.deleted = np.zeros(n, np.bool_), np.zeros(n, np.bool_)
        self.expires, self.added = np.full(n, NEVER, np.int64), np.zeros(n, np.int64)
        self.integers = recommender.vocab.integers
        self._saved, self._n_saved = catalog, n
        self._counts = np.atleast_1d(recommender.item_counts)
        self._derived: dict[str, tuple[int, Any]] = {}
        self.version = 0
        self.meanings = Meanings(recommender)  # vectors of texts
        self.lock = threading.RLock()  # a slow model answers in a thread while items change
        self._kept: OrderedDict[str, Selection] = OrderedDict()
        self._kept_from, self._kept_until = 0.0, 0.0
        for change in changes:
            self.apply(change)

    def __len__(self) -> int:
        return len(self.ids)

    # -- changing -------------------------------------------------------------------------------------------------

    def apply(self, change: ItemChange) -> None:
        """Replace everything that the API had set for one item."""
        with self.lock:
            self._apply(change)

    def _apply(self, change: ItemChange) -> None:
        at = self.vocab.index(change.item)
        if at < 0:
            at = self._append(change.item)
        self._as_saved(at)
        self.added[at] = change.added
        self.deleted[at] = change.deleted
        for name, value in change.fields.items():
            self._set(at, name, value)
        for name, value in change.attributes.items():
            if name not in self.attributes:
                self.attributes[name] = Column([None] * len(self.ids))
            self.attributes[name].set(at, value)
        self.meanings.changed(at)
        self.version += 1
        self._kept.clear()

    def _append(self, item: str) -> int:
        at = len(self.ids)
        self.vocab.extend([item])
        self.titles.append(None)
        if at >= len(self.available):
            room = max(64, at // 8)
            self.available = np.append(self.available, np.ones(room, np.bool_))
            self.hidden, self.deleted = (
                np.append(old, np.zeros(room, np.bool_)) for old in (self.hidden, self.deleted)
            )
            self.expires = np.append(self.expires, np.full(room, NEVER, np.int64))
            self.added = np.append(self.added, np.zeros(room, np.int64))
        for column in (self.domains, *self.attributes.values()):
            column.append()
        return at

    def _as_saved(self, at: int) -> None:
        """Reset an item to what was saved with the model."""
        saved = self._saved if self._saved is not None and at < self._n_saved else None
        self.titles[at] = None if saved is None else saved.titles[at]
        self.domains.set(at, None if saved is None or saved.domains is None else saved.domains[at])
        self.available[at] = True if saved is None or saved.available is None else saved.available[at]
        self.hidden[at], self.expires[at] = False, NEVER
        for name, column in self.attributes.items():
            column.set(at, saved.attributes[name][at] if saved is not None and name in saved.attributes else None)

    def _set(self, at: int, name: str, value: Any) -> None:
        if name == "title":
            self.titles[at] = value
        elif name == "domain":
            self.domains.set(at, value)
        elif name == "expires":
            self.expires[at] = NEVER if value is None else int(value)
        elif name in {"available", "hidden"}:
            getattr(self, name)[at] = (name == "available") if value is None else bool(value)

    # -- reading --------------------------------------------------------------------------------------------------

    def holds(self, item: str) -> bool:
        """Whether there is such an item, and it is not deleted."""
        at = self.vocab.index(item)
        return at >= 0 and not self.deleted[at]

    def item_id(self, at: int) -> str:
        """The id of a position."""
        return self.ids[at]

    def title(self, at: int) -> str | None:
        """The title of a position; None where there is none."""
        return self.titles[at]

    def describe(self, at: int, now: float | None = None) -> dict[str, Any]:
        """Everything that is known about an item."""
        moment = time.time() if now is None else now
        values = {name: column.values[at] for name, column in self.attributes.items()}
        expires = int(self.expires[at])
        return {
            "item": self.ids[at],
            "title": self.titles[at],
            "domain": self.domains.values[at],
            "available": bool(self.available[at]),
            "hidden": bool(self.hidden[at]),
            "expires": None if expires == NEVER else expires,
            "expired": expires <= moment,
            "attributes": {name: value for name, value in values.items() if value is not None},
            "known_to_model": at < self.n_model,
        }

    def meaning(self, vector: Floats) -> Floats | None:
        """The cosine of the text of each item with a vector, ``(len(self),)``; None where texts have no vectors."""
        with self.lock:
            return self.meanings.near(vector, len(self), self.text)

    def near_to(self, positions: list[int]) -> Floats | None:
        """The cosine of the text of each item with the mean of those of some; None where texts have no vectors."""
        with self.lock:
            vectors = self.meanings.of(positions, len(self), self.text)
            if vectors is None:
                return None
            mean = vectors.mean(axis=0)
            return self.meanings.near(mean / max(float(np.linalg.norm(mean)), 1e-9), len(self), self.text)

    def text(self, at: int) -> str:
        """An item in words: its title and the values of its attributes that are text."""
        return text_of(self.titles[at], (column.values[at] for column in self.attributes.values()))

    def count(self, at: int) -> int:
        """How many training histories hold an item."""
        return int(self._counts[at]) if 0 <= at < len(self._counts) else 0

    def derive(self, name: str, compute: Callable[[], T]) -> T:
        """The result of ``compute``, kept under a name until the catalogue changes."""
        kept = self._derived.get(name)
        if kept is not None and kept[0] == self.version:
            return kept[1]  # type: ignore[no-any-return]  # it holds results of many types
        with self.lock:
            version, result = self.version, compute()
        self._derived[name] = version, result
        return result

    def select(self, where: Where | None, now: float | None = None) -> Selection:
        """The items that may be shown under a filter; the mask has shape ``(len(self),)``."""
        with self.lock:
            return self._selected(where, time.time() if now is None else now)

    def _selected(self, where: Where | None, moment: float) -> Selection:
        if moment >= self._kept_until or moment < self._kept_from:
            self._kept.clear()
        key = text(where)
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
            return found
        if not self._kept:
            later = self.expires[: len(self)][self.expires[: len(self)] > moment]
            self._kept_from, self._kept_until = moment, float(later.min()) if len(later) else float(NEVER)
        found = self._kept[key] = self._select(where, moment)
        if len(self._kept) > max(2, min(KEPT_FILTERS, KEPT_BYTES // max(1, len(self)))):
            self._kept.popitem(last=False)
        return found

    def _select(self, where: Where | None, moment: float) -> Selection:
        n = len(self)
        mask = ~self.deleted[:n]
        removed: dict[str, int] = {}
        unknown = sorted(
            {part.attribute for part in walk(where) if isinstance(part, (OneOf, Between, Exists))}
            - set(self.attributes)
        )

        def keep(name: str, wanted: Bools) -> None:
            nonlocal mask
            kept = mask & wanted
            removed[name] = int(mask.sum() - kept.sum())
            mask = kept

        keep("hidden", ~self.hidden[:n])
        keep("expired", self.expires[:n] > moment)
        if not any(isinstance(part, Available) for part in walk(where)):
            keep("unavailable", self.available[:n])
        if where is not None:
            keep("where", self._holds(where))
        mask.flags.writeable = False
        return Selection(mask, {name: count for name, count in removed.items() if count}, unknown)

    def _holds(self, where: Where) -> Bools:
        return holds(where.model_dump(by_alias=True), self)

    def column(self, attribute: str) -> Column | None:
        """The values of an attribute; None if no item has it."""
        return self.attributes.get(attribute)

    def domain_column(self) -> Column:
        """The domains of the items."""
        return self.domains

    def availability(self) -> Bools:
        """Which items are available."""
        return self.available[: len(self)]
