"""Refunds: an event that takes an earlier purchase of the same person and item back."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal, get_args

import numpy as np

from penchant.core.histories import Bools, Longs
from penchant.errors import ParameterError

Refund = Literal["newest", "oldest"]


@dataclass(frozen=True, eq=False)
class Netted:
    """What refunds left: which events stay, what is left of each, and how much of the refunds found nothing."""

    keep: Bools  # (events,)
    amounts: np.ndarray  # (events,)
    refunds: int  # events that take something back
    cancelled: int  # purchases that disappeared
    unmatched: int  # refunds that found no earlier purchase, or not enough of it


@dataclass
class Left:
    """What refunds and kinds of weight 0 took away."""

    refunds: int = 0  # events that take something back
    cancelled: int = 0  # purchases that disappeared
    unmatched: int = 0  # refunds that found no earlier purchase, or not enough of it
    weightless: int = 0
    afterwards: int = 0  # events that refunds left

    @property
    def fewer(self) -> bool:
        """Whether anything was taken away."""
        return bool(self.refunds or self.weightless)

    def add(self, other: Left) -> None:
        """Add what was taken from other people."""
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))


def checked_refund(which: str) -> Refund:
    """Which purchase a refund takes back; raises ``ParameterError`` for anything but newest and oldest."""
    if which not in get_args(Refund):
        raise ParameterError(f"a refund takes back the 'newest' or the 'oldest' purchase, not {which!r}")
    return which  # type: ignore[return-value]  # checked above


def net(
    pairs: Longs, amounts: np.ndarray, refunding: Bools, weights: np.ndarray | None = None, *, which: Refund = "newest"
) -> Netted:
    """Take refunds off earlier purchases of the same pair of person and item.

    All arrays are ``(events,)``, in the order in which things happened: ``pairs`` numbers person and item, ``amounts``
    are what was bought or taken back (their sign does not count), ``refunding`` says which take back, and ``weights``
    what the kind of an event weighs: where kinds differ, a refund takes back one of the highest weight, a purchase
    rather than a view. A refund takes from the newest (or oldest) purchase before it, then from the next, until it is
    used up. An event of which nothing is left disappears, as do the refunds themselves. Costs a sort of the events of
    the pairs that have refunds.
    """
    keep = ~refunding
    left = np.where(refunding, 0.0, np.asarray(amounts, dtype=np.float64))
    if not refunding.any():
        return Netted(keep, left, 0, 0, 0)
    concerned = np.flatnonzero(np.isin(pairs, np.unique(pairs[refunding])))
    order = concerned[np.argsort(pairs[concerned], kind="stable")]
    starts = np.flatnonzero(np.diff(pairs[order], prepend=pairs[order[0]] - 1))
    cancelled = unmatched = 0
    for start, stop in zip(starts, [*starts[1:], len(order)], strict=True):
        bought: list[int] = []
        events = order[start:stop].tolist()
        top = None if weights is None else max((weights[e] for e in events if not refunding[e]), default=None)
        for event in events:
            if not refunding[event]:
                if left[event] > 0 and (top is None or weights is None or weights[event] == top):
                    bought.append(event)
                continue
            due = abs(float(amounts[event]))
            while due > 0 and bought:
                at = bought[-1 if which == "newest" else 0]
                taken = min(due, left[at])
                due, left[at] = due - taken, left[at] - taken
                if left[at] <= 0:
                    bought.remove(at)
                    keep[at] = False
                    cancelled += 1
            unmatched += due > 0
    return Netted(keep, left, int(refunding.sum()), cancelled, unmatched)
