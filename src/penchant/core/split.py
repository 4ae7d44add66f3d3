"""Every evaluation protocol is one shape: what is trained on, what is given of each case, and what is true."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from penchant.core.histories import Bools, Histories, Longs
from penchant.errors import DataError, LeakError


@dataclass(frozen=True, eq=False)
class Split:
    """``train`` for fitting; case ``r`` asks: given row ``r`` of ``given``, what is in row ``r`` of ``truth``?

    ``given`` and ``train`` hold every row of the log with its value; ranking models take the positives of them.
    ``truth`` holds positives (values: their relevance), for rating metrics ratings.
    """

    name: str
    train: Histories
    given: Histories
    truth: Histories
    candidates: Histories | None = None  # only these items are ranked, a row a case
    seen: Histories | None = None  # what may not be an answer; None: given
    group: Longs | None = None  # (cases,) cases of one group are drawn together by the bootstrap
    warm: Bools | None = None  # (cases,) whether the person was in training
    repeat: bool = False  # seen items may be answers
    valid: Split | None = None  # for choosing hyper-parameters; its ``train`` may be smaller than ours
    notes: list[str] = field(default_factory=list)  # what a reader of the numbers should know
    unknown_truth: Longs | None = None  # (cases,) true items outside the vocabulary: they stay in, as misses
    ratings: Histories | None = None  # every held-out rating, liked or not, for rmse and mae; None: there are none

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
        """A true item that the list may not hold can never be found: the triple contradicts itself."""
        seen = self.given if self.seen is None else self.seen
        n = np.int64(self.truth.n_items)
        both = contained(self.truth.rows * n + self.truth.items, seen.rows * n + seen.items)
        if both.any():
            event = int(np.flatnonzero(both)[0])
            case, item = int(self.truth.rows[event]), int(self.truth.items[event])
            raise LeakError(
                f"split {self.name!r}: {int(both.sum()):,} true items can be read from what is given, "
                f"the first in case {case}, item index {item}",
                fix="Take them out of the truth, or say that seen items may be answers (repeat).",
            )

    @property
    def held_out(self) -> Split | None:
        """``valid`` where its cases are not in our ``train``: what ``fit`` may look at without fooling itself."""
        return self.valid if self.valid is not None and self.valid.train is self.train else None

    def cases(self, index: Longs | Bools) -> Split:
        """The split with only the chosen cases, in the order chosen; its training part stays whole."""
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
    """Which keys stand among the others, by sorting: hashing keys this regular is several times slower."""
    if len(among) == 0:
        return np.zeros(len(keys), dtype=np.bool_)
    ordered = np.sort(among)
    return np.asarray(ordered[np.minimum(np.searchsorted(ordered, keys), len(ordered) - 1)] == keys, dtype=np.bool_)
