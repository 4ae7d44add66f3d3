"""The ledger of erasures: clocks that are ahead, the second of an erasure, ids of erased events, and restoration."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from penchant.store.backup import backup, restore
from penchant.store.database import Database
from penchant.store.events import Appended, Batch, EventStore, NewEvent
from penchant.store.people import People
from penchant.store.retention import Retention

DAY = 86_400
BEGIN = 1_790_000_000.5  # in the middle of a second


class Clock:
    """The clock of the service, which the tests set."""

    now = BEGIN

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(time, "time", found.time)
    return found


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'store.db'}"


@pytest.fixture
def store(url: str, clock: Clock) -> Iterator[EventStore]:
    opened = EventStore(url)
    opened.open()
    yield opened
    opened.close()


def event(when: float, person: str = "u:ann", name: str | None = None, *, ours: bool = False) -> NewEvent:
    seconds, ms = divmod(round(when * 1000), 1000)
    return NewEvent(person, "item", None, None, seconds, None, name, ms, ours)


def append(store: EventStore, *rows: NewEvent) -> list[str]:
    """The field for which each event is refused; "" for the others."""

    async def ask() -> Appended:
        done: Appended = await store.writer.append(Batch(list(rows)), len(rows))
        return done

    refused = asyncio.run(ask()).refused
    return [refused[n].field if n in refused else "" for n in range(len(rows))]


def erase(store: EventStore, person: str = "u:ann", *, keep: int | None = None) -> dict[str, Any]:
    return asyncio.run(People(store, keep=keep).erase(person))


def test_what_happens_in_the_second_of_an_erasure_counts_by_its_fraction(store: EventStore, clock: Clock) -> None:
    append(store, event(BEGIN - 60))
    assert erase(store)["erased_at"] == int(BEGIN)
    clock.now += 0.2
    times = (BEGIN - 60, BEGIN - 0.001, BEGIN, BEGIN + 0.001, BEGIN + 0.2)
    assert append(store, *map(event, times)) == ["time", "time", "time", "", ""]
    assert append(store, event(BEGIN - 0.1, ours=True), event(BEGIN + 0.1, ours=True)) == ["time", ""]


def test_a_clock_that_was_ahead_is_corrected(store: EventStore, clock: Clock) -> None:
    append(store, event(BEGIN + 3600), event(BEGIN + 60, "u:bob"))  # an hour ahead
    clock.now += 600
    erase(store)
    clock.now += 1
    told = append(
        store,
        event(BEGIN - 5),
        event(BEGIN + 3600 + 599),  # before the erasure, by that clock
        event(BEGIN + 3600 + 600.5),  # after it
        event(clock.now, ours=True),
        event(clock.now),  # by that clock an hour ago
        event(clock.now, "u:bob"),
    )
    assert told == ["time", "time", "", "", "time", ""]


def test_a_clock_behind_or_an_old_event_shows_nothing(store: EventStore, clock: Clock) -> None:
    append(store, event(BEGIN - DAY), event(BEGIN), event(BEGIN + 50, ours=True))
    assert People(store).export("u:ann")["clock_ahead"] == 0
    erase(store)
    assert append(store, event(BEGIN + 0.1)) == [""]


def test_the_clock_is_exported_and_erased(store: EventStore, clock: Clock) -> None:
    append(store, event(BEGIN + 20), event(BEGIN + 90.25), event(BEGIN + 3))
    assert People(store).export("u:ann")["clock_ahead"] == 90.25
    erase(store)
    assert People(store).export("u:ann")["clock_ahead"] == 0


def test_a_second_erasure_does_not_end_the_first(store: EventStore, clock: Clock) -> None:
    append(store, event(BEGIN + 3600))
    erase(store)
    clock.now += 10
    erase(store)
    assert append(store, event(BEGIN + 3599)) == ["time"]
    clock.now += 4000
    erase(store)
    assert append(store, event(BEGIN + 4005), event(BEGIN + 4011)) == ["time", ""]


def test_a_merge_follows_the_clock_of_the_session(store: EventStore, clock: Clock) -> None:
    erase(store)
    append(store, event(BEGIN + 3600, "s:x"), event(BEGIN + 3610, "s:x"))  # nearly an hour and ten seconds ahead
    clock.now += 100
    told = asyncio.run(People(store).merge("s:x", "u:ann"))
    assert (told["events"], told["refused"]) == (0, 2)
    assert People(store).export("u:ann")["clock_ahead"] == 3610
    assert People(store).export("s:x")["clock_ahead"] == 0


def test_the_ids_of_erased_events_are_refused_from_everybody(store: EventStore, clock: Clock) -> None:
    names = [f"id {n}" for n in range(600)]
    append(store, *(event(BEGIN - 5, name=name) for name in names), event(BEGIN, "u:bob", "his"))
    erase(store)
    clock.now += 10
    rows = [event(clock.now, "u:ann" if n % 2 else "u:eve", name) for n, name in enumerate(names)]
    assert set(append(store, *rows)) == {"id"}
    assert append(store, event(clock.now, name="fresh"), event(clock.now, "u:eve", "his")) == ["", ""]
    assert [kept.item for kept in People(store).events("u:eve", 10)] == []


@pytest.mark.parametrize(("after", "told"), [(-1, ["id"]), (1, [""])])
def test_ids_are_kept_as_long_as_events(store: EventStore, clock: Clock, after: float, told: list[str]) -> None:
    append(store, event(BEGIN + 40, name="one"))
    erase(store, keep=DAY)
    clock.now = BEGIN + 40 + DAY + after
    asyncio.run(Retention(store, keep=DAY, per_user=10).run([]))
    erase(store, "u:other")  # the ledger is read again
    assert append(store, event(clock.now, name="one")) == told


def test_the_ledger_names_nobody(store: EventStore, tmp_path: Path) -> None:
    append(store, event(BEGIN + 60, "u:Victim", "an id"))
    kept = erase(store, "u:Victim")["kept"]
    assert "ids" in kept and "ahead" in kept
    reader = sqlite3.connect(tmp_path / "store.db")
    text = "\n".join(reader.iterdump())
    reader.close()
    for name in ("Victim", "an id"):
        assert name not in text and name.encode().hex() not in text.lower()
    assert text.count('INSERT INTO "erased" ') == text.count('INSERT INTO "erased_ids" ') == 1


def test_a_restore_keeps_the_ledger(url: str, tmp_path: Path, clock: Clock) -> None:
    store = EventStore(url)
    store.open()
    append(store, event(BEGIN, "s:x", "mine"), event(BEGIN + 3600, "s:x"), event(BEGIN, "u:bob", "his"))
    backup(url, tmp_path / "copy.db")
    clock.now += 100
    asyncio.run(People(store).merge("s:x", "u:ann"))
    receipt = erase(store)
    store.close()
    restore(url, tmp_path / "copy.db", replace=True)
    again = EventStore(url)
    again.open()
    assert {kept.id for kept in People(again).events("s:x", 9)} == {None}  # it has no id to be known by
    assert [kept.id for kept in People(again).events("u:bob", 9)] == ["his"]
    clock.now += 1
    told = append(again, event(clock.now, "u:eve", "mine"), event(BEGIN + 3699), event(BEGIN + 3700.5))
    assert told == ["id", "time", ""]
    again.close()
    (tmp_path / "receipts").write_text(json.dumps(receipt))  # they tell the second only: nobody is erased again
    backup(url, tmp_path / "later.db")
    restore(url, tmp_path / "later.db", replace=True, receipts=tmp_path / "receipts")
    last = EventStore(url)
    last.open()
    assert len(People(last).events("u:ann", 9)) == 1
    assert append(last, event(BEGIN + 3699), event(BEGIN + 3700.6)) == ["time", ""]
    last.close()


def test_the_ledger_of_an_earlier_version_is_restored(url: str, tmp_path: Path, clock: Clock) -> None:
    opened = EventStore(url, secret="s" * 32)
    opened.open()
    append(opened, event(BEGIN - 9), event(BEGIN - 9, "u:bob"))
    backup(url, tmp_path / "copy.db")
    hashed = opened.hash("u:ann")
    opened.close()
    (tmp_path / "store.db").unlink()
    old = Database(url)
    old.migrate("0003")
    with old.engine.connect() as connection:
        connection.exec_driver_sql("INSERT INTO erased (hash, time) VALUES (?, ?)", (hashed, int(BEGIN)))
    done = restore(url, tmp_path / "copy.db", replace=True, secret="s" * 32)
    assert (done.events, done.erased) == (1, 1)
    again = EventStore(url, secret="s" * 32)
    again.open()
    assert append(again, event(BEGIN + 0.4), event(BEGIN + 0.5)) == ["time", ""]  # its whole second, as before
    again.close()
