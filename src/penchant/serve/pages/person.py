"""The page Person: the events of a person, recommendations with reasons, export and erasure."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from pydantic_core import to_json

from penchant.serve.answers.ranking import Query
from penchant.serve.common.problems import invalid
from penchant.serve.own_data import export as gathered
from penchant.serve.own_data import named
from penchant.serve.pages.html import HEADERS, PageRoute, page, with_cookie
from penchant.serve.pages.html import query as address
from penchant.serve.pages.reasons import SHADES, shades, with_reasons
from penchant.serve.pages.sessions import OWN_FORM, SIGNED_IN, Form, own_form, visitor_of
from penchant.serve.pages.tryit import check, describe
from penchant.store.people import subject
from penchant.store.recent import recent

router = APIRouter(route_class=PageRoute, include_in_schema=False)
SHOWN, K = 50, 10  # events and answers
UNSAFE = re.compile(r"[^\w.-]+", re.ASCII)


def _named(form: Form) -> str:
    """The person that a form names, in the store's notation; empty if it names nobody."""
    for field, letter in (("user", "u:"), ("session", "s:")):
        if form.one(field):
            return letter + check(form.one(field))
    return ""


def _asked(request: Request) -> str:
    return _named(Form(list(request.query_params.multi_items())))


def _somebody(who: str) -> str:
    if not who:
        raise invalid("user", "give a user or a session")
    return who


@router.get("/ui/person", dependencies=[SIGNED_IN])
async def show(request: Request) -> Response:
    """A person's history, and recommendations with reasons."""
    service, who = visitor_of(request).service, _asked(request)
    if not who:
        found = await service.read(recent, service.store.database, 60)
        people = list(dict.fromkeys(event.person for event in found))[:12]
        lately = [{"name": person[2:], "to": address(**subject(person))} for person in people]
        return page(request, "person.html", who=None, lately=lately)
    active, known = service.models.active, await service.person(who)
    events = await service.read(service.people.events, known, SHOWN)
    attributes = await service.read(service.store.attributes, known)
    answer = await service.thread(service.personal.for_person, known, Query(K, why=True, expose=False))
    shade_of = shades([event.item for event in events[::-1]])
    if len(shade_of) > SHADES:
        shade_of = {}
    shown = [
        {
            **event.to_json(),
            **describe(active, event.item),
            "shade": shade_of.get(event.item, 0),
            "against": active.recommender.recipe.is_dislike(event.kind),
        }
        for event in events
    ]
    entries = [{**entry, **describe(active, entry["item"])} for entry in with_reasons(answer["items"], shade_of)]
    return page(
        request,
        "person.html",
        who={**subject(who), "name": who[2:], "to": address(**subject(who)), "known": bool(events or attributes)},
        events=shown,
        more=len(events) == SHOWN,
        attributes={
            name: value if isinstance(value, str) else to_json(value).decode() for name, value in attributes.items()
        },
        answer=answer,
        entries=entries,
        lately=[],
    )


@router.get("/ui/person/export", dependencies=[SIGNED_IN])
async def export(request: Request) -> Response:
    """Everything that is stored about a person, as a file."""
    service, who = visitor_of(request).service, _somebody(_asked(request))
    document = named(await service.thread(gathered, service, await service.person(who)), who)
    name = UNSAFE.sub("-", who[2:])[:60] or "person"
    disposition = f"attachment; filename=\"{name}.json\"; filename*=UTF-8''{quote(who[2:][:60], safe='')}.json"
    headers = {**HEADERS, "Content-Disposition": disposition}
    text = to_json(document, indent=2)
    return with_cookie(request, Response(text, 200, headers, "application/json"), visitor_of(request))


@router.get("/ui/person/erase", dependencies=[SIGNED_IN])
async def ask(request: Request) -> Response:
    """Ask for confirmation of an erasure."""
    service, who = visitor_of(request).service, _somebody(_asked(request))
    kept = await service.thread(service.people.export, await service.person(who))
    counts = {"events": len(kept["events"]), "attributes": len(kept["attributes"])}
    return page(request, "erase.html", who=_named_person(who), counts=counts, receipt=None)


@router.post("/ui/person/erase", dependencies=[SIGNED_IN, OWN_FORM])
async def erase(request: Request) -> Response:
    """Erase a person and show the receipt."""
    service, who = visitor_of(request).service, _somebody(_named(await own_form(request)))
    receipt = await service.erase(who)
    return page(
        request,
        "erase.html",
        who=_named_person(who),
        counts=receipt["removed"],
        receipt=to_json(receipt, indent=2).decode(),
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else to_json(value).decode()


def _named_person(who: str) -> dict[str, Any]:
    (field, name), *_ = subject(who).items()
    return {"field": field, "name": name, "to": address(**subject(who))}
