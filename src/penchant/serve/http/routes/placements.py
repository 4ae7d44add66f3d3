"""Placements: their lists, why an item is not in one, and setting them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from penchant.errors import ParameterError
from penchant.placements.reading import read_placement
from penchant.serve.answers.placed import AskPlaced as Asked
from penchant.serve.common.problems import Problem, invalid
from penchant.serve.common.serialise import in_steps
from penchant.serve.http.responses import ready
from penchant.serve.http.schemas.fields import Id, PathId
from penchant.serve.http.schemas.placements import (
    AskPlaced,
    Basket,
    PlacedList,
    PlacementList,
    PlacementSet,
    Previewed,
    SetPlacement,
    WhyNot,
)
from penchant.serve.http.scopes import ADMIN, READ, problems, service_of

router = APIRouter(tags=["placements"], dependencies=[READ])
admin = APIRouter(tags=["placements"], dependencies=[ADMIN])
Name = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$", description="the name of a placement")]
Why = Annotated[bool, Query(description="with reasons")]
Expose = Annotated[bool, Query(description="false: the list is not shown to the person, and not written down")]
HOME = "/v1/placements/{name}"


async def _personal(request: Request, person: str, name: str, ask: Asked) -> Response:
    service = service_of(request)
    known = await service.person(person)
    document = await service.run(lambda: in_steps(service.placed.for_person(known, name, ask)))
    return ready(document)


@router.get(HOME + "/users/{id}", response_model=PlacedList, responses=problems(404))
async def for_user(request: Request, name: Name, id: PathId, why: Why = False, expose: Expose = True) -> Response:
    """The list of a placement for a user."""
    return await _personal(request, "u:" + id, name, Asked(why, expose))


@router.post(HOME + "/users/{id}", response_model=PlacedList, responses=problems(404))
async def ask_for_user(request: Request, name: Name, id: PathId, ask: AskPlaced) -> Response:
    """As GET, with the parameters in the body."""
    return await _personal(request, "u:" + id, name, Asked(ask.why, ask.expose, ask.context))


@router.get(HOME + "/sessions/{id}", response_model=PlacedList, responses=problems(404))
async def for_session(request: Request, name: Name, id: PathId, why: Why = False, expose: Expose = True) -> Response:
    """The list of a placement for an anonymous session."""
    return await _personal(request, "s:" + id, name, Asked(why, expose))


async def _for_items(request: Request, name: str, items: list[str], whom: str) -> Response:
    service = service_of(request)

    def work() -> dict[str, Any]:
        return service.placed.for_items(items, service.placed.of(name, whom), Asked())

    return ready(await service.run(work))


@router.get(HOME + "/items/{id}", response_model=PlacedList, responses=problems(404))
async def for_item(request: Request, name: Name, id: PathId) -> Response:
    """The list of a placement for an item: what is like it."""
    return await _for_items(request, name, [id], "item")


@router.post(HOME + "/items", response_model=PlacedList, responses=problems(404))
async def for_basket(request: Request, name: Name, basket: Basket) -> Response:
    """The list of a placement for a basket."""
    return await _for_items(request, name, basket.items, "items")


@router.get(HOME + "/users/{id}/why-not/{item}", response_model=WhyNot, responses=problems(404))
async def why_not_for_user(request: Request, name: Name, id: PathId, item: PathId) -> Response:
    """Why an item is not in the list of a user."""
    service = service_of(request)
    return ready(await service.thread(service.placed.why_not, await service.person("u:" + id), name, item))


@router.get(HOME + "/sessions/{id}/why-not/{item}", response_model=WhyNot, responses=problems(404))
async def why_not_for_session(request: Request, name: Name, id: PathId, item: PathId) -> Response:
    """Why an item is not in the list of a session."""
    service = service_of(request)
    return ready(await service.thread(service.placed.why_not, await service.person("s:" + id), name, item))


@router.get(HOME, response_model=PlacedList, responses=problems(404))
async def for_nobody(request: Request, name: Name) -> Response:
    """The list of a placement that is for nobody in particular."""
    return await _for_items(request, name, [], "nobody")


# -- what is declared -------------------------------------------------------------------------------------------------


@admin.get("/v1/placements", response_model=PlacementList, responses=problems())
async def placements(request: Request) -> Response:
    """Every placement with its origin: the file, or HTTP, which wins."""
    return ready({"placements": service_of(request).placements.listed()})


@admin.put(HOME, response_model=PlacementSet, responses=problems())
async def put(request: Request, name: Name, given: SetPlacement) -> Response:
    """Set a placement; it counts at once, and instead of that of the file."""
    return ready({"name": name, "version": await service_of(request).placements.set(name, given.placement)})


@admin.delete(HOME, response_model=PlacementSet, responses=problems(404))
async def remove(request: Request, name: Name) -> Response:
    """Take back what was set; that of the file counts again."""
    return ready({"name": name, "version": await service_of(request).placements.remove(name)})


@admin.post(HOME + "/preview", response_model=Previewed, responses=problems())
async def preview(
    request: Request, name: Name, given: SetPlacement, user: Annotated[Id, Query(description="for whom")]
) -> Response:
    """The list that a placement would give a user, beside that of today; nothing is set or written down."""
    service = service_of(request)
    try:
        new = read_placement(name, given.placement)
        service.placements.check(new)
    except ParameterError as wrong:
        raise invalid("placement", str(wrong)) from None
    person, ask = await service.person("u:" + user), Asked(expose=False)
    if new.whom != "person":
        raise invalid("placement", "a preview is for a placement that is for a person")
    made = await service.thread(service.placed.preview, person, new, ask)
    try:
        today = await service.thread(service.placed.for_person, person, name, ask)
    except Problem:
        today = None
    return ready({"new": made, "today": today})
