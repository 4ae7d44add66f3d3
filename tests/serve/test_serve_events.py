"""Events in: what is kept, what is refused and how that is told."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.serve.conftest import Client, Make


def field_of(response: Any) -> str:
    assert response.headers["content-type"] == "application/problem+json"
    document = response.json()
    assert document["status"] == response.status_code
    return str(document["errors"][0]["field"])


def test_the_very_next_answer_knows_of_an_event(client: Client) -> None:
    before = client.get("/v1/users/ann/recommendations").json()
    assert before["fallback"] is True
    assert client.events({"user": "ann", "item": "i00"}).json() == {"accepted": 1, "duplicates": 0, "errors": []}
    after = client.get("/v1/users/ann/recommendations", params={"k": 5}).json()
    assert after["fallback"] is False
    assert after["removed"]["seen"] == 1
    assert {entry["item"] for entry in after["items"]} <= {f"i{n:02d}" for n in range(1, 10)}


def test_an_id_is_counted_once_in_a_batch_and_across_batches(client: Client) -> None:
    event = {"user": "ann", "item": "i00", "id": "one"}
    assert client.events(event, event).json() == {"accepted": 1, "duplicates": 1, "errors": []}
    again = client.events(event)
    assert again.status_code == 200
    assert again.json() == {"accepted": 0, "duplicates": 1, "errors": []}
    assert len(client.get("/v1/users/ann/events").json()["events"]) == 1


def test_wrong_events_are_named_and_the_others_kept(client: Client) -> None:
    told = client.events(
        {"user": "ann", "item": "i00"},
        {"user": "ann"},
        {"item": "i01"},
        {"user": "ann", "item": "i02", "value": "much"},
        {"user": "ann", "item": "i03", "colour": "red"},
        {"user": 7, "item": "i04"},
        {"user": "ann", "item": "i05", "value": 3},
        "event",
    )
    assert told.status_code == 200
    assert told.json()["accepted"] == 2
    assert [(error["index"], error["field"]) for error in told.json()["errors"]] == [
        (1, "item"), (2, "user"), (3, "value"), (4, "colour"), (5, "user"), (7, "event"),
    ]  # fmt: skip


def test_nothing_accepted_is_422(client: Client) -> None:
    told = client.events({"user": "ann"}, {"user": "ann", "item": ""})
    assert told.status_code == 422
    assert [error["field"] for error in told.json()["errors"]] == ["events.0.item", "events.1.item"]


@pytest.mark.parametrize(
    ("event", "field"),
    [
        ({"user": "a", "item": "x\0y"}, "item"),
        ({"user": "a\n", "item": "x\x07"}, "item"),
        ({"user": "a", "item": "x" * 10_000}, "item"),
        ({"user": "ü" * 300, "item": "x"}, "user"),
        ({"user": "a", "item": None}, "item"),
        ({"user": "a", "item": ["x"]}, "item"),
        ({"user": "a", "item": "x", "time": 10**12}, "time"),
        ({"user": "a", "item": "x", "time": 10**30}, "time"),
        ({"user": "a", "item": "x", "time": -5}, "time"),
        ({"user": "a", "item": "x", "time": "yesterday"}, "time"),
        ({"user": "a", "item": "x", "time": True}, "time"),
        ({"user": "a", "item": "x", "time": 0}, "time"),  # before what is kept
        ({"user": "a", "item": "x", "time": "9999-12-31T00:00:00Z"}, "time"),
        ({"user": "a", "item": "x", "time": time.time() + 3 * 86_400}, "time"),
        ({"user": "a", "item": "x", "kind": ""}, "kind"),
        ({"user": "a", "item": "x", "kind": "k" * 100}, "kind"),
        ({"user": "a", "item": "x", "kind": "k\0"}, "kind"),
        ({"user": "a", "item": "x", "id": "d\0"}, "id"),
        ({"user": "a", "item": "x", "value": True}, "value"),
        ({"user": "a", "item": "x", "value": 1e308}, "value"),
        ({"user": "a", "item": "x", "id": "d" * 200}, "id"),
        ({"user": "a", "item": "x", "context": [1]}, "context"),
        ({"user": "a", "item": "x", "context": {"a": {"b": {"c": 1}}}}, "context"),
        ({"user": "a", "item": "x", "context": {"a": "x" * 5000}}, "context"),
    ],
)
def test_an_event_that_cannot_be_is_refused_and_its_field_named(client: Client, event: Any, field: str) -> None:
    told = client.events(event)
    assert told.status_code == 422
    assert field_of(told) == f"events.0.{field}"
    assert "Value error" not in told.text


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        (b"{", 400, "body"),
        (b'{"events": [{"user": "\xff\xfe", "item": "x"}]}', 400, "body"),
        (b'{"events": [{"user": "\\ud800", "item": "x"}]}', 400, "body"),
        (b'{"events": [{"user": "a", "item": "x", "value": NaN}]}', 400, "body"),
        (b"[" * 100_000, 400, "body"),
        (b'{"events": ' * 150 + b"1" + b"}" * 150, 422, "events"),
        (b"[]", 422, "events"),
        (b'{"events": {}}', 422, "events"),
        (b'{"events": []}', 422, "events"),
        (b'{"events": [{"user": "a", "item": "x"}], "more": 1}', 422, "more"),
        (b"", 400, "body"),
    ],
)
def test_a_body_that_cannot_be_read(client: Client, body: bytes, status: int, field: str) -> None:
    told = client.post("/v1/events", content=body, headers={"content-type": "application/json"})
    assert told.status_code == status
    assert field_of(told) == field


def test_batches_and_bodies_are_bounded(make: Make) -> None:
    client = make(max_batch=3, max_body=2000)
    assert field_of(client.events(*[{"user": "a", "item": "i00"}] * 4)) == "events"
    head = {"content-type": "application/json"}
    stated = client.post("/v1/events", content=b" " * 3000, headers=head)
    streamed = client.post("/v1/events", content=(b" " * 100 for _ in range(30)), headers=head)
    huge = client.post("/v1/events", content=b"", headers={**head, "content-length": str(100 * 2**20)})
    for told in (stated, streamed, huge):
        assert told.status_code == 413
        assert field_of(told) == "body"


def test_a_form_cannot_send_events(client: Client) -> None:
    told = client.post("/v1/events", content=b'{"events": []}', headers={"content-type": "text/plain"})
    assert told.status_code == 415


def test_times_are_seconds_or_iso(client: Client) -> None:
    now = int(time.time())
    iso = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now - 10))
    assert client.events(
        {"user": "a", "item": "i00", "time": now - 5},
        {"user": "a", "item": "i01", "time": iso},
        {"user": "a", "item": "i02"},
        {"user": "a", "item": "i03", "time": now - 0.5},
    ).json()["accepted"] == 4  # fmt: skip
    kept = {event["item"]: event["time"] for event in client.get("/v1/users/a/events").json()["events"]}
    assert kept["i00"] == now - 5
    assert kept["i01"] == now - 10
    assert abs(kept["i02"] - now) <= 2


@pytest.mark.parametrize("name", ["a/b", "a b", "🙂", "%2F", "a?b#c", "ünï", "..x", "a%", "1.0", "x" * 512])
def test_ids_of_every_kind_stand_in_paths(client: Client, name: str) -> None:
    from urllib.parse import quote

    assert client.events({"user": name, "item": name}).json()["accepted"] == 1
    told = client.get(f"/v1/users/{quote(name, safe='')}/recommendations")
    assert told.status_code == 200
    assert told.json()["fallback"] is True
    assert told.json()["unknown"] == ["1" if name == "1.0" else name]
    item = client.get(f"/v1/items/{quote(name, safe='')}")
    assert item.json()["known_to_model"] is False


@pytest.mark.parametrize(
    ("path", "field"),
    [("/v1/users/%FF/recommendations", "id"), ("/v1/users/%00/recommendations", "id"),
     (f"/v1/users/{'x' * 10_000}/recommendations", "id"), ("/v1/items/%20", "id")],
)  # fmt: skip
def test_ids_in_paths_that_cannot_be(client: Client, path: str, field: str) -> None:
    told = client.get(path)
    assert told.status_code == 422
    assert field_of(told) == field


def test_sessions_and_users_are_different_people(client: Client) -> None:
    client.events({"session": "7", "item": "i00"}, {"user": "7", "item": "i10"})
    assert client.ids("/v1/sessions/7/recommendations", k=3) != client.ids("/v1/users/7/recommendations", k=3)
    assert client.get("/v1/sessions/7/recommendations").json()["session"] == "7"


def test_unknown_items_may_be_refused(make: Make) -> None:
    client = make(new_items=False)
    told = client.events({"user": "a", "item": "new"}, {"user": "a", "item": "i00"})
    assert told.json()["accepted"] == 1
    assert told.json()["errors"] == [{"index": 0, "field": "item", "detail": "is not in the catalogue"}]


def test_a_clock_that_jumps_back_loses_no_event(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    real = time.time
    client.events({"user": "a", "item": "i00"})
    monkeypatch.setattr(time, "time", lambda: real() - 3600)
    assert client.events({"user": "a", "item": "i01"}).json()["accepted"] == 1
    assert client.get("/v1/users/a/recommendations").json()["removed"]["seen"] == 2
    assert [event["item"] for event in client.get("/v1/users/a/events").json()["events"]] == ["i00", "i01"]  # by time


def test_a_full_disk_is_told_and_answers_go_on(client: Client) -> None:
    client.events({"user": "a", "item": "i00"})
    store = client.service.store

    def shrink(connection: Any) -> int:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        return int(connection.execute(f"PRAGMA max_page_count={pages}").fetchone()[0])

    store.writer.do_now(shrink)  # a limit of the writer's connection
    full = client.events(*[{"user": f"b{n}", "item": "i00"} for n in range(900)])
    assert full.status_code == 503
    assert "full" in full.json()["detail"]
    assert client.get("/v1/users/a/recommendations").json()["removed"]["seen"] == 1
    assert client.events({"user": "a", "item": "i01"}).status_code == 200  # a new connection has no limit


@pytest.mark.parametrize("context", ['{"a": 1e999}', '{"a": [-1e999]}', '{"a": {"b": 1e999}}'])
def test_numbers_of_a_context_are_finite(client: Client, context: str) -> None:
    body = f'{{"events": [{{"user": "ann", "item": "i00", "context": {context}}}]}}'
    refused = client.post("/v1/events", content=body, headers={"content-type": "application/json"})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == "events.0.context"
    assert "finite" in refused.json()["detail"]
