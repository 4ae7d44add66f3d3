"""Recommendations for users, sessions and histories in the request."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request, Response

from penchant.serve.answers import ranking as answers
from penchant.serve.answers.personal import SentEvent
from penchant.serve.catalogue.filters import parse
from penchant.serve.common.problems import invalid
from penchant.serve.http.responses import ready
from penchant.serve.http.routes.light import LightRoute
from penchant.serve.http.routes.queries import asked, documented
from penchant.serve.http.schemas.answers import Ask, AskAnonymous, AskByQuery, AskPersonal, Recommended
from penchant.serve.http.schemas.fields import PathId
from penchant.serve.http.scopes import READ, problems, service_of

router = APIRouter(tags=["recommendations"], dependencies=[READ])
light = APIRouter(tags=["recommendations"], dependencies=[READ], route_class=LightRoute)
QUERY = documented(AskByQuery)


@light.get("/v1/users/{id}/recommendations", response_model=Recommended, responses=problems(410), openapi_extra=QUERY)
async def for_user(request: Request, id: PathId) -> Response:
    """Recommend for a user. Every acknowledged event counts."""
    return ready(await service_of(request).recommend("u:" + id, _by_query(request)))


@router.post("/v1/users/{id}/recommendations", response_model=Recommended, responses=problems(410))
async def ask_for_user(request: Request, id: PathId, ask: AskPersonal) -> Response:
    """As GET, with the parameters in the body."""
    return ready(await service_of(request).recommend("u:" + id, _query(ask)))


@light.get(
    "/v1/sessions/{id}/recommendations", response_model=Recommended, responses=problems(410), openapi_extra=QUERY
)
async def for_session(request: Request, id: PathId) -> Response:
    """Recommend for an anonymous session."""
    return ready(await service_of(request).recommend("s:" + id, _by_query(request)))


@router.post("/v1/sessions/{id}/recommendations", response_model=Recommended, responses=problems(410))
async def ask_for_session(request: Request, id: PathId, ask: AskPersonal) -> Response:
    """As GET, with the parameters in the body."""
    return ready(await service_of(request).recommend("s:" + id, _query(ask)))


@router.post("/v1/recommendations", response_model=Recommended, responses=problems(410))
async def for_history(request: Request, ask: AskAnonymous) -> Response:
    """Recommend for the history in the body, which is not stored."""
    rows = [
        SentEvent(one.item, one.kind, one.value, one.time, None if one.context is None else json.dumps(one.context))
        for one in ask.history
    ]
    return ready(await service_of(request).recommend_anonymous(rows, _query(ask)))


def _by_query(request: Request) -> answers.Query:
    ask = asked(request, AskByQuery)
    where = parse(ask.where)
    shown = ask.placement, ask.expose, ask.most_impressions
    about: dict[str, Any] = {"context": _context(ask.context), "need": ask.need}
    return answers.Query(ask.k, ask.page, ask.exclude, where, ask.why, ask.repeat, *shown, **about)


def _context(text: str | None) -> dict[str, Any] | None:
    """The context of a query; raises ``Problem`` 422 unless it is an object of JSON with plain values."""
    if text is None:
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or any(isinstance(value, (dict, list)) for value in found.values()):
        raise invalid("context", "is an object of names and values, as JSON")
    return found


def _query(ask: Ask) -> answers.Query:
    query = answers.Query(ask.k, ask.page, ask.exclude, ask.where, ask.why, ask.repeat, context=ask.context)
    query = replace(query, need=ask.need)
    if isinstance(ask, AskPersonal):
        query = replace(query, placement=ask.placement, expose=ask.expose, most_impressions=ask.most_impressions)
    return query
