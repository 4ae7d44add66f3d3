"""The ASGI application: routes, middleware and error handlers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException
from starlette.responses import Response

import penchant
from penchant.errors import InputError
from penchant.serve.common.problems import Problem, from_validation
from penchant.serve.http.links import add_links
from penchant.serve.http.middleware import Middleware
from penchant.serve.http.routes import answers, events, items, me, models, people, placements, results, system
from penchant.serve.http.routes.gorse import ROUTERS as GORSE
from penchant.serve.http.routes.light import Shortcut
from penchant.serve.http.schemas.events import Events
from penchant.serve.http.schemas.system import ProblemDocument
from penchant.serve.pages import site
from penchant.serve.pages.live_metrics import LiveMetrics
from penchant.serve.service import Service
from penchant.store.database import StoreError

ROUTERS = (
    answers.light,
    events.router,
    answers.router,
    items.router,
    people.router,
    me.router,
    models.router,
    placements.router,
    placements.admin,
    results.router,
    system.router,
    site.router,
)


def make_app(service: Service) -> Middleware:
    """The ASGI application of an open service."""

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        await service.start()
        async with app.state.live_metrics.sampling():
            yield
        await service.stop()

    app = FastAPI(
        title="Penchant",
        version=penchant.__version__,
        description="Events in, recommendations out.",
        lifespan=life,
        openapi_url=None,  # it requires a scope, see routes.system
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.service, app.state.live_metrics = service, LiveMetrics(service.metrics)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]  # FastAPI's documented way to extend the document
    for router in (*ROUTERS, *(GORSE if service.settings.gorse_api else ())):
        app.include_router(router)
    for error, tell in HANDLERS.items():
        app.add_exception_handler(error, tell)
    return Middleware(Shortcut(app, answers.light), service)


def _openapi(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, completed by the models that the framework does not see itself."""
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        schemas = document["components"]["schemas"]
        for model in (Events, ProblemDocument):
            schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas.update(schema.pop("$defs"))
            schemas[model.__name__] = schema
        add_links(document)
        app.openapi_schema = document
    return app.openapi_schema


async def _problem(_: Request, problem: Any) -> Response:
    response: Response = problem.response()
    return response


async def _http(request: Request, error: Any) -> Response:
    """Refusals of the framework."""
    if isinstance(error, Problem):
        return error.response()
    details = {
        404: f"there is no {request.method} at this path",
        405: f"this path does not support {request.method}",
    }
    detail = details.get(error.status_code) or str(error.detail)
    field = "body" if error.status_code == 400 else None
    return Problem(error.status_code, detail, field=field, headers=error.headers).response()


async def _validation(_: Request, error: Any) -> Response:
    errors = error.errors()
    if errors and errors[0]["type"] == "json_invalid":
        return Problem(
            400, f"the body is not JSON: {errors[0].get('ctx', {}).get('error', '')}", field="body"
        ).response()
    return from_validation(errors).response()


async def _store(_: Request, error: Any) -> Response:
    return Problem(503, str(error), kind="store", headers={"Retry-After": "1"}).response()


async def _input(_: Request, error: Any) -> Response:
    return Problem(422, str(error), kind="invalid").response()


HANDLERS: dict[Any, Any] = {
    Problem: _problem,
    HTTPException: _http,
    RequestValidationError: _validation,
    StoreError: _store,
    InputError: _input,
}
