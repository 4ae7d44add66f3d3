"""A store is a log like any other: what was put in comes out, whole and in order, while others write."""

from __future__ import annotations

import random
import sqlite3
import struct
import threading
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from penchant.data.pseudonyms import read_key
from penchant.data.read import read_interactions
from penchant.errors import DataError, ParameterError
from penchant.models.item_knn import ItemKNN
from penchant.store import cells, log
from penchant.store.database import Database
from penchant.store.events import Batch, EventStore, NewEvent
from penchant.store.exporting import export_log
from penchant.store.log import Span, store_log
from penchant.store.people import People
from penchant.training.fit import fit

NOW = 1_790_000_000
ODD = ["null", 'a"b', "back\\slash", "comma,s", "[x]", "ünïcödé 😀", "'", "{}", "#x", " inner space", "true", "1e5"]


def doubles(count: int) -> list[float]:
    """Doubles of all sizes, most of which need 17 digits."""
    dice = random.Random(4)
    found: list[float] = [0.1, 0.1 + 2**-55, 1 / 3, -4.7, 1e-300, 0.0, 5e8 + 1e-7]
    while len(found) < count:
        (number,) = struct.unpack("<d", dice.randbytes(8))
        found += [number] if abs(number) < 1e9 else []
    return found


def rows(count: int = 300) -> list[NewEvent]:
    dice = random.Random(3)
    values = doubles(count)
    told = []
    for n in range(count):
        person = f"{'s' if n % 5 == 0 else 'u'}:{dice.choice(ODD)}{dice.randrange(7)}"
        kind = None if n % 3 == 0 else dice.choice(["view", "null", 'q"\\'])
        value = values[n] if n % 2 else None
        context = '{"a": "x\\ny", "b": null}' if n % 7 == 0 else None
        told.append(NewEvent(person, dice.choice(ODD), kind, value, NOW + dice.randrange(1000), context, None))
    return told


def filled(path: Path, events: list[NewEvent]) -> str:
    url = f"sqlite:///{path}"
    store = EventStore(url)
    store.open()
    store.writer.do_now(lambda connection: store.append_within(connection, [Batch(events)]))
    store.close()
    return url


@pytest.fixture
def url(tmp_path: Path) -> str:
    return filled(tmp_path / "store.db", rows())


def everything(url: str, **options: Any) -> list[tuple[Any, ...]]:
    stream = store_log(url, context=True, **options)
    return [row for frame, _ in stream.parts(stream.names) for row in frame.rows()]


def expected(events: list[NewEvent]) -> list[tuple[Any, ...]]:
    out = []
    for event in sorted(events, key=lambda event: event.person):  # stable: the order of acceptance
        user, session = (event.person[2:], None) if event.person[0] == "u" else (None, event.person[2:])
        out.append((user, session, event.item, event.kind, event.value, event.time, event.context))
    return out


@pytest.mark.parametrize("page", [1 << 19, 17, 1])
def test_what_was_put_in_comes_out(url: str, page: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "PAGE", page)
    assert everything(url) == expected(rows())


def test_columns_that_no_event_has_are_left_out(tmp_path: Path) -> None:
    plain = [NewEvent("u:1", "a", None, None, NOW, None, None), NewEvent("u:2", "b", None, None, NOW, None, None)]
    stream = store_log(filled(tmp_path / "plain.db", plain))
    assert list(stream.names) == ["user", "item", "time"]
    assert read_interactions(stream).values_are == "none"
    guests = store_log(filled(tmp_path / "guests.db", [NewEvent("s:1", "a", "view", 1.0, NOW, "{}", None)]))
    assert list(guests.names) == ["session", "item", "kind", "value", "time"]


@pytest.mark.parametrize(("low", "high"), [(0, 1000), (500, None), (None, 500), (400, 600)])
def test_a_span_of_time(url: str, low: int | None, high: int | None) -> None:
    span = Span(None if low is None else NOW + low, None if high is None else NOW + high)
    inside = [row for row in rows() if (low or 0) <= row.time - NOW < (1000 if high is None else high)]
    assert everything(url, span=span) == expected(inside)


def test_no_event_in_a_span(url: str) -> None:
    with pytest.raises(DataError, match="no events in this time"):
        store_log(url, Span(NOW + 5000))


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl"])
def test_the_model_of_a_store_is_that_of_its_export(
    tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    dice = random.Random(1)
    events = [
        NewEvent(
            f"{'s' if n % 9 == 0 else 'u'}:{dice.randrange(40)}",
            f"i{dice.randrange(25)}",
            dice.choice(["view", "cart"]),
            dice.choice([None, 1.5, 1 / 3]),
            NOW + dice.randrange(10**6),
            None,
            None,
        )
        for n in range(900)
    ]
    url = filled(tmp_path / "store.db", events)
    monkeypatch.setattr(log, "PAGE", 64)
    file = tmp_path / f"events.{ending}"
    assert export_log(url, file) == len(events)
    told = {"kinds": {"view": 1.0, "cart": 3.0}}
    one, other = read_interactions(store_log(url), **told), read_interactions(file, **told)
    assert one.vocab.ids == other.vocab.ids
    assert one.user_ids == other.user_ids
    assert one.recipe == other.recipe
    for name in ("users", "items", "values", "times", "guests"):
        assert np.array_equal(getattr(one, name), getattr(other, name)), name
    saved = []
    for at, read in enumerate((one, other)):
        fit(read, ItemKNN()).save(tmp_path / str(at))
        saved.append([(tmp_path / str(at) / name).read_bytes() for name in ("model.safetensors", "items.parquet")])
    assert saved[0] == saved[1]


def test_a_reader_sees_one_moment_and_stops_no_writer(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "PAGE", 16)
    stream = store_log(url)
    parts = stream.parts(stream.names)
    found = [next(parts)[0]]
    store = EventStore(url)
    store.open()
    more = [NewEvent(person, "late", None, None, NOW, None, None) for person in ("u:zz", "s:aa", "u:null1")]
    work = threading.Thread(
        target=lambda: store.writer.do_now(lambda connection: store.append_within(connection, [Batch(more)]))
    )
    work.start()
    work.join(5)
    assert not work.is_alive(), "a reader stops the writer"
    merge = "UPDATE events SET person = 'u:zzz' WHERE person LIKE 's:%'"
    assert store.writer.do_now(lambda connection: connection.execute(merge).rowcount)
    found += [frame for frame, _ in parts]
    store.close()
    assert pl.concat(found).height == len(rows())
    assert "late" not in pl.concat(found)["item"]
    assert len(everything(url)) == len(rows()) + 3


def test_reading_ends_early_without_a_trace(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "PAGE", 16)
    stream = store_log(url)
    parts = stream.parts(stream.names)
    next(parts)
    parts.close()
    connection = sqlite3.connect(url.removeprefix("sqlite:///"))
    assert connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0  # nobody holds the log
    connection.close()


def test_what_is_no_store_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(DataError, match="there is no store"):
        store_log(f"sqlite:///{tmp_path / 'none.db'}")
    assert not (tmp_path / "none.db").exists()
    (tmp_path / "text.db").write_text("user,item\n" * 500)
    with pytest.raises(DataError, match="not a store"):
        store_log(f"sqlite:///{tmp_path / 'text.db'}")
    other = sqlite3.connect(tmp_path / "other.db")
    other.execute("CREATE TABLE events (person TEXT)")
    other.commit()
    other.close()
    with pytest.raises(DataError, match="not a store of Penchant"):
        store_log(f"sqlite:///{tmp_path / 'other.db'}")
    empty = Database(f"sqlite:///{tmp_path / 'empty.db'}")
    empty.migrate()
    with pytest.raises(DataError, match="no events"):
        store_log(f"sqlite:///{tmp_path / 'empty.db'}")
    newer = sqlite3.connect(url.removeprefix("sqlite:///"))
    newer.execute("UPDATE alembic_version SET version_num = '9999'")
    newer.commit()
    newer.close()
    with pytest.raises(ParameterError, match="a newer version wrote it"):
        store_log(url)


def test_a_store_of_the_first_version_is_read_as_it_is(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'old.db'}"
    old = Database(url)
    old.migrate("0001")
    old.mine.execute("INSERT INTO events VALUES ('u:1', 1, 'a', NULL, NULL, 5, NULL, NULL)")
    old.close()
    assert everything(url) == [("1", "a", 5)]
    assert Database(url).revision() == "0001"


def test_a_store_in_a_folder_that_cannot_be_written(url: str, tmp_path: Path) -> None:
    path = Path(url.removeprefix("sqlite:///"))
    closing = sqlite3.connect(path)
    closing.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    closing.close()
    locked = tmp_path / "locked"
    locked.mkdir()
    path.replace(locked / "store.db")
    (locked / "store.db").chmod(0o400)
    locked.chmod(0o500)
    try:
        assert len(everything(f"sqlite:///{locked / 'store.db'}")) == len(rows())
    finally:
        locked.chmod(0o700)


def test_pseudonyms_depend_on_the_key_alone(url: str, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_bytes(b"k" * 32)
    tables = []
    for name, secret in (("a", read_key(key)), ("b", read_key(key)), ("c", b"o" * 32)):
        export_log(url, tmp_path / f"{name}.parquet", key=secret)
        tables.append(pl.read_parquet(tmp_path / f"{name}.parquet"))
    plain = expected(rows())
    one, same, other = tables
    assert one.equals(same)
    assert "context" not in one.columns
    for at, name in ((0, "user"), (1, "session")):
        ids = [row[at] for row in plain]
        pairs = set(zip(ids, one[name].to_list(), strict=True))
        assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})  # one to one
        assert not set(filter(None, ids)) & set(one[name].drop_nulls())
        assert not set(one[name].drop_nulls()) & set(other[name].drop_nulls())
    assert one["item"].to_list() == [row[2] for row in plain]
    assert not set(one["user"].drop_nulls()) & set(one["session"].drop_nulls())


def test_a_key_has_sixteen_bytes(tmp_path: Path) -> None:
    for size, fits in ((15, False), (16, True)):
        (tmp_path / "key").write_bytes(b"k" * size)
        if fits:
            assert read_key(tmp_path / "key") == b"k" * size
        else:
            with pytest.raises(DataError, match="at least 16 bytes"):
                read_key(tmp_path / "key")


def test_a_failed_export_leaves_nothing(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ParameterError, match=r"\.parquet, \.csv or \.jsonl"):
        export_log(url, tmp_path / "events.xlsx")

    def fail(*_: object) -> None:
        raise DataError("stop")

    for ending in ("csv", "parquet"):
        with pytest.raises(DataError, match="stop"):
            export_log(url, tmp_path / f"events.{ending}", progress=fail)
    assert [path for path in sorted(tmp_path.iterdir()) if not path.name.startswith("store.db")] == []


def test_contexts_are_columns(tmp_path: Path) -> None:
    said = [
        '{"mood": "Sad", "floor": 2}',
        None,
        '{"mood": {"deep": 1}, "it\'s": 1}',
        '{"mood": "a\\n\\"b", "floor": 10.0}',
    ]
    events = [NewEvent("u:a", f"i{n}", None, None, NOW + n, one, None) for n, one in enumerate(said)]
    url = filled(tmp_path / "contexts.db", events)
    found = read_interactions(store_log(url, inside=True), context="mood,floor")
    assert found.recipe.contexts["floor"] == ("2", "10")
    assert found.context is not None
    assert [found.recipe.contexts["mood"][code] if code >= 0 else None for code in found.context[:, 0]] == [
        "sad", None, '{"deep":1}', 'a\n"b',
    ]  # fmt: skip
    np.testing.assert_array_equal(found.context[:, 1], [0, -1, -1, 1])


def test_connections_see_one_moment_while_others_write(url: str) -> None:
    database, store = Database(url), EventStore(url)
    store.open()
    over, written, late = threading.Event(), [0], NewEvent("u:late", "a", None, None, NOW, None, None)

    def write() -> None:
        while not over.is_set():
            store.writer.do_now(lambda connection: store.append_within(connection, [Batch([late])]))
            written[0] += 1

    work = threading.Thread(target=write)
    work.start()
    together = 0
    try:
        for _ in range(30):
            with log.readers(database, 3) as connections:
                seen = {one.execute("SELECT count(*), max(seq) FROM events").fetchone() for one in connections}
                together += len(connections) == 3
            assert len(seen) == 1
    finally:
        over.set()
        work.join()
        store.close()
    assert written[0] > 0
    assert together > 0


def test_a_commit_between_two_beginnings_is_seen(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store, begun = EventStore(url), [0]
    store.open()
    checked = log._check_revision

    def disturbed(database: Database, connection: Any) -> None:
        checked(database, connection)
        begun[0] += 1
        one = NewEvent("u:late", f"i{begun[0]}", None, None, NOW, None, None)
        store.writer.do_now(lambda connection: store.append_within(connection, [Batch([one])]))

    monkeypatch.setattr(log, "_check_revision", disturbed)
    with log.readers(Database(url), 2) as connections:
        assert len(connections) == 1  # the other one never saw the same
    assert begun[0] == 2 * log.TRIES
    store.close()


def test_pages_come_in_order_whoever_reads_them(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "PAGE", 7)
    for threads in (1, 2, 5):
        monkeypatch.setattr(log, "READERS", threads)
        monkeypatch.setattr(log, "available", lambda: 8)
        assert everything(url) == expected(rows())


def test_slots_for_ids_grow(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cells, "SLOTS", 2)
    assert everything(url) == expected(rows())
    plain = [NewEvent(f"u:{n}", f"i{n % 90}", None, None, NOW, None, None) for n in range(200)]
    other = filled(Path(url.removeprefix("sqlite:///")).with_name("plain.db"), plain)
    assert [row[:2] for row in everything(other)] == [(row.person[2:], row.item) for row in sorted(plain)]


def test_a_store_beside_another_log_is_the_log_of_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has numbers of its own for the same ids."""
    dice = random.Random(2)
    events = [
        NewEvent(f"u:{dice.choice(ODD)}{dice.randrange(9)}", f"i {dice.randrange(30)}", None, None, NOW + n, None, None)
        for n in range(400)
    ]
    monkeypatch.setattr(log, "PAGE", 16)
    halves = [filled(tmp_path / f"{n}.db", events[n::2]) for n in range(2)]
    files = [tmp_path / f"{n}.csv" for n in range(2)]
    for url, file in zip(halves, files, strict=True):
        export_log(url, file)
    told = read_interactions(list(files), by="user")
    for sources in (
        [store_log(halves[0]), store_log(halves[1])],
        [store_log(halves[0]), files[1]],
        [files[0], store_log(halves[1])],
    ):
        found = read_interactions(sources, by="user")
        assert found.vocab.ids == told.vocab.ids
        assert found.user_ids == told.user_ids
        for name in ("users", "items", "times"):
            assert np.array_equal(getattr(found, name), getattr(told, name)), name


def test_items_that_are_lists_are_read_as_from_a_file(tmp_path: Path) -> None:
    listed = [NewEvent(f"u:{n}", '["a","b"]', None, None, NOW + n, None, None) for n in range(3)]
    url, file = filled(tmp_path / "store.db", listed), tmp_path / "events.parquet"
    export_log(url, file)
    one, other = read_interactions(store_log(url)), read_interactions(file)
    assert one.vocab.ids == other.vocab.ids == ["a", "b"]
    assert np.array_equal(one.items, other.items)


def absent(url: str) -> set[str]:
    """What a store says that no event ever had."""
    with log.reading(Database(url)) as connection:
        named = connection.execute("SELECT name FROM settings WHERE name LIKE 'absent.%'").fetchall()
    return {name.removeprefix("absent.") for (name,) in named}


def test_a_new_store_knows_which_columns_no_event_had(tmp_path: Path) -> None:
    plain = [NewEvent("u:1", "a", None, None, NOW, None, None)]
    url = filled(tmp_path / "store.db", plain)
    assert absent(url) == {"kind", "value", "context"}
    one, other = EventStore(url), EventStore(url)  # two processes
    one.open()
    other.open()
    put = lambda store, **said: store.writer.do_now(  # noqa: E731  # a short name
        lambda connection: store.append_within(connection, [Batch([plain[0]._replace(**said)])])
    )

    def lost(connection: Any) -> None:
        one.append_within(connection, [Batch([plain[0]._replace(value=2.0)])])
        raise ParameterError("the transaction is lost")

    with pytest.raises(ParameterError, match="is lost"):
        one.writer.do_now(lost)
    assert absent(url) == {"kind", "value", "context"}
    put(one, kind="view")
    put(other, context="{}")
    assert absent(url) == {"value"}
    assert list(store_log(url, context=True).names) == ["user", "item", "kind", "time", "context"]
    put(one, value=1.0, kind="view")
    put(one, value=1.0)
    assert absent(url) == set()
    assert one._absent == set()
    assert "value" in store_log(url).names
    one.close()
    other.close()


def test_a_corrected_event_may_bring_a_column(tmp_path: Path) -> None:
    url = filled(tmp_path / "store.db", [NewEvent("u:1", "a", None, None, NOW, None, None)])
    store = EventStore(url)
    store.open()
    people = People(store)
    for change, left in (({"item": "b"}, {"kind", "value", "context"}), ({"value": 4.0}, {"kind", "context"})):
        assert store.writer.do_now(
            lambda connection, change=change: people.correct_within(connection, "u:1", 1, change)
        )
        assert absent(url) == left
    store.close()
    assert list(store_log(url).names) == ["user", "item", "value", "time"]


def test_a_store_of_an_older_version_is_searched(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'old.db'}"
    database = Database(url)
    database.migrate("0008")
    database.close()
    filled(tmp_path / "old.db", [NewEvent("u:1", "a", "view", None, NOW, None, None)])
    assert absent(url) == set()
    assert list(store_log(url).names) == ["user", "item", "kind", "time"]
