"""Health, metrics and documentation, outside /v1."""

from __future__ import annotations

import asyncio
from pathlib import Path

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST

from penchant.serve.common.problems import Problem
from penchant.serve.http.responses import ready as response
from penchant.serve.http.schemas.system import Alive, Ready
from penchant.serve.http.scopes import OPERATOR, problems, service_of

router = APIRouter(tags=["system"])
_SCRIPT = (Path(__file__).parents[1] / "static" / "beacon.js").read_text(encoding="utf-8").partition("*/\n")[2]
BEACON = "\n".join(line.strip() for line in _SCRIPT.splitlines()).encode()  # without its comment


@router.head("/livez", include_in_schema=False)
@router.get("/livez", response_model=Alive)
async def live() -> Response:
    """The process answers."""
    return response({"status": "alive"})


@router.head("/readyz", include_in_schema=False)
@router.get("/readyz", response_model=Ready, responses=problems(503))
async def ready(request: Request) -> Response:
    """A model is loaded and warm, and the store can be read."""
    service = service_of(request)
    if not service.ready:
        raise Problem(503, "no model is ready")
    try:
        await asyncio.wait_for(service.read(service.store.clock), service.settings.ready_seconds)
    except TimeoutError:
        raise Problem(503, "the store does not answer", kind="store", headers={"Retry-After": "1"}) from None
    active = service.models.active
    return response({"status": "ready", "model": type(active.recommender.model).name, "version": active.version})


@router.get("/metrics", dependencies=[OPERATOR], response_class=Response, responses=problems())
async def metrics(request: Request) -> Response:
    """Metrics for Prometheus; of every worker where there are several."""
    service = service_of(request)
    await service.read(service.measure)
    text = service.metrics.text() if service.sharing is None else service.sharing.text()
    return Response(text, media_type=CONTENT_TYPE_LATEST)


@router.get("/beacon.js", response_class=Response, responses={200: {"content": {"text/javascript": {}}}})
async def beacon() -> Response:
    """The script with which a web page sends events."""
    return Response(BEACON, media_type="text/javascript", headers={"Cache-Control": "public, max-age=3600"})


@router.get("/openapi.json", dependencies=[OPERATOR], include_in_schema=False)
async def openapi(request: Request) -> dict[str, object]:
    """The OpenAPI document."""
    return request.app.openapi()  # type: ignore[no-any-return]  # the app of a request has no type
