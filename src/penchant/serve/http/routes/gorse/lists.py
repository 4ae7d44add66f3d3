"""Gorse's lists: recommendations, sessions, neighbours, popular, latest."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from pydantic import AfterValidator
from pydantic_core import from_json

from penchant.serve.answers import lists
from penchant.serve.answers import ranking as answers
from penchant.serve.answers.personal import SentEvent
from penchant.serve.answers.selected import Limits
from penchant.serve.catalogue.filters import AllOf, OneOf
from penchant.serve.common.problems import invalid, not_found
from penchant.serve.gorse.documents import CATEGORIES, TIMESTAMP, feedback_event
from penchant.serve.http.middleware import name_of, require_scope
from penchant.serve.http.responses import ready
from penchant.serve.http.routes.gorse.feedback import store
from penchant.serve.http.routes.gorse.paging import N, bounded
from penchant.serve.http.schemas.fields import Id, Kind, PathId, path_id
from penchant.serve.http.schemas.gorse import Category, GorseScore, GorseSessionFeedback
from penchant.serve.http.scopes import READ, problems, service_of
from penchant.store.events import AHEAD

router = APIRouter(prefix="/api", tags=["gorse: lists"], dependencies=[READ])
SCORES = list[GorseScore]
TRENDING_DAYS = 7.0
Offset = Annotated[int, Query(ge=0, le=9000, description="number of items to leave out at the beginning")]
Within = Annotated[list[Category], Query(alias="category", max_length=64, description="all of them; repeatable")]
Named = Annotated[str, Path(description="percent-encoded"), AfterValidator(path_id)]
Of = Annotated[Id | None, Query(alias="user-id", description="leave out what this user has seen")]
Back = Annotated[Kind | None, Query(alias="write-back-type", description="store the list as feedback of this type")]
Delay = Annotated[str, Query(alias="write-back-delay", max_length=40, description="when it counts, such as 10m")]
Version = Annotated[str, Header(alias="X-API-Version", description="2: with scores")]


class Part(NamedTuple):
    """Which part of a list to answer, and for whom."""

    n: int
    offset: int
    user: str | None

    @property
    def upto(self) -> int:
        """The items of the list down to the end of the part."""
        return self.n + self.offset


def part(n: N = 10, offset: Offset = 0, user: Of = None) -> Part:
    """The parameters of every list that is the same for everybody."""
    return Part(n, offset, user)


Wanted = Annotated[Part, Depends(part)]
SPANS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_SPAN = re.compile(r"(?:\d{1,9}(?:\.\d{1,9})?(?:h|ms|m|us|µs|ns|s))+", re.ASCII)
_PART = re.compile(r"([\d.]+)(h|ms|m|us|µs|ns|s)", re.ASCII)


def delay_of(text: str) -> int:
    """The seconds of a span such as 1h30m. Raises ``Problem`` 422 for another text, and for more than a day."""
    if text in {"", "0"}:
        return 0
    if not _SPAN.fullmatch(text):
        raise invalid("write-back-delay", "is a span such as 30s, 10m or 1h30m")
    seconds = sum(float(number) * SPANS[unit] for number, unit in _PART.findall(text))
    if seconds > AHEAD:
        raise invalid("write-back-delay", "is at most 24h")
    return round(seconds)


def _where(categories: list[str]) -> Any:
    """The filter of items in all of the categories."""
    parts = [OneOf.model_construct(attribute=CATEGORIES, values=[category]) for category in categories]
    if len(parts) < 2:
        return parts[0] if parts else None
    return AllOf.model_construct(None, all=parts)


def _scores(answer: dict[str, Any], offset: int = 0) -> list[dict[str, Any]]:
    return [{"Id": one["item"], "Score": one["score"]} for one in answer["items"][offset:]]


@router.get("/recommend/{user}/", include_in_schema=False)
@router.get("/recommend/{user}", response_model=SCORES | list[str], responses=problems())
async def recommend(
    request: Request,
    user: PathId,
    n: N = 10,
    offset: Offset = 0,
    category: Within = [],  # noqa: B006  # never changed
    back: Back = None,
    delay: Delay = "",
    version: Version = "",
) -> Response:
    """Recommend for a user: ids, or with `X-API-Version: 2` ids and scores."""
    return await _recommend(request, user, n, offset, category, back, delay, version)


@router.get("/recommend/{user}/{category}", response_model=SCORES | list[str], responses=problems())
async def recommend_within(
    request: Request,
    user: PathId,
    category: Named,
    n: N = 10,
    offset: Offset = 0,
    back: Back = None,
    delay: Delay = "",
    version: Version = "",
) -> Response:
    """Recommend for a user, from a category."""
    return await _recommend(request, user, n, offset, [category], back, delay, version)


async def _recommend(
    request: Request,
    user: str,
    n: int,
    offset: int,
    categories: list[str],
    back: str | None,
    delay: str,
    version: str,
) -> Response:
    service, seconds = service_of(request), delay_of(delay)
    if back is not None:
        require_scope(request.scope, "collect")
    answer = await service.recommend("u:" + user, answers.Query(n, where=_where(categories), offset=offset))
    scores = _scores(from_json(answer))
    if back is not None:
        now = int(time.time())
        given = {"FeedbackType": back, "UserId": user, "Timestamp": now + seconds}
        rows = [feedback_event({**given, "ItemId": one["Id"]}, now) for one in scores]
        await store(service, rows, name_of(request.scope))
    return ready(scores if version.strip() == "2" else [one["Id"] for one in scores])


@router.post("/session/recommend", response_model=SCORES, responses=problems())
async def for_session(
    request: Request,
    body: list[GorseSessionFeedback],
    n: N = 10,
    offset: Offset = 0,
    category: Within = [],  # noqa: B006  # never changed
) -> Response:
    """Recommend for the feedback in the body, which is not stored."""
    return await _session(request, body, n, offset, category)


@router.post("/session/recommend/{category}", response_model=SCORES, responses=problems())
async def for_session_within(
    request: Request, body: list[GorseSessionFeedback], category: Named, n: N = 10, offset: Offset = 0
) -> Response:
    """Recommend for the feedback in the body, from a category."""
    return await _session(request, body, n, offset, [category])


async def _session(
    request: Request, body: list[GorseSessionFeedback], n: int, offset: int, categories: list[str]
) -> Response:
    service = service_of(request)
    if body:
        bounded(service, len(body))
    rows = [SentEvent(one.ItemId, one.FeedbackType, one.Value or None, one.Timestamp) for one in body]
    query = answers.Query(n, where=_where(categories), offset=offset)
    return ready(_scores(from_json(await service.recommend_anonymous(rows, query))))


# -- lists that are the same for everybody ----------------------------------------------------------------------------


@router.get("/item/{id}/neighbors/", include_in_schema=False)
@router.get("/item/{id}/neighbors", response_model=SCORES, responses=problems(404))
async def neighbours(
    request: Request,
    id: PathId,
    wanted: Wanted,
    category: Within = [],  # noqa: B006  # never changed
) -> Response:
    """The items most similar to one."""
    return await _listed(request, lists.similar, wanted, category, id, wanted.upto)


@router.get("/item/{id}/neighbors/{category}", response_model=SCORES, responses=problems(404))
async def neighbours_within(request: Request, id: PathId, category: Named, wanted: Wanted) -> Response:
    """The items of a category most similar to one."""
    return await _listed(request, lists.similar, wanted, [category], id, wanted.upto)


@router.get("/popular", response_model=SCORES, responses=problems())
async def popular(
    request: Request,
    wanted: Wanted,
    category: Within = [],  # noqa: B006  # never changed
) -> Response:
    """The most popular items."""
    return await _leaders(request, "popular", wanted, category)


@router.get("/popular/{category}", response_model=SCORES, responses=problems())
async def popular_within(request: Request, category: Named, wanted: Wanted) -> Response:
    """The most popular items of a category."""
    return await _leaders(request, "popular", wanted, [category])


@router.get("/non-personalized/{name}", response_model=SCORES, responses=problems(404))
async def leaders(
    request: Request,
    name: Named,
    wanted: Wanted,
    category: Within = [],  # noqa: B006  # never changed
) -> Response:
    """A list by name: `popular` or `trending`."""
    return await _leaders(request, name, wanted, category)


async def _leaders(request: Request, name: str, wanted: Part, categories: list[str]) -> Response:
    trends = service_of(request).trends
    if name == "popular":
        return await _listed(request, lists.popular, wanted, categories, trends, wanted.upto, None)
    if name == "trending":
        return await _listed(request, lists.trending, wanted, categories, trends, wanted.upto, TRENDING_DAYS)
    raise not_found("name", "there are the lists popular and trending")


@router.get("/latest", response_model=SCORES, responses=problems())
async def latest(
    request: Request,
    wanted: Wanted,
    category: Within = [],  # noqa: B006  # never changed
) -> Response:
    """The latest items by `Timestamp`; where no item has one, those that were added last."""
    return await _latest(request, wanted, category)


@router.get("/latest/{category}", response_model=SCORES, responses=problems())
async def latest_within(request: Request, category: Named, wanted: Wanted) -> Response:
    """The latest items of a category."""
    return await _latest(request, wanted, [category])


async def _latest(request: Request, wanted: Part, categories: list[str]) -> Response:
    by = TIMESTAMP if TIMESTAMP in service_of(request).models.active.catalogue.attributes else None
    return await _listed(request, lists.latest, wanted, categories, wanted.upto, by)


async def _listed(
    request: Request, make: Callable[..., dict[str, Any]], wanted: Part, categories: list[str], *about: Any
) -> Response:
    service = service_of(request)
    limits = Limits(_where(categories), (), None if wanted.user is None else "u:" + wanted.user)
    return ready(_scores(await service.thread(service.listed, make, limits, *about), wanted.offset))
