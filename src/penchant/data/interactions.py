"""The event table of a log: who did what and when."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from penchant.core.blocks import EVENTS
from penchant.core.histories import Bools, Floats, Histories, Ints, Longs, ValuesAre
from penchant.core.shown import Shown
from penchant.data.liked_for import LogAspects
from penchant.data.reading.report import ReadReport
from penchant.data.recipe import Recipe
from penchant.data.vocab import Vocab, normalise_id
from penchant.errors import DataError, InputError
from penchant.text.opinion import Opiner


@dataclass(frozen=True, eq=False)
class Interactions:
    """Events sorted by user, then time, then position, then their order in the log.

    User ``u`` is ``user_ids[u]``; users are in the order of their first appearance in the log. The events of a user
    are contiguous, so ``histories()`` copies only the row pointers. In a log of sessions, a "user" is a session.
    """

    vocab: Vocab
    user_ids: Sequence[str]
    users: Ints  # (events,) never decreases
    items: Ints  # (events,)
    values: Floats | None = None  # (events,)
    values_are: ValuesAre = "none"
    liked: Bools | None = None  # (events,) which events are positives; None: weights > 0, or all events without weights
    times: Longs | None = None  # (events,) unix seconds
    parts: NDArray[np.str_] | None = None  # (events,) train, valid, test or the number of a fold
    sessions: bool = False
    recipe: Recipe = field(default_factory=Recipe)
    report: ReadReport = field(default_factory=ReadReport)
    guests: Bools | None = None  # (users,) which of them are sessions, because no user is given; None: none
    context: Ints | None = None  # (events, contexts) codes of the contexts of the recipe, -1 where one is missing
    shown: Shown | None = None  # (users,) impressions, which are no events; None: there are none
    aspects: LogAspects | None = None  # what its texts speak of; None: nobody asked
    opiner: Opiner | None = None  # what read the texts of its events; None: the word list, or nothing did

    def __post_init__(self) -> None:
        events = len(self.items)
        for name in ("users", "values", "liked", "times", "parts"):
            array = getattr(self, name)
            if array is not None and array.shape != (events,):
                raise DataError(f"interactions: {name} has shape {array.shape}, expected ({events},)")
        if self.context is not None and self.context.shape != (events, len(self.recipe.contexts)):
            expected = (events, len(self.recipe.contexts))
            raise DataError(f"interactions: context has shape {self.context.shape}, expected {expected}")
        if self.guests is not None and self.guests.shape != (len(self.user_ids),):
            raise DataError(f"interactions: guests has shape {self.guests.shape}, expected ({len(self.user_ids)},)")
        if events and any((block[1:] < block[:-1]).any() for block in self._overlapping(self.users)):
            raise DataError("interactions: events must be sorted by user")
        if events and (self.users[0] < 0 or self.users[-1] >= len(self.user_ids)):
            raise DataError(f"interactions: users must lie in [0, {len(self.user_ids)})")

    @staticmethod
    def _overlapping(column: Ints) -> Iterator[Ints]:
        """Blocks of a column, each with the first value of the next."""
        for lo in range(0, len(column), EVENTS):
            yield column[lo : lo + EVENTS + 1]

    def __len__(self) -> int:
        return len(self.items)

    def __repr__(self) -> str:
        counts = {"event": len(self), "session" if self.sessions else "user": self.n_users, "item": self.n_items}
        sizes = ", ".join(f"{count:,} {of if count == 1 else f'{of}s'}" for of, count in counts.items())
        return f"Interactions({sizes}, {self.values_are})"

    @property
    def n_users(self) -> int:
        """The number of users, or of sessions."""
        return len(self.user_ids)

    @property
    def n_items(self) -> int:
        """The number of items of the vocabulary."""
        return len(self.vocab)

    @cached_property
    def indptr(self) -> Longs:
        """The events of user ``u`` are ``indptr[u]:indptr[u + 1]``; shape ``(n_users + 1,)``."""
        counts = np.bincount(self.users, minlength=self.n_users)
        return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {user_id: row for row, user_id in enumerate(self.user_ids) if not self.is_guest(row)}

    @cached_property
    def _guest_rows(self) -> dict[str, int]:
        return {user_id: row for row, user_id in enumerate(self.user_ids) if self.is_guest(row)}

    def is_guest(self, row: int) -> bool:
        """Whether a row is a session without a user, in a log that has both."""
        return self.guests is not None and bool(self.guests[row])

    def histories(self) -> Histories:
        """All histories, oldest event first; row ``r`` belongs to ``user_ids[r]``. Made once."""
        return self._histories

    @cached_property
    def _histories(self) -> Histories:
        return Histories(
            self.indptr, self.items, self.n_items, self.values, self.values_are, self.times, liked=self.liked,
            ordered=self.ordered, curve=self.recipe.curve, context=self.context, shown=self.shown,
            people=len(self.recipe.people),
            min_support=self.recipe.min_support,
        )  # fmt: skip

    @property
    def ordered(self) -> bool:
        """Whether the log has an order of events: times, or a column of positions."""
        return self.times is not None or "position" in self.report.columns

    def history_of(self, user_id: object, *, guest: bool = False) -> Histories:
        """The history of one user, as one row; raises ``InputError`` if the log has no such user.

        ``guest`` means a session without a user, in a log that has both.
        """
        rows = self._guest_rows if guest else self._rows
        row = rows.get(user_id if isinstance(user_id, str) else "")
        if row is None:
            try:
                row = rows.get(normalise_id(user_id))
            except DataError:
                row = None
        if row is None:
            raise InputError(f"the log has no {'session' if self.sessions or guest else 'user'} {str(user_id)[:80]!r}")
        return self.histories()[row : row + 1]

    def need_positives(self) -> None:
        """Raises ``DataError`` if no row matches the rule for positives (``value>=4``)."""
        if self.recipe.positive is None or self.values is None or len(self) == 0:
            return
        liked = self.recipe.weigh(values=self.values)[1]
        if liked is not None and not liked.any():
            low, high = self.values.min(), self.values.max()
            raise DataError(f"no row matches {self.recipe.positive}; values go from {low:g} to {high:g}")

    def where(self, mask: Bools) -> Interactions:
        """The events where ``mask`` (events,) is true; keeps the vocabulary and drops users without events.

        Where some are left out, so is what was shown later than the newest of the others.
        """
        mask = np.asarray(mask, dtype=np.bool_)
        if mask.shape != (len(self),):
            raise DataError(f"interactions: the mask has shape {mask.shape}, expected ({len(self)},)")
        kept, users = np.unique(self.users[mask], return_inverse=True)
        some = replace(
            self,
            user_ids=[self.user_ids[int(user)] for user in kept],
            users=users.astype(np.int32),
            items=self.items[mask],
            values=None if self.values is None else self.values[mask],
            liked=None if self.liked is None else self.liked[mask],
            times=None if self.times is None else self.times[mask],
            parts=None if self.parts is None else self.parts[mask],
            guests=None if self.guests is None else self.guests[kept],
            context=None if self.context is None else self.context[mask],
            shown=None if self.shown is None else self.shown[kept.astype(np.int64)],
            aspects=None if self.aspects is None else self.aspects.of_people(kept),
        )
        if some.shown is None or mask.all():
            return some
        return replace(some, shown=some.shown.until(some.histories()))
