"""Which scope a route needs, declared where the route is, so that the OpenAPI document says it too."""

from __future__ import annotations

from fastapi import Depends, Request
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase

from penchant.serve.http.middleware import need
from penchant.serve.http.schemas import ProblemDocument
from penchant.serve.service import Service


class Needs(SecurityBase):
    """A dependency that lets a request pass only with a scope."""

    def __init__(self, wanted: str, *, unless_local: bool = False) -> None:
        self.wanted, self.unless_local = wanted, unless_local
        self.model = HTTPBearer(description="a key of `penchant keys create`; scopes: collect, read, admin")
        self.scheme_name = "key"

    async def __call__(self, request: Request) -> None:
        """Raises ``Problem`` 401 or 403."""
        if self.unless_local and request.scope.get("penchant.local"):
            return
        need(request.scope, self.wanted)


COLLECT = Depends(Needs("collect"))
READ = Depends(Needs("read"))
ADMIN = Depends(Needs("admin"))
OPERATOR = Depends(Needs("admin", unless_local=True))  # metrics and documentation

PROBLEM = {"model": ProblemDocument, "content": {"application/problem+json": {}}}


def problems(*statuses: int) -> dict[int | str, dict[str, object]]:
    """The refusals of a route, for the OpenAPI document; every route may also refuse the key, the rate and the body."""
    common = (400, 401, 403, 413, 415, 422, 429, 500, 503)
    return {status: dict(PROBLEM) for status in sorted({*common, *statuses})}


def service_of(request: Request) -> Service:
    """The service behind a request."""
    return request.app.state.service  # type: ignore[no-any-return]  # state has no types
