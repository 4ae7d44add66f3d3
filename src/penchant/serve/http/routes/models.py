"""Models: list, activate, roll back."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import unquote

from fastapi import APIRouter, Path, Request, Response
from pydantic import AfterValidator

from penchant.serve.answers.models import ServedModel
from penchant.serve.http.responses import ready
from penchant.serve.http.schemas.system import Activated, ModelList
from penchant.serve.http.scopes import ADMIN, problems, service_of

router = APIRouter(tags=["models"], dependencies=[ADMIN])
Name = Annotated[str, Path(description="a name from the list", max_length=600), AfterValidator(unquote)]


def _activated(active: ServedModel) -> Response:
    return ready({"active": active.name, "model": type(active.recommender.model).name, "version": active.version})


@router.get("/v1/models", response_model=ModelList, responses=problems())
async def models(request: Request) -> Response:
    """Every saved recommender in the folder, newest first."""
    service = service_of(request)
    return ready({"models": await service.thread(service.described)})


@router.post("/v1/models/rollback", response_model=Activated, responses=problems(409))
async def roll_back(request: Request) -> Response:
    """Activate the model that was active before."""
    return _activated(await service_of(request).roll_back())


@router.post("/v1/models/{name}/activate", response_model=Activated, responses=problems(404, 409))
async def activate(request: Request, name: Name) -> Response:
    """Verify, load and warm a model, then activate it. Requests are answered meanwhile."""
    return _activated(await service_of(request).activate(name))
