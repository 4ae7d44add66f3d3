"""What people choose, single events, and consent: what may be learned from, end to end."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

import penchant as pc
from penchant.errors import DataError, ParameterError
from penchant.serve.common.settings import Settings
from penchant.store.choices import Chosen
from penchant.store.log import store_log
from tests.privacy.conftest import ended
from tests.serve.conftest import Client, Make

LIST = "/v1/users/ann/recommendations"


def choose(client: Client, **said: Any) -> dict[str, Any]:
    """Choose for Ann."""
    answer = client.patch("/v1/users/ann/choices", json=said)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def items(client: Client) -> list[str]:
    """The items of Ann's stored events."""
    return [one["item"] for one in client.get("/v1/users/ann/events").json()["events"]]


def test_a_pause_records_nothing_and_answers_from_what_is_there(make: Make) -> None:
    client = make(exposures=True)
    client.events({"user": "ann", "item": "i00"})
    before = client.ids(LIST)
    choose(client, paused=True)
    answer = client.events({"user": "ann", "item": "i15"}, {"user": "bob", "item": "i01"})
    assert answer.json()["accepted"] == 1
    assert client.events({"user": "ann", "item": "i15"}).json() == {"accepted": 0, "duplicates": 0, "errors": []}
    assert items(client) == ["i00"]
    assert client.ids(LIST) == before
    client.portal.call(client.service.shown.exposures.flush)
    shown = client.get("/v1/users/ann/export").json()["exposures"]
    assert len(shown) == 1  # the list before the pause
    choose(client, paused=False)
    client.events({"user": "ann", "item": "i15"})
    assert items(client) == ["i15", "i00"]


def test_private_answers_use_nothing(client: Client) -> None:
    client.events({"user": "ann", "item": "i00"})
    choose(client, private=True)
    told = client.get(LIST).json()
    assert told["fallback"]
    assert "seen" not in told["removed"]
    client.events({"user": "ann", "item": "i01"})
    assert items(client) == ["i00"]
    choose(client, private=False)
    assert client.get(LIST).json()["removed"]["seen"] == 1


def test_kinds_and_categories_are_switched_off(client: Client) -> None:
    client.events({"user": "ann", "item": "i00", "kind": "view"}, {"user": "ann", "item": "i11", "kind": "cart"})
    assert client.get(LIST).json()["removed"]["seen"] == 2
    choose(client, off_kinds=["cart"], off_items=["genre=drama"])
    told = client.get(LIST, params={"k": 20}).json()
    assert told["removed"]["where"] >= 9
    assert "seen" not in told["removed"]  # i00 is switched off, i11 does not count any more
    found = {one["item"] for one in told["items"]}
    assert found
    assert not found & {f"i{n:02d}" for n in range(10)}
    page = client.get(LIST, params={"k": 3}).json()["next"]
    assert client.get(LIST, params={"k": 3, "page": page}).status_code == 200
    narrow = client.get(LIST, params={"k": 20, "where": '{"domain": ["film"]}'}).json()["items"]
    assert {int(one["item"][1:]) % 2 for one in narrow} == {1}


def test_choices_are_shown_exported_moved_and_erased(client: Client) -> None:
    assert client.get("/v1/users/ann/choices").json() == {"user": "ann", **Chosen().to_json()}
    told = choose(client, training=False, off_kinds=["cart"])
    assert told == {"user": "ann", **Chosen(training=False, off_kinds=("cart",)).to_json()}
    assert client.get("/v1/users/ann/export").json()["choices"]["off_kinds"] == ["cart"]
    client.post("/v1/users/eve/merge", json={"user": "ann"})
    assert client.get("/v1/users/eve/choices").json()["training"] is False
    assert client.get("/v1/users/ann/choices").json()["training"] is True
    assert client.delete("/v1/users/eve").json()["removed"]["choices"] == 1
    assert client.get("/v1/users/eve/choices").json()["training"] is True
    for wrong in (
        {"off_items": ["horror"]},
        {"off_items": ["=x"]},
        {"off_items": ["genres=drama"]},
        {"paused": 1},
        {"other": True},
    ):
        assert client.patch("/v1/users/ann/choices", json=wrong).status_code == 422, wrong
    assert client.patch("/v1/users/ann/choices", json={"off_kinds": ["a"] * 60}).status_code == 200
    assert client.patch("/v1/users/ann/choices", json={"off_kinds": ["a"] * 61}).status_code == 422
    with pytest.raises(ParameterError, match="at most 60"):
        Chosen(off_kinds=("",))


def test_single_events_are_corrected_and_removed(client: Client, tmp_path: Path) -> None:
    client.events({"user": "ann", "item": "odd-one-4711", "kind": "view"}, {"user": "ann", "item": "i01"})
    newest, first = client.get("/v1/users/ann/events").json()["events"]
    path = f"/v1/users/ann/events/{first['seq']}"
    assert client.patch(path, json={"item": "i02", "kind": "cart", "value": 2.0}).json()["seq"] == first["seq"]
    corrected = client.get("/v1/users/ann/events").json()["events"][1]
    assert (corrected["item"], corrected["kind"], corrected["value"]) == ("i02", "cart", 2.0)
    assert client.patch(path, json={}).status_code == 422
    assert client.delete(f"/v1/users/ann/events/{newest['seq']}").status_code == 200
    assert items(client) == ["i02"]
    for call in (client.delete, lambda one: client.patch(one, json={"kind": "view"})):
        assert call(f"/v1/users/ann/events/{newest['seq']}").status_code == 404
        assert call(f"/v1/users/bob/events/{first['seq']}").status_code == 404


def learned(tmp_path: Path) -> set[str]:
    """The items that a model of the store would learn from."""
    log = pc.read_interactions(store_log(f"sqlite:///{tmp_path / 'store.db'}"))
    return {log.vocab.ids[item] for item in log.items.tolist()}


def test_what_has_no_consent_is_used_for_the_own_answers_only(make: Make, tmp_path: Path) -> None:
    client = make(purposes=("training",), min_support=1)
    client.events(
        {"user": "ann", "item": "i00", "purpose": "training"},
        {"user": "ann", "item": "i01", "purpose": "answers"},
        {"user": "ann", "item": "i02"},
        {"user": "bob", "item": "i10", "purpose": "training"},
    )
    assert client.get(LIST).json()["removed"]["seen"] == 3
    assert learned(tmp_path) == {"i00", "i10"}
    assert set(client.ids("/v1/popular", days=1, k=20)) >= {"i00", "i10"}
    assert not set(client.ids("/v1/trending", days=1, k=20)) & {"i01", "i02"}
    choose(client, training=False)
    assert learned(tmp_path) == {"i10"}
    assert client.get(LIST).json()["removed"]["seen"] == 3
    choose(client, training=True)
    assert learned(tmp_path) == {"i00", "i10"}
    assert client.events({"user": "ann", "item": "i00", "purpose": "a b"}).status_code == 422


def test_nobody_consented(make: Make, tmp_path: Path) -> None:
    with ended(make(purposes=("training",))) as client:
        client.events({"user": "ann", "item": "i00"})
    with pytest.raises(DataError, match="no events that may be learned from"):
        learned(tmp_path)
    make()  # without the setting, every purpose
    assert learned(tmp_path) == {"i00"}
    with pytest.raises(ParameterError, match="a purpose is"):
        Settings(purposes=("a b",))


def test_postgresql(make: Make, cluster: Any, tmp_path: Path) -> None:
    client = make(store=cluster.url, model_copies=str(tmp_path / "copies"), purposes=("training",))
    client.events(
        {"user": "ann", "item": "i00", "purpose": "training"},
        {"user": "ann", "item": "i01"},
        {"user": "bob", "item": "i02", "purpose": "training"},
    )
    choose(client, training=False)
    log = pc.read_interactions(store_log(cluster.url))
    assert [log.vocab.ids[item] for item in log.items.tolist()] == ["i02"]
    assert client.get(LIST).json()["removed"]["seen"] == 2
    choose(client, paused=True)
    client.events({"user": "ann", "item": "i05"})
    assert sorted(items(client)) == ["i00", "i01"]


def test_results_count_what_people_agreed_to(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penchant.serve.answers.results.FRESH", 0.0)  # nothing is counted before
    client = make(purposes=("training",), exposures=True)
    client.events(
        {"user": "ann", "item": "i00", "purpose": "training"},
        {"user": "bob", "item": "i00", "purpose": "answers"},
        {"user": "eve", "item": "i00", "purpose": "training"},
    )
    for who in ("ann", "bob", "eve"):
        first = client.get(f"/v1/users/{who}/recommendations", params={"k": 2}).json()["items"][0]["item"]
        for purpose in ("training", "answers"):
            client.events({"user": who, "item": first, "purpose": purpose})
    client.events({"user": "bob", "item": "i29", "purpose": "answers"})
    client.patch("/v1/users/eve/choices", json={"training": False})
    client.portal.call(client.service.shown.exposures.flush)
    with sqlite3.connect(client.service.store.database.url.database) as connection:
        connection.execute("DELETE FROM events WHERE person = 'u:bob' AND purpose = 'training'")
    told = client.get("/v1/results", params={"days": 1}).json()
    assert (told["total"]["lists"], told["total"]["clicked"]) == (1, 1)  # those of Ann
    assert told["without_consent"] == {"lists": 2, "events": 1 + 2 + 3 + 1}
