"""Dumps of Gorse: JSON lines as /api/bulk writes them, the binary dump, bad rows, a second import."""

from __future__ import annotations

import asyncio
import gzip
import json
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from penchant.cli.main import main
from penchant.errors import DataError
from penchant.serve import gorse_import
from penchant.serve.gorse.documents import feedback_document
from penchant.serve.gorse.dumps import rows_of
from penchant.serve.gorse_import import import_dumps
from penchant.store.events import Batch, EventStore, NewEvent
from penchant.store.feedback import START, Feedback
from penchant.store.items import Items
from penchant.store.people import People
from tests.serve.conftest import Client, Make

NOW = int(time.time()) - 5000


def stamp(seconds: int, nanos: str = "") -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S") + nanos + "Z"


USERS = [
    {"UserId": "ann", "Labels": {"age": "30s", "tags": ["a", "b"]}, "Comment": ""},
    {"UserId": "bob", "Labels": None, "Comment": "likes books"},
]
ITEMS = [
    {"ItemId": "i1", "IsHidden": False, "Categories": ["x"], "Timestamp": stamp(NOW), "Labels": {"by": "me"},
     "Comment": "One"},
    {"ItemId": "i2", "IsHidden": True, "Categories": None, "Timestamp": "0001-01-01T00:00:00Z", "Labels": None,
     "Comment": ""},
]  # fmt: skip
FEEDBACK = [
    {"FeedbackType": "read", "UserId": "ann", "ItemId": "i1", "Value": 2.5, "Timestamp": stamp(NOW, ".123456789"),
     "Updated": stamp(NOW + 60), "Labels": {"from": "mail"}, "Comment": "c"},
    {"FeedbackType": "star", "UserId": "ann", "ItemId": "i1", "Value": 0, "Timestamp": stamp(NOW),
     "Updated": stamp(NOW), "Labels": None, "Comment": ""},
    {"FeedbackType": "read", "UserId": "bob", "ItemId": "i2", "Value": 1, "Timestamp": stamp(NOW + 5),
     "Updated": "0001-01-01T00:00:00Z", "Labels": None, "Comment": ""},
]  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EventStore]:
    opened = EventStore(f"sqlite:///{tmp_path / 'store.db'}")
    opened.open()
    yield opened
    opened.close()


def lines(path: Path, *rows: Any) -> Path:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


@pytest.fixture
def dump(tmp_path: Path) -> list[Path]:
    named = {"users": USERS, "items": ITEMS, "feedback": FEEDBACK}
    return [lines(tmp_path / f"{name}.jsonl", *rows) for name, rows in named.items()]


def varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    out = b""
    while number > 127:
        out, number = out + bytes([number & 127 | 128]), number >> 7
    return out + bytes([number])


def part(field: int, value: Any) -> bytes:
    if isinstance(value, bool):
        return varint(field << 3) + varint(int(value))
    if isinstance(value, float):
        return varint(field << 3 | 1) + struct.pack("<d", value)
    data = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(data)) + data


def moment(seconds: int) -> bytes:
    return varint(1 << 3) + varint(seconds) + varint(2 << 3) + varint(7)


def binary(path: Path, *, cut: int = 0) -> Path:
    """The same rows as gorse-cli dump writes them."""
    streams = {
        -1: [part(1, u["UserId"]) + part(2, json.dumps(u["Labels"])) + part(3, str(u["Comment"])) for u in USERS],
        -2: [
            part(2, i["ItemId"]) + part(3, i["IsHidden"]) + b"".join(part(4, one) for one in i["Categories"] or [])
            + part(5, moment(NOW if n == 0 else -62_135_596_800)) + part(6, json.dumps(i["Labels"]))
            + part(7, i["Comment"])
            for n, i in enumerate(ITEMS)
        ],
        -3: [
            part(2, f["FeedbackType"]) + part(3, f["UserId"]) + part(4, f["ItemId"]) + part(5, float(f["Value"]))
            + part(6, moment(NOW + (5 if n == 2 else 0))) + part(7, f["Comment"]) + part(9, json.dumps(f["Labels"]))
            + varint(77 << 3 | 5) + b"abcd"  # a field of a later version
            for n, f in enumerate(FEEDBACK)
        ],
    }  # fmt: skip
    data = b"".join(
        struct.pack("<q", mark) + b"".join(struct.pack("<q", len(row)) + row for row in rows)
        for mark, rows in streams.items()
    ) + struct.pack("<q", 0) + b'{"Users":2}'  # fmt: skip
    with gzip.open(path, "wb") as file:
        file.write(data[: len(data) - 11 - 8 - cut] if cut else data)
    return path


def told(store: EventStore) -> list[dict[str, Any]]:
    rows = Feedback(store).page(START, 100)
    return sorted(map(feedback_document, rows), key=lambda one: (one["UserId"], one["ItemId"], one["FeedbackType"]))


def state(store: EventStore) -> Any:
    return (
        told(store),
        [asdict(one) for one in Items(store).all()],
        [store.attributes(f"u:{one}") for one in ("ann", "bob")],
    )


def test_everything_arrives_and_a_second_import_changes_nothing(store: EventStore, dump: list[Path]) -> None:
    done = import_dumps(store, dump)
    counts = {"rows": 2, "written": 2, "there": 0, "erased": 0}
    assert done.to_json() == {
        "users": counts, "items": counts, "feedback": {**counts, "rows": 3, "written": 3}, "left_out": {}, "rejected": 0
    }  # fmt: skip
    feedback, items, people = before = state(store)
    assert [(one["FeedbackType"], one["Value"], one["Timestamp"], one["Updated"]) for one in feedback] == [
        ("read", 2.5, stamp(NOW), stamp(NOW + 60)),
        ("star", 0.0, stamp(NOW), stamp(NOW)),
        ("read", 1.0, stamp(NOW + 5), stamp(NOW + 5)),
    ]
    contexts = [json.loads(row.context or "{}") for row in Feedback(store).page(START, 9, "read")]
    assert contexts == [{"comment": "c", "labels": {"from": "mail"}, "first": NOW}, {}]
    assert people == [{"age": "30s", "tags:a": True, "tags:b": True}, {"comment": "likes books"}]
    assert [(one["item"], one["fields"], one["attributes"]) for one in items] == [
        ("i1", {"title": "One", "available": True, "hidden": False},
         {"by": "me", "categories": ["x"], "timestamp": stamp(NOW)}),
        ("i2", {"title": None, "available": False, "hidden": False}, {"categories": None, "timestamp": None}),
    ]  # fmt: skip
    again = import_dumps(store, dump)
    assert [(one.written, one.there) for one in (again.users, again.items, again.feedback)] == [(0, 2), (0, 2), (0, 3)]
    assert state(store) == before


@pytest.mark.parametrize("at_once", [1, 2, 20_000])
def test_the_binary_dump_says_the_same_but_for_updates(
    store: EventStore, dump: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(gorse_import, "AT_ONCE", at_once)
    done = import_dumps(store, [binary(tmp_path / "backup.bin")])
    assert [(one.written, one.there) for one in (done.users, done.items, done.feedback)] == [(2, 0), (2, 0), (3, 0)]
    assert [one["Updated"] for one in told(store)] == [one["Timestamp"] for one in told(store)]
    later = import_dumps(store, dump)
    assert (later.users.written, later.items.written, later.feedback.written) == (0, 0, 1)


def test_bad_rows_are_kept_and_named(store: EventStore, tmp_path: Path) -> None:
    file = lines(
        tmp_path / "all.jsonl",
        {"FeedbackType": "read", "UserId": "ann", "ItemId": "", "Timestamp": ""},
        "{broken",
        "",
        {"Nothing": 1},
        {**FEEDBACK[1], "Timestamp": "yesterday"},
        {**FEEDBACK[1], "Surprise": 1},
        {"UserId": "bob", "Labels": {"a:b": 1}, "Subscribe": ["x"]},
        {"ItemId": "i9", "Labels": {"embedding": [0.5] * 300, "size": 3}},
        FEEDBACK[1],
    )
    done = import_dumps(store, [file])
    report = done.report
    assert [(one.line, one.column, one.reason) for one in report.rejected] == [
        (1, "ItemId", "String should have at least 1 character"),
        (2, "", "not a JSON object"),
        (4, "", "no FeedbackType, ItemId or UserId"),
        (5, "Timestamp", "a time is unix seconds or ISO-8601, such as 2026-11-25T12:00:00Z"),
        (6, "Surprise", "Extra inputs are not permitted"),
    ]
    written = (tmp_path / "all.jsonl.rejected.csv").read_text()
    assert written.count("\n") == 6 and '""Surprise"": 1' in written
    assert done.left_out == {"Subscribe of users": 1, "label a:b of users": 1, "label embedding of items": 1}
    assert (done.users.written, done.items.written, done.feedback.written) == (1, 1, 1)
    assert [dict(one.attributes) for one in Items(store).all()] == [{"size": 3, "categories": None, "timestamp": None}]
    with pytest.raises(DataError, match="at least 1 character"):
        import_dumps(store, [file], strict=True)


def test_what_the_service_would_refuse_is_left_out(store: EventStore, tmp_path: Path) -> None:
    times = [-5, NOW - 200_000, NOW + 200_000, NOW]  # hours from both bounds: the suite may take long
    rows = [{**FEEDBACK[1], "ItemId": f"i{n}", "Timestamp": stamp(t), "Updated": ""} for n, t in enumerate(times)]
    done = import_dumps(store, [lines(tmp_path / "f.jsonl", *rows)], keep=100_000)
    assert done.left_out == {
        "feedback before 1970": 1, "feedback older than events are kept": 1, "feedback more than a day in the future": 1
    }  # fmt: skip
    assert [one["ItemId"] for one in told(store)] == ["i3"]


def test_what_the_service_took_since_is_kept(store: EventStore, dump: list[Path]) -> None:
    import_dumps(store, dump)
    later = NewEvent("u:ann", "i1", "star", 4.0, NOW + 900, None, None)
    asyncio.run(store.writer.do(lambda at: Feedback(store).append_within(at, Batch([later]), overwrite=True)))
    assert import_dumps(store, dump).feedback.there == 3
    assert [one["Value"] for one in told(store) if one["FeedbackType"] == "star"] == [4.0]


def test_erased_people_stay_erased(store: EventStore, dump: list[Path]) -> None:
    import_dumps(store, dump)
    asyncio.run(People(store).erase("u:ann"))
    done = import_dumps(store, dump)
    assert (done.users.erased, done.feedback.erased) == (1, 2)
    assert store.attributes("u:ann") == {}
    assert [one["UserId"] for one in told(store)] == ["bob"]


def test_feedback_without_a_time_is_dated_once(store: EventStore, tmp_path: Path, monkeypatch: Any) -> None:
    row = {key: value for key, value in FEEDBACK[1].items() if key not in {"Timestamp", "Updated"}}
    file = lines(tmp_path / "f.jsonl", row)
    import_dumps(store, [file])
    before = told(store)
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 100)
    assert import_dumps(store, [file]).feedback.there == 1
    assert told(store) == before


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: binary(path, cut=3), "ends too early"),
        (lambda path: path.write_bytes(struct.pack("<qq", -1, 1 << 40)), "no valid length"),
        (lambda path: path.write_bytes(b""), "empty"),
        (lambda path: path.write_bytes(gzip.compress(b'{"UserId": "ann"}\n' * 5000)[:60]), "ends too early"),
    ],
)
def test_a_damaged_dump_is_an_error_and_what_came_before_stays(
    store: EventStore, tmp_path: Path, make: Callable[[Path], object], says: str
) -> None:
    make(tmp_path / "dump")
    with pytest.raises(DataError, match=says):
        import_dumps(store, [tmp_path / "dump"])


def test_a_message_that_is_none_is_a_bad_row(tmp_path: Path) -> None:
    row = b"\x0a\xff"
    path = tmp_path / "dump"
    path.write_bytes(struct.pack("<qq", -1, len(row)) + row + struct.pack("<q", 0))
    (found,) = rows_of(path)
    assert "not a message of a user" in found.document.reason  # type: ignore[union-attr]


def test_the_service_answers_what_was_imported(make: Make, dump: list[Path], tmp_path: Path, capsys: Any) -> None:
    client: Client = make(gorse_api=True)
    url = client.service.settings.store
    assert main(["import-gorse", *map(str, dump), "--store", url, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["feedback"]["written"] == 3
    assert main(["import-gorse", *map(str, dump), "--store", url]) == 0
    assert "feedback: 0 of 3 were written, 3 were in the store already" in capsys.readouterr().out
    found = client.get("/api/user/ann").json()
    assert found == {"UserId": "ann", "Labels": {"age": "30s", "tags": ["a", "b"]}, "Comment": ""}
    assert [one["FeedbackType"] for one in client.get("/api/user/ann/feedback").json()] == ["read", "star"]
