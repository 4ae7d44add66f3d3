"""The store: its tables and their history, on SQLite and on PostgreSQL alike."""

from __future__ import annotations

import asyncio
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from hypothesis import given, settings
from hypothesis import strategies as st

from penchant.errors import ParameterError
from penchant.store import database
from penchant.store.database import HEAD, SCRIPTS, Database, StoreError
from penchant.store.events import Appended, Batch, EventStore, NewEvent
from penchant.store.items import Items
from penchant.store.tables import metadata


def row(person: str, item: str, event_id: str | None = None) -> NewEvent:
    return NewEvent(person, item, None, None, 1_790_000_000, None, event_id)


def append(store: EventStore, *rows: NewEvent) -> Appended:
    async def ask() -> Appended:
        told: Appended = await store.writer.append(Batch(list(rows)), len(rows))
        return told

    return asyncio.run(ask())


@pytest.fixture
def store(tmp_path: Path) -> EventStore:
    opened = EventStore(f"sqlite:///{tmp_path / 'store.db'}")
    opened.open()
    yield opened  # type: ignore[misc]  # a fixture
    opened.close()


def test_the_migrations_make_the_tables_that_the_code_uses(store: EventStore) -> None:
    assert ScriptDirectory(str(SCRIPTS)).get_current_head() == HEAD
    with store.database.engine.connect() as connection:
        difference = compare_metadata(MigrationContext.configure(connection), metadata)
    assert difference == []


def test_the_log_of_writes_is_cut_after_a_long_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = 200_000
    assert 2**20 < int(database.PRAGMAS["journal_size_limit"]) <= 2**27
    monkeypatch.setitem(database.PRAGMAS, "journal_size_limit", str(limit))
    monkeypatch.setitem(database.PRAGMAS, "wal_autocheckpoint", "10")
    opened = EventStore(f"sqlite:///{tmp_path / 'store.db'}")
    opened.open()
    log = tmp_path / "store.db-wal"
    reader = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM events").fetchall()  # it needs the store as it is now
    for n in range(4):
        append(opened, *(row(f"u:{n} {m}", "x" * 200, f"{n} {m}") for m in range(500)))
    assert log.stat().st_size > limit
    reader.execute("COMMIT")
    for n in range(3):
        append(opened, row("u:late", "x", f"late {n}"))
    assert log.stat().st_size <= limit
    reader.close()
    opened.close()


def test_a_store_of_the_first_version_is_brought_up(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    first = Database(url)
    first.migrate("0001")
    with first.engine.connect() as connection:
        connection.exec_driver_sql("INSERT INTO items (item, added, said, deleted) VALUES ('x', 5, '{}', 0)")
    opened = EventStore(url)
    opened.open()
    items = Items(opened)
    assert [said.item for said in items.all()] == ["x"]
    assert items.since(0) == []
    said, ticked = asyncio.run(items.change(patch=[{"item": "x", "title": "X"}]))
    assert [one.item for one in items.since(ticked - 1)] == [one.item for one in said] == ["x"]
    opened.close()


def test_many_may_begin_with_a_fresh_store_at_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: Database(url).migrate(), range(6)))
    assert Database(url).revision() == HEAD


def test_tables_are_made_all_together_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = Database(f"sqlite:///{tmp_path / 'store.db'}")
    monkeypatch.setattr(Operations, "bulk_insert", lambda *_: 1 / 0)  # a kill, after most tables were made
    with pytest.raises(ZeroDivisionError):
        database.migrate()
    monkeypatch.undo()
    assert database.revision() is None
    database.migrate()
    assert database.revision() == HEAD


def test_a_store_from_the_future_is_refused(store: EventStore) -> None:
    connection = sqlite3.connect(str(store.database.url.database))
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    with pytest.raises(ParameterError, match="newer"):
        EventStore(store.database.url.render_as_string()).open()


@pytest.mark.parametrize("url", ["nonsense", "mysql://x/y", "sqlite://", "sqlite:///:memory:"])
def test_a_url_that_cannot_be(url: str) -> None:
    with pytest.raises(ParameterError):
        Database(url)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        EventStore(f"sqlite:///{tmp_path / 'none' / 'store.db'}").open()


def test_the_log_is_written_through(store: EventStore) -> None:
    modes = {
        name: store.database.mine.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("synchronous", "journal_mode", "secure_delete")
    }
    assert modes == {"synchronous": 2, "journal_mode": "wal", "secure_delete": 1}


def test_one_batch_that_cannot_be_written_costs_the_others_nothing(store: EventStore) -> None:
    async def ask() -> list[object]:
        good, bad = Batch([row("u:a", "x")]), Batch([NewEvent("u:b", None, None, None, 0, None, None)])  # type: ignore[arg-type]  # not null
        return await asyncio.gather(
            *(store.writer.append(batch, 1) for batch in (good, bad, good)), return_exceptions=True
        )

    first, second, third = asyncio.run(ask())
    assert isinstance(first, Appended)
    assert isinstance(third, Appended)
    assert isinstance(second, StoreError)
    assert store.count() == 2


def test_work_that_refuses_is_rolled_back_alone(store: EventStore) -> None:
    def refuse(connection: object) -> None:
        connection.execute("DELETE FROM events")  # type: ignore[attr-defined]  # a driver's connection
        raise ValueError("no")

    append(store, row("u:a", "x"))
    with pytest.raises(ValueError, match="no"):
        store.writer.do_now(refuse)
    assert store.count() == 1


def test_a_stopped_writer_takes_nothing_more(store: EventStore) -> None:
    store.writer.stop()
    with pytest.raises(StoreError):
        append(store, row("u:a", "x"))


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.lists(
            st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), st.none() | st.sampled_from("1234")), min_size=1
        ),
        max_size=4,
    )
)
def test_a_store_is_a_list_without_repeated_ids(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[tuple[str, str, str | None]]]
) -> None:
    store = EventStore(f"sqlite:///{tmp_path_factory.mktemp('store') / 'store.db'}")
    store.open()
    try:
        expected: list[tuple[str, str]] = []
        ids: set[str] = set()
        for batch in batches:
            fresh = 0
            for person, item, event_id in batch:
                if event_id is None or event_id not in ids:
                    expected.append((person, item))
                    fresh += 1
                ids |= {event_id} if event_id else set()
            told = append(store, *(row("u:" + person, item, event_id) for person, item, event_id in batch))
            assert (told.accepted, told.duplicates) == (fresh, len(batch) - fresh)
        for person in "abc":
            found = [item for item, *_ in store.history("u:" + person)][::-1]
            assert found == [item for whose, item in expected if whose == person]
    finally:
        store.close()
