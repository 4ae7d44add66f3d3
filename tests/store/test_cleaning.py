"""Erased data leaves the files: byte searches, long readers, stores of earlier versions."""

from __future__ import annotations

import asyncio
import random
import re
import sqlite3
import threading
import time
from pathlib import Path

import pytest
from bench.serve_backup import append

from penchant.store.cleaning import PENDING, Cleaning
from penchant.store.database import Database
from penchant.store.events import EventStore, NewEvent
from penchant.store.people import People
from tests.every_byte import every_byte

VICTIMS, EVENTS = 5, 100  # people who are erased, and the events of each
OTHERS = 12_000


def event(dice: random.Random, person: str, name: str) -> NewEvent:
    context = f'{{"note": "{name} {"x" * dice.randrange(60)}"}}'
    return NewEvent(person, f"item {dice.randrange(500)}", "view", None, 1_790_000_000, context, name)


def erase(store: EventStore, person: str) -> bytes:
    return bytes.fromhex(asyncio.run(People(store).erase(person))["hash"])


def residue(folder: Path) -> int:
    """How many ids of erased people and of their events some file holds."""
    held = every_byte(folder.iterdir())
    return len(set(re.findall(rb"victim\d-\d{4}|Victim \d", held)))


def interleaved(store: EventStore) -> None:
    """Events of the victims between those of many others, in an order that splits and joins pages."""
    dice = random.Random(0)
    rows = [event(dice, f"u:{dice.random():.6f}", f"{dice.random()}") for _ in range(OTHERS)]
    rows += [event(dice, f"u:Victim {n}", f"victim{n}-{m:04d}") for n in range(VICTIMS) for m in range(EVENTS)]
    dice.shuffle(rows)
    for start in range(0, len(rows), 100):
        append(store, rows[start : start + 100])


def test_no_byte_of_the_erased_is_left_while_others_write(store: EventStore, tmp_path: Path) -> None:
    interleaved(store)
    hashes = [erase(store, f"u:Victim {n}") for n in range(VICTIMS)]
    assert residue(tmp_path) > 0  # what secure_delete and a deletion leave
    cleaning, stop, written = Cleaning(store), threading.Event(), []

    def write(seed: int) -> None:
        dice = random.Random(seed)
        while not stop.is_set():
            append(store, [event(dice, f"u:{dice.random():.6f}", f"{seed} {dice.random()}") for _ in range(10)])
            written.append(seed)

    writers = [threading.Thread(target=write, args=(seed,)) for seed in (1, 2)]
    for writer in writers:
        writer.start()
    until = time.monotonic() + 60
    while not cleaning.run() and time.monotonic() < until:
        time.sleep(0.01)
    assert not cleaning.due()
    assert {found.files for found in map(cleaning.find, hashes) if found} == {"clean"}
    assert residue(tmp_path) == 0
    before = len(written)
    while len(written) < before + 20 and time.monotonic() < until:
        time.sleep(0.01)
    stop.set()
    for writer in writers:
        writer.join()
    assert residue(tmp_path) == 0


def test_an_erasure_during_a_long_read_does_not_stop_writing(store: EventStore, tmp_path: Path) -> None:
    append(store, [event(random.Random(0), "u:Victim 0", f"victim0-{n:04d}") for n in range(10)])
    reader = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM events").fetchall()
    hashed, cleaning = erase(store, "u:Victim 0"), Cleaning(store)
    slowest, done = 0.0, []
    trying = threading.Thread(target=lambda: done.extend(cleaning.run() for _ in range(5)))
    trying.start()
    while trying.is_alive() or not slowest:
        start = time.perf_counter()
        append(store, [event(random.Random(1), "u:bob", f"{start}")])
        slowest = max(slowest, time.perf_counter() - start)
        time.sleep(0.005)
    assert done == [False] * 5
    assert slowest < 1.5
    found = cleaning.find(hashed)
    assert found is not None and found.files == PENDING
    reader.execute("COMMIT")
    reader.close()
    assert cleaning.run()
    found = cleaning.find(hashed)
    assert found is not None and found.files == "clean"
    assert residue(tmp_path) == 0


def test_an_erasure_after_the_rewrite_is_pending_until_the_next(store: EventStore) -> None:
    cleaning = Cleaning(store)
    first = erase(store, "u:a")
    assert cleaning.run()
    second = erase(store, "u:b")
    assert [found.files for found in (cleaning.find(first), cleaning.find(second)) if found] == ["clean", PENDING]
    assert cleaning.due()
    assert cleaning.run()
    assert not cleaning.due()
    assert cleaning.find(b"nobody") is None


def test_a_store_of_version_2_is_rewritten_for_its_erasures(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    old = Database(url)
    old.migrate("0002")
    with old.engine.connect() as connection:
        connection.exec_driver_sql("INSERT INTO erased (hash, time) VALUES (x'00ff', 5)")
        connection.exec_driver_sql("UPDATE clock SET erased = 3")
    opened = EventStore(url)
    opened.open()
    cleaning = Cleaning(opened)
    assert cleaning.due()
    assert cleaning.find(b"\x00\xff") == (5, PENDING)
    assert cleaning.run()
    assert cleaning.find(b"\x00\xff") == (5, "clean")
    opened.close()


def test_a_rewrite_fails_alone(store: EventStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be rewritten now, on a full disk for example, stays pending; events are stored."""
    cleaning = Cleaning(store)
    hashed = erase(store, "u:a")
    monkeypatch.setattr(cleaning, "_rewrite", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        cleaning.run()
    append(store, [event(random.Random(0), "u:bob", "one")])
    found = cleaning.find(hashed)
    assert store.count() == 1 and found is not None and found.files == PENDING
