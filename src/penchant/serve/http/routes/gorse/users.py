"""Gorse's users: insert, patch, get, list, delete."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from penchant.serve.common.problems import not_found
from penchant.serve.gorse.documents import COMMENT, user_attributes, user_document
from penchant.serve.http.responses import ready
from penchant.serve.http.routes.gorse.paging import Cursor, N, bounded, cursor_of, place_of
from penchant.serve.http.schemas.fields import PathId
from penchant.serve.http.schemas.gorse import GorseUser, GorseUserPage, GorseUserPatch, GorseUserRow, RowsAffected
from penchant.serve.http.scopes import ADMIN, problems, service_of
from penchant.serve.service import Service
from penchant.store.feedback import START

router = APIRouter(prefix="/api", tags=["gorse: users"], dependencies=[ADMIN])


@router.post("/user", response_model=RowsAffected, responses=problems())
async def insert(request: Request, user: GorseUser) -> Response:
    """Insert a user, in the place of the one that is there."""
    return await _insert(service_of(request), [user])


@router.post("/users", response_model=RowsAffected, responses=problems())
async def insert_many(request: Request, users: list[GorseUser]) -> Response:
    """Insert users, in the place of those that are there."""
    return await _insert(service_of(request), users)


async def _insert(service: Service, users: list[GorseUser]) -> Response:
    bounded(service, len(users))
    at = [""] if len(users) == 1 else [f"{n}." for n in range(len(users))]
    said = [user_attributes(one.Labels, one.Comment, f"{place}Labels") for one, place in zip(users, at, strict=True)]
    for user, attributes in zip(users, said, strict=True):
        before = await service.read(service.store.attributes, "u:" + user.UserId)
        await service.people.set_attributes("u:" + user.UserId, {**dict.fromkeys(before), **attributes})
    return ready({"RowAffected": len(users)})


@router.patch("/user/{id}", response_model=RowsAffected, responses=problems(404))
async def patch(request: Request, id: PathId, change: GorseUserPatch) -> Response:
    """Change the labels or the comment of a user."""
    service, person = service_of(request), "u:" + id
    before = await _attributes(service, id)
    said = user_attributes(change.Labels, change.Comment)
    if change.Labels is not None:
        said = {**{name: None for name in before if name != COMMENT}, **said}
    if change.Comment is None:
        said.pop(COMMENT, None)
    await service.people.set_attributes(person, said)
    return ready({"RowAffected": 1})


@router.get("/user/{id}", response_model=GorseUserRow, responses=problems(404))
async def look(request: Request, id: PathId) -> Response:
    """A user."""
    return ready(user_document(id, await _attributes(service_of(request), id)))


async def _attributes(service: Service, user: str) -> dict[str, Any]:
    if not await service.read(service.feedback.knows, "u:" + user):
        raise not_found("id", "there is no such user")
    return await service.read(service.store.attributes, "u:" + user)


@router.get("/users", response_model=GorseUserPage, responses=problems())
async def pages(request: Request, n: N = 10, cursor: Cursor = "") -> Response:
    """All users, page by page."""
    service = service_of(request)
    after = place_of(cursor, (str,))[0] if cursor else START[0]

    def read() -> list[dict[str, Any]]:
        found = service.feedback.users(after, n)
        return [user_document(user, service.store.attributes("u:" + user)) for user in found]

    users = await service.heavy(read)
    onward = cursor_of("u:" + users[-1]["UserId"]) if len(users) == n else ""
    return ready({"Cursor": onward, "Users": users})


@router.delete("/user/{id}", response_model=RowsAffected, responses=problems())
async def remove(request: Request, id: PathId) -> Response:
    """Erase a user, with all feedback. Feedback that is dated before is refused from then on."""
    service = service_of(request)
    known = await service.read(service.feedback.knows, "u:" + id)
    if known:
        await service.erase("u:" + id)
    return ready({"RowAffected": int(known)})
