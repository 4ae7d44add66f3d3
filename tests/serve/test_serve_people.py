"""One person: events, attributes, export, merge, erasure; and what is kept for how long."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import pytest

from penchant.store.keep import Keep
from tests.every_byte import every_byte
from tests.serve.conftest import Client, Make


def test_events_are_listed_newest_first_and_paged(client: Client) -> None:
    client.events(*[{"user": "ann", "item": f"i{n:02d}", "context": {"page": n}} for n in range(5)])
    first = client.get("/v1/users/ann/events?k=3").json()
    assert [event["item"] for event in first["events"]] == ["i04", "i03", "i02"]
    assert first["events"][0]["context"] == {"page": 4}
    second = client.get("/v1/users/ann/events", params={"k": 3, "before": first["next"]}).json()
    assert [event["item"] for event in second["events"]] == ["i01", "i00"]
    assert second["next"] is None


def test_an_export_holds_everything(client: Client) -> None:
    client.events({"user": "ann", "item": "i00", "kind": "view", "value": 2.5, "id": "one", "context": {"a": 1}})
    client.patch("/v1/users/ann", json={"attributes": {"country": "NO", "age": 30}})
    told = client.get("/v1/users/ann/export").json()
    assert told["attributes"] == {"country": "NO", "age": 30}
    (event,) = told["events"]
    assert {name: event[name] for name in ("item", "kind", "value", "id", "context")} == {
        "item": "i00", "kind": "view", "value": 2.5, "id": "one", "context": {"a": 1},
    }  # fmt: skip


def test_someone_nobody_knows_has_nothing(client: Client) -> None:
    assert client.get("/v1/users/nobody/events").json() == {"user": "nobody", "events": [], "next": None}
    export = client.get("/v1/users/nobody/export").json()
    assert (export["events"], export["attributes"]) == ([], {})
    assert client.get("/v1/users/nobody").json()["attributes"] == {}
    assert client.post("/v1/users/ann/merge", json={"user": "nobody"}).json()["events"] == 0
    removed = client.delete("/v1/users/nobody").json()["removed"]
    assert removed == {
        "events": 0,
        "written": 0,
        "attributes": 0,
        "exposures": 0,
        "choices": 0,
    }


def test_attributes_are_set_and_taken_away(client: Client) -> None:
    client.patch("/v1/users/ann", json={"attributes": {"a": "x", "b": True}})
    told = client.patch("/v1/users/ann", json={"attributes": {"a": None, "c": 1.5}}).json()
    assert told["attributes"] == {"b": True, "c": 1.5}
    assert client.get("/v1/users/ann").json() == told
    wrong = client.patch("/v1/users/ann", json={"attributes": {"a": ["x"]}})
    assert wrong.status_code == 422
    assert wrong.json()["errors"][0]["field"] == "attributes.a"


def test_an_attribute_that_cannot_be_is_named(client: Client) -> None:
    for said, field in (
        ({"a\0": 1}, "attributes.a\0.[key]"),
        ({"a": [1]}, "attributes.a"),
        ({"a": "\ud800"}, "attributes.a"),
    ):
        body = json.dumps({"attributes": said})
        told = client.patch("/v1/users/ann", content=body, headers={"content-type": "application/json"})
        assert told.status_code == 422
        assert told.json()["errors"][0]["field"] == field
        assert "codec" not in told.text


def test_a_session_becomes_a_user(client: Client) -> None:
    client.events({"session": "s", "item": "i00"}, {"session": "s", "item": "i01"}, {"user": "ann", "item": "i02"})
    client.patch("/v1/users/old", json={"attributes": {"plan": "free", "country": "SE"}})
    client.patch("/v1/users/ann", json={"attributes": {"plan": "paid"}})
    told = client.post("/v1/users/ann/merge", json={"session": "s"}).json()
    assert told == {"from": {"session": "s"}, "to": {"user": "ann"}, "events": 2, "attributes": 0, "refused": 0}
    assert client.get("/v1/users/ann/recommendations").json()["removed"]["seen"] == 3
    assert client.get("/v1/sessions/s/events").json()["events"] == []
    assert client.post("/v1/users/ann/merge", json={"session": "s"}).json()["events"] == 0
    client.post("/v1/users/ann/merge", json={"user": "old"})
    assert client.get("/v1/users/ann").json()["attributes"] == {"plan": "paid", "country": "SE"}
    for wrong in ({}, {"user": "a", "session": "b"}, {"user": "ann"}):
        assert client.post("/v1/users/ann/merge", json=wrong).status_code == 422


def test_erasure_removes_everything_and_refuses_what_is_dated_before(client: Client, tmp_path: Path) -> None:
    now = int(time.time())
    client.events({"user": "Ann Secretname", "item": "i00", "time": now - 50}, {"user": "bob", "item": "i01"})
    client.patch("/v1/users/Ann%20Secretname", json={"attributes": {"country": "NO"}})
    receipt = client.delete("/v1/users/Ann%20Secretname").json()
    assert receipt["removed"] == {"events": 1, "written": 0, "attributes": 1, "exposures": 0, "choices": 0}
    assert "keyed hash" in receipt["kept"]
    late = client.events({"user": "Ann Secretname", "item": "i02", "time": now - 10})
    assert late.status_code == 422
    assert late.json()["errors"][0]["field"] == "events.0.time"
    assert "erased" in late.json()["errors"][0]["detail"]
    mixed = client.events({"user": "Ann Secretname", "item": "i02", "time": now - 10}, {"user": "bob", "item": "i02"})
    assert mixed.json()["accepted"] == 1
    assert client.get("/v1/users/bob/events").json()["events"][0]["item"] == "i02"
    assert client.portal.call(client.service.clean)
    kept = every_byte(tmp_path.rglob("*"))
    assert b"Secretname" not in kept
    removed = client.delete("/v1/users/Ann%20Secretname").json()["removed"]
    assert removed == {
        "events": 0,
        "written": 0,
        "attributes": 0,
        "exposures": 0,
        "choices": 0,
    }


def test_what_comes_after_an_erasure_is_accepted_in_the_same_second(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, ahead = int(time.time()) + 0.5, 3600
    monkeypatch.setattr(time, "time", lambda: now)
    client.events({"user": "ann", "item": "i00", "time": now + ahead, "id": "one"}, {"user": "bob", "item": "i00"})
    client.delete("/v1/users/ann")
    now += 0.1
    assert client.events({"user": "ann", "item": "i01"}).json()["accepted"] == 1
    for late, field in (
        ({"time": now - 0.2}, "time"), ({"time": now + ahead - 0.2}, "time"), ({"id": "one"}, "id"),
        ({"id": "one", "time": now + ahead + 9}, "id"),
    ):  # fmt: skip
        refused = client.events({"user": "ann", "item": "i02", **late})
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, f"events.0.{field}"), late
    assert client.events({"user": "ann", "item": "i03", "time": now + ahead}).json()["accepted"] == 1
    assert [event["item"] for event in client.get("/v1/users/ann/events").json()["events"]] == ["i03", "i01"]


def test_a_receipt_is_pending_until_the_files_are_clean(make: Make) -> None:
    client = make(clean_after=0.0)
    receipt = client.delete("/v1/users/ann").json()
    assert receipt["files"] == "pending"
    address, until = f"/v1/erasures/{receipt['hash']}", time.monotonic() + 20
    while client.get(address).json()["files"] != "clean" and time.monotonic() < until:
        time.sleep(0.05)
    assert client.get(address).json() == {
        "hash": receipt["hash"], "erased_at": receipt["erased_at"], "files": "clean",
    }  # fmt: skip
    for unknown in ("00", "no hash"):
        assert client.get(f"/v1/erasures/{unknown}").status_code == 404


def test_a_rewrite_waits_for_its_time(make: Make) -> None:
    client = make(clean_after=3600.0)
    receipt = client.delete("/v1/users/ann").json()
    time.sleep(2.5)  # two looks of the service
    assert client.get(f"/v1/erasures/{receipt['hash']}").json()["files"] == "pending"


def test_someone_erased_may_come_back(client: Client) -> None:
    client.events({"user": "ann", "item": "i00"})
    erased_at = client.delete("/v1/users/ann").json()["erased_at"]
    assert client.events({"user": "ann", "item": "i01", "time": erased_at + 1}).json()["accepted"] == 1
    assert client.get("/v1/users/ann/recommendations").json()["removed"]["seen"] == 1
    client.events({"session": "x", "item": "i00"})
    assert client.delete("/v1/sessions/x").json()["removed"]["events"] == 1


def test_a_merge_brings_nothing_back_that_was_erased(client: Client) -> None:
    now = int(time.time())
    client.events({"session": "s", "item": "i00", "time": now - 60}, {"user": "ann", "item": "i01"})
    client.delete("/v1/users/ann")
    client.events({"session": "s", "item": "i02", "time": now + 60})
    told = client.post("/v1/users/ann/merge", json={"session": "s"}).json()
    assert (told["events"], told["refused"]) == (1, 1)
    assert [event["item"] for event in client.get("/v1/users/ann/events").json()["events"]] == ["i02"]
    assert client.get("/v1/sessions/s/events").json()["events"] == []


def test_erasure_holds_after_a_restart(make: Make) -> None:
    client = make()
    client.events({"user": "ann", "item": "i00"})
    client.delete("/v1/users/ann")
    again = make()
    assert again.events({"user": "ann", "item": "i01", "time": int(time.time()) - 5}).status_code == 422


def test_what_is_too_old_or_too_much_is_dropped_and_counted(make: Make) -> None:
    client = make(keep="30d", keep_per_user=3)
    now = int(time.time())
    client.events(*[{"user": "ann", "item": f"i{n:02d}", "time": now - n} for n in range(6)])
    client.events({"user": "bob", "item": "i00", "time": now - 29 * 86_400}, {"user": "bob", "item": "i01"})
    client.service.retention.keep = Keep(86_400 * 10)
    asyncio.run(client.service.tidy())  # the run at the start may still go on, and drop some
    counted = client.service.store.clock()
    assert (counted.dropped_old, counted.dropped_many) == (1, 3)
    assert [event["item"] for event in client.get("/v1/users/ann/events").json()["events"]] == ["i00", "i01", "i02"]
    assert [event["item"] for event in client.get("/v1/users/bob/events").json()["events"]] == ["i01"]
    metrics = client.get("/metrics").text
    assert 'penchant_dropped_events{reason="old"} 1.0' in metrics
    assert 'penchant_dropped_events{reason="many"} 3.0' in metrics
