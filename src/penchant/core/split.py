"""The shape of every evaluation protocol: training histories, and for each case what is given and what is true."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from penchant.core.histories import Bools, Histories, Longs
from penchant.errors import DataError, LeakError


@dataclass(frozen=True, eq=False)
class Split:
    """``train`` is for fitting. Case ``r`` asks: given row ``r`` of ``given``, what is in row ``r`` of ``truth``?

    ``given`` and ``train`` contain all events with their values; ranking models use the positives. ``truth`` contains
    positives with their relevance as values, or ratings for rating metrics.
    """

    name: str
    train: Histories
    given: Histories
    truth: Histories
    candidates: Histories | None = None  # per case: only these items are ranked
    seen: Histories | None = None  # per case: items that a list must not contain; None: those given
    group: Longs | None = None  # (cases,) the bootstrap draws the cases of a group together
    warm: Bools | None = None  # (cases,) whether the person is in training
    repeat: bool = False  # lists may contain seen items
    valid: Split | None = None  # for choosing hyper-parameters; its ``train`` may be smaller
    notes: list[str] = field(default_factory=list)  # what readers of the results should know
    unknown_truth: Longs | None = None  # (cases,) true items outside the vocabulary; they count as misses
    ratings: Histories | None = None  # all held-out ratings, for rmse and mae; None: there are none

    def __post_init__(self) -> None:
        rows = len(self.given)
        for name in ("truth", "candidates", "seen", "group", "warm", "unknown_truth", "ratings"):
            part = getattr(self, name)
            if part is not None and len(part) != rows:
                raise DataError(f"split {self.name!r}: {name} has {len(part)} rows, given has {rows}")
            if isinstance(part, Histories) and part.n_items != self.given.n_items:
                raise DataError(
                    f"split {self.name!r}: {name} is over {part.n_items} items, given over {self.given.n_items}"
                )
        if self.train.n_items != self.given.n_items:
            raise DataError(
                f"split {self.name!r}: train is over {self.train.n_items} items, given over {self.given.n_items}"
            )
        if not self.repeat:
            self._refuse_leaks()

    def _refuse_leaks(self) -> None:
        """A true item that a list must not contain can never be found."""
        seen = self.given if self.seen is None else self.seen
        n = np.int64(self.truth.n_items)
        both = contained(self.truth.rows * n + self.truth.items, seen.rows * n + seen.items)
        if both.any():
            event = int(np.flatnonzero(both)[0])
            case, item = int(self.truth.rows[event]), int(self.truth.items[event])
            raise LeakError(
                f"split {self.name!r}: {int(both.sum()):,} true items are also given, "
                f"the first in case {case}, item index {item}",
                fix="Remove them from the truth, or let lists contain seen items (repeat).",
            )

    @property
    def held_out(self) -> Split | None:
        """``valid`` if its cases are not in ``train``: only then may ``fit`` use it."""
        return self.valid if self.valid is not None and self.valid.train is self.train else None

    def cases(self, index: Longs | Bools) -> Split:
        """The split with only the chosen cases, in that order; the training part stays complete."""
        chosen: dict[str, Any] = {
            name: None if part is None else part[index]
            for name in ("given", "truth", "candidates", "seen", "group", "warm", "unknown_truth", "ratings")
            for part in [getattr(self, name)]
        }
        return replace(self, **chosen)

    def __len__(self) -> int:
        return len(self.given)

    def __repr__(self) -> str:
        return f"Split({self.name!r}, {len(self.train):,} training histories, {len(self):,} cases)"


def contained(keys: Longs, among: Longs) -> Bools:
    """Which keys are in ``among``. Sorting is several times faster here than hashing."""
    if len(among) == 0:
        return np.zeros(len(keys), dtype=np.bool_)
    ordered = np.sort(among)
    return np.asarray(ordered[np.minimum(np.searchsorted(ordered, keys), len(ordered) - 1)] == keys, dtype=np.bool_)
