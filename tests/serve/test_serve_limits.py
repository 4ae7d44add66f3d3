"""Every limit that a request can meet, one below and one above: those of settings, and the fixed ones."""

from __future__ import annotations

import json
import re
import time
from dataclasses import fields
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from penchant.serve.common.settings import Settings
from penchant.serve.service import AHEAD
from penchant.store.cleaning import pause
from tests.serve.conftest import Client, Make

DAY = 86_400
NOW = 1_790_000_000
UNITS = {"": 1, "KiB": 2**10, "MiB": 2**20}
DOCUMENT = (Path(__file__).parents[2] / "docs" / "service.md").read_text(encoding="utf-8")


def test_every_setting_is_documented_with_its_default() -> None:
    table = re.findall(r"^\| (`[a-z_`, ]+`) \|([^|]*)\|", DOCUMENT, re.MULTILINE)
    documented = {name: default for names, default in table for name in re.findall(r"[a-z_]+", names)}
    assert {one.name for one in fields(Settings)} <= set(documented)
    for one in fields(Settings):
        if isinstance(one.default, (int, float)) and not isinstance(one.default, bool):
            numbers = re.findall(r"(\d+(?:\.\d+)?)(?: ([KM]iB))?", documented[one.name])
            assert float(one.default) in {float(number) * UNITS[unit] for number, unit in numbers}, one.name


# -- settings ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> float:
    """A clock that stands still."""
    monkeypatch.setattr(time, "time", lambda: NOW + 0.5)
    return NOW


@pytest.mark.parametrize(("age", "status"), [(30 * DAY, 200), (30 * DAY + 1, 422), (-AHEAD, 200), (-AHEAD - 1, 422)])
def test_events_have_an_age(make: Make, still: float, age: int, status: int) -> None:
    told = make(keep="30d").events({"user": "a", "item": "i00", "time": still - age})
    assert told.status_code == status


@pytest.mark.parametrize(("age", "hidden"), [(30 * DAY - 1, True), (30 * DAY, False)])
def test_a_dislike_has_its_days(make: Make, still: float, age: int, hidden: bool) -> None:
    client = make(dislike_days=30.0)
    client.events({"user": "a", "item": "i00", "kind": "dislike", "time": still - age})
    assert ("disliked" in client.get("/v1/users/a/recommendations").json()["removed"]) == hidden


@pytest.mark.parametrize(("events", "left"), [(3, None), (4, "1 older events were not scored")])
def test_so_many_events_are_scored(make: Make, events: int, left: str | None) -> None:
    client = make(recent=3)
    client.events(*[{"user": "a", "item": f"i{n:02d}"} for n in range(events)])
    assert client.get("/v1/users/a/recommendations").json()["degraded"] == left


@pytest.mark.parametrize(("people", "stands_in"), [(2, False), (3, True)])
def test_a_segment_needs_people(make: Make, people: int, stands_in: bool) -> None:
    client = make(min_support=3)
    for n in range(people):
        client.events({"user": f"p{n}", "item": "i00"})
        client.patch(f"/v1/users/p{n}", json={"attributes": {"country": "NO"}})
    client.patch("/v1/users/new", json={"attributes": {"country": "NO"}})
    assert (client.get("/v1/users/new/recommendations").json().get("segment") is not None) == stands_in


@pytest.mark.parametrize(("kept", "dropped"), [(3, 0), (4, 1)])
def test_so_many_events_of_a_person_are_kept(make: Make, kept: int, dropped: int) -> None:
    client = make(keep_per_user=3)
    client.events(*[{"user": "a", "item": "i00"} for _ in range(kept)])
    client.portal.call(client.service.tidy)  # the run at the start may still go on, and drop them
    counted = client.service.store.clock()
    assert (counted.dropped_old, counted.dropped_many) == (0, dropped)


def test_retention_gets_its_settings(make: Make) -> None:
    retention = make(retention_gap=2.0, retention_share=0.5, confirm_retention=True).service.retention
    assert (retention.gap, retention.most, retention.confirmed) == (2 * DAY, 0.5, True)


@pytest.mark.parametrize(("size", "status"), [(2000, 422), (2001, 413)])
def test_a_body_has_a_size(make: Make, size: int, status: int) -> None:
    head = {"content-type": "application/json"}
    body = b'{"events": []}'
    told = make(max_body=2000).post("/v1/events", content=body + b" " * (size - len(body)), headers=head)
    assert told.status_code == status


@pytest.mark.parametrize(("count", "status"), [(3, 200), (4, 422)])
def test_a_batch_has_a_size(make: Make, count: int, status: int) -> None:
    client = make(max_batch=3)
    assert client.events(*[{"user": "a", "item": "i00"}] * count).status_code == status
    assert client.post("/v1/items", json={"put": [{"item": f"p{n}"} for n in range(count)]}).status_code == status


def test_a_rewrite_has_its_share_of_time() -> None:
    assert pause(after=60, share=0.05, seconds=3) == 60
    assert pause(after=60, share=0.05, seconds=4) == pytest.approx(76)  # of 80 s four are 5 %
    assert pause(after=0, share=1, seconds=4) == 0


# -- fixed limits -----------------------------------------------------------------------------------------------------


def event(**parts: Any) -> tuple[str, str, Any]:
    return "POST", "/v1/events", {"events": [{"user": "a", "item": "i00", **parts}]}


def nested(levels: int) -> Any:
    return {"all": [nested(levels - 1)]} if levels > 1 else {"domain": ["film"]}


def get(path: str, **query: Any) -> tuple[str, str, Any]:
    return "GET", path + "?" + "&".join(f"{name}={quote(str(value))}" for name, value in query.items()), None


def context(size: int) -> Any:
    return {"a": "x" * (size - len(json.dumps({"a": ""})))}


def recommend(**body: Any) -> tuple[str, str, Any]:
    return "POST", "/v1/users/a/recommendations", body


FIXED: dict[str, tuple[int, Any]] = {  # the largest, and the request of a size
    "a context, bytes": (4096, lambda n: event(context=context(n))),
    "a value": (10**9, lambda n: event(value=n)),
    "the id of an item": (512, lambda n: event(item="x" * n)),
    "the id of a user": (512, lambda n: event(user="x" * n)),
    "the id of an event": (128, lambda n: event(id="x" * n)),
    "a kind": (64, lambda n: event(kind="x" * n)),
    "items of an answer": (1000, lambda n: recommend(k=n)),
    "items of a list": (1000, lambda n: get("/v1/popular", k=n)),
    "events of a listing": (1000, lambda n: get("/v1/users/a/events", k=n)),
    "excluded items": (1000, lambda n: recommend(exclude=[f"i{m}" for m in range(n)])),
    "events of a history": (5000, lambda n: ("POST", "/v1/recommendations", {"history": ["i00"] * n})),
    "levels of a filter": (8, lambda n: recommend(where=nested(n))),
    "conditions of a filter": (64, lambda n: recommend(where={"any": [{"domain": ["film"]}] * (n - 1)})),
    "values of a condition": (200, lambda n: recommend(where={"attribute": "genre", "in": ["x"] * n})),
    "words of a search": (200, lambda n: get("/v1/items", q="x" * n)),
    "days": (3650, lambda n: get("/v1/trending", days=n)),
    "a title": (1000, lambda n: ("PUT", "/v1/items/i00", {"title": "x" * n})),
    "attributes of an item": (64, lambda n: ("PUT", "/v1/items/q", {"attributes": {f"a{m}": 1 for m in range(n)}})),
    "values of an attribute": (256, lambda n: ("PUT", "/v1/items/i00", {"attributes": {"a": ["x"] * n}})),
    "a text": (2000, lambda n: ("PATCH", "/v1/users/a", {"attributes": {"a": "x" * n}})),
    "attributes of a person": (64, lambda n: ("PATCH", "/v1/users/a", {"attributes": {f"a{m}": 1 for m in range(n)}})),
}


@pytest.mark.parametrize("name", FIXED)
def test_a_fixed_limit_is_kept_and_documented(client: Client, name: str) -> None:
    most, request = FIXED[name]
    for size, status in ((most, 200), (most + 1, 422)):
        method, path, body = request(size)
        told = client.request(method, path, json=body)
        assert told.status_code == status, (size, told.text[:300])
    row = re.search(rf"^\| {name} \| ([\d,]+) \|", DOCUMENT, re.MULTILINE)
    assert row is not None, f"docs/service.md does not name {name}"
    assert int(row[1].replace(",", "")) == most
