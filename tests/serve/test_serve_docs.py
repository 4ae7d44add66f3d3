"""docs/service.md lists exactly the routes of the service, each with its scope."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from penchant.serve.http.scopes import RequiredLink, RequiredScope
from tests.serve.conftest import Client
from tests.serve.test_serve_security import _routes

DOCUMENT = (Path(__file__).parents[2] / "docs" / "service.md").read_text(encoding="utf-8")
ROUTES = DOCUMENT.partition("\n## Routes\n")[2].partition("\n## ")[0]
ROW = re.compile(r"^\| `([A-Z]+) (/\S+)` \| ([a-z, ]+) \|", re.MULTILINE)
NAMED = re.compile(r"`([A-Z]{3,7}) (/[^`?]*)[^`]*`")


def scope_of(route: Any) -> str:
    """The scope that a route requires, as the document spells it."""
    calls = [dependency.call for dependency in route.dependant.dependencies]
    if any(isinstance(call, RequiredLink) for call in calls):
        return "link"
    required = next((call for call in calls if isinstance(call, RequiredScope)), None)
    if required is None:
        return "none"
    return f"{required.wanted}, or local" if required.unless_local else required.wanted


def test_the_table_of_routes_is_that_of_the_service(client: Client) -> None:
    actual = {
        (method, route.path): scope_of(route)
        for route in _routes(client.app.app.routes)  # type: ignore[attr-defined]  # the middleware holds the application
        for method in route.methods - {"HEAD"}
        if not route.path.startswith("/ui") and route.path != "/"
    }
    rows = ROW.findall(ROUTES)
    assert {(method, path): scope for method, path, scope in rows} == actual
    assert len(rows) == len(actual) > 30


def test_the_text_names_no_other_route(client: Client) -> None:
    documented = {(method, path) for method, path, _ in ROW.findall(ROUTES)}
    named = {(method, path.strip()) for method, path in NAMED.findall(DOCUMENT)}
    assert len(named) > 30
    assert named <= documented
