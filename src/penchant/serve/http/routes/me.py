"""What is stored about the person whose link a request carries: to see, change, take along and erase."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from penchant.serve.http.responses import Csv, ready
from penchant.serve.http.routes.people import Before, Most, Seq
from penchant.serve.http.schemas.answers import Recommended
from penchant.serve.http.schemas.me import Export, Known, OwnEvents, SeqOf
from penchant.serve.http.schemas.people import Choices, Choose, CorrectEvent, Receipt
from penchant.serve.http.scopes import LINKED, link_of, problems, service_of
from penchant.serve.own_data import LISTED, explained, export, known, newest, table

router = APIRouter(tags=["me"], dependencies=[LINKED])
K = Annotated[int, Query(ge=1, le=100, description="number of items")]


@router.get("/v1/me", response_model=Known, responses=problems(410))
async def me(request: Request) -> Response:
    """What is stored about you, and for how long."""
    service, link = service_of(request), link_of(request)
    return ready(await service.heavy(known, service, link))


@router.get("/v1/me/events", response_model=OwnEvents, responses=problems(410))
async def my_events(request: Request, k: Most = 100, before: Before = None) -> Response:
    """Your newest events, by time, each with the moment until which it is kept."""
    service = service_of(request)
    return ready(await service.read(newest, service, link_of(request).person, k, before))


@router.patch("/v1/me/events/{seq}", response_model=SeqOf, responses=problems(404, 410))
async def correct(request: Request, seq: Seq, change: CorrectEvent) -> Response:
    """Correct the item, kind or value of one of your events."""
    await service_of(request).correct_event(link_of(request).person, seq, change.said())
    return ready({"seq": seq})


@router.delete("/v1/me/events/{seq}", response_model=SeqOf, responses=problems(404, 410))
async def remove(request: Request, seq: Seq) -> Response:
    """Remove one of your events."""
    await service_of(request).remove_event(link_of(request).person, seq)
    return ready({"seq": seq})


@router.get("/v1/me/choices", response_model=Choices, responses=problems(410))
async def my_choices(request: Request) -> Response:
    """What you chose."""
    service = service_of(request)
    return ready((await service.read(service.people.choices.of, link_of(request).person)).to_json())


@router.patch("/v1/me/choices", response_model=Choices, responses=problems(410))
async def choose(request: Request, change: Choose) -> Response:
    """Pause, be private, refuse to be learned from, switch kinds of events or categories off."""
    return ready(await service_of(request).choose(link_of(request).person, change.said()))


@router.get("/v1/me/list", response_model=Recommended, responses=problems(410))
async def my_list(request: Request, k: K = LISTED) -> Response:
    """What is recommended to you now, and why; it does not count as shown."""
    service = service_of(request)
    return ready(await service.heavy(explained, service, link_of(request).person, k))


@router.get("/v1/me/export", response_model=Export, responses=problems(410))
async def my_export(request: Request) -> Response:
    """Everything that is stored about you."""
    service, person = service_of(request), link_of(request).person
    return await service.heavy(lambda: ready(export(service, person)))


@router.get("/v1/me/export.csv", response_class=Csv, responses=problems(410))
async def my_table(request: Request) -> Response:
    """Everything that is stored about you, as a table for a spreadsheet."""
    service, person = service_of(request), link_of(request).person
    return await service.heavy(lambda: Csv(table(export(service, person))))


@router.delete("/v1/me", response_model=Receipt, responses=problems(410))
async def forget(request: Request) -> Response:
    """Erase everything about you. The receipt lists what was removed and what is left; the link is over."""
    return ready(await service_of(request).erase(link_of(request).person))
