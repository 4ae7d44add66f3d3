"""One person: events, attributes, export, merge, erasure."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from penchant.serve.common.problems import invalid
from penchant.serve.http.schemas import Attributes, Merge, PathId
from penchant.serve.http.scopes import ADMIN, READ, problems, service_of
from penchant.serve.service import Service

router = APIRouter(tags=["people"])
Most = Annotated[int, Query(ge=1, le=1000, description="how many")]
Before = Annotated[int | None, Query(ge=1, le=2**62, description="only events with a smaller seq: the next page")]


async def _events(service: Service, person: str, k: int, before: int | None) -> dict[str, Any]:
    upto = {} if before is None else {"upto": before - 1}
    found = await service.read(lambda: service.people.events(person, k, **upto))
    return {"events": found, "next": found[-1]["seq"] if len(found) == k else None}


@router.get("/v1/users/{id}/events", dependencies=[READ], responses=problems())
async def user_events(request: Request, id: PathId, k: Most = 100, before: Before = None) -> dict[str, Any]:
    """The newest events of a user."""
    return {"user": id, **await _events(service_of(request), "u:" + id, k, before)}


@router.get("/v1/sessions/{id}/events", dependencies=[READ], responses=problems())
async def session_events(request: Request, id: PathId, k: Most = 100, before: Before = None) -> dict[str, Any]:
    """The newest events of a session."""
    return {"session": id, **await _events(service_of(request), "s:" + id, k, before)}


@router.get("/v1/users/{id}/export", dependencies=[ADMIN], responses=problems())
async def export_user(request: Request, id: PathId) -> dict[str, Any]:
    """Everything that is kept of a user."""
    service = service_of(request)
    return await service.thread(service.people.export, "u:" + id)


@router.get("/v1/users/{id}", dependencies=[ADMIN], responses=problems())
async def read_user(request: Request, id: PathId) -> dict[str, Any]:
    """What was said about a user."""
    service = service_of(request)
    return {"user": id, "attributes": await service.read(service.store.attributes, "u:" + id)}


@router.patch("/v1/users/{id}", dependencies=[ADMIN], responses=problems())
async def say_user(request: Request, id: PathId, said: Attributes) -> dict[str, Any]:
    """Set attributes of a user; null takes one away."""
    service = service_of(request)
    await service.people.set_attributes("u:" + id, said.attributes)
    return {"user": id, "attributes": await service.read(service.store.attributes, "u:" + id)}


@router.post("/v1/users/{id}/merge", dependencies=[ADMIN], responses=problems())
async def merge_user(request: Request, id: PathId, source: Merge) -> dict[str, Any]:
    """Take over the events of a session, or of the same person under another id."""
    if (source.user is None) == (source.session is None):
        raise invalid("user", "say one of user and session")
    other = f"u:{source.user}" if source.user is not None else f"s:{source.session}"
    if other == f"u:{id}":
        raise invalid("user", "is the user itself")
    return await service_of(request).people.merge(other, "u:" + id)


@router.delete("/v1/users/{id}", dependencies=[ADMIN], responses=problems())
async def erase_user(request: Request, id: PathId) -> dict[str, Any]:
    """Erase a user; the receipt lists what was removed and what is left."""
    return await service_of(request).erase("u:" + id)


@router.delete("/v1/sessions/{id}", dependencies=[ADMIN], responses=problems())
async def erase_session(request: Request, id: PathId) -> dict[str, Any]:
    """Erase a session."""
    return await service_of(request).erase("s:" + id)
