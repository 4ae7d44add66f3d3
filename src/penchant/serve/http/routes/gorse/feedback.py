"""Gorse's feedback: insert, overwrite, list, delete."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from pydantic import AfterValidator

from penchant.serve.common.problems import Problem, not_found
from penchant.serve.gorse.documents import feedback_document, feedback_event
from penchant.serve.http.middleware import name_of
from penchant.serve.http.responses import ready
from penchant.serve.http.routes.gorse.paging import Cursor, N, bounded, cursor_of, place_of
from penchant.serve.http.schemas.fields import PathId, path_id
from penchant.serve.http.schemas.gorse import GorseFeedback, GorseFeedbackPage, GorseFeedbackRow, RowsAffected
from penchant.serve.http.scopes import ADMIN, COLLECT, READ, problems, service_of
from penchant.serve.service import Service
from penchant.store.events import NewEvent
from penchant.store.feedback import START, Given

router = APIRouter(prefix="/api", tags=["gorse: feedback"])
Type = Annotated[str, Path(description="the type of feedback, percent-encoded"), AfterValidator(path_id)]
ROWS = list[GorseFeedbackRow]


@router.post("/feedback", dependencies=[COLLECT], response_model=RowsAffected, responses=problems())
async def insert(request: Request, body: list[GorseFeedback]) -> Response:
    """Insert feedback, or add to what is there: values are summed, the earliest and the latest time are kept."""
    return await _write(request, body, overwrite=False)


@router.put("/feedback", dependencies=[COLLECT], response_model=RowsAffected, responses=problems())
async def overwrite(request: Request, body: list[GorseFeedback]) -> Response:
    """Insert feedback, in the place of what is there."""
    return await _write(request, body, overwrite=True)


async def _write(request: Request, body: list[GorseFeedback], *, overwrite: bool) -> Response:
    service, now = service_of(request), int(time.time())
    bounded(service, len(body))
    rows = [feedback_event(one.model_dump(), now) for one in body]
    return ready({"RowAffected": await store(service, rows, name_of(request.scope), overwrite=overwrite)})


async def store(service: Service, rows: Sequence[NewEvent], who: str, *, overwrite: bool = False) -> int:
    """Store feedback; returns how many rows were stored. Raises ``Problem`` 422 if any was refused."""
    if not rows:
        return 0
    stored, _, refused = await service.collect(rows, who, append=service.feedback.append(overwrite=overwrite))
    if refused:
        fields = {"time": "Timestamp", "item": "ItemId"}
        errors = [
            {"field": f"{n}.{fields.get(one.field, one.field)}", "detail": one.detail}
            for n, one in sorted(refused.items())
        ]
        detail = f"{stored} rows were stored; {errors[0]['field']}: {errors[0]['detail']}"
        raise Problem(422, detail, kind="invalid", errors=errors[:100])
    return stored


@router.get("/feedback", dependencies=[READ], response_model=GorseFeedbackPage, responses=problems())
async def pages(request: Request, n: N = 10, cursor: Cursor = "") -> Response:
    """All feedback of users, page by page."""
    return await _page(service_of(request), n, cursor)


@router.get("/feedback/{type}", dependencies=[READ], response_model=GorseFeedbackPage, responses=problems())
async def pages_of_type(request: Request, type: Type, n: N = 10, cursor: Cursor = "") -> Response:
    """All feedback of a type, page by page."""
    return await _page(service_of(request), n, cursor, type)


async def _page(service: Service, n: int, cursor: str, kind: str | None = None) -> Response:
    person, seq = place_of(cursor, (str, int)) if cursor else START
    rows = await service.heavy(service.feedback.page, (person, seq), n, kind)
    onward = cursor_of(rows[-1].person, rows[-1].seq) if len(rows) == n else ""
    return ready({"Cursor": onward, "Feedback": _documents(rows)})


@router.get("/feedback/{user}/{item}", dependencies=[READ], response_model=ROWS, responses=problems())
async def of_pair(request: Request, user: PathId, item: PathId) -> Response:
    """The feedback of a user on an item."""
    service = service_of(request)
    return ready(_documents(await service.read(service.feedback.of_pair, "u:" + user, item)))


@router.delete("/feedback/{user}/{item}", dependencies=[ADMIN], response_model=RowsAffected, responses=problems())
async def remove(request: Request, user: PathId, item: PathId) -> Response:
    """Delete the feedback of a user on an item."""
    return ready({"RowAffected": await service_of(request).feedback.delete("u:" + user, item)})


@router.get(
    "/feedback/{type}/{user}/{item}", dependencies=[READ], response_model=GorseFeedbackRow, responses=problems(404)
)
async def one(request: Request, type: Type, user: PathId, item: PathId) -> Response:
    """The feedback of a type of a user on an item."""
    service = service_of(request)
    found = await service.read(service.feedback.of_pair, "u:" + user, item, type)
    if not found:
        raise not_found("type", "there is no such feedback")
    return ready(feedback_document(found[-1]))


@router.delete(
    "/feedback/{type}/{user}/{item}", dependencies=[ADMIN], response_model=RowsAffected, responses=problems()
)
async def remove_one(request: Request, type: Type, user: PathId, item: PathId) -> Response:
    """Delete the feedback of a type of a user on an item."""
    return ready({"RowAffected": await service_of(request).feedback.delete("u:" + user, item, type)})


@router.get("/user/{user}/feedback", dependencies=[READ], response_model=ROWS, responses=problems())
async def of_user(request: Request, user: PathId) -> Response:
    """The feedback of a user, the latest first."""
    service = service_of(request)
    return ready(_documents(await service.read(service.feedback.of_person, "u:" + user)))


@router.get("/user/{user}/feedback/{type}", dependencies=[READ], response_model=ROWS, responses=problems())
async def of_user_and_type(request: Request, user: PathId, type: Type) -> Response:
    """The feedback of a type of a user, the latest first."""
    service = service_of(request)
    return ready(_documents(await service.read(service.feedback.of_person, "u:" + user), type))


@router.get("/item/{item}/feedback/", dependencies=[READ], include_in_schema=False)
@router.get("/item/{item}/feedback", dependencies=[READ], response_model=ROWS, responses=problems())
async def of_item(request: Request, item: PathId) -> Response:
    """The feedback on an item, the latest first."""
    service = service_of(request)
    return ready(_documents(await service.heavy(service.feedback.of_item, item)))


@router.get("/item/{item}/feedback/{type}", dependencies=[READ], response_model=ROWS, responses=problems())
async def of_item_and_type(request: Request, item: PathId, type: Type) -> Response:
    """The feedback of a type on an item, the latest first."""
    service = service_of(request)
    return ready(_documents(await service.heavy(service.feedback.of_item, item), type))


def _documents(rows: list[Given], kind: str | None = None) -> list[dict[str, Any]]:
    return [feedback_document(row) for row in rows if kind is None or row.kind == kind]
