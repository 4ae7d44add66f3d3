"""The page of a person, behind a signed link: what is known, why the list is as it is, and what they can change."""

from __future__ import annotations

import time
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic_core import to_json

from penchant.serve.answers.models import ServedModel
from penchant.serve.common.person_link import PAGE, PersonLink, unknown
from penchant.serve.common.problems import invalid
from penchant.serve.http.scopes import checked_link
from penchant.serve.own_data import explained, export, newest, table
from penchant.serve.pages.html import HEADERS, LONG, PageRoute, away, moment, over_tls, page, with_cookie
from penchant.serve.pages.reasons import SHADES, shades, with_reasons
from penchant.serve.pages.sessions import ANYONE, OWN_FORM, Form, own_form, visitor_of
from penchant.serve.pages.tryit import check, describe, listed, telling
from penchant.store.choices import VALUE

router = APIRouter(route_class=PageRoute, include_in_schema=False, dependencies=[ANYONE])
COOKIE = "penchant_person"  # the link, for this page only
SHOWN = 30  # events of one page
OFFERED = 24  # categories that can be switched off
SWITCHES = ("paused", "private")


async def _link(request: Request) -> PersonLink:
    """The link in the cookie; raises ``Problem`` 401 or 410."""
    text = request.cookies.get(COOKIE, "")
    if not text:
        raise unknown("open the link that you were given")
    return await checked_link(visitor_of(request).service, text)


@router.get(PAGE)
async def show(request: Request) -> Response:
    """The page. A link in the address moves into a cookie, so that the address bar and the next requests lack it."""
    if (text := request.query_params.get("link")) is not None:
        link = await checked_link(visitor_of(request).service, text)
        opened = away(request, PAGE)
        # lax: a strict cookie would not be sent to the page to which a link on another site leads
        opened.set_cookie(
            COOKIE, text, max(1, link.until - int(time.time())), path=PAGE, secure=over_tls(request), httponly=True,
            samesite="lax",
        )  # fmt: skip
        return opened
    service, link = visitor_of(request).service, await _link(request)
    active, person, before = service.models.active, link.person, _before(request)
    document = await service.thread(export, service, person)
    newer = await service.read(newest, service, person, SHOWN, before)
    answer = await service.thread(explained, service, person)
    shade_of = shades([event["item"] for event in document["events"]])
    if len(shade_of) > SHADES:
        shade_of = {}
    recipe = active.recommender.recipe
    events = [
        {**event, **describe(active, event["item"]), **_kept(event), "against": recipe.is_dislike(event["kind"])}
        for event in newer["events"]
    ]
    entries = [{**entry, **describe(active, entry["item"])} for entry in with_reasons(answer["items"], shade_of)]
    chosen = document["choices"]
    return page(
        request,
        "mine.html",
        until=link.until,
        events=events,
        total=len(document["events"]),
        older=newer["next"],
        later=before is not None,
        attributes={name: _text(value) for name, value in document["attributes"].items()},
        lists={"count": len(document["exposures"]), **_first_gone(document["exposures"])},
        next_gone=_first_gone(document["events"])["first"],
        chosen=chosen,
        kinds=sorted({event["kind"] for event in document["events"] if event["kind"]} | set(chosen["off_kinds"])),
        categories=_categories(active, entries + events, chosen["off_items"]),
        answer=answer,
        entries=entries,
    )


def _before(request: Request) -> int | None:
    text = request.query_params.get("before", "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise invalid("before", "is the seq of an event")
    return int(text)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else to_json(value).decode()


def _kept(event: dict[str, Any]) -> dict[str, Any]:
    return {"goes": None if event["kept_until"] is None else moment(event["kept_until"])}


def _first_gone(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """When the first of some rows goes, in words; None: never."""
    ends = [row["kept_until"] for row in rows if row["kept_until"] is not None]
    return {"first": moment(min(ends)) if ends else None}


def _categories(active: ServedModel, entries: list[dict[str, Any]], off: list[str]) -> list[tuple[str, bool]]:
    """Categories of the items on the page that can be switched off, and those that are: as ``attribute=value``."""
    found, catalogue = dict.fromkeys(off, True), active.catalogue
    places = [at for entry in entries if (at := catalogue.vocab.index(entry["item"])) >= 0]
    for name in telling(catalogue):
        values = (value for at in places for value in listed(catalogue.attributes[name].values[at]))
        for value in dict.fromkeys(value for value in values if isinstance(value, str) and len(value) < LONG):
            if len(found) < OFFERED:
                found.setdefault(f"{name}{VALUE}{value}", False)
    return list(found.items())


@router.get(f"{PAGE}/export")
async def download(request: Request) -> Response:
    """Everything that is stored, as JSON or as a table."""
    service, link = visitor_of(request).service, await _link(request)
    document = await service.thread(export, service, link.person)
    csv = request.query_params.get("format") == "csv"
    name, media = ("export.csv", "text/csv") if csv else ("export.json", "application/json")
    content = table(document).encode() if csv else to_json(document, indent=2)
    headers = {**HEADERS, "Content-Disposition": f'attachment; filename="{name}"'}
    return with_cookie(request, Response(content, 200, headers, media), visitor_of(request))


@router.post(PAGE, dependencies=[OWN_FORM])
async def change(request: Request) -> Response:
    """What a button says: correct or remove an event, or choose."""
    service, link, form = visitor_of(request).service, await _link(request), await own_form(request)
    deed, _, seq = form.one("do").partition(":")
    match deed:
        case "remove":
            await service.remove_event(link.person, _seq(seq))
        case "correct":
            await service.correct_event(link.person, _seq(seq), _corrected(form))
        case "choose":
            await service.choose(link.person, _chosen(form))
        case _:
            raise invalid("do", "is remove, correct or choose")
    return away(request, f"{PAGE}#{'choices' if deed == 'choose' else 'events'}")


def _seq(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise invalid("do", "names an event by its seq")
    return int(text)


def _corrected(form: Form) -> dict[str, Any]:
    said: dict[str, Any] = {}
    if item := form.one("item").strip():
        said["item"] = check(item)
    if kind := form.one("kind").strip():
        if len(kind) > 64 or not kind.isprintable():
            raise invalid("kind", "has at most 64 characters that can be printed")
        said["kind"] = kind
    if value := form.one("value").strip():
        try:
            said["value"] = float(value)
        except ValueError:
            raise invalid("value", "is a number") from None
        if not abs(said["value"]) <= 1e9:
            raise invalid("value", "is a number of at most a thousand million")
    if not said:
        raise invalid("item", "give an item, a kind or a value")
    return said


def _chosen(form: Form) -> dict[str, Any]:
    """What the form of choices says: a box that is not ticked is not sent."""
    ticked = set(form.all("choice"))
    kinds = [kind for kind in form.all("kind") if kind not in set(form.all("use"))]
    more = [form.one("more").strip()] if form.one("more").strip() else []
    return {
        **{name: name in ticked for name in SWITCHES},
        "training": "training" in ticked,
        "off_kinds": tuple(dict.fromkeys(kinds)),
        "off_items": tuple(dict.fromkeys([*form.all("off"), *more])),
    }


@router.get(f"{PAGE}/forget")
async def ask(request: Request) -> Response:
    """Ask for confirmation of an erasure."""
    service, link = visitor_of(request).service, await _link(request)
    kept = await service.thread(export, service, link.person)
    counts = {name: len(kept[name]) for name in ("events", "attributes", "exposures")}
    return page(request, "mine_forget.html", counts=counts, receipt=None)


@router.post(f"{PAGE}/forget", dependencies=[OWN_FORM])
async def forget(request: Request) -> Response:
    """Erase everything and show the receipt; the link is over."""
    link = await _link(request)
    receipt = await visitor_of(request).service.erase(link.person)
    told = page(
        request, "mine_forget.html", counts=receipt["removed"], receipt=to_json(receipt, indent=2).decode(),
    )  # fmt: skip
    told.delete_cookie(COOKIE, path=PAGE, secure=over_tls(request), httponly=True, samesite="lax")
    return told
