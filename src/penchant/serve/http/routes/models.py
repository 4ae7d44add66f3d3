"""Models: list, activate, roll back."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import unquote

from fastapi import APIRouter, Path, Request
from pydantic import AfterValidator

from penchant.serve.answers.models import ServedModel
from penchant.serve.http.scopes import ADMIN, problems, service_of

router = APIRouter(tags=["models"], dependencies=[ADMIN])
Name = Annotated[str, Path(description="a name of the list", max_length=600), AfterValidator(unquote)]


def _told(active: ServedModel) -> dict[str, Any]:
    return {"active": active.name, "model": type(active.recommender.model).name, "version": active.version}


@router.get("/v1/models", responses=problems())
async def models(request: Request) -> dict[str, Any]:
    """Every model that can be served, newest first."""
    service = service_of(request)
    return {"models": await service.thread(service.models.describe)}


@router.post("/v1/models/rollback", responses=problems(409))
async def roll_back(request: Request) -> dict[str, Any]:
    """Answer with the model that was active before."""
    return _told(await service_of(request).roll_back())


@router.post("/v1/models/{name}/activate", responses=problems(404, 409))
async def activate(request: Request, name: Name) -> dict[str, Any]:
    """Verify, load and warm a model, then answer with it; requests go on meanwhile and none fails."""
    return _told(await service_of(request).activate(name))
