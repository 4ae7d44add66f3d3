"""Routes that are called without the framework's walk over dependencies refuse as all others do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi import APIRouter, Depends, Request, Response

from penchant.serve.http.routes.light import LightRoute
from penchant.serve.http.scopes import READ
from tests.serve.conftest import Make


@pytest.mark.parametrize("person", ["users", "sessions"])
@pytest.mark.parametrize("name", ["%FF", "a%00b", "x" * 700, "%20", "%F0%9F%98%80", "a%2Fb"])
def test_an_id_is_taken_or_refused_as_by_a_plain_route(make: Make, person: str, name: str) -> None:
    client = make()
    path = f"/v1/{person}/{name}/recommendations"
    light, plain = client.get(path), client.post(path, json={})
    assert light.status_code == plain.status_code == (422 if name in {"%FF", "a%00b", "x" * 700, "%20"} else 200)
    told = [{key: value for key, value in one.json().items() if key != "recommendation"} for one in (light, plain)]
    assert told[0] == told[1]


def test_scopes_and_parameters_are_checked(make: Make) -> None:
    client = make()
    _, key = client.service.keys.create("x", ["collect"])
    path, headers = "/v1/users/ann/recommendations", {"authorization": f"Bearer {key}"}
    assert [client.get(path).status_code, client.post(path, json={}).status_code] == [401, 401]
    light, plain = client.get(path, headers=headers), client.post(path, json={}, headers=headers)
    assert (light.status_code, light.json()) == (plain.status_code, plain.json())
    assert light.status_code == 403
    headers["authorization"] = f"Bearer {client.service.keys.create('y', ['read'])[1]}"
    assert client.get(path, headers=headers, params={"count": 3}).json()["errors"][0]["field"] == "count"
    assert client.get(path, headers=headers, params={"k": 0}).json()["errors"][0]["field"] == "k"
    assert client.delete(path, headers=headers).status_code == 405


async def _more(request: Request, id: str, k: int) -> Response:
    raise AssertionError


async def _right(request: Request, id: str) -> Response:
    raise AssertionError


@pytest.mark.parametrize(
    ("function", "dependencies", "says"),
    [(_more, [READ], "takes the request and an id"), (_right, [Depends(lambda: 1)], "depends on scopes only")],
)
def test_it_is_for_such_functions_only(function: Callable[..., Any], dependencies: list[Any], says: str) -> None:
    router = APIRouter(route_class=LightRoute, dependencies=dependencies)
    with pytest.raises(TypeError, match=says):
        router.get("/{id}")(function)


def test_only_light_routes_take_the_shortcut(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    client, walked = make(), list[str]()
    shortcut: Any = client.app.app  # type: ignore[attr-defined]  # the middleware holds it
    through = shortcut._app.__call__

    async def walk(scope: Any, receive: Any, send: Any) -> None:
        walked.append(scope["path"])
        await through(scope, receive, send)

    monkeypatch.setattr(shortcut, "_app", type("App", (), {
        "__call__": staticmethod(walk), "exception_handlers": shortcut._app.exception_handlers,
        "state": shortcut._app.state,
    })())  # fmt: skip
    for path in ("/v1/users/ann/recommendations?k=3", "/v1/sessions/a%2Fb/recommendations"):
        assert client.get(path).status_code == 200
    assert client.get("/v1/users/ann/recommendations?page=x").status_code == 422
    assert walked == []
    others = ["/v1/users//recommendations", "/v1/users/a/b/recommendations", "/v1/popular", "/readyz"]
    for path in others:
        client.get(path)
    client.post("/v1/users/ann/recommendations", json={})
    assert walked == [*others, "/v1/users/ann/recommendations"]
    told = client.get("/metrics").text
    assert 'route="/v1/users/{id}/recommendations",status="422"' in told
