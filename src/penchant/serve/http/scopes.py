"""The scope that a route requires, declared at the route, so that the OpenAPI document states it too."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, get_args, get_type_hints

from fastapi import Depends, Request, params
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase

from penchant.serve.common.person_link import PersonLink, unknown
from penchant.serve.common.problems import MEDIA_TYPE, Problem, shown
from penchant.serve.http.middleware import require_scope
from penchant.serve.service import Service


class RequiredScope(SecurityBase):
    """A dependency that refuses a request without the scope, then one with a query parameter that the route lacks."""

    def __init__(self, wanted: str, *, unless_local: bool = False) -> None:
        self.wanted, self.unless_local = wanted, unless_local
        self.model = HTTPBearer(description="a key of `penchant keys create`; scopes: collect, read, admin")
        self.scheme_name = "key"

    async def __call__(self, request: Request) -> None:
        """Raises ``Problem`` 401, 403 or 422."""
        if not (self.unless_local and request.scope.get("penchant.local")):
            require_scope(request.scope, self.wanted)
        if request.scope["query_string"]:
            _refuse_unknown(request)


class RequiredLink(SecurityBase):
    """A dependency that refuses a request without the signed link of a person, which it keeps in the state."""

    def __init__(self) -> None:
        self.model = HTTPBearer(description="the token of a link: POST /v1/users/{id}/link")
        self.scheme_name = "link"

    async def __call__(self, request: Request) -> None:
        """Raises ``Problem`` 401, 410 or 422."""
        if request.scope["query_string"]:
            _refuse_unknown(request)
        text = request.headers.get("authorization", "")
        if text[:7].lower() != "bearer ":
            raise unknown("this needs the token of a link: Authorization: Bearer TOKEN")
        request.state.link = await checked_link(service_of(request), text[7:].strip())


async def checked_link(service: Service, text: str) -> PersonLink:
    """The link of a text; raises ``Problem`` 401 for a text that is none, and 410 for one that is over."""
    link, store = PersonLink.of(text, service.store.secret), service.store
    await service.read(link.check, store.ledger, store.pseudonyms)
    return link


def link_of(request: Request) -> PersonLink:
    """The link of a request."""
    return request.state.link  # type: ignore[no-any-return]  # state has no types


@cache
def _declared(function: Callable[..., Any]) -> frozenset[str]:
    """The query parameters in the signature of a route, and in those of what it depends on."""
    found = set[str]()
    for name, hint in get_type_hints(function, include_extras=True).items():
        for one in get_args(hint):
            if isinstance(one, params.Query):
                found.add(one.alias or name)
            elif isinstance(one, params.Depends) and one.dependency is not None:
                found |= _declared(one.dependency)
    return frozenset(found)


def _refuse_unknown(request: Request) -> None:
    route = request.scope["route"]
    documented = [one["name"] for one in (route.openapi_extra or {}).get("parameters", ()) if one["in"] == "query"]
    known = _declared(route.endpoint).union(documented)
    unknown = [name for name in request.query_params if name not in known]
    if unknown:
        has = f"the parameters are {', '.join(sorted(known))}" if known else "this route has none"
        errors = [{"field": name, "detail": f"there is no such query parameter: {has}"} for name in unknown[:100]]
        first = f"there is no query parameter {shown(unknown[0])}: {has}"
        raise Problem(422, first, kind="invalid", errors=errors)


COLLECT = Depends(RequiredScope("collect"))
READ = Depends(RequiredScope("read"))
ADMIN = Depends(RequiredScope("admin"))
LINKED = Depends(RequiredLink())
OPERATOR = Depends(RequiredScope("admin", unless_local=True))  # metrics and documentation

PROBLEMS = {
    400: "The body is not JSON.",
    401: "There is no key, or it is not valid.",
    403: "The key does not have the scope, or its origin or host is not allowed.",
    404: "There is no such item, model or path.",
    409: "The model cannot be served, or there is no earlier one.",
    410: "The list has changed or its model is gone: ask for the first page. Or the link is over: ask for a new one.",
    413: "The body is too large.",
    415: "The body is not declared as JSON.",
    422: "A field is invalid; `errors` names it.",
    429: "Too many requests; wait as long as `Retry-After` says.",
    500: "The service failed; the error is in its log.",
    503: "The store cannot be read or written, or the service is busy; `Retry-After` says when to try again.",
}
EMPTY: dict[int | str, dict[str, Any]] = {
    431: {"description": "The head of the request is too large; the connection is closed."}
}  # without a body
COMMON = (400, 401, 403, 413, 415, 422, 429, 500, 503)
_SCHEMA = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}
_RETRY = {"Retry-After": {"description": "seconds to wait", "schema": {"type": "integer", "minimum": 1}}}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The refusals of a route for the OpenAPI document: its own, and those that every route has."""
    documented: dict[int | str, dict[str, Any]] = {**EMPTY}
    for status in sorted({*COMMON, *statuses}):
        headers = {"headers": _RETRY} if status in {429, 503} else {}
        documented[status] = {"description": PROBLEMS[status], "content": _SCHEMA, **headers}
    return documented


def service_of(request: Request) -> Service:
    """The service behind a request."""
    return request.app.state.service  # type: ignore[no-any-return]  # state has no types
