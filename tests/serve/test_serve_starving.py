"""One caller cannot starve the others: places, deadlines and threads of their own for expensive answers."""

from __future__ import annotations

import asyncio
import http.client
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from pydantic_core import to_json
from sqlalchemy import text

from penchant.errors import ParameterError
from penchant.serve.common.serialise import in_steps
from penchant.serve.common.settings import Settings
from penchant.serve.common.threads import DaemonThreads
from penchant.store.database import Database, StoreError
from penchant.store.event_loop import SHARE, TURN, breathe, mark_heavy
from penchant.store.keys import Keyring
from tests.serve.conftest import Client, Make
from tests.serve.serving import Process

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


@contextmanager
def slow_counts(client: Client, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[threading.Event, list[object]]]:
    """Counts over everybody last until the event is set; the list has an entry for each that began."""
    trends, release, begun = client.service.trends, threading.Event(), list[object]()

    def read(statement: object, **named: object) -> list[tuple[Any, ...]]:
        begun.append(named)
        assert release.wait(20)
        return []

    monkeypatch.setattr(trends, "_read", read)
    try:
        yield release, begun
    finally:
        release.set()


def ask(client: Client, pool: ThreadPoolExecutor, *days: float) -> list[Future[Any]]:
    return [pool.submit(client.get, f"/v1/popular?days={one}") for one in days]


def test_light_answers_do_not_wait_for_expensive_ones(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    with ThreadPoolExecutor(16) as pool, slow_counts(client, monkeypatch) as (release, begun):
        waiting = ask(client, pool, *range(1, 13))
        while not begun:
            time.sleep(0.01)
        start = time.perf_counter()
        for path in (
            "/readyz",
            "/livez",
            "/v1/users/ann/recommendations",
            "/v1/items?q=title",
            "/v1/items/i00/similar",
        ):
            assert client.get(path).status_code == 200
        assert time.perf_counter() - start < 2
        assert not any(one.done() for one in waiting)
        release.set()
        assert {one.result().status_code for one in waiting} == {200}


def test_places_are_limited(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    client = make(heavy_running=1, heavy_waiting=2)
    with ThreadPoolExecutor(8) as pool, slow_counts(client, monkeypatch) as (release, begun):
        placed = ask(client, pool, 1, 2, 3)
        until = time.monotonic() + 10
        while client.service._heavy._taken < 3 and time.monotonic() < until:
            time.sleep(0.01)
        refused = client.get("/v1/popular?days=4")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "2")
        assert refused.json()["type"].endswith(":busy")
        assert len(begun) == 1
        release.set()
        assert {one.result().status_code for one in placed} == {200}
    assert client.get("/v1/popular?days=4").status_code == 200


def test_equal_questions_are_counted_once(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    client = make(heavy_running=4)
    with ThreadPoolExecutor(8) as pool, slow_counts(client, monkeypatch) as (release, begun):
        asked = ask(client, pool, 1, 1, 1, 1)
        until = time.monotonic() + 10
        while client.service._heavy._taken < 4 and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(0.1)
        release.set()
        assert {one.result().status_code for one in asked} == {200}
        assert len(begun) == 1


def test_a_count_that_takes_too_long_is_ended(client: Client) -> None:
    database = client.service.store.database
    endless, short = database.compile(text(ENDLESS)), database.compile(text("SELECT 7"))
    start = time.perf_counter()
    with pytest.raises(StoreError, match="interrupted"):
        database.read(endless, seconds=0.2)
    assert 0.2 <= time.perf_counter() - start < 5
    assert database.read(short, seconds=0.2) == [(7,)]


def test_a_count_over_the_deadline_is_a_503(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    client = make(heavy_seconds=0.1)
    trends = client.service.trends
    endless = client.service.store.database.compile(text(ENDLESS))
    monkeypatch.setattr(trends, "_count", lambda of, kinds: endless)
    refused = client.get("/v1/trending")
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")


def test_reasons_are_for_so_many_items(make: Make) -> None:
    client = make(why_k=5)
    client.events({"user": "ann", "item": "i00"})
    for path in ("/v1/users/ann/recommendations", "/v1/sessions/s/recommendations"):
        assert client.get(path, params={"k": 5, "why": True}).status_code == 200
        refused = client.get(path, params={"k": 6, "why": True})
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "k")
        assert client.get(path, params={"k": 6}).status_code == 200
    body = {"history": ["i00"], "why": True}
    assert client.post("/v1/recommendations", json={**body, "k": 5}).status_code == 200
    assert client.post("/v1/recommendations", json={**body, "k": 6}).status_code == 422


def test_reasons_are_for_so_many_items_times_events(make: Make) -> None:
    for parts, reasoned in ((8, 4), (9, 4), (7, 3), (1, 1)):
        client = make(why_parts=parts)
        client.events(*({"user": "ann", "item": item, "id": item} for item in ("i00", "i01")))  # once, in one store
        body = {"history": ["i00", "i01"], "k": 4, "why": True}
        for answer in (
            client.post("/v1/recommendations", json=body).json(),
            client.get("/v1/users/ann/recommendations", params={"k": 4, "why": True}).json(),
        ):
            assert ["why" in item for item in answer["items"]] == [n < reasoned for n in range(4)]
            said = f"the first {reasoned} of 4 items have reasons: the history is long"
            assert answer["degraded"] == (said if reasoned < 4 else None)
    page = client.get("/ui/person", params={"user": "ann"})
    assert page.status_code == 200


def test_an_answer_in_steps_is_the_same_json(client: Client) -> None:
    why = {"method": "exact", "base": 0.1, "parts": [{"item": "é\n", "title": None, "contribution": 1e-9}]}
    for items in (
        [],
        [{"item": "a", "score": 0.5}],
        [{"item": "a", "why": why}, {"item": "b"}, {"item": "c", "why": why}],
    ):
        document = {"user": "ann", "items": items, "degraded": None, "removed": {"seen": 1}}
        assert in_steps(document) == to_json(document)


def test_expensive_work_pauses_and_other_work_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    def work(steps: int) -> tuple[float, float]:
        start, began = time.perf_counter(), time.thread_time()
        for _ in range(steps):
            until = time.thread_time() + 2 * TURN
            while time.thread_time() < until:
                pass
            breathe()
        return time.perf_counter() - start, time.thread_time() - began

    pool = DaemonThreads(1, "heavy", mark_heavy)
    took, computed = pool.submit(work, 20).result(60)
    assert computed <= 1.2 * SHARE * took
    pool.shutdown()
    monkeypatch.setattr(time, "sleep", pytest.fail)
    work(3)


def test_a_store_that_hangs_is_not_ready(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    client = make(ready_seconds=0.3)

    async def read(*_: object) -> None:
        await asyncio.sleep(seconds)

    monkeypatch.setattr(client.service, "read", read)
    seconds = 0.0
    assert client.get("/readyz").status_code == 200
    seconds = 10.0
    start = time.perf_counter()
    refused = client.get("/readyz")
    assert time.perf_counter() - start < 1
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")


def test_wrong_keys_are_limited_and_right_ones_are_not(make: Make) -> None:
    client = make(wrong_keys=3)
    _, right = client.service.keys.create("me", ["admin"])
    statuses = [client.get("/v1/popular", headers={"x-api-key": f"pk_{n}_x"}).status_code for n in range(4)]
    assert statuses == [401, 401, 401, 429]
    refused = client.get("/v1/popular", headers={"x-api-key": "wrong"})
    assert 1 <= int(refused.headers["retry-after"]) <= 20
    assert client.get("/v1/popular", headers={"x-api-key": right}).status_code == 200


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/beacon.js", "/ui/assets/page.css"])
def test_what_needs_no_key_asks_for_none(make: Make, path: str) -> None:
    client = make(wrong_keys=1)
    client.service.keys.create("me", ["admin"])
    _, page = client.service.keys.create("page", ["collect"], origins=["https://shop.example"])
    found = client.get(path).status_code
    assert found == (404 if "assets" in path else 200)
    for headers in [{"x-api-key": "wrong"}] * 3 + [{"x-api-key": page}, {"authorization": "Basic x"}]:
        assert client.get(path, headers=headers).status_code == found


def test_sign_ins_are_limited(make: Make) -> None:
    client = make(sign_ins=3)
    client.service.keys.create("me", ["admin"])
    origin = {"origin": "http://localhost"}
    statuses = [client.post("/ui/sign-in", data={"key": "wrong"}, headers=origin).status_code for _ in range(4)]
    assert 429 not in statuses[:3]
    assert statuses[3] == 429
    refused = client.post("/ui/sign-in", data={"key": "wrong"}, headers=origin)
    assert 1 <= int(refused.headers["retry-after"]) <= 20


def test_new_items_are_limited_by_key(make: Make) -> None:
    client = make(new_items_per_hour=3)
    one, other = ({"x-api-key": client.service.keys.create(name, ["collect"])[1]} for name in ("one", "other"))

    def send(key: dict[str, str], *items: str) -> Any:
        return client.post("/v1/events", json={"events": [{"user": "a", "item": item} for item in items]}, headers=key)

    assert send(one, "n0", "n1", "n1", "i00", "n2").json()["accepted"] == 5
    mixed = send(one, "n0", "n3", "i01", "n3").json()
    assert (mixed["accepted"], [(error["index"], error["field"]) for error in mixed["errors"]]) == (
        2, [(1, "item"), (3, "item")],
    )  # fmt: skip
    refused = send(one, "n3")
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (429, "item")
    assert 1 <= int(refused.headers["retry-after"]) <= 1200
    assert send(other, "n3").json()["accepted"] == 1
    assert send(one, "n3").json()["accepted"] == 1
    client.post("/v1/items", json={"put": [{"item": f"p{n}"} for n in range(9)]}, headers={
        "x-api-key": client.service.keys.create("me", ["admin"])[1]})  # fmt: skip
    assert send(one, "p8").json()["accepted"] == 1


@pytest.mark.parametrize(("trusted", "last"), [("127.0.0.0/8", 401), ("10.0.0.1", 429)])
def test_addresses_are_believed_from_trusted_proxies_only(
    knn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trusted: str, last: int
) -> None:
    monkeypatch.setenv("PENCHANT_TRUSTED_PROXIES", trusted)
    monkeypatch.setenv("PENCHANT_WRONG_KEYS", "1")
    database = Database(f"sqlite:///{tmp_path / 'store.db'}")
    database.migrate()
    Keyring(database).create("me", ["admin"])
    database.close()
    process = Process(knn, tmp_path / "store.db")
    try:
        statuses = []
        for n in (1, 2):
            headers = {"x-api-key": "wrong", "x-forwarded-for": f"192.0.2.{n}"}
            with closing(http.client.HTTPConnection("127.0.0.1", process.port, timeout=20)) as connection:
                connection.request("GET", "/v1/popular", headers=headers)
                statuses.append(connection.getresponse().status)
        assert statuses == [401, last]
    finally:
        process.stop()


def test_only_networks_are_proxies() -> None:
    Settings(trusted_proxies=("10.0.0.0/8", "::1"))
    for wrong in ("*", "proxy.example", "10.0.0.1/8"):
        with pytest.raises(ParameterError, match="trusted_proxies"):
            Settings(trusted_proxies=(wrong,))


BOUNDED = [(one.name, one.default, bound, side)
           for one in fields(Settings)
           for bound, side in ((one.metadata["low"], -1), (one.metadata["high"], 1)) if bound is not None]  # fmt: skip


@pytest.mark.parametrize(("name", "default", "bound", "side"), BOUNDED)
def test_every_bound_of_a_setting_is_kept(name: str, default: float, bound: float, side: int) -> None:
    kind = type(default)
    Settings(**{name: kind(bound)})
    with pytest.raises(ParameterError, match=name):
        Settings(**{name: kind(bound) + kind(side)})
