"""Counts over everybody: popular, trending, and popular in a segment of people."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, bindparam, case, distinct, func, select

from penchant.data.recipe import UNLESS_NAMED, Recipe
from penchant.store.consent import allowed
from penchant.store.database import Statement
from penchant.store.event_loop import off_the_event_loop
from penchant.store.events import EventStore
from penchant.store.tables import attributes, events

DAY = 86_400
FRESH = 10.0  # seconds for which a count is reused
MOST = 10_000  # items of one count
KEPT = 64  # counts in memory


Kinds = tuple[tuple[str, float], ...]  # weights of kinds, sorted


def kinds_of(recipe: Recipe) -> Kinds:
    """The weights of kinds in a recipe."""
    return tuple(sorted({**UNLESS_NAMED, **recipe.kinds}.items()))


@dataclass(frozen=True)
class Segment:
    """People who share the value of an attribute, and their items as of an event, most people first."""

    attribute: str
    value: Any
    people: int
    upto: int
    items: list[str]

    def to_json(self) -> dict[str, Any]:
        """As an answer shows it."""
        return {"attribute": self.attribute, "value": self.value, "people": self.people}


class Trends:
    """Counts over everybody's events. A personal answer uses them only if nothing is known about the person.

    Events that may not be learned from do not count: ``purposes`` are those that may (none: all).
    ``kinds`` are the weights of kinds (others weigh 1), as ``kinds_of`` gives them. Each person counts once per item,
    with the weight of their strongest event; negative weights, such as dislikes, never count. ``least`` is how many
    people an item needs: ``min_support`` of the recipe.

    Counting reads many rows, and raises ``Slow`` on the event loop. Counts are reused for ten seconds.
    """

    def __init__(
        self, store: EventStore, *, min_support: int, seconds: float | None = None, purposes: Sequence[str] = ()
    ) -> None:
        self.store, self.min_support, self.seconds = store, min_support, seconds
        make, e, a = store.database.compile, events.c, attributes.c
        in_segment = select(a.person).where(a.name == bindparam("name"), a.value == bindparam("value"))
        may = allowed(purposes)
        self._in_window = (e.time > bindparam("since")) & (e.time <= bindparam("until")) & may
        self._of_segment = e.person.in_(in_segment) & (e.seq <= bindparam("upto", type_=BigInteger())) & may
        self._support = make(select(func.count(distinct(e.person))).where(self._of_segment))
        self._counts: dict[tuple[str, Kinds], Statement] = {}
        self._kept: dict[Any, tuple[float, Any]] = {}
        self._counting: dict[Any, threading.Lock] = {}
        self._one_at_a_time = threading.Lock()

    def _count(self, of: str, kinds: Kinds) -> Statement:
        """The query that counts people by item, each with the weight of their strongest event; only once compiled."""
        if (of, kinds) not in self._counts:
            e, name = events.c, func.lower(func.trim(events.c.kind))
            weight = case(*((name == kind, weight) for kind, weight in kinds), else_=1.0)
            rows = self._in_window if of == "window" else self._of_segment
            each = select(e.item, func.max(weight).label("weight")).where(rows).group_by(e.item, e.person).subquery()
            total = func.sum(each.c.weight)
            counted = select(each.c.item, total).where(each.c.weight > 0).group_by(each.c.item)
            counted = counted.having(func.count() >= bindparam("least"))
            query = counted.order_by(total.desc(), each.c.item).limit(MOST)
            self._counts[of, kinds] = self.store.database.compile(query)
        return self._counts[of, kinds]

    def _fresh(self, key: Any, count: Any) -> Any:
        found = self._kept.get(key)
        now = time.monotonic()
        if found is not None and now - found[0] < FRESH:
            return found[1]
        off_the_event_loop()
        with self._one_at_a_time:
            mine = self._counting.setdefault(key, threading.Lock())
        with mine:  # equal questions at the same time are counted once
            found = self._kept.get(key)
            if found is not None and time.monotonic() - found[0] < FRESH:
                return found[1]
            try:
                counted = count()
            finally:
                with self._one_at_a_time:
                    self._counting.pop(key, None)
            if len(self._kept) >= KEPT:
                self._kept.clear()
            self._kept[key] = time.monotonic(), counted
        return counted

    def _read(self, statement: Statement, **named: Any) -> list[tuple[Any, ...]]:
        return self.store.database.read(statement, seconds=self.seconds, **named)

    def popular(self, days: float, kinds: Kinds, least: int = 1) -> list[tuple[str, float]]:
        """Items by the weighted number of people with an event in the last ``days``, most first."""
        now = int(time.time())

        def count() -> list[tuple[str, float]]:
            query = self._count("window", kinds)
            rows = self._read(query, since=now - int(days * DAY), until=now + DAY, least=least)
            return [(item, float(people)) for item, people in rows]

        return self._fresh(("popular", days, kinds, least), count)  # type: ignore[no-any-return]  # what count returns

    def trending(self, days: float, kinds: Kinds, least: int = 1) -> list[tuple[str, float]]:
        """Items whose number of people rose, by (n − b) / √(b + 1): n people in the last ``days``, b in the period
        before. Most first."""
        now, span = int(time.time()), int(days * DAY)

        def count() -> list[tuple[str, float]]:
            query = self._count("window", kinds)
            lately = self._read(query, since=now - span, until=now + DAY, least=least)
            before = dict(self._read(query, since=now - 2 * span, until=now - span, least=1))
            risen = [(item, (n - before.get(item, 0)) / (before.get(item, 0) + 1) ** 0.5) for item, n in lately]
            return sorted((pair for pair in risen if pair[1] > 0), key=lambda pair: (-pair[1], pair[0]))

        return self._fresh(("trending", days, kinds, least), count)  # type: ignore[no-any-return]  # what count returns

    def segment(self, attributes: Mapping[str, Any], kinds: Kinds, least: int = 1) -> Segment | None:
        """The smallest segment of these attributes with at least ``min_support`` people with events; None if there is
        none."""
        found = [self._current(name, value, kinds, least) for name, value in sorted(attributes.items())]
        large = [segment for segment in found if segment.people >= self.min_support]
        return min(large, key=lambda segment: segment.people, default=None)

    def _current(self, name: str, value: Any, kinds: Kinds, least: int) -> Segment:
        """A segment as of now, or of a moment ago."""
        key = ("segment", name, json.dumps(value), kinds, least)
        return self._fresh(key, lambda: self.as_of(name, value, self.store.clock().events, kinds, least))  # type: ignore[no-any-return]  # what it counts

    def as_of(self, name: str, value: Any, upto: int, kinds: Kinds, least: int = 1) -> Segment:
        """A segment as of an event: always the same."""
        named = {"name": name, "value": json.dumps(value), "upto": upto}

        def count() -> Segment:
            people = int(self._read(self._support, **named)[0][0])
            enough = people >= self.min_support
            query = self._count("segment", kinds)
            items = [item for item, _ in self._read(query, **named, least=least)] if enough else []
            return Segment(name, value, people, upto, items)

        return self._fresh(("as of", name, json.dumps(value), upto, kinds, least), count)  # type: ignore[no-any-return]  # what it counts
