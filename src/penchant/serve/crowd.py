"""What people did lately, all together: popular, trending, and popular in a segment of people."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from sqlalchemy import bindparam, distinct, func, select

from penchant.serve.store import EventStore
from penchant.serve.tables import attributes, events

DAY = 86_400
FRESH = 10.0  # seconds for which counts over everybody are kept
MOST = 10_000  # items that are counted


class Crowd:
    """Counts over everybody's events; never part of a personal answer but where nothing is known of the person.

    Counting reads many rows: call it outside the event loop. What was counted is kept for ten seconds.
    """

    def __init__(self, store: EventStore, *, min_support: int) -> None:
        self.store, self.min_support = store, min_support
        make, e, a = store.database.compile, events.c, attributes.c
        people = func.count(distinct(e.person))
        window = select(e.item, people).where(e.time > bindparam("since"), e.time <= bindparam("until"))
        self._window = make(window.group_by(e.item).order_by(people.desc(), e.item).limit(MOST))
        in_segment = select(a.person).where(a.name == bindparam("name"), a.value == bindparam("value"))
        of_segment = e.person.in_(in_segment)
        self._support = make(select(func.count(distinct(e.person))).where(of_segment))
        counted = select(e.item, people).where(of_segment).group_by(e.item)
        self._segment = make(counted.order_by(people.desc(), e.item).limit(MOST))
        self._kept: dict[Any, tuple[float, Any]] = {}

    def _fresh(self, key: Any, count: Any) -> Any:
        found = self._kept.get(key)
        now = time.monotonic()
        if found is not None and now - found[0] < FRESH:
            return found[1]
        counted = count()
        if len(self._kept) > 1000:
            self._kept.clear()
        self._kept[key] = now, counted
        return counted

    def popular(self, days: float) -> list[tuple[str, float]]:
        """Items with the number of people who did something with them in the last ``days``, most first."""
        now = int(time.time())

        def count() -> list[tuple[str, float]]:
            rows = self.store.database.read(self._window, since=now - int(days * DAY), until=now + DAY)
            return [(item, float(people)) for item, people in rows]

        return self._fresh(("popular", days), count)  # type: ignore[no-any-return]  # what count returns

    def trending(self, days: float) -> list[tuple[str, float]]:
        """Items by how many more people than before did something with them: (n − b) / √(b + 1), n in the last
        ``days``, b in as many days before."""
        now, span = int(time.time()), int(days * DAY)

        def count() -> list[tuple[str, float]]:
            lately = self.store.database.read(self._window, since=now - span, until=now + DAY)
            before = dict(self.store.database.read(self._window, since=now - 2 * span, until=now - span))
            risen = [(item, (n - before.get(item, 0)) / (before.get(item, 0) + 1) ** 0.5) for item, n in lately]
            return sorted((pair for pair in risen if pair[1] > 0), key=lambda pair: (-pair[1], pair[0]))

        return self._fresh(("trending", days), count)  # type: ignore[no-any-return]  # what count returns

    def segment(self, said: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]] | None:
        """The smallest segment of a person's attributes that at least ``min_support`` people with events share, and its
        items, most people first; None where no segment is that large."""
        best: tuple[int, str, Any] | None = None
        for name, value in sorted(said.items()):
            support = self._fresh(("support", name, json.dumps(value)), lambda n=name, v=value: self._count(n, v))
            if support >= self.min_support and (best is None or support < best[0]):
                best = (support, name, value)
        if best is None:
            return None
        support, name, value = best

        def count() -> list[str]:
            return [row[0] for row in self.store.database.read(self._segment, name=name, value=json.dumps(value))]

        items = self._fresh(("segment", name, json.dumps(value)), count)
        return {"attribute": name, "value": value, "people": support}, items

    def _count(self, name: str, value: Any) -> int:
        return int(self.store.database.read(self._support, name=name, value=json.dumps(value))[0][0])
