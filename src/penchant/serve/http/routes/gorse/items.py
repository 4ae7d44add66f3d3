"""Gorse's items: insert, patch, get, list, search, delete, categories."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import AfterValidator

from penchant.serve.answers import lists
from penchant.serve.catalogue.live import LiveCatalogue
from penchant.serve.catalogue.search import search
from penchant.serve.gorse.documents import item_change, item_document
from penchant.serve.http.responses import ready
from penchant.serve.http.routes.gorse.paging import Cursor, N, bounded, cursor_of, place_of
from penchant.serve.http.schemas.fields import PathId, path_id
from penchant.serve.http.schemas.gorse import GorseItem, GorseItemPage, GorseItemPatch, GorseItemRow, RowsAffected
from penchant.serve.http.scopes import ADMIN, READ, problems, service_of
from penchant.serve.service import Service

router = APIRouter(prefix="/api", tags=["gorse: items"])
Category = Annotated[str, Path(description="percent-encoded"), AfterValidator(path_id)]
Words = Annotated[str, Query(alias="q", max_length=200, description="search: part of a comment, or an id")]


@router.post("/item", dependencies=[ADMIN], response_model=RowsAffected, responses=problems())
async def insert(request: Request, item: GorseItem) -> Response:
    """Insert an item, in the place of the one that is there."""
    return await _insert(service_of(request), [item])


@router.post("/items", dependencies=[ADMIN], response_model=RowsAffected, responses=problems())
async def insert_many(request: Request, items: list[GorseItem]) -> Response:
    """Insert items, in the place of those that are there; all or none."""
    return await _insert(service_of(request), items)


async def _insert(service: Service, items: list[GorseItem]) -> Response:
    bounded(service, len(items))
    catalogue, put = service.models.active.catalogue, []
    for n, item in enumerate(items):
        before = _before(catalogue, item.ItemId)
        field = "Labels" if len(items) == 1 else f"{n}.Labels"
        put.append(item_change(item.ItemId, item.model_dump(), before, whole=True, field=field))
    await service.change_items(put=put)
    return ready({"RowAffected": len(items)})


def _before(catalogue: LiveCatalogue, item: str) -> dict[str, Any]:
    at = catalogue.vocab.index(item)
    return catalogue.describe(at) if at >= 0 else {}


@router.patch("/item/{id}", dependencies=[ADMIN], response_model=RowsAffected, responses=problems(404))
async def patch(request: Request, id: PathId, change: GorseItemPatch) -> Response:
    """Change some fields of an item."""
    return await _patch(service_of(request), id, lambda _: change.model_dump())


async def _patch(service: Service, item: str, given: Callable[[dict[str, Any]], dict[str, Any]]) -> Response:
    catalogue = service.models.active.catalogue
    before = catalogue.describe(lists.known(catalogue, item))
    await service.change_items(patch=[item_change(item, given(item_document(before)), before, whole=False)])
    return ready({"RowAffected": 1})


@router.put(
    "/item/{id}/category/{category}", dependencies=[ADMIN], response_model=RowsAffected, responses=problems(404)
)
async def categorise(request: Request, id: PathId, category: Category) -> Response:
    """Add an item to a category."""
    return await _patch(
        service_of(request), id, lambda item: {"Categories": [*dict.fromkeys([*item["Categories"], category])]}
    )


@router.delete(
    "/item/{id}/category/{category}", dependencies=[ADMIN], response_model=RowsAffected, responses=problems(404)
)
async def uncategorise(request: Request, id: PathId, category: Category) -> Response:
    """Take an item out of a category."""
    return await _patch(
        service_of(request), id, lambda item: {"Categories": [one for one in item["Categories"] if one != category]}
    )


@router.get("/item/{id}", dependencies=[READ], response_model=GorseItemRow, responses=problems(404))
async def look(request: Request, id: PathId) -> Response:
    """An item."""
    catalogue = service_of(request).models.active.catalogue
    return ready(item_document(catalogue.describe(lists.known(catalogue, id))))


@router.get("/items", dependencies=[READ], response_model=GorseItemPage, responses=problems())
async def pages(request: Request, words: Words = "", n: N = 10, cursor: Cursor = "") -> Response:
    """All items, page by page; with `q`, those that a search finds, best first."""
    service = service_of(request)
    catalogue = service.models.active.catalogue
    if words:
        found = await service.thread(search, catalogue, words, n)
        return ready({"Cursor": "", "Items": [item_document(catalogue.describe(at)) for at in found]})
    after = place_of(cursor, (str,))[0] if cursor else ""
    found, more = await service.thread(_after, catalogue, after, n)
    items = [item_document(catalogue.describe(at)) for at in found]
    return ready({"Cursor": cursor_of(items[-1]["ItemId"]) if more else "", "Items": items})


def _after(catalogue: LiveCatalogue, after: str, n: int) -> tuple[list[int], bool]:
    """The positions of the n items that follow an id in the order of ids, and whether there are more."""
    ids = catalogue.derive("sorted ids", lambda: sorted(map(str, catalogue.ids)))
    found: list[int] = []
    for item in ids[bisect_right(ids, after) :]:
        at = catalogue.vocab.index(item)
        if at < 0 or catalogue.deleted[at]:
            continue
        if len(found) == n:
            return found, True
        found.append(at)
    return found, False


@router.delete("/item/{id}", dependencies=[ADMIN], response_model=RowsAffected, responses=problems())
async def remove(request: Request, id: PathId) -> Response:
    """Remove an item from the catalogue. Feedback on it is kept, and shown no more once it is trained again."""
    service = service_of(request)
    known = service.models.active.catalogue.holds(id)
    if known:
        await service.change_items(delete=[id])
    return ready({"RowAffected": int(known)})
