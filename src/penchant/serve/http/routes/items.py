"""Items: look, search, put, patch, delete; similar, popular, trending, latest, onboarding."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from penchant.serve.answers import lists
from penchant.serve.catalogue.filters import parse
from penchant.serve.catalogue.search import search
from penchant.serve.common.problems import invalid, not_found
from penchant.serve.http.schemas import Id, Item, ItemBatch, K, NamedItem, PathId, WhereText
from penchant.serve.http.scopes import ADMIN, READ, problems, service_of

router = APIRouter(tags=["items"])
Days = Annotated[float, Query(gt=0, le=3650, allow_inf_nan=False, description="how far back")]
Exclude = Annotated[list[Id], Query(max_length=1000, description="items not wanted; may be given again")]
Words = Annotated[str, Query(alias="q", max_length=200, description="part of a title, or an id")]


@router.get("/v1/items", dependencies=[READ], responses=problems())
async def find(request: Request, words: Words = "", k: K = 20) -> dict[str, Any]:
    """Search the catalogue: every word somewhere in the title, or the id; without words the most popular."""
    service = service_of(request)
    active = service.models.active
    found = await service.thread(search, active.catalogue, words, k)
    return {"items": [active.catalogue.describe(at) for at in found]}


@router.post("/v1/items", dependencies=[ADMIN], responses=problems())
async def change(request: Request, batch: ItemBatch) -> dict[str, Any]:
    """Put, patch and delete items, all or none; acts at once."""
    service = service_of(request)
    size = len(batch.put) + len(batch.patch) + len(batch.delete)
    if not 1 <= size <= service.settings.max_batch:
        raise invalid("put", f"a batch has 1 to {service.settings.max_batch:,} items, not {size:,}")
    await service.change_items(put=_said(batch.put), patch=_said(batch.patch), delete=batch.delete)
    return {"put": len(batch.put), "patched": len(batch.patch), "deleted": len(batch.delete)}


def _said(items: list[NamedItem]) -> list[dict[str, Any]]:
    return [item.model_dump(exclude_unset=True) for item in items]


@router.get("/v1/items/{id}", dependencies=[READ], responses=problems(404))
async def look(request: Request, id: PathId) -> dict[str, Any]:
    """What is known about an item."""
    catalogue = service_of(request).models.active.catalogue
    return catalogue.describe(lists.known(catalogue, id))


@router.put("/v1/items/{id}", dependencies=[ADMIN], responses=problems())
async def put(request: Request, id: PathId, item: Item) -> dict[str, Any]:
    """Say what an item is, in place of what was said before; acts at once."""
    service = service_of(request)
    await service.change_items(put=[{"item": id, **item.model_dump(exclude_unset=True)}])
    catalogue = service.models.active.catalogue
    return catalogue.describe(lists.known(catalogue, id))


@router.patch("/v1/items/{id}", dependencies=[ADMIN], responses=problems(404))
async def patch(request: Request, id: PathId, item: Item) -> dict[str, Any]:
    """Change what is said of an item; null takes something away; acts at once."""
    service = service_of(request)
    lists.known(service.models.active.catalogue, id)
    await service.change_items(patch=[{"item": id, **item.model_dump(exclude_unset=True)}])
    catalogue = service.models.active.catalogue
    return catalogue.describe(lists.known(catalogue, id))


@router.delete("/v1/items/{id}", dependencies=[ADMIN], responses=problems(404))
async def remove(request: Request, id: PathId) -> dict[str, Any]:
    """Take an item off the shelf; acts at once."""
    service = service_of(request)
    lists.known(service.models.active.catalogue, id)
    await service.change_items(delete=[id])
    return {"item": id, "deleted": True}


@router.get("/v1/items/{id}/similar", dependencies=[READ], responses=problems(404))
async def similar(
    request: Request, id: PathId, k: K = 10, where: WhereText = None, exclude: Exclude = [],  # noqa: B006  # never changed
) -> dict[str, Any]:  # fmt: skip
    """The items most like one: by the model, or by content where the model does not know it."""
    service = service_of(request)
    if id not in service.models.active.catalogue.position:
        raise not_found("id", "there is no such item")
    return await service.thread(lists.similar, service.models.active, id, k, parse(where), exclude)


@router.get("/v1/popular", dependencies=[READ], responses=problems())
async def popular(
    request: Request, k: K = 10, where: WhereText = None, days: Annotated[float | None, Query(gt=0, le=3650)] = None
) -> dict[str, Any]:
    """The most popular items: in what the model learned from, or among the people of the last days."""
    service = service_of(request)
    return await service.thread(lists.popular, service.models.active, service.trends, k, parse(where), days)


@router.get("/v1/trending", dependencies=[READ], responses=problems())
async def trending(request: Request, k: K = 10, where: WhereText = None, days: Days = 7.0) -> dict[str, Any]:
    """Items that more people than before do something with."""
    service = service_of(request)
    return await service.thread(lists.trending, service.models.active, service.trends, k, parse(where), days)


@router.get("/v1/latest", dependencies=[READ], responses=problems())
async def latest(request: Request, k: K = 10, where: WhereText = None) -> dict[str, Any]:
    """The items that were added last."""
    return lists.latest(service_of(request).models.active, k, parse(where))


@router.get("/v1/onboarding", dependencies=[READ], responses=problems())
async def onboarding(request: Request, k: K = 10, where: WhereText = None) -> dict[str, Any]:
    """Popular items that differ from each other, for someone new to pick from."""
    service = service_of(request)
    return await service.thread(lists.onboarding, service.models.active, k, parse(where))
