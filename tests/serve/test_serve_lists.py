"""Lists that are the same for everybody, less what a request or a person's history leaves out; the newest by a date."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime

import pytest

from penchant.data.item_values import dates
from penchant.store.database import StoreError
from tests.serve.conftest import ITEMS, Client

DAY = 86_400
LISTS = ("/v1/popular", "/v1/popular?days=1", "/v1/trending", "/v1/latest", "/v1/items/i00/similar")


@pytest.fixture
def busy(client: Client) -> Client:
    """A service where all items of two genres are popular and trending, and "ann", "s" and "bob" have histories."""
    for user in range(3):
        client.events(*[{"user": f"many{user}", "item": item} for item in ITEMS[:20]])
    client.events({"user": "ann", "item": "i01"}, {"user": "ann", "item": "i02", "kind": "dislike"})
    client.events({"session": "s", "item": "i03"}, {"session": "s", "item": "never seen"})
    client.events({"user": "bob", "item": "i04", "kind": "dislike", "time": int(time.time()) - 181 * DAY})
    return client


@pytest.mark.parametrize("path", LISTS)
def test_a_list_leaves_out_what_a_person_has_seen_or_dislikes(busy: Client, path: str) -> None:
    everything = busy.ids(path, k=100)
    for person, gone, removed in (
        ({"user": "ann"}, {"i01", "i02"}, {"disliked": 1, "seen": 1}),
        ({"session": "s"}, {"i03", "never seen"}, {"seen": 2}),
        ({"user": "bob"}, set(), {}),  # the dislike has no effect any more
        ({"user": "nobody"}, set(), {}),
        ({"user": "s"}, set(), {}),
    ):
        told = busy.get(path, params={"k": 100, **person}).json()
        assert [entry["item"] for entry in told["items"]] == [item for item in everything if item not in gone]
        assert {name: told["removed"].get(name) for name in removed} == removed
        assert {"seen", "disliked"} & set(told["removed"]) == set(removed)


@pytest.mark.parametrize("path", LISTS)
def test_a_list_leaves_out_what_the_request_excludes(busy: Client, path: str) -> None:
    everything = busy.ids(path, k=100)
    told = busy.get(path, params={"k": 100, "exclude": ["i05", "i06", "unknown"], "user": "ann"}).json()
    left = [item for item in everything if item not in {"i01", "i02", "i05", "i06"}]
    assert [entry["item"] for entry in told["items"]] == left
    assert told["removed"]["exclude"] == 2
    first = busy.ids(path, k=1)[0]
    assert busy.ids(path, k=1, exclude=first) == everything[1:2]


@pytest.mark.parametrize("path", LISTS)
def test_a_list_is_for_one_person_at_most(busy: Client, path: str) -> None:
    refused = busy.get(path, params={"user": "ann", "session": "s"})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "session")
    for wrong in ({"user": ""}, {"session": "\0"}, {"exclude": [f"a{n}" for n in range(1001)]}):
        assert busy.get(path, params=wrong).status_code == 422
    assert busy.get(path, params={"exclude": [f"a{n}" for n in range(1000)]}).status_code == 200


def test_only_a_key_that_may_read_histories_asks_for_a_person(busy: Client) -> None:
    keys = {scope: busy.service.keys.create(scope, [scope])[1] for scope in ("collect", "read", "admin")}
    for path, person in (*((path, {"user": "ann"}) for path in LISTS), ("/v1/users/ann/events", {})):
        for scope, status in (("collect", 403), ("read", 200), ("admin", 200)):
            headers = {"x-api-key": keys[scope]}
            assert busy.get(path, params=person, headers=headers).status_code == status
        assert busy.get(path, params=person).status_code == 401


def test_a_store_that_cannot_be_read_leaves_nothing_out(busy: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def history(*_: object) -> None:
        raise StoreError("no disk")

    monkeypatch.setattr(busy.service.store, "history", history)
    told = busy.get("/v1/popular", params={"user": "ann", "k": 29}).json()
    assert "no disk" in told["degraded"]
    assert len(told["items"]) == 29


# -- the newest by a date ---------------------------------------------------------------------------------------------


def test_the_newest_follow_a_date(client: Client) -> None:
    tomorrow = datetime.fromtimestamp(time.time() + DAY, UTC).isoformat()
    told = {"i00": "2021-05-01", "i01": "2024", "i02": 1_700_000_000, "i03": "2023-11-14T22:13:21Z", "i04": tomorrow,
            "i05": "soon", "i06": True, "i07": ["1999-01", "2024-06-01"], "i08": None}  # fmt: skip
    client.post("/v1/items", json={"patch": [{"item": i, "attributes": {"launch": v}} for i, v in told.items()]})
    answer = client.get("/v1/latest", params={"by": "launch", "k": 10}).json()
    assert [entry["item"] for entry in answer["items"]] == ["i07", "i01", "i03", "i02", "i00"]
    assert answer["items"][3]["score"] == 1_700_000_000
    assert answer["by"] == "launch"
    assert (answer["removed"]["undated"], answer["removed"]["future"]) == (24 - 1, 1)  # i09 is unavailable
    client.patch("/v1/items/i05", json={"attributes": {"launch": "2025-01-01"}})
    assert client.ids("/v1/latest", by="launch", k=1) == ["i05"]
    assert client.get("/v1/latest").json()["by"] is None
    limited = client.ids("/v1/latest", by="launch", exclude="i05", where='{"attribute": "launch", "in": ["2024"]}')
    assert limited == ["i01"]


def test_the_newest_by_no_attribute(client: Client) -> None:
    for wrong in ("launch", "", "x" * 65, "a\0"):
        refused = client.get("/v1/latest", params={"by": wrong})
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "by")
    assert client.get("/v1/latest", params={"by": "genre"}).json()["removed"]["undated"] == 29


def test_dates() -> None:
    noon = datetime(2026, 11, 25, 12, tzinfo=UTC).timestamp()
    values = ["2026-11-25T12:00:00Z", "2026-11-25T13:00+01:00", "2026-11-25 12:00", noon, int(noon)]
    assert dates(values).tolist() == [noon] * 5
    assert dates(["1970", "1970-01", ["1970-01-01", "long ago"], 0]).tolist() == [0.0] * 4
    nothing = dates([None, "", "19", "2026-13", "Nov 2026", True, [], ["x"], "99999-01-01"])
    assert all(map(math.isnan, nothing))
