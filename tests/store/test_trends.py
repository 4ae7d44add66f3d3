"""Counts over everybody: people weighted by what they did, and dislikes never count."""

from __future__ import annotations

import asyncio
import time

from penchant.data.recipe import Recipe
from penchant.store.events import Batch, EventStore, NewEvent
from penchant.store.people import People
from penchant.store.trends import Trends, kinds_of

NOW = int(time.time())
PLAIN, WEIGHTED = kinds_of(Recipe()), kinds_of(Recipe(kinds={"cart": 3.0, "hate": -2.0, "ignored": 0.0}))


def append(store: EventStore, *events: tuple[str, str, str | None]) -> None:
    rows = [NewEvent(f"u:{user}", item, kind, None, NOW - 60, None, None) for user, item, kind in events]
    asyncio.run(store.writer.append(Batch(rows), len(rows)))


def test_a_person_counts_once_with_the_weight_of_their_strongest_event(store: EventStore) -> None:
    append(store, ("a", "x", "view"), ("a", "x", "view"), ("b", "x", None), ("a", "y", " Cart "), ("a", "y", "view"))
    trends = Trends(store, min_support=1)
    assert trends.popular(1, PLAIN) == [("x", 2.0), ("y", 1.0)]
    assert trends.popular(1, WEIGHTED) == [("y", 3.0), ("x", 2.0)]
    assert trends.trending(1, WEIGHTED) == [("y", 3.0), ("x", 2.0)]


def test_dislikes_make_nothing_popular(store: EventStore) -> None:
    hated = [(f"p{n}", "bad", kind) for n, kind in enumerate(("dislike", "Dislike", "dislike", "hate", "ignored"))]
    append(store, *hated, ("p0", "good", "view"))
    trends, people = Trends(store, min_support=1), People(store)
    for n in range(5):
        asyncio.run(people.set_attributes(f"u:p{n}", {"country": "NO"}))
    assert trends.popular(1, WEIGHTED) == [("good", 1.0)]
    assert trends.trending(1, WEIGHTED) == [("good", 1.0)]
    segment = trends.segment({"country": "NO"}, WEIGHTED)
    assert segment is not None
    assert (segment.people, segment.items) == (5, ["good"])
