"""The newest event is the one with the latest time, then the one accepted last: histories, lists and retention."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penchant.store.events import Batch, EventStore, NewEvent
from penchant.store.people import People
from penchant.store.retention import Retention

MOST = 5
NOW = 1_790_000_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EventStore]:
    opened = EventStore(f"sqlite:///{tmp_path / 'store.db'}", most=MOST)
    opened.open()
    yield opened
    opened.close()


def append(store: EventStore, person: str, *times: int) -> None:
    rows = [NewEvent(person, f"{n}", None, None, NOW + time, None, None) for n, time in enumerate(times)]
    asyncio.run(store.writer.append(Batch(rows), len(rows)))


def newest(times: list[int]) -> list[str]:
    """Items from the newest to the oldest."""
    return [f"{n}" for n in sorted(range(len(times)), key=lambda n: (-times[n], -n))]


@given(st.lists(st.integers(0, 6), max_size=12))
@settings(deadline=None, max_examples=60)
def test_histories_lists_and_retention_agree_on_what_is_newest(
    tmp_path_factory: pytest.TempPathFactory, times: list[int]
) -> None:
    store = EventStore(f"sqlite:///{tmp_path_factory.mktemp('order') / 'store.db'}", most=MOST)
    store.open()
    append(store, "u:other", 1, 2)
    if times:
        append(store, "u:ann", *times)
    expected = newest(times)
    assert [event.item for event in store.history("u:ann")] == expected[:MOST]
    people, listed, before = People(store), list[str](), None
    while page := people.events("u:ann", 3, before):
        listed += [event.item for event in page]
        before = page[-1].seq
    assert listed == expected
    retention = Retention(store, keep=None, per_user=MOST)
    dropped = asyncio.run(retention.run(retention.find()))
    assert dropped == (0, max(0, len(times) - MOST))
    assert [event.item for event in people.events("u:ann", 100)] == expected[:MOST]
    assert len(people.events("u:other", 100)) == 2
    store.close()


def test_retention_keeps_recent_purchases_over_later_imports(store: EventStore) -> None:
    append(store, "u:ann", *range(100, 103), *range(20))  # three of now, then twenty of long ago
    retention = Retention(store, keep=None, per_user=3)
    assert asyncio.run(retention.run(retention.find())) == (0, 20)
    assert [event.time - NOW for event in store.history("u:ann")] == [102, 101, 100]


def test_a_page_after_an_event_that_is_gone_cannot_be_read(store: EventStore) -> None:
    append(store, "u:ann", 1, 2, 3)
    people = People(store)
    first = people.events("u:ann", 1)[0]
    asyncio.run(people.erase("u:ann"))
    with pytest.raises(KeyError):
        people.events("u:ann", 1, first.seq)
