"""Placements over HTTP: lists for everybody who may ask, set and taken back while the service runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from penchant.errors import ParameterError
from penchant.store.exposures import Exposures
from tests.serve.conftest import Client, Make

FILE = """
[placements.home]
k = 4
at_most = [{attribute = "genre", items = 4}]
pin = [{item = "i25", position = 2}]

[placements.product]
for = "item"
k = 3

[placements.basket]
for = "items"
k = 3

[placements.front]
for = "nobody"
k = 3
fallback = ["trending:7d", "popular"]
"""


@pytest.fixture
def client(make: Make, tmp_path: Path) -> Client:
    (tmp_path / "shop.toml").write_text(FILE)
    return make(placements=str(tmp_path / "shop.toml"), exposures=True)


def test_each_kind_of_placement_answers_at_its_own_path(client: Client) -> None:
    client.events({"user": "ann", "item": "i00"}, {"session": "s", "item": "i11"})
    home = client.get("/v1/placements/home/users/ann", params={"why": True}).json()
    assert [one["item"] for one in home["items"]][1] == "i25"
    assert home["items"][1]["rules"][0] == "pin i25 at 2"
    assert home["placement"] == "home"
    assert home["user"] == "ann"
    assert home["items"][0]["why"]["parts"]
    assert "i00" not in [one["item"] for one in home["items"]]
    assert client.post("/v1/placements/home/users/ann", json={}).json()["items"]
    like = client.get("/v1/placements/product/items/i00").json()
    assert "i00" not in [one["item"] for one in like["items"]]
    assert len(like["items"]) == 3
    basket = client.post("/v1/placements/basket/items", json={"items": ["i00", "i01"]}).json()
    assert {"i00", "i01"}.isdisjoint(one["item"] for one in basket["items"])
    front = client.get("/v1/placements/front").json()
    assert front["fallback"]
    assert len(front["items"]) == 3


def test_a_wrong_path_or_name_is_refused_by_name(client: Client) -> None:
    wrong = client.get("/v1/placements/product/users/ann")
    assert wrong.status_code == 404
    assert "is for item: ask /v1/placements/product/items/{id}" in wrong.json()["detail"]
    assert "did you mean 'home'" in client.get("/v1/placements/hom/users/ann").json()["detail"]
    assert client.get("/v1/placements/product/items/none").status_code == 404


def test_what_http_sets_wins_until_it_is_removed(client: Client) -> None:
    told = client.put("/v1/placements/home", json={"placement": {"k": 2}})
    assert told.json() == {"name": "home", "version": 1}
    assert len(client.get("/v1/placements/home/users/ann").json()["items"]) == 2
    shown = [one for one in client.get("/v1/placements").json()["placements"] if one["name"] == "home"]
    assert [(one["origin"], one["counts"], one["version"]) for one in shown] == [
        ("file", False, None),
        ("http", True, 1),
    ]
    assert client.put("/v1/placements/home", json={"placement": {"k": 3}}).json()["version"] == 2
    assert client.delete("/v1/placements/home").json()["version"] == 3
    assert len(client.get("/v1/placements/home/users/ann").json()["items"]) == 4
    assert client.delete("/v1/placements/home").status_code == 404


@pytest.mark.parametrize(
    ("placement", "said"),
    [
        ({"pin": [{"item": "a", "position": 1}, {"item": "b", "position": 1}]}, "are both at position 1"),
        ({"model": "kn"}, "there is no model 'kn'"),
        ({"at_most": [{"attribute": "gnre", "items": 1}]}, "did you mean 'genre'"),
        ({"k": 1, "at_least": [{"where": {"available": True}, "items": 2}]}, "2 items are more than k = 1"),
        ({"pin": [{"item": "a", "position": 1, "until": "2026-12-24T10:00"}]}, "names no zone"),
        ({"boots": 1}, "did you mean 'boost'"),
    ],
)
def test_a_mistake_is_refused_and_nothing_changes(client: Client, placement: dict, said: str) -> None:
    told = client.put("/v1/placements/home", json={"placement": placement})
    assert told.status_code == 422
    assert said in told.json()["detail"]
    assert client.get("/v1/placements").json()["placements"][1]["origin"] == "file"


def test_a_preview_stands_beside_the_list_of_today_and_sets_nothing(client: Client) -> None:
    told = client.post("/v1/placements/home/preview?user=ann", json={"placement": {"k": 1}}).json()
    assert (len(told["new"]["items"]), len(told["today"]["items"])) == (1, 4)
    fresh = client.post("/v1/placements/other/preview?user=ann", json={"placement": {"k": 1}}).json()
    assert fresh["today"] is None
    assert len(client.get("/v1/placements/home/users/ann").json()["items"]) == 4


def test_why_not_answers_for_any_item(client: Client) -> None:
    client.events({"user": "ann", "item": "i00"})
    away = client.get("/v1/placements/home/users/ann/why-not/i09").json()
    assert away["removed_by"] == "unavailable"
    seen = client.get("/v1/placements/home/users/ann/why-not/i00").json()
    assert seen["removed_by"] == "repeat"
    assert client.get("/v1/placements/home/users/ann/why-not/none").status_code == 404
    client.events({"session": "s", "item": "i00"})
    assert client.get("/v1/placements/home/sessions/s/why-not/i00").status_code == 404  # home is for people


def test_exposures_keep_the_placement_and_every_chance(client: Client) -> None:
    explore = {
        "k": 3,
        "explore": {"method": "plackett-luce", "top": 5, "temperature": 1},
        "pin": [{"item": "i25", "position": 2}],
    }
    client.put("/v1/placements/home", json={"placement": explore})
    client.events({"user": "ann", "item": "i00"})
    one = client.get("/v1/placements/home/users/ann").json()
    assert client.get("/v1/placements/home/users/ann").json()["items"] == one["items"]  # a retry is the same list
    assert one["chances"][1] == 1
    assert all(0 < chance <= 1 for chance in one["chances"])
    client.portal.call(client.service.shown.exposures.flush)
    (kept,) = Exposures(client.service.store).of("u:ann")
    assert kept.placement == "home"
    assert kept.chances == pytest.approx(one["chances"], rel=1e-5)
    assert kept.items == [item["item"] for item in one["items"]]


def test_a_file_with_an_unknown_attribute_stops_the_start(make: Make, tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text('[placements.home]\nat_most = [{attribute = "gnre", items = 1}]\n')
    with pytest.raises(ParameterError, match="did you mean 'genre'"):
        make(placements=str(tmp_path / "bad.toml"))
