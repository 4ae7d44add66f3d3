"""Receiving events."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from penchant.data.liked_for import aspects_of
from penchant.recommender.recommender import Recommender
from penchant.recommender.written import NEED, read_needs
from penchant.serve.common.problems import Problem, invalid, message_of, place
from penchant.serve.common.settings import Settings
from penchant.serve.http.middleware import name_of
from penchant.serve.http.responses import ready
from penchant.serve.http.schemas.events import Collected, Event
from penchant.serve.http.scopes import COLLECT, problems, service_of
from penchant.store.events import NewEvent
from penchant.store.written import NewWritten
from penchant.text.comment import COMMENT, MOOD, hear

router = APIRouter(tags=["events"])
BATCH, ONE = TypeAdapter(list[Event]), TypeAdapter(Event)
BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Events"}}},
    }
}


@router.post("/v1/events", dependencies=[COLLECT], response_model=Collected, responses=problems(), openapi_extra=BODY)
async def collect(request: Request) -> Response:
    """Store a batch of events. Accepted events are on disk when this answers, and change the very next answer."""
    service = service_of(request)
    raw = _events(await request.body(), service.settings.max_batch)
    errors: list[dict[str, Any]] = []
    valid, served = _valid(raw, errors), service.models.active
    texts = {n: event.text for n, event in valid if event.item is None and event.text}
    read = (served.recommender, served.version, list(texts.values()))
    needs = dict(zip(texts, await service.thread(read_needs, *read), strict=True)) if texts else {}
    rows, places = _rows(valid, errors, served.recommender, service.settings, needs)
    accepted, duplicates, refused = await service.collect(rows, name_of(request.scope)) if rows else (0, 0, {})
    for n, refusal in refused.items():
        errors.append({"index": places[n], "field": refusal.field, "detail": refusal.detail})
    errors.sort(key=lambda error: int(error["index"]))
    if errors and not accepted and not duplicates:
        named = [{"field": f"events.{e['index']}.{e['field']}", "detail": e["detail"]} for e in errors]
        detail = f"no event was accepted; {named[0]['field']}: {named[0]['detail']}"
        raise Problem(422, detail, kind="invalid", errors=named)
    return ready({"accepted": accepted, "duplicates": duplicates, "errors": errors})


def _events(body: bytes, most: int) -> list[Any]:
    """The events of a body, not yet validated one by one."""
    try:
        document = from_json(body, allow_inf_nan=False)
    except ValueError as wrong:
        raise Problem(400, f"the body is not JSON: {str(wrong)[:100]}", field="body") from None
    if not isinstance(document, dict) or not isinstance(document.get("events"), list):
        raise invalid("events", 'is not a list like {"events": [{"user": "7", "item": "42"}]}')
    strange = sorted(set(document) - {"events"})
    if strange:
        raise invalid(strange[0][:80], "is not a known field")
    if not 1 <= len(document["events"]) <= most:
        raise invalid("events", f"a batch has 1 to {most:,} events, not {len(document['events']):,}")
    return list(document["events"])


def _valid(raw: list[Any], errors: list[dict[str, Any]]) -> list[tuple[int, Event]]:
    """The valid events with their places in the batch; problems of the others are added to ``errors``."""
    try:
        return list(enumerate(BATCH.validate_python(raw)))
    except ValidationError:
        events = []
        for n, one in enumerate(raw):
            try:
                events.append((n, ONE.validate_python(one)))
            except ValidationError as wrong:
                first = wrong.errors()[0]
                errors.append({"index": n, "field": place(first["loc"]) or "event", "detail": message_of(first)})
    return events


def _rows(
    events: list[tuple[int, Event]],
    errors: list[dict[str, Any]],
    live: Recommender,
    settings: Settings,
    needs: Mapping[int, Mapping[str, Any] | None],
) -> tuple[list[NewEvent | NewWritten], list[int]]:
    """Events as they are stored, and their places in the batch; ``needs`` are those of texts without an item. Problems
    are added to ``errors``."""
    rows: list[NewEvent | NewWritten] = []
    places: list[int] = []
    now, aspects = int(time.time() * 1000), aspects_of(live.catalog)
    for n, event in events:
        if event.user is not None:
            person = "u:" + event.user
        elif event.session is not None:
            person = "s:" + event.session
        else:
            errors.append({"index": n, "field": "user", "detail": "an event needs a user or a session"})
            continue
        if event.item is None and (wrong := _without_item(event)):
            errors.append({"index": n, "field": wrong[0], "detail": wrong[1]})
            continue
        kind, told = event.kind, event.context
        if event.text:
            agreed = {"mood": event.purpose in settings.text_moods, "keep": event.purpose in settings.keep_text}
            heard = hear(event.text, kind, live.opiner, aspects, **agreed)
            moods = {MOOD: heard.kept[MOOD]} if MOOD in heard.kept else {}  # what the event states itself comes first
            need = {NEED: needs[n]} if needs.get(n) else {}
            told = {**moods, **(told or {}), COMMENT: {**heard.kept, **need}}
            kind = kind if event.item is None else heard.kind  # a text that is against no item dislikes none
        context = None if told is None else json.dumps(told, ensure_ascii=False)
        when, ms = divmod(now if event.time is None else event.time, 1000)
        ours = event.time is None
        if event.item is None:
            rows.append(NewWritten(person, kind, when, context or "{}", event.id, ms, ours, event.purpose))
        else:
            said = person, event.item, kind, event.value, when, context, event.id
            rows.append(NewEvent(*said, ms, ours, event.recommendation, event.purpose))
        places.append(n)
    return rows, places


def _without_item(event: Event) -> tuple[str, str] | None:
    """What is wrong with an event that has no item, and where; None if it is a text."""
    if not event.text:
        return "item", "Field required"
    for name in ("value", "recommendation"):
        if getattr(event, name) is not None:
            return name, "is of an event with an item"
    return None
