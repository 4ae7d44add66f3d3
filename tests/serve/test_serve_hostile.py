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


NUL, ENDLESS = r'"a\u0000b"', "1e999"
TEXTS = {  # @ is the value
    ("POST", "/v1/events"): ['{"events": [{"user": "a", "item": @}]}', '{"events": [{"item": "i00", "user": @}]}',
                             *(f'{{"events": [{{"user": "a", "item": "i00", "{name}": @}}]}}'
                               for name in ("session", "kind", "id", "time"))],
    ("POST", "/v1/recommendations"): ['{"history": [@]}', '{"history": [{"item": @}]}',
                                      '{"history": [{"item": "i00", "kind": @}]}',
                                      '{"history": [{"item": "i00", "time": @}]}'],
    ("POST", "/v1/users/a/recommendations"): ['{"exclude": [@]}', '{"page": @}',
                                              '{"where": {"attribute": @, "exists": true}}',
                                              '{"where": {"attribute": "genre", "in": [@]}}',
                                              '{"where": {"domain": [@]}}'],
    ("POST", "/v1/sessions/s/recommendations"): ['{"exclude": [@]}', '{"where": {"domain": [@]}}'],
    ("PUT", "/v1/items/q"): ['{"title": @}', '{"domain": @}', '{"expires": @}', '{"attributes": {"a": @}}',
                             '{"attributes": {"a": ["x", @]}}'],
    ("PATCH", "/v1/items/i00"): ['{"title": @}', '{"domain": @}', '{"attributes": {"a": @}}'],
    ("POST", "/v1/items"): ['{"put": [{"item": @}]}', '{"delete": [@]}',
                            *(f'{{"{how}": [{{"item": "i00", "{name}": @}}]}}'
                              for how in ("put", "patch") for name in ("title", "domain"))],
    ("PATCH", "/v1/users/a"): ['{"attributes": {"a": @}}'],
    ("POST", "/v1/users/a/merge"): ['{"user": @}', '{"session": @}'],
}  # fmt: skip
PLACES = [(*route, body) for route, bodies in TEXTS.items() for body in bodies]


@pytest.mark.parametrize(("method", "path", "body"), PLACES)
def test_every_text_refuses_nul_and_numbers_without_end(client: Client, method: str, path: str, body: str) -> None:
    for value in (NUL, ENDLESS, f"-{ENDLESS}"):
        content = body.replace("@", value)
        told = client.request(method, path, content=content, headers={"content-type": "application/json"})
        assert told.status_code == 422, (content, told.text)
        assert told.json()["errors"][0]["field"], content


@pytest.mark.parametrize(
    "context", ['{"a": 1e999}', '{"a": -1e999}', '{"a": [1, 1e999]}', '{"a": {"b": 1e999}}', '{"a": NaN}', "1e999"]
)
def test_a_context_has_finite_numbers(client: Client, context: str) -> None:
    content = f'{{"events": [{{"user": "a", "item": "i00", "context": {context}}}]}}'
    told = client.post("/v1/events", content=content, headers={"content-type": "application/json"})
    assert told.status_code == (400 if "NaN" in context else 422)
    assert client.get("/v1/users/a/export").json()["events"] == []


@pytest.mark.parametrize(
    "path",
    [
        "/v1/users/%00/recommendations", "/v1/users/%00/events", "/v1/users/%00/export", "/v1/users/%00",
        "/v1/sessions/%00/recommendations", "/v1/sessions/%00/events", "/v1/items/%00", "/v1/items/%00/similar",
        "/v1/popular?user=%00", "/v1/trending?session=%00", "/v1/latest?by=%00", "/v1/latest?exclude=%00",
        "/v1/items/i00/similar?user=%00", "/v1/popular?where=%7B%22domain%22:[%22%5Cu0000%22]%7D",
        "/v1/popular?where=%7B%22attribute%22:%22price%22,%22from%22:1e999%7D", "/v1/popular?days=1e999",
        "/v1/trending?days=-1e999", "/v1/users/a/recommendations?page=%00", "/v1/users/a/recommendations?k=1e999",
    ],
)  # fmt: skip
def test_every_path_and_query_refuses_nul_and_numbers_without_end(client: Client, path: str) -> None:
    told = client.get(path)
    assert told.status_code == 422, told.text
    assert told.json()["errors"][0]["field"]
