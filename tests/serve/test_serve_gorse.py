"""Gorse's API: what feedback becomes, every route as the OpenAPI document and docs/from-gorse.md say."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis

from penchant.store.keys import Keyring
from tests.serve.conftest import Client, Make
from tests.serve.serving import Process
from tests.serve.test_serve_docs import ROW, scope_of
from tests.serve.test_serve_openapi import CHECKS
from tests.serve.test_serve_security import _routes

PAGE = (Path(__file__).parents[2] / "docs" / "from-gorse.md").read_text(encoding="utf-8")
FEEDBACK = {"FeedbackType": "view", "UserId": "ann", "ItemId": "i10"}
USER, ITEM = {"id": "ann"}, {"id": "i10"}
PAIR = {"user": "ann", "item": "i10"}
CALLS: tuple[tuple[str, str, dict[str, Any]], ...] = (  # every operation of /api, in an order in which each succeeds
    ("POST", "/api/feedback", {"body": [{**FEEDBACK, "Value": 2.0, "Comment": "c", "Timestamp": ""}]}),
    ("PUT", "/api/feedback", {"body": [FEEDBACK]}),
    ("GET", "/api/feedback", {"query": {"n": 1}}),
    ("GET", "/api/feedback/{type}", {"path_parameters": {"type": "view"}}),
    ("GET", "/api/feedback/{user}/{item}", {"path_parameters": PAIR}),
    ("GET", "/api/feedback/{type}/{user}/{item}", {"path_parameters": {**PAIR, "type": "view"}}),
    ("GET", "/api/user/{user}/feedback", {"path_parameters": {"user": "ann"}}),
    ("GET", "/api/user/{user}/feedback/{type}", {"path_parameters": {"user": "ann", "type": "view"}}),
    ("GET", "/api/item/{item}/feedback", {"path_parameters": {"item": "i10"}}),
    ("GET", "/api/item/{item}/feedback/{type}", {"path_parameters": {"item": "i10", "type": "view"}}),
    ("POST", "/api/user", {"body": {"UserId": "ann", "Labels": {"a": 1, "b": ["x"]}}}),
    ("POST", "/api/users", {"body": [{"UserId": "bob", "Labels": ["x"]}, {"UserId": "cy", "Labels": "x"}]}),
    ("PATCH", "/api/user/{id}", {"path_parameters": USER, "body": {"Comment": "c"}}),
    ("GET", "/api/user/{id}", {"path_parameters": USER}),
    ("GET", "/api/users", {"query": {"n": 9}}),
    ("POST", "/api/item", {"body": {"ItemId": "new", "Labels": ["x"], "Timestamp": "2026-01-01"}}),
    ("POST", "/api/items", {"body": [{"ItemId": "more", "Labels": {"a": [1, "b"]}, "Categories": ["x"]}]}),
    ("PATCH", "/api/item/{id}", {"path_parameters": ITEM, "body": {"Categories": ["x"]}}),
    ("PUT", "/api/item/{id}/category/{category}", {"path_parameters": {**ITEM, "category": "y"}}),
    ("DELETE", "/api/item/{id}/category/{category}", {"path_parameters": {**ITEM, "category": "x"}}),
    ("GET", "/api/item/{id}", {"path_parameters": ITEM}),
    ("GET", "/api/items", {"query": {"n": 50}}),
    ("GET", "/api/recommend/{user}", {"path_parameters": {"user": "ann"}, "query": {"n": 3}}),
    ("GET", "/api/recommend/{user}/{category}", {"path_parameters": {"user": "ann", "category": "x"},
                                                 "headers": {"X-API-Version": "2"}}),
    ("POST", "/api/session/recommend", {"body": [{**FEEDBACK, "UserId": None}]}),
    ("POST", "/api/session/recommend/{category}", {"path_parameters": {"category": "x"}, "body": []}),
    ("GET", "/api/item/{id}/neighbors", {"path_parameters": ITEM}),
    ("GET", "/api/item/{id}/neighbors/{category}", {"path_parameters": {**ITEM, "category": "y"}}),
    ("GET", "/api/popular", {"query": {"user-id": "ann"}}),
    ("GET", "/api/popular/{category}", {"path_parameters": {"category": "x"}}),
    ("GET", "/api/non-personalized/{name}", {"path_parameters": {"name": "trending"}}),
    ("GET", "/api/latest", {"query": {"n": 2, "offset": 1}}),
    ("GET", "/api/latest/{category}", {"path_parameters": {"category": "x"}}),
    ("DELETE", "/api/feedback/{type}/{user}/{item}", {"path_parameters": {**PAIR, "type": "view"}}),
    ("DELETE", "/api/feedback/{user}/{item}", {"path_parameters": PAIR}),
    ("DELETE", "/api/item/{id}", {"path_parameters": {"id": "new"}}),
    ("DELETE", "/api/user/{id}", {"path_parameters": USER}),
)  # fmt: skip


@pytest.fixture
def gorse(make: Make) -> Client:
    """A service with Gorse's API."""
    return make(gorse_api=True)


@pytest.fixture
def api(knn: Path, tmp_path: Path) -> Iterator[Any]:
    process = Process(knn, tmp_path / "store.db", settings={"gorse_api": True})
    yield schemathesis.openapi.from_url(f"http://127.0.0.1:{process.port}/openapi.json")
    process.stop()


def test_every_answer_is_as_its_model_says(api: Any) -> None:
    for method, path, parts in CALLS:
        case = api[path][method].Case(**parts)
        response = case.call()
        assert response.status_code == 200, (method, path, response.text)
        case.validate_response(response, checks=CHECKS)
    operations = (operation.ok() for operation in api.get_all_operations())
    told = {(one.method.upper(), one.path) for one in operations if one.path.startswith("/api/")}
    assert told == {(method, path) for method, path, _ in CALLS}


def test_the_page_lists_exactly_the_routes(gorse: Client) -> None:
    actual = {
        (method, route.path): scope_of(route)
        for route in _routes(gorse.app.app.routes)  # type: ignore[attr-defined]  # the middleware holds the application
        for method in route.methods
        if route.path.startswith("/api/") and route.include_in_schema
    }
    rows = ROW.findall(PAGE)
    assert {(method, path): scope for method, path, scope in rows} == actual
    assert len(rows) == len(CALLS)


def test_nothing_is_there_unless_it_is_asked_for(client: Client) -> None:
    assert client.get("/api/popular").status_code == 404
    assert not [path for path in client.get("/openapi.json").json()["paths"] if path.startswith("/api")]


def test_every_route_needs_its_scope_and_knows_its_parameters(make: Make, gorse: Client) -> None:
    for method, path, _ in CALLS:
        asked = re.sub(r"{\w+}", "i10", path)
        answer = gorse.request(method, asked, params={"exclud": "1"})
        assert answer.status_code == 422, (method, path)
        assert answer.json()["errors"][0]["field"] == "exclud"
    ring = Keyring(gorse.service.store.database)
    ring.load()
    _, read = ring.create("test", ["read"])
    _, collect = ring.create("test", ["collect"])
    keyed = make(gorse_api=True)
    scopes = {(method, path): scope for method, path, scope in ROW.findall(PAGE)}
    for method, path, _ in CALLS:
        asked = re.sub(r"{\w+}", "i10", path)
        assert keyed.request(method, asked).status_code == 401, (method, path)
        for key, scope in ((read, "read"), (collect, "collect")):
            status = keyed.request(method, asked, headers={"X-API-Key": key}).status_code
            assert (status == 403) == (scopes[method, path] != scope), (method, path, scope, status)
    back = {"write-back-type": "view"}
    assert keyed.get("/api/recommend/ann", params=back, headers={"X-API-Key": read}).status_code == 403


def sent(client: Client, method: str, *rows: dict[str, Any]) -> list[dict[str, Any]]:
    answer = client.request(method, "/api/feedback", json=list(rows))
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"RowAffected": len(rows)}
    return list(client.get("/api/feedback/ann/i10").json())


def test_feedback_is_added_to_or_replaced(gorse: Client) -> None:
    now = int(time.time())
    at = [time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now - ago)) for ago in (900, 600, 300)]
    row = {**FEEDBACK, "Value": 1.5, "Timestamp": at[1], "Comment": "a"}
    assert sent(gorse, "POST", row) == [{**row, "Updated": at[1]}]
    added = sent(gorse, "POST", {**row, "Value": 2.0, "Timestamp": at[0], "Comment": "b"})
    assert added == [{**row, "Value": 3.5, "Timestamp": at[0], "Updated": at[1], "Comment": "b"}]
    twice = {**row, "Value": 1.0, "Timestamp": at[2], "Comment": ""}
    added = sent(gorse, "POST", twice, twice)  # in one request as in two
    assert added == [{**row, "Value": 5.5, "Timestamp": at[0], "Updated": at[2], "Comment": ""}]
    assert sent(gorse, "PUT", {**row, "Value": 9.0}, row) == [{**row, "Updated": at[1]}]
    other = {**row, "FeedbackType": "cart"}
    assert sent(gorse, "POST", other) == [{**row, "Updated": at[1]}, {**other, "Updated": at[1]}]
    events = gorse.get("/v1/users/ann/events").json()["events"]
    assert [(one["kind"], one["value"], one["time"]) for one in events] == [
        ("cart", 1.5, now - 600), ("view", 1.5, now - 600),
    ]  # fmt: skip


def test_feedback_that_is_refused_replaces_nothing(gorse: Client) -> None:
    row = {**FEEDBACK, "UserId": "ann"}
    before = sent(gorse, "POST", row)
    far = {**row, "Timestamp": "2999-01-01"}
    answer = gorse.put("/api/feedback", json=[far, {**row, "ItemId": "i11"}])
    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"field": "0.Timestamp", "detail": "is more than a day in the future"}]
    assert gorse.get("/api/feedback/ann/i10").json() == before
    assert len(gorse.get("/api/user/ann/feedback").json()) == 2  # the other row was stored, and the answer says so
    gorse.delete("/api/user/ann")
    late = gorse.put("/api/feedback", json=[{**row, "Timestamp": "2026-01-01"}])
    assert late.status_code == 422


def test_a_list_that_is_written_back_counts_after_the_delay(gorse: Client) -> None:
    path = "/api/recommend/ann"
    sent(gorse, "POST", FEEDBACK)
    first = gorse.get(path, params={"n": 2, "write-back-type": "view", "write-back-delay": "1h30m"}).json()
    assert gorse.get(path, params={"n": 2}).json() == first
    again = gorse.get(path, params={"n": 2, "write-back-type": "view"}).json()
    assert again == first
    assert not set(gorse.get(path, params={"n": 5}).json()) & {"i10", *first}
    assert len(gorse.get("/api/user/ann/feedback/view").json()) == 3


def test_categories_are_a_filter(gorse: Client) -> None:
    for item, categories in (("i10", ["a"]), ("i11", ["a", "b"]), ("i12", ["b"])):
        assert gorse.patch(f"/api/item/{item}", json={"Categories": categories}).status_code == 200
    assert set(gorse.get("/api/recommend/new/a").json()) == {"i10", "i11"}
    assert gorse.get("/api/recommend/new", params={"category": ["a", "b"]}).json() == ["i11"]
    assert {one["Id"] for one in gorse.get("/api/popular/b").json()} == {"i11", "i12"}
    gorse.patch("/api/item/i11", json={"IsHidden": True})
    assert gorse.get("/api/recommend/new/a").json() == ["i10"]
    gorse.patch("/api/item/i11", json={"IsHidden": False})
    gorse.delete("/api/item/i11/category/a")
    gorse.put("/api/item/i12/category/a")
    assert set(gorse.get("/api/recommend/new/a").json()) == {"i10", "i12"}


def test_latest_is_by_the_time_of_items(gorse: Client) -> None:
    for item, when in (("i05", "2026-03-01"), ("i06", "2026-05-01"), ("i07", "2026-04-01T00:00:00Z")):
        gorse.patch(f"/api/item/{item}", json={"Timestamp": when})
    assert [one["Id"] for one in gorse.get("/api/latest").json()] == ["i06", "i07", "i05"]
    assert [one["Id"] for one in gorse.get("/api/latest", params={"offset": 1, "n": 1}).json()] == ["i07"]


@pytest.mark.parametrize("labels", ['{"\\ud800": 1}', '["\\ud800"]', '{"a": 1e999}', '{"a": [{}]}', "7e400", '{"": 1}'])
def test_labels_that_no_store_can_hold_are_named(gorse: Client, labels: str) -> None:
    for path, name in (("/api/user", "UserId"), ("/api/item", "ItemId")):
        body = f'{{"{name}": "x", "Labels": {labels}}}'
        answer = gorse.post(path, content=body, headers={"content-type": "application/json"})
        assert answer.status_code == 422, answer.text
        assert answer.json()["errors"][0]["field"].startswith("Labels")


def test_values_of_any_type_are_refused_by_name(gorse: Client) -> None:
    for when in ({"a": []}, [], True, "soon"):
        answer = gorse.post("/api/item", json={"ItemId": "x", "Timestamp": when})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "Timestamp"), when
    answer = gorse.post("/api/user", json={"UserId": "x", "Labels": ["a", "\x90"]})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "Labels.labels")


def test_an_item_that_is_inserted_again_keeps_nothing(gorse: Client) -> None:
    before = gorse.get("/api/item/i00").json()
    assert before["Labels"]["genre"] == ["drama", "all"]
    gorse.post("/api/item", json={"ItemId": "i00", "Comment": "only"})
    empty = {"IsHidden": False, "Categories": [], "Timestamp": "0001-01-01T00:00:00Z", "Labels": None}
    assert gorse.get("/api/item/i00").json() == {"ItemId": "i00", **empty, "Comment": "only"}


def test_feedback_on_an_item_is_found_by_an_index(make: Make) -> None:
    def plan(client: Client) -> str:
        feedback = client.service.feedback
        rows = client.service.store.database.connect().execute(
            "EXPLAIN QUERY PLAN " + feedback._of_item.sql, feedback._of_item.values({"item": "i10"})
        )
        return " ".join(str(row[3]) for row in rows.fetchall())

    assert "SCAN events" in plan(make())
    assert "events_item (item=?)" in plan(make(gorse_api=True))
    assert "events_item (item=?)" in plan(make(gorse_api=True))  # it is there already
