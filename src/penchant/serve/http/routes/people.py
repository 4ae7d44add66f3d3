"""People: events, attributes, export, merge, erasure."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from penchant.serve.common.person_link import PAGE, PersonLink
from penchant.serve.common.problems import Problem, invalid
from penchant.serve.http.responses import Csv, ready
from penchant.serve.http.schemas.fields import PathId
from penchant.serve.http.schemas.me import Export, MakeLink, PersonLinkMade
from penchant.serve.http.schemas.people import (
    Attributes,
    Choose,
    CorrectEvent,
    Erasure,
    EventRemoved,
    Merge,
    Merged,
    Receipt,
    SessionEvents,
    UserAttributes,
    UserChoices,
    UserEvents,
)
from penchant.serve.http.scopes import ADMIN, READ, problems, service_of
from penchant.serve.own_data import export, named, table
from penchant.serve.service import Service
from penchant.store.people import subject

router = APIRouter(tags=["people"])
Most = Annotated[int, Query(ge=1, le=1000, description="number of events")]
Seq = Annotated[int, Path(ge=1, le=2**62, description="the place of the event in the order of acceptance")]
Before = Annotated[int | None, Query(ge=1, le=2**62, description="the seq of an event; only older ones: the next page")]


async def _events(service: Service, person: str, k: int, before: int | None) -> dict[str, Any]:
    try:
        found = await service.read(service.people.events, await service.person(person), k, before)
    except KeyError:
        raise Problem(410, "the event is gone: ask for the first page", field="before") from None
    return {"events": [event.to_json() for event in found], "next": found[-1].seq if len(found) == k else None}


@router.get("/v1/users/{id}/events", dependencies=[READ], response_model=UserEvents, responses=problems(410))
async def user_events(request: Request, id: PathId, k: Most = 100, before: Before = None) -> Response:
    """The newest events of a user, by time."""
    return ready({"user": id, **await _events(service_of(request), "u:" + id, k, before)})


@router.get("/v1/sessions/{id}/events", dependencies=[READ], response_model=SessionEvents, responses=problems(410))
async def session_events(request: Request, id: PathId, k: Most = 100, before: Before = None) -> Response:
    """The newest events of a session, by time."""
    return ready({"session": id, **await _events(service_of(request), "s:" + id, k, before)})


@router.get("/v1/users/{id}/export", dependencies=[ADMIN], response_model=Export, responses=problems())
async def export_user(request: Request, id: PathId) -> Response:
    """Everything that is stored about a user."""
    service = service_of(request)
    person = await service.person("u:" + id)
    return await service.heavy(lambda: ready(named(export(service, person), "u:" + id)))


@router.get("/v1/users/{id}/export.csv", dependencies=[ADMIN], response_class=Csv, responses=problems())
async def export_table(request: Request, id: PathId) -> Response:
    """Everything that is stored about a user, as a table for a spreadsheet."""
    service = service_of(request)
    person = await service.person("u:" + id)
    return await service.heavy(lambda: Csv(table(export(service, person))))


@router.post("/v1/users/{id}/link", dependencies=[ADMIN], response_model=PersonLinkMade, responses=problems())
async def link_user(request: Request, id: PathId, made: MakeLink | None = None) -> Response:
    """Make a signed link by which a user sees, changes and erases what is stored about them."""
    return ready(await _link(service_of(request), "u:" + id, made))


@router.post("/v1/sessions/{id}/link", dependencies=[ADMIN], response_model=PersonLinkMade, responses=problems())
async def link_session(request: Request, id: PathId, made: MakeLink | None = None) -> Response:
    """Make a signed link by which a guest sees, changes and erases what is stored about them."""
    return ready(await _link(service_of(request), "s:" + id, made))


async def _link(service: Service, person: str, made: MakeLink | None) -> dict[str, Any]:
    link = PersonLink.new(await service.person(person), (made or MakeLink()).minutes)
    token = link.token(service.store.secret)
    return {**subject(person), "path": f"{PAGE}?link={token}", "token": token, "until": link.until}


@router.get("/v1/users/{id}", dependencies=[ADMIN], response_model=UserAttributes, responses=problems())
async def read_user(request: Request, id: PathId) -> Response:
    """The attributes of a user."""
    return await _attributes(service_of(request), id)


@router.patch("/v1/users/{id}", dependencies=[ADMIN], response_model=UserAttributes, responses=problems())
async def change_user(request: Request, id: PathId, change: Attributes) -> Response:
    """Set attributes of a user; null removes one."""
    service = service_of(request)
    await service.people.set_attributes(await service.person("u:" + id), change.attributes)
    return await _attributes(service, id)


async def _attributes(service: Service, user: str) -> Response:
    person = await service.person("u:" + user)
    return ready({"user": user, "attributes": await service.read(service.store.attributes, person)})


@router.post("/v1/users/{id}/merge", dependencies=[ADMIN], response_model=Merged, responses=problems())
async def merge_user(request: Request, id: PathId, source: Merge) -> Response:
    """Move the events and attributes of a session, or of the same person under another id, to this user."""
    if (source.user is None) == (source.session is None):
        raise invalid("user", "give either user or session")
    other = f"u:{source.user}" if source.user is not None else f"s:{source.session}"
    if other == f"u:{id}":
        raise invalid("user", "is the user of the path")
    service = service_of(request)
    merged = await service.people.merge(await service.person(other), await service.person("u:" + id))
    return ready({**merged, "from": subject(other), "to": {"user": id}})


@router.get("/v1/users/{id}/choices", dependencies=[ADMIN], response_model=UserChoices, responses=problems())
async def choices(request: Request, id: PathId) -> Response:
    """What a user chose."""
    service = service_of(request)
    chosen = await service.read(service.people.choices.of, await service.person("u:" + id))
    return ready({"user": id, **chosen.to_json()})


@router.patch("/v1/users/{id}/choices", dependencies=[ADMIN], response_model=UserChoices, responses=problems())
async def choose(request: Request, id: PathId, change: Choose) -> Response:
    """Pause, be private, refuse to be learned from, switch kinds of events or categories off."""
    return ready({"user": id, **await service_of(request).choose("u:" + id, change.said())})


@router.patch("/v1/users/{id}/events/{seq}", dependencies=[ADMIN], response_model=EventRemoved, responses=problems(404))
async def correct_event(request: Request, id: PathId, seq: Seq, change: CorrectEvent) -> Response:
    """Correct the item, kind or value of one event; `seq` is in the list of events."""
    await service_of(request).correct_event("u:" + id, seq, change.said())
    return ready({"user": id, "seq": seq})


@router.delete(
    "/v1/users/{id}/events/{seq}", dependencies=[ADMIN], response_model=EventRemoved, responses=problems(404)
)
async def remove_event(request: Request, id: PathId, seq: Seq) -> Response:
    """Remove one event of a user; `seq` is in the list of events."""
    await service_of(request).remove_event("u:" + id, seq)
    return ready({"user": id, "seq": seq})


@router.delete("/v1/users/{id}", dependencies=[ADMIN], response_model=Receipt, responses=problems())
async def erase_user(request: Request, id: PathId) -> Response:
    """Erase a user. The receipt lists what was removed and what is left."""
    return ready(await service_of(request).erase("u:" + id))


@router.delete("/v1/sessions/{id}", dependencies=[ADMIN], response_model=Receipt, responses=problems())
async def erase_session(request: Request, id: PathId) -> Response:
    """Erase a session. The receipt lists what was removed and what is left."""
    return ready(await service_of(request).erase("s:" + id))


@router.get("/v1/erasures/{hash}", dependencies=[ADMIN], response_model=Erasure, responses=problems(404))
async def erasure(request: Request, hash: str) -> Response:
    """Whether an erasure has reached the files of the store; `hash` is on its receipt."""
    return ready(await service_of(request).erasure(hash))
