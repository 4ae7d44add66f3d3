"""Routes with a thousand requests a second: called without the framework's walk over their dependencies."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from inspect import signature
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import TypeAdapter, ValidationError

from penchant.serve.http.schemas.fields import PathId
from penchant.serve.http.scopes import RequiredScope

ID: TypeAdapter[str] = TypeAdapter(PathId)


class LightRoute(APIRoute):
    """A route whose function takes the request and the ``id`` of its path, and which depends on scopes only.

    The OpenAPI document and every refusal are those of a plain route. Raises ``TypeError`` for another function.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What is called with each request."""
        scopes, endpoint = [one.dependency for one in self.dependencies], self.endpoint
        if list(signature(endpoint).parameters) != ["request", "id"]:
            raise TypeError(f"{endpoint.__name__}: a light route takes the request and an id")
        if not all(isinstance(scope, RequiredScope) for scope in scopes):
            raise TypeError(f"{endpoint.__name__}: a light route depends on scopes only")

        async def handle(request: Request) -> Response:
            for scope in scopes:
                await scope(request)  # type: ignore[misc]  # checked above
            try:
                found = ID.validate_python(request.path_params["id"])
            except ValidationError as wrong:
                raise RequestValidationError([{**one, "loc": ("path", "id")} for one in wrong.errors()]) from None
            response: Response = await endpoint(request, found)
            return response

        return handle
