"""Bodies and queries that nobody sends by accident: every route that takes one refuses it with a problem document, or
answers; the next answer is none the worse."""

from __future__ import annotations

import pytest

from tests.serve.conftest import Client

ROUTES = (
    ("POST", "/v1/events"), ("POST", "/v1/recommendations"), ("POST", "/v1/users/a/recommendations"),
    ("POST", "/v1/items"), ("PUT", "/v1/items/q"), ("PATCH", "/v1/items/i00"), ("PATCH", "/v1/users/a"),
    ("POST", "/v1/users/a/merge"),
)  # fmt: skip
BODIES: dict[str, bytes] = {
    "deep list": b"[" * 100_000,
    "deep object": b'{"a":' * 100_000,
    "not UTF-8": b'{"title": "\xff"}',
    "bytes": b"\xff\xfe\x00",
    "null": b"null",
    "a number": b"3",
    "half a character as a title": rb'{"title": "\ud800"}',
    "half a character as a name": rb'{"attributes": {"\ud800": 1}}',
    "half a character as a value": rb'{"attributes": {"a": ["\ud800"]}}',
    "half a character as a user": rb'{"user": "\ud800"}',
    "half a character as an item": rb'{"put": [{"item": "\ud800"}]}',
    "half a character as history": rb'{"history": ["\ud800"]}',
    "half a character as a kind": rb'{"history": [{"item": "i00", "kind": "\ud800"}]}',
    "half a character as a page": rb'{"history": ["i00"], "page": "\ud800"}',
    "half a character in a filter": rb'{"history": ["i00"], "where": {"attribute": "a", "in": ["\ud800"]}}',
    "half a character in an event": rb'{"events": [{"user": "a", "item": "x", "kind": "\ud800"}]}',
    "5,000 digits of k": b'{"history": ["i00"], "k": ' + b"9" * 5000 + b"}",
    "5,000 digits of a time": b'{"expires": ' + b"9" * 5000 + b"}",
    "a time that is infinite": b'{"expires": 1e400}',
    "the first moment": b'{"put": [{"item": "z", "expires": "0001-01-01T00:00:00+23:59"}]}',
    "the last moment": b'{"put": [{"item": "z", "expires": "9999-12-31T23:59:59-23:59"}]}',
    "NUL": rb'{"patch": [{"item": "x\u0000"}]}',
    "huge values": b'{"history": [{"item": "i00", "value": 1e308}, {"item": "i01", "value": -1e308}]}',
    "the largest values": b'{"history": [{"item": "i00", "value": 1e9}, {"item": "i01", "value": -1e9}], "why": true}',
    "the ages": b'{"history": [{"item": "i00", "time": -253402300799}, {"item": "i01", "time": 253402300799}]}',
}


@pytest.mark.parametrize("name", BODIES)
def test_no_body_makes_a_route_fail(client: Client, name: str) -> None:
    for method, path in ROUTES:
        told = client.request(method, path, content=BODIES[name], headers={"content-type": "application/json"})
        assert told.status_code < 500, path
        if told.status_code >= 400:
            assert told.headers["content-type"] == "application/problem+json"
            assert told.json()["errors"][0]["field"], path
    after = client.get("/v1/users/a/recommendations?why=true")
    assert after.status_code == 200
    assert after.json()["degraded"] is None


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("where=%FF", "where"), ("exclude=i00&exclude=%FF", "exclude"), ("page=%FF", "page"), ("k=%FF", "k"),
        ("exclude=%00", "exclude.0"), ("exclude=" + "x" * 10_000, "exclude.0"), ("k=" + "9" * 5000, "k"),
        ("where=" + "%5B" * 6000, "where"), ("&".join(f"exclude=a{n}" for n in range(1500)), "exclude"),
        ("page=" + "A" * 5000, "page"),
    ],
)  # fmt: skip
def test_a_query_that_cannot_be_is_refused_and_its_field_named(client: Client, query: str, field: str) -> None:
    told = client.get(f"/v1/users/a/recommendations?{query}")
    assert told.status_code == 422
    assert told.json()["errors"][0]["field"] == field
