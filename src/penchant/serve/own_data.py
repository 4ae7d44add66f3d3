"""What a person may know of what is stored about them: with the time at which it goes, as a document and as a table."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from penchant.core.spreadsheets import harmless
from penchant.serve.answers.ranking import Query
from penchant.serve.common.person_link import PersonLink
from penchant.serve.common.problems import Problem
from penchant.serve.common.settings import Settings
from penchant.serve.service import Service
from penchant.store.people import KeptEvent, subject

COUNTED = (("events", "events"), ("written", "written"), ("shown_lists", "exposures"))
LISTED = 10  # items of the list that is explained
COLUMNS = (
    "what", "time", "kept_until", "item", "kind", "value", "purpose", "placement", "model", "recommendation", "id",
    "name", "content",
)  # fmt: skip


def event_document(settings: Settings, event: KeptEvent) -> dict[str, Any]:
    """An event as its person sees it: with the moment until which it is kept (unix seconds; None: for ever)."""
    return {**event.to_json(), "kept_until": settings.kept.until(event.kind, event.time)}


def newest(service: Service, person: str, k: int, before: int | None) -> dict[str, Any]:
    """The newest events of a person, and where the next page begins. Raises ``Problem`` 410."""
    try:
        found = service.people.events(person, k, before)
    except KeyError:
        raise Problem(410, "the event is gone: ask for the first page", field="before") from None
    events = [event_document(service.settings, event) for event in found]
    return {"events": events, "next": found[-1].seq if len(found) == k else None}


def known(service: Service, link: PersonLink) -> dict[str, Any]:
    """What is stored about a person, in numbers and attributes, and for how long."""
    settings, kept = service.settings, service.people.export(link.person)
    spans = dict(settings.kept.kinds)
    return {
        "identities": kept["identities"],
        "attributes": kept["attributes"],
        "choices": kept["choices"],
        "counts": {name: len(kept[of]) for name, of in COUNTED},
        "keep": {"kinds": spans, "others": settings.kept.rest, "shown_lists": settings.keep_exposures_seconds},
        "link_until": link.until,
    }


def explained(service: Service, person: str, k: int = LISTED) -> dict[str, Any]:
    """The list of a person as of now, with reasons; it does not count as shown."""
    return service.personal.for_person(person, Query(k, why=True, expose=False))


def export(service: Service, person: str) -> dict[str, Any]:
    """Everything that is stored about a person, with the moments until which it is kept."""
    settings, kept = service.settings, service.people.export(person)
    lists = settings.keep_exposures_seconds
    return {
        **kept,
        **{
            name: [{**one, "kept_until": settings.kept.until(one["kind"], one["time"])} for one in kept[name]]
            for name in ("events", "written")
        },
        "exposures": [
            {**one, "kept_until": None if lists is None else one["time"] + lists} for one in kept["exposures"]
        ],
    }  # fmt: skip


def table(document: Mapping[str, Any]) -> str:
    """An export as CSV: one row for each thing, and for each item of a shown list. No cell runs in a spreadsheet."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, restval="")
    writer.writeheader()
    for row in _rows(document):
        cells = {name: value for name, value in row.items() if name in COLUMNS and value is not None}
        writer.writerow({name: harmless(_text(value)) for name, value in cells.items()})
    return "\ufeff" + out.getvalue()  # by the mark, spreadsheets know that it is UTF-8


def _rows(document: Mapping[str, Any]) -> Sequence[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for one in document["identities"]:
        rows += [{"what": "identity", "name": name, "content": value} for name, value in one.items()]
    for what, under in (("attribute", "attributes"), ("choice", "choices")):
        rows += [{"what": what, "name": name, "content": value} for name, value in document[under].items()]
    rows += [{"what": "clock", "name": "clock_ahead", "content": document["clock_ahead"]}]
    for what, under in (("event", "events"), ("written", "written")):
        rows += [{**one, "what": what, **_moments(one), "content": one["context"]} for one in document[under]]
    for shown in document["exposures"]:
        for item, score in zip(shown["items"], shown["scores"], strict=True):
            rows.append({**shown, "what": "shown", **_moments(shown), "item": item, "value": score})
    return rows


def _moments(row: Mapping[str, Any]) -> dict[str, str]:
    return {name: _moment(row[name]) for name in ("time", "kept_until")}


def _moment(seconds: int | None) -> str:
    if seconds is None:
        return "for ever"
    try:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
    except (ValueError, OverflowError, OSError):
        return str(seconds)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def named(document: Mapping[str, Any], person: str) -> dict[str, Any]:
    """An export under the id of a request; the name that the store has is among ``identities``."""
    return {**{key: value for key, value in document.items() if key not in {"user", "session"}}, **subject(person)}
