"""Items: read, search, put, patch, delete; similar, popular, trending, latest, onboarding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from penchant.serve.answers import lists
from penchant.serve.answers.selected import Limits
from penchant.serve.catalogue.filters import parse
from penchant.serve.catalogue.live import LiveCatalogue
from penchant.serve.catalogue.search import search
from penchant.serve.common.problems import invalid, not_found
from penchant.serve.http.responses import ready
from penchant.serve.http.schemas.fields import Id, K, Name, PathId, WhereText
from penchant.serve.http.schemas.items import (
    Item,
    ItemBatch,
    ItemDeleted,
    ItemDescription,
    ItemList,
    ItemsChanged,
    ItemsFound,
    LatestItems,
    NamedItem,
    PopularItems,
    SimilarItems,
    TrendingItems,
)
from penchant.serve.http.scopes import ADMIN, READ, problems, service_of
from penchant.serve.service import Service

router = APIRouter(tags=["items"])
Days = Annotated[float, Query(gt=0, le=3650, allow_inf_nan=False, description="length of the period")]
Exclude = Annotated[list[Id], Query(max_length=1000, description="items to leave out; repeatable")]
Of = Annotated[Id | None, Query(description="leave out what this user, or session, has seen or dislikes")]
By = Annotated[Name | None, Query(description="the attribute with the date of an item; default: when it was added")]
Person = Annotated[Id | None, Query(description="order what matches by the taste of this user, or session")]
Words = Annotated[str, Query(alias="q", max_length=200, description="part of a title, or an id")]


@router.get("/v1/items", dependencies=[READ], response_model=ItemsFound, responses=problems())
async def find(request: Request, words: Words = "", k: K = 20, user: Person = None, session: Person = None) -> Response:
    """Search the catalogue: items whose title contains every word, or whose id is given, then the nearest by meaning
    where texts have vectors. A user or a session orders what matches by taste. Without words: the most popular
    items."""
    service = service_of(request)
    person = await _known(service, person_of(user, session))
    served = service.models.active
    catalogue = served.catalogue
    taste = None if person is None else await service.run(service.personal.taste, served, person)
    found = await service.thread(search, catalogue, words, k, taste)
    return ready({"items": [catalogue.describe(at) for at in found]})


@router.post("/v1/items", dependencies=[ADMIN], response_model=ItemsChanged, responses=problems(404))
async def change(request: Request, batch: ItemBatch) -> Response:
    """Put, patch and delete items, all or none. Changes take effect at once."""
    service = service_of(request)
    size = len(batch.put) + len(batch.patch) + len(batch.delete)
    if not 1 <= size <= service.settings.max_batch:
        raise invalid("put", f"a batch has 1 to {service.settings.max_batch:,} items, not {size:,}")
    _check_known(service.models.active.catalogue, batch)
    await service.change_items(put=_documents(batch.put), patch=_documents(batch.patch), delete=batch.delete)
    return ready({"put": len(batch.put), "patched": len(batch.patch), "deleted": len(batch.delete)})


def _check_known(catalogue: LiveCatalogue, batch: ItemBatch) -> None:
    """Raises ``Problem`` 404 as changing the items one by one would: for an item that is not there at its turn."""
    there: dict[str, bool] = {item.item: True for item in batch.put}
    turns = [(f"patch.{n}.item", item.item, True) for n, item in enumerate(batch.patch)]
    turns += [(f"delete.{n}", item, False) for n, item in enumerate(batch.delete)]
    for field, item, stays in turns:
        if not there.get(item, catalogue.holds(item)):
            raise not_found(field, f"{field}: there is no such item")
        there[item] = stays


def _documents(items: list[NamedItem]) -> list[dict[str, Any]]:
    return [item.model_dump(exclude_unset=True) for item in items]


@router.get("/v1/items/{id}", dependencies=[READ], response_model=ItemDescription, responses=problems(404))
async def look(request: Request, id: PathId) -> Response:
    """Everything that is known about an item."""
    return _described(service_of(request), id)


@router.put("/v1/items/{id}", dependencies=[ADMIN], response_model=ItemDescription, responses=problems())
async def put(request: Request, id: PathId, item: Item) -> Response:
    """Set an item; earlier changes are dropped. Takes effect at once."""
    service = service_of(request)
    await service.change_items(put=[{"item": id, **item.model_dump(exclude_unset=True)}])
    return _described(service, id)


@router.patch("/v1/items/{id}", dependencies=[ADMIN], response_model=ItemDescription, responses=problems(404))
async def patch(request: Request, id: PathId, item: Item) -> Response:
    """Change some fields of an item; null removes a value. Takes effect at once."""
    service = service_of(request)
    lists.known(service.models.active.catalogue, id)
    await service.change_items(patch=[{"item": id, **item.model_dump(exclude_unset=True)}])
    return _described(service, id)


@router.delete("/v1/items/{id}", dependencies=[ADMIN], response_model=ItemDeleted, responses=problems(404))
async def remove(request: Request, id: PathId) -> Response:
    """Remove an item from the catalogue. Takes effect at once."""
    service = service_of(request)
    lists.known(service.models.active.catalogue, id)
    await service.change_items(delete=[id])
    return ready({"item": id, "deleted": True})


def _described(service: Service, item: str) -> Response:
    catalogue = service.models.active.catalogue
    return ready(catalogue.describe(lists.known(catalogue, item)))


# -- lists ------------------------------------------------------------------------------------------------------------


def limits(where: WhereText = None, exclude: Exclude = [], user: Of = None, session: Of = None) -> Limits:  # noqa: B006  # never changed
    """The parameters that limit a list. Raises ``Problem`` 422."""
    return Limits(parse(where), exclude, person_of(user, session))


def person_of(user: str | None, session: str | None) -> str | None:
    """The person of a request, as the store names them. Raises ``Problem`` 422 where both are given."""
    if user is not None and session is not None:
        raise invalid("session", "give either user or session")
    return f"u:{user}" if user is not None else f"s:{session}" if session is not None else None


Limited = Annotated[Limits, Depends(limits)]


@router.get("/v1/items/{id}/similar", dependencies=[READ], response_model=SimilarItems, responses=problems(404))
async def similar(request: Request, id: PathId, within: Limited, k: K = 10) -> Response:
    """The items most similar to one: by the model, or by content where the model does not know it."""
    return ready(await _listed(request, lists.similar, within, id, k))


@router.get("/v1/popular", dependencies=[READ], response_model=PopularItems, responses=problems())
async def popular(
    request: Request, within: Limited, k: K = 10, days: Annotated[float | None, Query(gt=0, le=3650)] = None
) -> Response:
    """The most popular items: in the training data, or among the people of the last days."""
    return ready(await _listed(request, lists.popular, within, service_of(request).trends, k, days))


@router.get("/v1/trending", dependencies=[READ], response_model=TrendingItems, responses=problems())
async def trending(request: Request, within: Limited, k: K = 10, days: Days = 7.0) -> Response:
    """The items whose number of people rose most."""
    return ready(await _listed(request, lists.trending, within, service_of(request).trends, k, days))


@router.get("/v1/latest", dependencies=[READ], response_model=LatestItems, responses=problems())
async def latest(request: Request, within: Limited, k: K = 10, by: By = None) -> Response:
    """The items that were added last, or those with the latest date in an attribute."""
    return ready(await _listed(request, lists.latest, within, k, by))


@router.get("/v1/onboarding", dependencies=[READ], response_model=ItemList, responses=problems())
async def onboarding(request: Request, k: K = 10, where: WhereText = None) -> Response:
    """Popular items that differ from each other, for a new person to choose from."""
    service = service_of(request)
    return ready(await service.heavy(service.listed, lists.onboarding, Limits(parse(where)), k))


async def _known(service: Service, person: str | None) -> str | None:
    return None if person is None else await service.person(person)


async def _listed(request: Request, make: Callable[..., dict[str, Any]], within: Limits, *about: Any) -> dict[str, Any]:
    service = service_of(request)
    within = replace(within, person=await _known(service, within.person))
    return await service.thread(service.listed, make, within, *about)
