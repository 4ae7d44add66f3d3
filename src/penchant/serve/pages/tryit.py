"""Try it: like and dislike, and see at each click what becomes of the list and because of what. Nothing is stored."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter, Request, Response

from penchant.serve.answers import lists
from penchant.serve.answers.models import ServedModel
from penchant.serve.answers.personal import SentEvent
from penchant.serve.answers.ranking import Query
from penchant.serve.catalogue.live import LiveCatalogue
from penchant.serve.catalogue.search import MOST, search
from penchant.serve.common.problems import invalid
from penchant.serve.http.schemas.fields import check_id
from penchant.serve.pages.html import PageRoute, by_htmx, page
from penchant.serve.pages.reasons import all_told, shades
from penchant.serve.pages.sessions import TRY, Form, from_here, read_form, visitor_of
from penchant.serve.service import Service

router = APIRouter(route_class=PageRoute, include_in_schema=False)
K, FOUND, ALIKE, OFFERED = 10, 8, 6, 12  # items of a list, of a search, alike to one, offered to begin with
TASTES = 200  # likes and dislikes that one page holds


@dataclass
class State:
    """What the page holds, in its own hidden fields: likes ("+" before the id) and dislikes ("-") in their order, the
    list as it stood, the question, the item that others are alike to, the model to compare with."""

    tastes: list[str] = field(default_factory=list)
    was: list[str] = field(default_factory=list)
    words: str = ""
    near: str = ""
    beside: str = ""
    said: str = ""  # what was done just now: "+id", "-id", or nothing

    @classmethod
    def of(cls, form: Form) -> State:
        """From the fields of a form, and what its button does. Raises ``Problem`` 422."""
        tastes = [*form.all("taste"), *("+" + item for item in form.all("like"))]
        tastes += ["-" + item for item in form.all("dislike")]
        near, beside = form.one("near"), form.one("beside")[:600]
        state = cls(_checked(tastes), form.all("was")[:K], form.one("q")[:MOST], near and check(near), beside)
        deed, _, what = form.one("do").partition(":")
        match deed:
            case "like" | "dislike":
                state.say(("+" if deed == "like" else "-") + check(what))
            case "drop":
                state.tastes = [taste for taste in state.tastes if taste[1:] != what]
            case "clear":
                state.tastes = []
            case "near":
                state.near = what and check(what)
            case "beside":
                state.beside = what[:600]
        return state

    def say(self, taste: str) -> None:
        """One more like or dislike; the newest of an item holds."""
        kept = [other for other in self.tastes if other[1:] != taste[1:]]
        self.tastes = _checked([*kept, taste])
        self.said = taste

    @property
    def rows(self) -> list[SentEvent]:
        """The history to score, oldest first."""
        return [SentEvent(taste[1:], None if taste[0] == "+" else "dislike") for taste in self.tastes]


def check(item: str) -> str:
    """An id; raises ``Problem`` 422 for one that cannot be."""
    try:
        return check_id(item)
    except ValueError as wrong:
        raise invalid("item", str(wrong)) from None


def _checked(tastes: list[str]) -> list[str]:
    if len(tastes) > TASTES:
        raise invalid("taste", f"this page holds at most {TASTES} likes and dislikes")
    if any(taste[:1] not in {"+", "-"} for taste in tastes):
        raise invalid("taste", "is + or - and an id")
    return [taste[0] + check(taste[1:]) for taste in tastes]


# -- routes -----------------------------------------------------------------------------------------------------------


@router.get("/ui/try", dependencies=[TRY])
async def begin(request: Request) -> Response:
    """The page, with the likes that its address names."""
    return await _show(request, State.of(Form(list(request.query_params.multi_items()))))


@router.post("/ui/try", dependencies=[TRY])
async def go_on(request: Request) -> Response:
    """The page after a click. It changes nothing but itself."""
    from_here(request)
    return await _show(request, State.of(await read_form(request)))


@router.post("/ui/try/search", dependencies=[TRY])
async def look_up(request: Request) -> Response:
    """What the catalogue has, as one types."""
    from_here(request)
    state = State.of(await read_form(request))
    service = visitor_of(request).service
    return page(request, "try_found.html", state=state, found=await _found(service, state), oob=False)


async def _show(request: Request, state: State) -> Response:
    service = visitor_of(request).service
    active = service.models.active
    catalogue = active.catalogue
    models = service.models.at_hand
    others = [one for one in models if one is not active]
    beside = next((one for one in others if one.name == state.beside), None)
    state.beside = "" if beside is None else beside.name
    shade_of = shades([taste[1:] for taste in state.tastes])
    columns = [await _list(service, state, one, shade_of) for one in (active, beside) if one is not None]
    for column, other in zip(columns, columns[::-1], strict=True):
        places = {entry["item"]: n for n, entry in enumerate(other["entries"], 1)} if beside else {}
        for entry in column["entries"]:
            entry["there"] = places.get(entry["item"])
    offered = [] if state.tastes else (await service.thread(lists.onboarding, active, OFFERED, None))["items"]
    return page(
        request,
        "try_part.html" if by_htmx(request) else "try.html",
        state=state,
        tastes=[
            {**describe(active, taste[1:]), "shade": shade_of[taste[1:]], "sign": taste[0]} for taste in state.tastes
        ],
        columns=columns,
        others=[one.name for one in others],
        offered=[describe(active, entry["item"]) for entry in offered],
        found=await _found(service, state),
        alike=await _alike(service, state, active),
        said=_title(catalogue, state.said[1:]) if state.said else "",
        oob=by_htmx(request),
        items=int(catalogue.select(None).mask.sum()),
    )


async def _list(service: Service, state: State, served: ServedModel, shade_of: dict[str, int]) -> dict[str, Any]:
    """One model's list: its entries with their reasons, and how each has moved since the click before."""
    by = None if served is service.models.active else served
    told = await service.thread(service.personal.for_rows, state.rows, Query(K, why=True), by)
    entries = [{**entry, **describe(served, entry["item"])} for entry in all_told(told["items"], shade_of)]
    before = {item: n for n, item in enumerate(state.was)} if by is None and state.said else {}
    for n, entry in enumerate(entries):
        was = before.get(entry["item"])
        entry["moved"] = None if not before else "new" if was is None else was - n
    moved = [entry["moved"] for entry in entries if entry["moved"]]
    return {
        "name": served.name,
        "model": told["model"]["name"],
        "fallback": told["fallback"],
        "degraded": told["degraded"],
        "apart": any(entry["told"]["method"] == "leave-one-out" for entry in entries) and not told["fallback"],
        "entries": entries,
        "new": sum(one == "new" for one in moved),
        "moved": sum(one != "new" for one in moved),
    }


async def _found(service: Service, state: State) -> dict[str, Any]:
    """What the search finds, and which of it is liked or disliked."""
    active = service.models.active
    if not state.words.strip():
        return {"asked": False, "items": []}
    positions = await service.thread(search, active.catalogue, state.words, FOUND)
    sign = {taste[1:]: taste[0] for taste in state.tastes}
    items = [describe(active, active.catalogue.ids[at]) for at in positions]
    return {"asked": True, "items": [{**item, "sign": sign.get(item["item"], "")} for item in items]}


async def _alike(service: Service, state: State, served: ServedModel) -> dict[str, Any] | None:
    """Items alike to the one that was asked about."""
    if not state.near or state.near not in served.catalogue.vocab:
        return None
    told = await service.thread(lists.similar, served, state.near, ALIKE, None, ())
    top = max((entry["score"] for entry in told["items"]), default=1.0) or 1.0
    items = [{**describe(served, entry["item"]), "width": 1000 * entry["score"] / top} for entry in told["items"]]
    return {**describe(served, state.near), "items": items, "method": told["method"]}


# -- items ------------------------------------------------------------------------------------------------------------


def _title(catalogue: LiveCatalogue, item: str) -> str:
    at = catalogue.vocab.index(item)
    return (catalogue.titles[at] if at >= 0 else None) or item


def describe(served: ServedModel, item: str) -> dict[str, Any]:
    """What a card says of an item: title, a few attributes, how many people had it."""
    catalogue = served.catalogue
    at = catalogue.vocab.index(item)
    if at < 0:
        return {"item": item, "title": item, "about": [], "had": 0}
    about = [str(value) for column in _telling(catalogue) for value in _listed(catalogue.attributes[column].values[at])]
    return {"item": item, "title": catalogue.titles[at] or item, "about": about[:5], "had": catalogue.count(at)}


def _telling(catalogue: LiveCatalogue) -> list[str]:
    """The attributes that say something to people: genres and the like, before others that are lists of words."""
    names = [name for name in catalogue.attributes if any(word in name.casefold() for word in TELLING)]
    return sorted(names, key=lambda name: next(n for n, word in enumerate(TELLING) if word in name.casefold()))[:2]


TELLING = ("genre", "categor", "tag", "brand", "author", "artist", "topic", "city")


def _listed(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]
