"""A placement over one catalogue: masks, boosts and counters, made once and used for every answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from penchant.core.histories import Bools, Floats, Ints
from penchant.data.conditions import Items, holds, says_available
from penchant.data.item_values import spelled
from penchant.placements.placement import AtMost, Placement
from penchant.placements.problem import Counters


class Shelf(Items, Protocol):
    """The items that a placement chooses from: their attributes, and where an id stands."""

    def position(self, item_id: object) -> int:
        """The position of an id; -1 if there is none."""
        ...

    def vectors(self) -> Floats | None:
        """Vectors of the items, ``(n, size)``; None without."""
        ...

    def names(self) -> list[str]:
        """The names of all attributes."""
        ...


@dataclass(frozen=True, eq=False)
class Boosted:
    """One boost: its name, its items and what it adds."""

    name: str
    mask: Bools
    by: float


@dataclass(frozen=True, eq=False)
class Compiled:
    """What the rules of a placement say about each item, whoever asks."""

    placement: Placement
    size: int
    allow: Bools  # (n,) what passes every filter that is the same for everybody
    filters: tuple[tuple[str, Bools], ...]  # name, and what passes
    boosts: tuple[Boosted, ...]
    added: Floats | None  # (n,) the sum of the boosts; None without
    counters: Counters
    pins: tuple[tuple[int, int, str, int | None], ...]  # position from 0, item, name, until
    missing: tuple[str, ...]  # pinned items that the catalogue does not have
    shelf: Shelf

    @property
    def stepwise(self) -> bool:
        """Whether a list is made item by item, because what is chosen changes what is best next."""
        one = self.placement
        return one.diversity is not None or one.calibrate is not None or one.explore is not None

    @property
    def most_added(self) -> float:
        """The largest boost of any item."""
        return 0.0 if self.added is None else max(0.0, float(self.added.max(initial=0)))

    def pinned(self, now: float) -> Ints:
        """The item of each position, ``(k,)``; -1 for none. A pin whose moment has passed is gone."""
        found = np.full(self.placement.k, -1, dtype=np.int32)
        for position, item, _, until in self.pins:
            if until is None or now < until:
                found[position] = item
        return found


def compile_placement(placement: Placement, shelf: Shelf) -> Compiled:
    """The rules over a catalogue. Cost: one pass over the items a rule."""
    n = len(shelf)
    filters: list[tuple[str, Bools]] = []
    available = shelf.availability()
    if available is not None and not says_available(placement.where):
        filters.append(("unavailable", available[:n]))
    if placement.where is not None:
        filters.append(("where", holds(placement.where, shelf)))
    for rule in placement.exclude:
        if rule.items:
            kept = np.ones(n, np.bool_)
            kept[[at for item in rule.items if (at := shelf.position(item)) >= 0]] = False
            filters.append((rule.name, kept))
    allow = np.ones(n, np.bool_)
    for _, passed in filters:
        allow &= passed
    boosts = tuple(Boosted(rule.name, holds(rule.where, shelf), rule.by) for rule in placement.boost)
    added = np.zeros(n, np.float32) if boosts else None
    for boost in boosts:
        added[boost.mask] += np.float32(boost.by)  # type: ignore[index]  # there are boosts
    pins, missing = [], []
    for pin in placement.pin:
        at = shelf.position(pin.item)
        if at < 0:
            missing.append(pin.name)
        else:
            pins.append((pin.position - 1, at, pin.name, pin.until))
    counters = _counters(placement, shelf)
    return Compiled(placement, n, allow, tuple(filters), boosts, added, counters, tuple(pins), tuple(missing), shelf)


def _counters(placement: Placement, shelf: Shelf) -> Counters:
    n = len(shelf)
    of: list[Ints] = []  # item numbers, then the counters that they count for
    to: list[Ints] = []
    most: list[int] = []
    least: list[int] = []
    rule_of: list[int] = []
    names: list[str] = []

    def count(items: Ints, counter: int) -> None:
        of.append(items.astype(np.int32))
        to.append(np.full(len(items), counter, np.int32))

    for rule in placement.at_most:
        for items in _groups(rule, shelf):
            count(items, len(most))
            most.append(rule.items)
            least.append(0)
            rule_of.append(len(names))
        names.append(rule.name)
    for bound in placement.at_least:
        count(np.flatnonzero(holds(bound.where, shelf)).astype(np.int32), len(most))
        most.append(-1)
        least.append(bound.items)
        rule_of.append(len(names))
        names.append(bound.name)
    if not most:
        return Counters.none(n)
    items, counted = np.concatenate(of), np.concatenate(to)
    order = np.argsort(items, kind="stable")
    indptr = np.concatenate([[0], np.cumsum(np.bincount(items, minlength=n))]).astype(np.int64)
    floor = np.array(least, np.int32)
    return Counters(
        indptr, counted[order], np.array(most, np.int32), floor, np.flatnonzero(floor).astype(np.int32),
        np.array(rule_of, np.int32), tuple(names),
    )  # fmt: skip


def _groups(rule: AtMost, shelf: Shelf) -> Sequence[Ints]:
    """The items of each value of an attribute, or of one condition."""
    if rule.where is not None:
        return [np.flatnonzero(holds(rule.where, shelf)).astype(np.int32)]
    column = shelf.column(rule.attribute)
    if column is None:
        return []
    return [np.sort(np.fromiter(held, np.int32, len(held))) for held in column.holders.values() if len(held)]


# -- what a person may not be shown -----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Past:
    """What a person did, as rules look at it: item positions (-1: unknown), kinds and moments, in any order."""

    items: Sequence[int] = ()
    kinds: Sequence[str | None] | None = None  # None: events have no kind, and each counts as any kind
    times: Sequence[int] | None = None  # unix seconds; None: events have no time, and each counts as late
    impressions: Mapping[int, Sequence[int]] | None = None  # of an item: their moments
    now: int = 0
    person: str | None = None  # the id, for ``own``
    purchases: Sequence[str] = ("purchase", "buy", "order")  # kinds that count as bought


def barred(compiled: Compiled, past: Past, kind_of: Callable[[Any], str]) -> dict[str, list[int]]:
    """The items that rules keep from one person, by the name of the rule."""
    from penchant.core.settings import parse_span

    found: dict[str, list[int]] = {}
    kinds = None if past.kinds is None else ["" if kind is None else kind_of(kind) for kind in past.kinds]
    times = past.times
    for rule in compiled.placement.exclude:
        if rule.own and past.person is not None:
            column = compiled.shelf.column(rule.own)
            found[rule.name] = [] if column is None else sorted(column.holders.get(spelled(past.person), ()))
        elif rule.kind:
            wanted, span = kind_of(rule.kind), parse_span("within", rule.within) if rule.within else None
            found[rule.name] = [
                item
                for n, item in enumerate(past.items)
                if item >= 0
                and (kinds is None or kinds[n] in {wanted, ""})
                and (span is None or times is None or times[n] > past.now - span)
            ]
        elif rule.impressions and past.impressions:
            wanted = kind_of(rule.without) if rule.without else ""
            newest: dict[int, int] = {}
            for n, item in enumerate(past.items):
                if not wanted or kinds is None or kinds[n] == wanted:
                    newest[item] = max(newest.get(item, -1), 2**62 if times is None else times[n])
            found[rule.name] = [
                item
                for item, moments in past.impressions.items()
                if sum(moment > newest.get(item, -1) for moment in moments) >= rule.impressions
            ]
    if compiled.placement.repeat == "never":
        found["seen"] = [item for item in past.items if item >= 0]
    elif compiled.placement.repeat == "buy-again":
        bought = {item for n, item in enumerate(past.items) if kinds is None or kinds[n] in {*past.purchases, ""}}
        found["seen"] = [item for item in past.items if item >= 0 and item not in bought]
    return {name: items for name, items in found.items() if items}
