"""Answers out: recommendations for users, sessions and histories that are sent along."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from pydantic_core import to_json

from penchant.serve.answers import ranking as answers
from penchant.serve.answers.personal import SentEvent
from penchant.serve.catalogue.filters import parse
from penchant.serve.http.routes.queries import asked, documented
from penchant.serve.http.schemas import Ask, AskAnonymous, AskByQuery, PathId, Recommended
from penchant.serve.http.scopes import READ, problems, service_of

router = APIRouter(tags=["recommendations"], dependencies=[READ])
QUERY = documented(AskByQuery)


@router.get("/v1/users/{id}/recommendations", response_model=Recommended, responses=problems(410), openapi_extra=QUERY)
async def for_user(request: Request, id: PathId) -> Response:
    """Recommend for a user. Everything acknowledged before is taken into account."""
    return _json(await service_of(request).recommend("u:" + id, _by_query(request)))


@router.post("/v1/users/{id}/recommendations", response_model=Recommended, responses=problems(410))
async def ask_for_user(request: Request, id: PathId, ask: Ask) -> Response:  # the name in the path
    """As GET, with the question in the body."""
    return _json(await service_of(request).recommend("u:" + id, _query(ask)))


@router.get(
    "/v1/sessions/{id}/recommendations", response_model=Recommended, responses=problems(410), openapi_extra=QUERY
)
async def for_session(request: Request, id: PathId) -> Response:
    """Recommend for an anonymous session."""
    return _json(await service_of(request).recommend("s:" + id, _by_query(request)))


@router.post("/v1/sessions/{id}/recommendations", response_model=Recommended, responses=problems(410))
async def ask_for_session(request: Request, id: PathId, ask: Ask) -> Response:
    """As GET, with the question in the body."""
    return _json(await service_of(request).recommend("s:" + id, _query(ask)))


@router.post("/v1/recommendations", response_model=Recommended, responses=problems(410))
async def for_history(request: Request, ask: AskAnonymous) -> Response:
    """Recommend for a history that is sent along; nothing of it is kept."""
    rows = [SentEvent(one.item, one.kind, one.value, one.time) for one in ask.history]
    return _json(await service_of(request).recommend_anonymous(rows, _query(ask)))


def _by_query(request: Request) -> answers.Query:
    ask = asked(request, AskByQuery)
    return answers.Query(ask.k, ask.page, ask.exclude, parse(ask.where), ask.why, ask.repeat)


def _query(ask: Ask) -> answers.Query:
    return answers.Query(ask.k, ask.page, ask.exclude, ask.where, ask.why, ask.repeat)


def _json(document: object) -> Response:
    return Response(to_json(document), media_type="application/json")
