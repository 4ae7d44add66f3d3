"""Backups under load, and restoration without those who were erased since."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from penchant.cli.main import main
from penchant.errors import DataError, ParameterError, PenchantError
from penchant.store import backup as module
from penchant.store.backup import Copied, backup, restore
from penchant.store.database import StoreError
from penchant.store.events import Batch, EventStore, NewEvent
from penchant.store.people import People
from tests.every_byte import every_byte

NOW = 1_790_000_000


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'store.db'}"


@pytest.fixture
def store(url: str) -> Iterator[EventStore]:
    opened = EventStore(url)
    opened.open()
    yield opened
    opened.close()


def append(store: EventStore, *people: str) -> None:
    rows = [NewEvent(person, "item", "view", None, NOW, None, None) for person in people]

    async def ask() -> None:
        await store.writer.append(Batch(rows), len(rows))

    asyncio.run(ask())


def erase(store: EventStore, person: str) -> dict[str, object]:
    return asyncio.run(People(store).erase(person))


def reopened(url: str) -> EventStore:
    opened = EventStore(url)
    opened.open()
    return opened


def test_a_backup_finishes_while_others_write(store: EventStore, url: str, tmp_path: Path) -> None:
    append(store, *(f"u:{n}" for n in range(3000)))
    stop, written, slowest = threading.Event(), [0], [0.0]

    def write() -> None:
        while not stop.wait(0.005):  # 200 a second, where the disk allows it
            start = time.perf_counter()
            append(store, f"u:w{written[0]}")
            written[0] += 1
            slowest[0] = max(slowest[0], time.perf_counter() - start)

    writer = threading.Thread(target=write)
    writer.start()
    while written[0] < 5:
        time.sleep(0.005)
    done = backup(url, tmp_path / "copy.db")
    stop.set()
    writer.join()
    assert 3005 <= done.events <= store.count()
    assert slowest[0] < 2
    assert (tmp_path / "copy.db").stat().st_mode & 0o777 == 0o600
    copy = sqlite3.connect(tmp_path / "copy.db")
    assert copy.execute("SELECT count(*) FROM events").fetchone() == (done.events,)
    copy.close()
    assert {path.name for path in tmp_path.iterdir()} <= {"store.db", "store.db-wal", "store.db-shm", "copy.db"}


def test_backups_at_once_do_not_share_a_file(
    store: EventStore, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(store, *(f"u:{n}" for n in range(50)))
    (tmp_path / "copy.db.part").write_text("of somebody else")
    both, copy = threading.Barrier(2, timeout=20), module._copy

    def copied_together(source: Path, part: Path) -> Copied | None:
        both.wait()
        made = copy(source, part)
        both.wait()
        return made

    monkeypatch.setattr(module, "_copy", copied_together)

    def run() -> str:
        try:
            return str(backup(url, tmp_path / "copy.db").events)
        except PenchantError as refused:
            return str(refused)

    with ThreadPoolExecutor(2) as pool:
        told = sorted(future.result() for future in [pool.submit(run) for _ in range(2)])
    assert told == sorted(["50", f"{tmp_path / 'copy.db'} exists: a backup needs a new name"])
    assert (tmp_path / "copy.db.part").read_text() == "of somebody else"
    assert sorted(path.name for path in tmp_path.glob("copy.db*")) == ["copy.db", "copy.db.part"]


def test_a_backup_is_tried_again_when_its_counts_differ(
    store: EventStore, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(store, "u:a")
    copy, made = module._copy, []

    def once_wrong(source: Path, part: Path) -> Copied | None:
        made.append(copy(source, part))
        return made[-1] if len(made) > 1 else None

    monkeypatch.setattr(module, "_copy", once_wrong)
    assert backup(url, tmp_path / "copy.db").events == 1
    assert len(made) == 2


def test_a_restore_keeps_its_hands_off_other_files(store: EventStore, url: str, tmp_path: Path) -> None:
    append(store, "u:a")
    backup(url, tmp_path / "copy.db")
    (tmp_path / "new.db.restored").write_text("of somebody else")
    restore(f"sqlite:///{tmp_path / 'new.db'}", tmp_path / "copy.db")
    assert (tmp_path / "new.db.restored").read_text() == "of somebody else"
    assert sorted(path.name for path in tmp_path.glob("new.db*")) == ["new.db", "new.db.restored"]


def test_a_backup_into_no_folder_names_the_folder(store: EventStore, url: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=f"^{tmp_path / 'none'}: no file can be written there"):
        backup(url, tmp_path / "none" / "copy.db")


def test_the_store_is_for_its_owner_only(store: EventStore, tmp_path: Path) -> None:
    append(store, "u:a")
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes == dict.fromkeys(("store.db", "store.db-wal", "store.db-shm"), 0o600)


def test_a_backup_holds_nobody_who_was_erased_before(store: EventStore, url: str, tmp_path: Path) -> None:
    append(store, *("u:Victim Name" if n % 50 == 0 else f"u:{n * 7919 % 3000}" for n in range(6000)))
    erase(store, "u:Victim Name")
    backup(url, tmp_path / "copy.db")
    assert b"Victim Name" not in (tmp_path / "copy.db").read_bytes()


def test_a_restore_applies_the_erasures_since(url: str, tmp_path: Path) -> None:
    store = reopened(url)
    append(store, "u:early", "u:ann", "u:bob", "u:ann")
    asyncio.run(People(store).set_attributes("u:ann", {"country": "NO"}))
    erase(store, "u:early")
    append(store, "u:early")  # dated before: refused
    backup(url, tmp_path / "copy.db")
    receipt = erase(store, "u:ann")
    append(store, "u:late")
    store.close()
    with pytest.raises(ParameterError, match="--replace"):
        restore(url, tmp_path / "copy.db")
    done = restore(url, tmp_path / "copy.db", replace=True)
    assert (done.events, done.erased) == (1, 1)
    held = every_byte(path for path in tmp_path.iterdir() if path.name.startswith("store.db"))
    assert b"u:ann" not in held and b"u:late" not in held and b"u:bob" in held
    assert (tmp_path / "store.db").stat().st_mode & 0o777 == 0o600
    again = reopened(url)
    append(again, "u:ann", "u:early")  # both are still refused
    assert again.count() == 1
    assert again.attributes("u:ann") == {}
    again.close()
    (tmp_path / "receipts").write_text(json.dumps(receipt) + "\n")
    elsewhere = f"sqlite:///{tmp_path / 'lost.db'}"  # the disk of the store is lost, the receipts are not
    assert restore(elsewhere, tmp_path / "copy.db", receipts=tmp_path / "receipts").erased == 1
    assert b"u:ann" not in (tmp_path / "lost.db").read_bytes()


def test_a_store_in_use_is_not_replaced(store: EventStore, url: str, tmp_path: Path) -> None:
    append(store, "u:ann")
    backup(url, tmp_path / "copy.db")
    append(store, "u:bob")
    with pytest.raises(StoreError, match="in use"):
        restore(url, tmp_path / "copy.db", replace=True)
    assert store.count() == 2


def test_what_cannot_be_backed_up_or_restored(store: EventStore, url: str, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("not a store")
    elsewhere = f"sqlite:///{tmp_path / 'new.db'}"
    for work, error in (
        (lambda: backup(url, tmp_path / "text"), ParameterError),
        (lambda: backup(elsewhere, tmp_path / "copy.db"), ParameterError),
        (lambda: backup("postgresql://h/n", tmp_path / "copy.db"), ParameterError),
        (lambda: restore(elsewhere, tmp_path / "none"), DataError),
        (lambda: restore(elsewhere, tmp_path / "text"), DataError),
        (lambda: restore(elsewhere, tmp_path / "text", receipts=tmp_path / "text"), DataError),
        (lambda: backup(url, tmp_path / "none" / "copy.db"), PenchantError),
    ):
        with pytest.raises(error):
            work()
    with pytest.raises(DataError, match=r"text: cannot be read as a store") as wrong:  # not: the store cannot be read
        restore(url, tmp_path / "text", replace=True)
    assert "move it away" not in str(wrong.value)
    assert not (tmp_path / "new.db").exists() and not (tmp_path / "copy.db").exists()


def test_a_restore_into_another_service_is_refused(store: EventStore, url: str, tmp_path: Path) -> None:
    other = f"sqlite:///{tmp_path / 'other.db'}"
    opened = reopened(other)
    erase(opened, "u:a")
    opened.close()
    backup(url, tmp_path / "copy.db")
    with pytest.raises(ParameterError, match="secrets"):
        restore(other, tmp_path / "copy.db", replace=True)


def test_the_commands(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = reopened(url)
    append(store, "u:ann")
    store.close()
    assert main(["backup", str(tmp_path / "copy.db"), "--store", url, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["events"] == 1
    assert main(["restore", str(tmp_path / "copy.db"), "--store", url]) == 2
    assert main(["restore", str(tmp_path / "copy.db"), "--store", url, "--replace"]) == 0
    assert "1 events" in capsys.readouterr().out
