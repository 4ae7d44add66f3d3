"""The same statements on PostgreSQL: a cluster of its own, made and thrown away."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from starlette.testclient import TestClient

from penchant.data.read import read_interactions
from penchant.serve.app import make_app
from penchant.serve.common.settings import Settings
from penchant.serve.service import Service
from penchant.store import log
from penchant.store.database import StoreError
from penchant.store.events import EventStore
from penchant.store.importing import Imported
from tests.serve.conftest import ITEMS, Client
from tests.serve.postgres import Cluster
from tests.serve.test_serve_gorse import CALLS, FEEDBACK
from tests.store.test_importing import imported, sent, table

pytestmark = pytest.mark.slow  # make test-postgres


def started(folder: Path, url: str, **settings: Any) -> tuple[Any, Service]:
    service = Service(Settings(folder=str(folder), store=url, min_support=1, **settings))
    service.open()
    client = Client(make_app(service), base_url="http://localhost")
    client.service = service
    return client, service


def test_everything_works_and_two_workers_agree(cluster: Cluster, knn: Path) -> None:
    (one, _), (other, second) = started(knn, cluster.url), started(knn, cluster.url)
    with one, other:
        assert isinstance(one, TestClient)
        events = [{"user": "ann", "item": item, "id": item, "context": {"a": 1}} for item in ITEMS[:3]]
        assert one.events(*events).json() == {"accepted": 3, "duplicates": 0, "errors": []}
        assert other.events(*events).json() == {"accepted": 0, "duplicates": 3, "errors": []}
        assert other.events({"user": "ann", "item": "new"}, {"session": "s", "item": "i20"}).json()["accepted"] == 2
        for client in (one, other):
            told = client.get("/v1/users/ann/recommendations?why=true").json()
            assert told["removed"]["seen"] >= 3
            assert told["items"][0]["why"]["parts"]
        assert [event["item"] for event in one.get("/v1/users/ann/events").json()["events"]] == [
            "new",
            "i02",
            "i01",
            "i00",
        ]
        one.patch("/v1/items/i04", json={"hidden": True, "attributes": {"mood": "dark"}})
        other.portal.call(second.refresh)
        assert "i04" not in other.ids("/v1/users/ann/recommendations", k=29)
        one.patch("/v1/users/bob", json={"attributes": {"country": "NO"}})
        one.patch("/v1/users/ann", json={"attributes": {"country": "NO"}})
        assert one.get("/v1/users/bob/recommendations").json()["segment"]["value"] == "NO"
        assert one.ids("/v1/trending", k=1)
        assert one.post("/v1/users/ann/merge", json={"session": "s"}).json()["events"] == 1
        assert one.get("/v1/users/ann/export").json()["attributes"] == {"country": "NO"}
        removed = one.delete("/v1/users/ann").json()["removed"]
        assert removed == {
            "events": 5,
            "written": 0,
            "attributes": 1,
            "exposures": 0,
            "choices": 0,
        }
        late = other.events({"user": "ann", "item": "i00", "time": int(time.time()) - 60})
        assert late.status_code == 422
        assert one.portal.call(one.service.tidy) == (0, 0)
        assert "penchant_store_bytes" in one.get("/metrics").text
        page = one.get("/v1/users/x/recommendations?k=3").json()["next"]
        assert other.get("/v1/users/x/recommendations", params={"k": 3, "page": page}).status_code == 200


def test_every_call_of_gorses_clients_is_answered(cluster: Cluster, knn: Path) -> None:
    client, _ = started(knn, cluster.url, gorse_api=True)
    with client:
        for method, path, parts in CALLS:
            asked = path.format(**parts.get("path_parameters", {}))
            body = {"json": parts["body"]} if "body" in parts else {}
            answer = client.request(method, asked, params=parts.get("query"), headers=parts.get("headers"), **body)
            assert answer.status_code == 200, (method, path, answer.text)
        row = {**FEEDBACK, "UserId": "bob", "Value": 1.5}
        added = [client.post("/api/feedback", json=[row]).json() for _ in range(2)]
        assert added == [{"RowAffected": 1}] * 2
        assert [one["Value"] for one in client.get("/api/user/bob/feedback").json()] == [3.0]
        assert client.put("/api/feedback", json=[row]).status_code == 200
        assert [one["Value"] for one in client.get("/api/feedback/bob/i10").json()] == [1.5]
        assert client.delete("/api/feedback/bob/i10").json() == {"RowAffected": 1}
        assert client.get("/api/user/bob/feedback").json() == []


def test_what_is_left_of_the_erased_refuses_their_late_events(cluster: Cluster, knn: Path) -> None:
    (one, _), (other, _) = started(knn, cluster.url), started(knn, cluster.url)
    with one, other:
        now = time.time()
        rows = [{"user": "zoe", "item": "i00", "time": now + 3600 + n, "id": f"zoe {n}"} for n in range(5)]
        assert one.events(*rows).json()["accepted"] == 5
        assert one.get("/v1/users/zoe/export").json()["clock_ahead"] > 3600
        one.delete("/v1/users/zoe")
        for late, field in (({"time": now + 3600}, "time"), ({"user": "max", "id": "zoe 3"}, "id")):
            refused = other.events({"user": "zoe", "item": "i00", **late})
            assert refused.json()["errors"][0]["field"] == f"events.0.{field}"
        assert other.events({"user": "zoe", "item": "i01"}).json()["accepted"] == 1
        assert one.portal.call(one.service.tidy) == (0, 0)


def test_a_lost_connection_is_opened_anew(cluster: Cluster, knn: Path) -> None:
    client, service = started(knn, cluster.url)
    with client:
        assert client.get("/v1/users/ann/recommendations").status_code == 200
        with service.store.database.engine.connect() as connection:
            connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
            )
        assert client.get("/v1/users/ann/recommendations").json()["degraded"] is None
        statuses = [client.events({"user": "eve", "item": "i00"}).status_code for _ in range(2)]
        assert statuses == [200, 200]


def test_a_statement_that_takes_too_long_is_ended(cluster: Cluster, knn: Path) -> None:
    client, service = started(knn, cluster.url)
    with client:
        database = service.store.database
        asleep = database.compile(text("SELECT pg_sleep(20)"))
        start = time.perf_counter()
        with pytest.raises(StoreError, match="timeout"):
            database.read(asleep, seconds=0.2)
        database.seconds = 0.3
        database.drop_mine()
        with pytest.raises(StoreError, match="timeout"):
            database.read(asleep)
        assert time.perf_counter() - start < 5
        assert database.read(database.compile(text("SELECT 7")), seconds=0.2) == [(7,)]


def test_a_log_goes_in_and_comes_out(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "PIECE", 1000)
    with closing(EventStore(cluster.url)) as store:
        store.open()
        frame = table()
        assert imported(store, frame) == Imported(500, 500, 0, 0)
        rows_sent = len(sent(store))
        assert imported(store, log.store_log(cluster.url)) == Imported(500 + rows_sent, 0, 500 + rows_sent, 0)
        with store.database.engine.begin() as connection:
            connection.exec_driver_sql("DELETE FROM events WHERE id IS NULL OR substr(id, 1, 2) <> 'i.'")
        assert imported(store, frame) == Imported(500, 0, 500, 0)
        rows = [(user, None if user else session, *rest) for user, session, *rest in frame.rows()]
        stream = log.store_log(cluster.url)
        parts = [part for part, _ in stream.parts(stream.names)]
        assert len(parts) > 5
        assert sorted((row for part in parts for row in part.rows()), key=repr) == sorted(rows, key=repr)
        on_disk = EventStore(f"sqlite:///{tmp_path / 'store.db'}")
        with closing(on_disk):
            on_disk.open()
            imported(on_disk, frame)
        same = log.store_log(f"sqlite:///{tmp_path / 'store.db'}")
        one, other = read_interactions(stream), read_interactions(same)
        assert one.user_ids == other.user_ids
        assert one.vocab.ids == other.vocab.ids
        assert (one.values == other.values).all()


def test_a_reader_stops_no_writer(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "PIECE", 200)
    with closing(EventStore(cluster.url)) as store:
        store.open()
        imported(store, table())
        stream = log.store_log(cluster.url)
        parts = stream.parts(stream.names)
        found = next(parts)[0].height
        assert imported(store, table(501)).imported == 1
        found += sum(part.height for part, _ in parts)
        assert (found, store.count()) == (500, 501)
