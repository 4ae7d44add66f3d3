"""What came of the lists that were shown."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from penchant.serve.http.responses import ready
from penchant.serve.http.schemas.results import ShownOutcomes
from penchant.serve.http.scopes import ADMIN, problems, service_of

router = APIRouter(tags=["results"], dependencies=[ADMIN])
Days = Annotated[int, Query(ge=1, le=366, description="today included")]


@router.get("/v1/results", response_model=ShownOutcomes, responses=problems())
async def lately(request: Request, days: Days = 7) -> Response:
    """Count what came of the lists of the last days: in all, by placement, model and day."""
    service = service_of(request)
    return ready(await service.heavy(service.results.lately, days))
