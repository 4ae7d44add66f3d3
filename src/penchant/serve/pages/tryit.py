"""The page Try it: like and dislike items, and see how the list changes and why. Nothing is stored."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter, Request, Response

from penchant.serve.answers import lists
from penchant.serve.answers.models import ServedModel
from penchant.serve.answers.personal import SentEvent
from penchant.serve.answers.ranking import Query
from penchant.serve.answers.selected import select
from penchant.serve.catalogue.live import LiveCatalogue
from penchant.serve.catalogue.search import MOST, search
from penchant.serve.common.problems import invalid
from penchant.serve.http.schemas.fields import check_id
from penchant.serve.pages.html import PageRoute, by_htmx, page
from penchant.serve.pages.reasons import shades, with_reasons
from penchant.serve.pages.sessions import TRY, Form, from_here, read_form, visitor_of
from penchant.serve.service import Service

router = APIRouter(route_class=PageRoute, include_in_schema=False)
K, FOUND, ALIKE, OFFERED = 10, 8, 6, 12  # items of a list, of a search, similar to one, offered at the start
TASTES = 200  # likes and dislikes that one page holds
CONTEXTS, VALUES = 6, 12  # that can be said: so many contexts, those with at most so many values
FIRST = ("mood", "companion")  # contexts to ask for before all others


@dataclass
class State:
    """The state of the page, kept in hidden fields: likes ("+" before the id) and dislikes ("-") in order, the previous
    list, the search text, the item to show similar ones of, the model to compare with, and what holds now."""

    tastes: list[str] = field(default_factory=list)
    was: list[str] = field(default_factory=list)
    words: str = ""
    near: str = ""
    beside: str = ""
    changed: str = ""  # the last change: "+id", "-id", or nothing
    says: dict[str, str] = field(default_factory=dict)  # the context, such as mood: sad
    said: str = ""  # the last change of it, in words

    @classmethod
    def of(cls, form: Form) -> State:
        """The state of a form after its button was pressed. Raises ``Problem`` 422."""
        tastes = [*form.all("taste"), *("+" + item for item in form.all("like"))]
        tastes += ["-" + item for item in form.all("dislike")]
        near, beside = form.one("near"), form.one("beside")[:600]
        state = cls(_checked(tastes), form.all("was")[:K], form.one("q")[:MOST], near and check(near), beside)
        for text in form.all("says")[:CONTEXTS]:
            state.say(text)
        state.said = ""
        deed, _, what = form.one("do").partition(":")
        match deed:
            case "like" | "dislike":
                state.add(("+" if deed == "like" else "-") + check(what))
            case "drop":
                state.tastes = [taste for taste in state.tastes if taste[1:] != what]
            case "clear":
                state.tastes = []
            case "near":
                state.near = what and check(what)
            case "beside":
                state.beside = what[:600]
            case "say":
                state.say(what)
        return state

    def add(self, taste: str) -> None:
        """Add a like or dislike; it replaces an earlier one of the item."""
        kept = [other for other in self.tastes if other[1:] != taste[1:]]
        self.tastes = _checked([*kept, taste])
        self.changed = taste

    def say(self, text: str) -> None:
        """Take ``mood=sad`` for what holds now; without a value it no longer does."""
        name, _, value = text[:200].partition("=")
        if value:
            self.says[name], self.said = value, f"{name} = {value}"
        elif self.says.pop(name, None) is not None:
            self.said = f"no {name}"

    @property
    def rows(self) -> list[SentEvent]:
        """The history to score, oldest first."""
        return [SentEvent(taste[1:], None if taste[0] == "+" else "dislike") for taste in self.tastes]


def check(item: str) -> str:
    """An id; raises ``Problem`` 422 for an invalid one."""
    try:
        return check_id(item)
    except ValueError as wrong:
        raise invalid("item", str(wrong)) from None


def _checked(tastes: list[str]) -> list[str]:
    if len(tastes) > TASTES:
        raise invalid("taste", f"this page holds at most {TASTES} likes and dislikes")
    if any(taste[:1] not in {"+", "-"} for taste in tastes):
        raise invalid("taste", "is not + or - followed by an id")
    return [taste[0] + check(taste[1:]) for taste in tastes]


# -- routes -----------------------------------------------------------------------------------------------------------


@router.get("/ui/try", dependencies=[TRY])
async def begin(request: Request) -> Response:
    """The page, with the likes that its address names."""
    return await _show(request, State.of(Form(list(request.query_params.multi_items()))))


@router.post("/ui/try", dependencies=[TRY])
async def go_on(request: Request) -> Response:
    """The page after a click. Nothing else changes."""
    from_here(request)
    return await _show(request, State.of(await read_form(request)))


@router.post("/ui/try/search", dependencies=[TRY])
async def look_up(request: Request) -> Response:
    """Search results while typing."""
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
    offered = [] if state.tastes else await service.thread(_offered, active)
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
        changed=_title(catalogue, state.changed[1:]) if state.changed else "",
        contexts=_contexts(active, state),
        oob=by_htmx(request),
        items=int(catalogue.select(None).mask.sum()),
    )


async def _list(service: Service, state: State, served: ServedModel, shade_of: dict[str, int]) -> dict[str, Any]:
    """The list of a model: entries with reasons, and how each has moved since the last click."""
    by = None if served is service.models.active else served
    query = Query(K, why=True, context=state.says or None)
    answer = await service.thread(service.personal.for_rows, state.rows, query, by)
    entries = [{**entry, **describe(served, entry["item"])} for entry in with_reasons(answer["items"], shade_of)]
    before = {item: n for n, item in enumerate(state.was)} if by is None and (state.changed or state.said) else {}
    for n, entry in enumerate(entries):
        was = before.get(entry["item"])
        entry["moved"] = None if not before else "new" if was is None else was - n
    moved = [entry["moved"] for entry in entries if entry["moved"]]
    return {
        "name": served.name,
        "model": answer["model"]["name"],
        "fallback": answer["fallback"],
        "degraded": answer["degraded"],
        "apart": any(entry["reasons"]["method"] == "leave-one-out" for entry in entries) and not answer["fallback"],
        "entries": entries,
        "new": sum(one == "new" for one in moved),
        "moved": sum(one != "new" for one in moved),
    }


def _contexts(served: ServedModel, state: State) -> list[dict[str, Any]]:
    """What a person can say of now: contexts that the model uses, with their values."""
    if not served.recommender.model.uses_context:
        return []
    known = served.recommender.recipe.contexts
    few = [name for name, values in known.items() if 1 < len(values) <= VALUES]
    few.sort(key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST))
    return [
        {"name": name, "values": [{"value": value, "on": state.says.get(name) == value} for value in known[name]]}
        for name in few[:CONTEXTS]
    ]


async def _found(service: Service, state: State) -> dict[str, Any]:
    """The search results, with likes and dislikes."""
    active = service.models.active
    if not state.words.strip():
        return {"asked": False, "items": []}
    positions = await service.thread(search, active.catalogue, state.words, FOUND)
    sign = {taste[1:]: taste[0] for taste in state.tastes}
    items = [describe(active, active.catalogue.ids[at]) for at in positions]
    return {"asked": True, "items": [{**item, "sign": sign.get(item["item"], "")} for item in items]}


def _offered(served: ServedModel) -> list[dict[str, Any]]:
    """What to choose from at first."""
    return list(lists.onboarding(served, select(served, None), OFFERED)["items"])


async def _alike(service: Service, state: State, served: ServedModel) -> dict[str, Any] | None:
    """The items similar to the chosen one."""
    if not state.near or state.near not in served.catalogue.vocab:
        return None
    answer = await service.thread(lists.similar, served, select(served, None), state.near, ALIKE)
    top = max((entry["score"] for entry in answer["items"]), default=1.0) or 1.0
    items = [{**describe(served, entry["item"]), "width": 1000 * entry["score"] / top} for entry in answer["items"]]
    return {**describe(served, state.near), "items": items, "method": answer["method"]}


# -- items ------------------------------------------------------------------------------------------------------------


def _title(catalogue: LiveCatalogue, item: str) -> str:
    at = catalogue.vocab.index(item)
    return (catalogue.titles[at] if at >= 0 else None) or item


def describe(served: ServedModel, item: str) -> dict[str, Any]:
    """An item for a card: title, a few attributes, number of people."""
    catalogue = served.catalogue
    at = catalogue.vocab.index(item)
    if at < 0:
        return {"item": item, "title": item, "about": [], "had": 0}
    about = [str(value) for column in telling(catalogue) for value in listed(catalogue.attributes[column].values[at])]
    return {"item": item, "title": catalogue.titles[at] or item, "about": about[:5], "had": catalogue.count(at)}


def telling(catalogue: LiveCatalogue) -> list[str]:
    """The attributes worth showing: genres and the like."""
    names = [name for name in catalogue.attributes if any(word in name.casefold() for word in TELLING)]
    return sorted(names, key=lambda name: next(n for n, word in enumerate(TELLING) if word in name.casefold()))[:2]


TELLING = ("genre", "categor", "tag", "brand", "author", "artist", "topic", "city")


def listed(value: Any) -> list[Any]:
    """A field of a form as a list: of one where it is a single value, of none where it is absent."""
    return [] if value is None else value if isinstance(value, list) else [value]
