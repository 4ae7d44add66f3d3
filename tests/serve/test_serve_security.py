"""Who gets in: keys and their scopes, origins, limits, and what nobody is told."""

from __future__ import annotations

import io
import json
import logging
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute

from penchant.errors import ParameterError
from penchant.serve.common.logs import JsonLines
from penchant.serve.common.settings import Settings
from penchant.serve.http.scopes import RequiredLink, RequiredScope
from penchant.serve.run import open_service
from penchant.store.database import Database
from penchant.store.keys import Keyring
from tests.every_byte import every_byte
from tests.serve.conftest import Client, Make

SHOP = "https://shop.example"
BY_SCOPE = {
    "collect": [("POST", "/v1/events")],
    "read": [
        ("GET", "/v1/users/a/recommendations"), ("POST", "/v1/recommendations"), ("GET", "/v1/items/i00"),
        ("GET", "/v1/items"), ("GET", "/v1/popular"), ("GET", "/v1/latest"), ("GET", "/v1/users/a/events"),
    ],
    "admin": [
        ("PUT", "/v1/items/i00"), ("DELETE", "/v1/items/i00"), ("POST", "/v1/items"), ("GET", "/v1/users/a/export"),
        ("DELETE", "/v1/users/a"), ("PATCH", "/v1/users/a"), ("POST", "/v1/users/a/merge"), ("GET", "/v1/models"),
        ("POST", "/v1/models/knn/activate"), ("POST", "/v1/models/rollback"),
    ],
}  # fmt: skip


@pytest.fixture
def ring(tmp_path: Path) -> Keyring:
    database = Database(f"sqlite:///{tmp_path / 'store.db'}")
    database.migrate()
    return Keyring(database)


def bearer(key: str, **more: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}", **more}


def call(client: Client, method: str, path: str, headers: dict[str, str]) -> int:
    body: dict[str, Any] = {} if method in {"GET", "DELETE"} else {"json": {}}
    return int(client.request(method, path, headers=headers, **body).status_code)


@pytest.mark.parametrize("scope", ["collect", "read", "admin"])
def test_a_scope_opens_its_routes_and_no_others(make: Make, ring: Keyring, scope: str) -> None:
    _, told = ring.create("test", [scope])
    client = make()
    for of_scope, routes in BY_SCOPE.items():
        for method, path in routes:
            status = call(client, method, path, bearer(told))
            if scope in {of_scope, "admin"}:
                assert status not in {401, 403}, (method, path)
            else:
                assert status == 403, (method, path)
            assert call(client, method, path, {}) == 401
            assert call(client, method, f"{path}?exclud=i01", {}) == 401  # who may not ask is not told what exists
            assert call(client, method, path, bearer(told[:-1] + "x")) == 401


def test_every_route_of_v1_needs_a_scope(client: Client) -> None:
    public = {"/livez", "/readyz", "/beacon.js"}  # and the pages, which guard themselves: test_serve_pages.py
    routes = list(_routes(client.app.app.routes))  # type: ignore[attr-defined]  # the middleware holds the application
    assert len(routes) > 30
    for route in routes:
        calls = [dependency.call for dependency in route.dependant.dependencies]
        link = route.path == "/v1/me" or route.path.startswith("/v1/me/")  # tests/privacy/test_link.py
        required = any(isinstance(call, RequiredLink if link else RequiredScope) for call in calls)
        assert required or route.path in public or route.path.startswith("/ui") or route.path == "/", route.path


def _routes(routes: Any) -> Any:
    for route in routes:
        if isinstance(route, APIRoute):
            yield route
        else:
            inner = getattr(route, "original_router", None) or getattr(route, "router", None)
            yield from _routes(getattr(inner, "routes", ()))


def test_a_key_may_stand_in_either_header(make: Make, ring: Keyring) -> None:
    _, told = ring.create("test", ["read"])
    client = make()
    assert client.get("/v1/popular", headers=bearer(told)).status_code == 200
    assert client.get("/v1/popular", headers={"x-api-key": told}).status_code == 200
    for wrong in ({"authorization": f"Basic {told}"}, {"x-api-key": "pk_x_y"}, {"x-api-key": "_" * 1000}, bearer("é")):
        refused = client.get("/v1/popular", headers={name: value.encode() for name, value in wrong.items()})
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"] == "Bearer"


def test_keys_are_rotated_and_revoked_while_the_service_runs(make: Make, ring: Keyring) -> None:
    key, old = ring.create("test", ["read"])
    _, other = ring.create("other", ["read"])
    client = make()

    def status(told: str) -> int:
        return int(client.get("/v1/popular", headers=bearer(told)).status_code)

    _, new = ring.rotate(key.id, grace=3600)
    client.portal.call(client.service.refresh)  # type: ignore[union-attr]  # it runs every second
    assert (status(old), status(new)) == (200, 200)
    _, newest = ring.rotate(key.id, grace=0)
    client.portal.call(client.service.refresh)  # type: ignore[union-attr]
    assert (status(old), status(new), status(newest)) == (401, 401, 200)
    ring.revoke(key.id)
    client.portal.call(client.service.refresh)  # type: ignore[union-attr]
    assert (status(newest), status(other)) == (401, 200)


def test_revoking_the_last_key_closes_the_service(make: Make, ring: Keyring) -> None:
    client = make()
    assert client.get("/v1/popular").status_code == 200  # never a key: open to this machine
    key, told = ring.create("only", ["admin"])
    with pytest.raises(ParameterError, match="the only admin key"):
        ring.revoke(key.id)
    client.portal.call(client.service.refresh)  # type: ignore[union-attr]
    assert client.get("/v1/popular", headers=bearer(told)).status_code == 200
    assert ring.revoke(key.id, last=True).id == key.id
    client.portal.call(client.service.refresh)  # type: ignore[union-attr]
    for headers in ({}, bearer(told)):
        assert client.get("/v1/popular", headers=headers).status_code == 401
    assert make().get("/v1/popular").status_code == 401  # after a restart too
    _, told = ring.create("again", ["admin"])
    client.portal.call(client.service.refresh)  # type: ignore[union-attr]
    assert client.get("/v1/popular", headers=bearer(told)).status_code == 200


def test_an_admin_key_can_be_revoked_where_there_is_another(ring: Keyring) -> None:
    key, _ = ring.create("one", ["admin"])
    ring.create("two", ["admin"])
    assert ring.revoke(key.id).id == key.id


def test_only_hashes_are_kept(ring: Keyring, tmp_path: Path) -> None:
    _, told = ring.create("test", ["admin"])
    kept = every_byte(tmp_path.rglob("*"))
    assert told.encode() not in kept
    assert told.split("_")[2].encode() not in kept
    assert "hash" not in json.dumps([key.to_json() for key in ring])


@pytest.mark.parametrize(
    ("name", "scopes", "more"),
    [
        ("", ["read"], {}),
        ("x", [], {}),
        ("x", ["write"], {}),
        ("x", ["read"], {"origins": [SHOP]}),
        ("x", ["collect"], {"origins": ["shop.example"]}),
        ("x", ["collect"], {"origins": ["https://shop.example/path"]}),
        ("x", ["collect"], {"origins": ["*"]}),
        ("x", ["collect"], {"rate": 0.0}),
    ],
)
def test_a_key_that_cannot_be(ring: Keyring, name: str, scopes: list[str], more: dict[str, Any]) -> None:
    with pytest.raises(ParameterError):
        ring.create(name, scopes, **more)


def test_without_a_key_only_this_machine_gets_in(make: Make, knn: Path, tmp_path: Path) -> None:
    client = make()
    assert client.get("/v1/popular").status_code == 200
    assert client.get("/v1/popular", headers={"host": "evil.example"}).status_code == 403  # a name made to point here
    assert client.get("/v1/popular", headers={"origin": "https://evil.example"}).status_code == 403
    for proxied in ("x-forwarded-for", "forwarded", "x-real-ip", "via"):
        assert client.get("/v1/popular", headers={proxied: "203.0.113.9"}).status_code == 403
    for host in ("localhost:8000", "127.0.0.1", "[::1]:8000", "127.0.0.1:1"):
        assert client.get("/v1/popular", headers={"host": host}).status_code == 200
    with pytest.raises(ParameterError, match="loopback"):
        open_service(Settings(folder=str(knn), store=f"sqlite:///{tmp_path / 'other.db'}", host="0.0.0.0"))  # noqa: S104  # refused


def test_metrics_and_documentation_are_for_the_operator(make: Make, ring: Keyring) -> None:
    _, admin = ring.create("test", ["admin"])
    _, read = ring.create("test", ["read"])
    away, here = make(host="192.0.2.1"), make()
    for path in ("/metrics", "/openapi.json"):
        assert away.get(path).status_code == 401
        assert away.get(path, headers=bearer(read)).status_code == 403
        assert away.get(path, headers=bearer(admin)).status_code == 200
        assert here.get(path).status_code == 200
        assert here.get(path, headers={"x-forwarded-for": "203.0.113.9"}).status_code == 401
        assert here.get(path, headers={"host": "rec.example"}).status_code == 401
    for path in ("/livez", "/readyz"):
        assert away.get(path).status_code == 200
    assert away.get("/docs", headers=bearer(admin)).status_code == 404


def test_a_page_may_collect_from_its_origin_only(make: Make, ring: Keyring) -> None:
    _, told = ring.create("page", ["collect"], origins=[SHOP])
    client = make()
    event = {"events": [{"session": "s", "item": "i00"}]}
    asking = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,content-type"}
    preflight = client.options("/v1/events", headers={"origin": SHOP, **asking})
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == SHOP
    assert "authorization" in preflight.headers["access-control-allow-headers"]
    sent = client.post("/v1/events", json=event, headers=bearer(told, origin=SHOP))
    assert sent.status_code == 200
    assert sent.headers["access-control-allow-origin"] == SHOP
    assert sent.headers["vary"] == "Origin"
    for origin in ("https://evil.example", f"{SHOP}.evil.example", "null"):
        refused = client.options("/v1/events", headers={"origin": origin, **asking})
        assert refused.status_code == 403
        assert "access-control-allow-origin" not in refused.headers
        assert client.post("/v1/events", json=event, headers=bearer(told, origin=origin)).status_code == 403
    assert client.post("/v1/events", json=event, headers=bearer(told)).status_code == 403
    elsewhere = client.options("/v1/popular", headers={"origin": SHOP, "access-control-request-method": "GET"})
    assert elsewhere.status_code == 403


def test_cors_is_off_unless_configured(make: Make, ring: Keyring) -> None:
    _, told = ring.create("test", ["read"])
    off, on = make(), make(origins=(SHOP,))
    answer = off.get("/v1/popular", headers=bearer(told, origin=SHOP))
    assert "access-control-allow-origin" not in answer.headers
    assert on.get("/v1/popular", headers=bearer(told, origin=SHOP)).headers["access-control-allow-origin"] == SHOP
    asking = {"origin": SHOP, "access-control-request-method": "GET"}
    allowed = on.options("/v1/popular", headers=asking)
    assert allowed.status_code == 204
    assert {"authorization", "x-api-key"} <= set(allowed.headers["access-control-allow-headers"].split(", "))


def test_a_key_asks_no_faster_than_its_rate(make: Make, ring: Keyring) -> None:
    _, slow = ring.create("slow", ["read"], rate=2)
    _, free = ring.create("free", ["read"])
    client = make()
    statuses = [client.get("/v1/popular", headers=bearer(slow)).status_code for _ in range(5)]
    assert statuses[:2] == [200, 200]
    assert 429 in statuses
    refused = client.get("/v1/popular", headers=bearer(slow))
    assert int(refused.headers["retry-after"]) >= 1
    assert {client.get("/v1/popular", headers=bearer(free)).status_code for _ in range(5)} == {200}
    bounded = make(rate=1.0)
    assert [bounded.get("/v1/popular", headers=bearer(free)).status_code for _ in range(3)] == [200, 429, 429]
    for path in ("/livez", "/readyz", "/beacon.js", "/ui/assets/pages.css"):  # what watches it is not kept waiting
        assert {bounded.get(path).status_code for _ in range(4)} == {200}
    for path in ("/livez", "/readyz"):
        assert bounded.head(path).status_code == 200


def test_no_key_and_no_id_is_logged(make: Make, ring: Keyring, monkeypatch: pytest.MonkeyPatch) -> None:
    _, told = ring.create("test", ["read", "collect"])
    client = make(access_log=True)
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(JsonLines())
    logger = logging.getLogger("penchant.serve")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)

    def broken(*_: Any) -> None:
        raise RuntimeError("a failure within")

    try:
        client.get("/v1/users/someone-private/recommendations?exclude=private-item", headers=bearer(told))
        client.get("/v1/popular", headers=bearer(told + "wrong"))
        monkeypatch.setattr(client.service.personal, "for_person", broken)
        failed = client.get("/v1/users/someone-private/recommendations", headers=bearer(told))
    finally:
        logger.removeHandler(handler)
    assert failed.status_code == 500
    assert "within" not in failed.text
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    assert [line["status"] for line in lines if line["message"] == "request"] == [200, 401, 500]
    assert lines[0]["route"] == "/v1/users/{id}/recommendations"
    for secret in (told, told.split("_")[2], "private"):
        assert secret not in written.getvalue()


def test_answers_are_not_kept_by_anyone_between(client: Client) -> None:
    answer = client.get("/v1/users/a/recommendations")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_model_is_named_never_a_path(client: Client) -> None:
    for name in ("..%2F..%2Fetc", "%2Fetc%2Fpasswd", "nothing", ".", "%00"):
        told = client.post(f"/v1/models/{name}/activate")
        assert told.status_code in {404, 422}, name
        assert told.headers["content-type"] == "application/problem+json"


def test_what_is_not_there_is_a_problem_document(client: Client) -> None:
    for method, path, status in (
        ("GET", "/nothing", 404),
        ("DELETE", "/v1/events", 405),
        ("GET", "/v1/users//events", 404),
    ):
        told = client.request(method, path)
        assert told.status_code == status
        assert told.json()["type"].startswith("urn:penchant:problem:")


def test_the_beacon_is_small_and_public(make: Make, ring: Keyring) -> None:
    ring.create("test", ["admin"])
    script = make(host="192.0.2.1").get("/beacon.js")
    assert script.status_code == 200
    assert script.headers["content-type"].startswith("text/javascript")
    assert len(script.content) < 1200
    assert script.text.startswith("(() => {")
    assert "/v1/events" in script.text
