"""Routes with a thousand requests a second: called without the framework's walk over their dependencies."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from inspect import signature
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import TypeAdapter, ValidationError

from penchant.serve.http.middleware import Receive, Scope, Send
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


class Shortcut:
    """An application whose light routes are called without the framework's walk over routers and middleware, which
    takes a tenth of a light answer. Everything else, and what errors become, is the application's."""

    def __init__(self, app: FastAPI, router: APIRouter) -> None:
        self._app = app
        light = [route for route in router.routes if isinstance(route, LightRoute) and route.methods == {"GET"}]
        self._light = [(route.path.partition("{id}"), route, route.get_route_handler()) for route in light]

    @property
    def routes(self) -> list[Any]:
        """All routes of the application."""
        return self._app.routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] == "http" and scope["method"] == "GET":
            path: str = scope["path"]
            for (head, _, tail), route, handle in self._light:
                name = path[len(head) : len(path) - len(tail)]
                if path.startswith(head) and path.endswith(tail) and name and "/" not in name:
                    told = {"app": self._app, "route": route, "endpoint": route.endpoint, "path_params": {"id": name}}
                    scope.update(told)
                    response = await self._answer(handle, Request(scope, receive, send))
                    await response(scope, receive, send)
                    return
        await self._app(scope, receive, send)

    async def _answer(self, handle: Callable[[Request], Coroutine[Any, Any, Response]], request: Request) -> Response:
        try:
            return await handle(request)
        except Exception as error:
            handlers: Any = self._app.exception_handlers
            tell = next((handlers[kind] for kind in type(error).__mro__ if kind in handlers), None)
            if tell is None:
                raise
            told: Response = await tell(request, error)
            return told
