"""Importing a log: each row once, whatever happens between; what the service would refuse stays out."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from penchant.data.reading.raw import read_raw
from penchant.errors import DataError
from penchant.store import importing
from penchant.store.database import StoreError
from penchant.store.events import AHEAD, Batch, EventStore, NewEvent
from penchant.store.exporting import export_log
from penchant.store.importing import Imported, import_log
from penchant.store.log import store_log
from penchant.store.people import People

NOW = int(time.time())


def table(count: int = 500) -> pl.DataFrame:
    dice = random.Random(2)
    told = [
        {
            "user": f"u{dice.randrange(40)}" if n % 4 else None,
            "session": f"s{n % 9}",
            "item": f"i{dice.randrange(20)}",
            "kind": dice.choice(["view", "cart", None]),
            "value": dice.choice([None, 0.1, 1 / 3, 4.7]),
            "time": NOW - dice.randrange(50),
        }
        for n in range(count)
    ]
    return pl.DataFrame(told)


def imported(
    store: EventStore, frame: Any, told: list[str] | None = None, keep: int | None = None, **options: Any
) -> Imported:
    raw = read_raw([frame], **options)
    return import_log(store, raw, keep=keep, told=(told if told is not None else []).append)


def stored(store: EventStore) -> list[tuple[Any, ...]]:
    stream = store_log(store.database.url.render_as_string())
    return [row for frame, _ in stream.parts(stream.names) for row in frame.rows()]


def test_every_row_arrives_as_it_is(store: EventStore) -> None:
    frame = table()
    done = imported(store, frame)
    assert (done.events, done.imported, done.duplicates) == (500, 500, 0)
    rows = [(user, None if user else session, *rest) for user, session, *rest in frame.rows()]
    assert sorted(stored(store), key=repr) == sorted(rows, key=repr)
    assert store.clock().events == 500


def sent(store: EventStore) -> list[NewEvent]:
    """Events as the service accepts them: some with an id of the sender, some twice."""
    rows = [
        NewEvent(f"{'us'[n % 2]}:p{n % 5}", f"i{n % 3}", kind, value, NOW - n % 4, None, name)
        for n, (kind, value, name) in enumerate(
            [(None, None, None), ("view", 0.1, None), ("view", 0.1, "mine"), (None, 1 / 3, None)] * 6
        )
    ]
    rows = [row._replace(id=None if row.id is None else f"mine {n}") for n, row in enumerate(rows)]
    store.writer.do_now(lambda connection: store.append_within(connection, [Batch(rows)]))
    return rows


@pytest.mark.parametrize("name", ["a.parquet", "a.csv", "a.jsonl"])
@pytest.mark.parametrize("people", [2, 500])
def test_an_export_adds_nothing_to_its_store(
    store: EventStore, tmp_path: Path, name: str, people: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "PEOPLE", people)
    imported(store, table())
    rows = sent(store)
    export_log(store.database.url.render_as_string(), str(tmp_path / name))
    for _ in range(2):
        assert imported(store, tmp_path / name) == Imported(500 + len(rows), 0, 500 + len(rows), 0)
    assert imported(store, table()) == Imported(500, 0, 500, 0)


def test_rows_beyond_those_that_were_sent_are_imported_once(store: EventStore) -> None:
    sent(store)
    event = {"user": "p1", "session": None, "item": "i0", "kind": None, "value": None, "time": NOW - 100}
    store.writer.do_now(
        lambda connection: store.append_within(
            connection, [Batch([NewEvent("u:p1", "i0", None, None, NOW - 100, None, None)] * 2)]
        )
    )
    before = store.count()
    for copies, added in ((1, 0), (2, 0), (4, 2), (4, 0), (3, 0), (5, 1)):
        frame = pl.DataFrame([event] * copies, schema_overrides={"session": pl.String, "kind": pl.String})
        assert imported(store, frame) == Imported(copies, added, copies - added, 0)
    assert store.count() == before + 3


@pytest.mark.parametrize("size", [7, 50_000])
def test_a_second_import_adds_nothing_and_repeated_rows_stay(
    store: EventStore, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "AT_ONCE", size)
    monkeypatch.setattr(importing, "INTO_EMPTY", size)
    frame = pl.concat([table(), table().head(100)])  # a hundred rows occur twice
    assert imported(store, frame).imported == 600
    assert imported(store, frame.sample(fraction=1.0, shuffle=True, seed=1)) == Imported(600, 0, 600, 0)
    more = pl.concat([frame, table().head(1)])  # and one of them a third time
    assert imported(store, more).imported == 1
    assert len(stored(store)) == 601


def test_the_secret_of_the_service_does_not_matter(store: EventStore, tmp_path: Path) -> None:
    imported(store, table(50))
    other = EventStore(f"sqlite:///{tmp_path / 'store.db'}", secret="x" * 32)
    other.open()
    assert imported(other, table(50)).imported == 0
    other.close()


def test_events_of_a_person_are_in_the_order_of_the_log(store: EventStore) -> None:
    times = ["2026-01-02T10:00:00.300", "2026-01-02T10:00:00.100", "2026-01-02T10:00:00.200", "2026-01-01T00:00:00"]
    frame = pl.DataFrame({"user": ["a"] * 4, "item": ["third", "first", "second", "zeroth"], "time": times})
    imported(store, frame)
    assert [row[1] for row in stored(store)] == ["zeroth", "first", "second", "third"]
    assert [event.item for event in store.history("u:a")] == ["third", "second", "first", "zeroth"]


def test_rows_that_the_service_would_refuse_are_told_before_and_left_out(store: EventStore) -> None:
    keep, now = 1000, int(time.time())
    times = [now - keep - 60, now - keep + 60, now + AHEAD + 60, now + AHEAD - 60, -5]
    frame = pl.DataFrame({"user": ["a"] * 5, "item": ["old", "kept", "far", "soon", "early"], "time": times})
    told: list[str] = []

    def tell(line: str) -> None:
        assert store.count() == 0
        told.append(line)

    done = import_log(store, read_raw([frame]), keep=keep, told=tell)
    assert sorted(row[1] for row in stored(store)) == ["kept", "soon"]
    assert done.left_out == {
        "before 1970": 1, "more than a day in the future": 1, "older than events are kept": 1
    }  # fmt: skip
    assert len(told) == 4
    assert 'keep = "0"' in told[3]
    assert "1 of 5 events are older than events are kept: they are left out" in told


def test_a_log_without_times_is_dated_now_and_once(store: EventStore) -> None:
    frame = pl.DataFrame({"user": ["a", "a", "b"], "item": ["x", "y", "x"]})
    told: list[str] = []
    assert imported(store, frame, told).imported == 3
    assert told == ["the log has no times: its events are dated now, in the order of their rows"]
    assert [row[1] for row in stored(store)] == ["x", "y", "x"]
    assert all(abs(row[2] - time.time()) < 60 for row in stored(store))
    store.database.mine.execute("UPDATE events SET time = time - 5000")  # as if much later
    assert imported(store, frame).imported == 0


def test_events_before_an_erasure_stay_erased(store: EventStore) -> None:
    imported(store, table())
    asyncio.run(People(store).erase("u:u1"))
    before = len(stored(store))
    done = imported(store, table())
    assert done.erased == sum(row[0] == "u1" for row in table().rows()) > 0
    assert done.imported == 0
    assert len(stored(store)) == before


def test_new_items_enter_a_catalogue_that_is_given(store: EventStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "INTO_EMPTY", 7)
    import_log(store, read_raw([table()]), known={"i0", "i1"}, told=lambda _: None)
    entered = store.database.mine.execute("SELECT item FROM items").fetchall()
    assert sorted(item for (item,) in entered) == sorted(f"i{n}" for n in range(2, 20))


def test_refunds_need_quantities_as_values(store: EventStore) -> None:
    frame = pl.DataFrame({"user": ["a", "a"], "item": ["x", "x"], "quantity": [2, -1], "time": [NOW - 9, NOW]})
    with pytest.raises(DataError, match="there are refunds"):
        imported(store, frame)
    assert imported(store, frame, values="weight").imported == 2
    assert [row[2] for row in stored(store)] == [2.0, -1.0]


def test_bad_rows_are_counted_and_the_others_arrive(store: EventStore, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(f"user,item,time\na,x,{NOW}\n,y,{NOW}\nb,z,soon\nc,w,{NOW}\n")
    raw = read_raw([tmp_path / "log.csv"])
    assert raw.report.n_rejected == 2
    assert (tmp_path / "log.csv.rejected.csv").exists()
    assert import_log(store, raw, told=lambda _: None).imported == 2


def test_an_import_that_was_cut_off_goes_on(store: EventStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "INTO_EMPTY", 100)
    frame, whole, calls = table(), store.append_within, []

    def full(connection: Any, batches: Any) -> Any:
        calls.append(1)
        if len(calls) > 2:
            raise store.database.errors[0]("database or disk is full")
        return whole(connection, batches)

    monkeypatch.setattr(store, "append_within", full)
    with pytest.raises(StoreError, match=r"disk is full\); 200 events were imported: run it again"):
        imported(store, frame)
    monkeypatch.setattr(store, "append_within", whole)
    assert imported(store, frame) == Imported(500, 300, 200, 0)
