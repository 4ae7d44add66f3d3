"""Retention stops before a wrong clock drops a store."""

from __future__ import annotations

import asyncio
import time

import pytest

from penchant.store.events import Batch, EventStore, NewEvent
from penchant.store.retention import FEW, Retention, RetentionError

DAY = 86_400
KEEP = 100 * DAY


def append(store: EventStore, count: int, days_ago: float) -> None:
    when = int(time.time() - days_ago * DAY)
    rows = [NewEvent(f"u:{n}", "x", None, None, when, None, None) for n in range(count)]
    asyncio.run(store.writer.append(Batch(rows), len(rows)))


def run(store: EventStore, **settings: float | bool) -> tuple[int, int]:
    retention = Retention(store, keep=KEEP, per_user=5000, **settings)  # type: ignore[arg-type]  # by name
    return asyncio.run(retention.run(retention.find()))


def test_a_clock_far_ahead_of_the_newest_event_stops_it(store: EventStore, monkeypatch: pytest.MonkeyPatch) -> None:
    append(store, 3, 99)
    append(store, 1, 0)
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 31 * DAY)
    with pytest.raises(RetentionError, match=r"31 days ahead of the newest event.*--confirm-retention"):
        run(store)
    assert store.count() == 4
    assert run(store, confirmed=True) == (3, 0)


@pytest.mark.parametrize(("ahead", "dropped"), [(29.9, True), (30.1, False)])
def test_the_gap_is_a_setting(store: EventStore, monkeypatch: pytest.MonkeyPatch, ahead: float, dropped: bool) -> None:
    append(store, 2, 99)
    append(store, 1, 0)
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + ahead * DAY)
    if dropped:
        assert run(store, gap=30 * DAY) == (2, 0)
    else:
        with pytest.raises(RetentionError):
            run(store, gap=30 * DAY)


def test_an_idle_store_with_nothing_due_is_no_error(store: EventStore) -> None:
    append(store, 3, 60)
    assert run(store) == (0, 0)


@pytest.mark.parametrize(("old", "new", "stops"), [
    (FEW, 1, False), (FEW + 1, 1, True), (FEW + 1, 9 * FEW + 9, False), (FEW + 2, 9 * FEW + 9, True),
])  # fmt: skip
def test_a_run_drops_a_tenth_at_most(store: EventStore, old: int, new: int, stops: bool) -> None:
    append(store, old, 101)
    append(store, new, 0)
    if stops:
        with pytest.raises(RetentionError, match=f"{old} of {old + new:,} events are too old"):
            run(store)
        assert store.count() == old + new
        assert run(store, confirmed=True) == (old, 0)
    else:
        assert run(store) == (old, 0)
