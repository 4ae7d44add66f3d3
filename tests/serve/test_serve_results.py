"""Results over HTTP, for Prometheus and on the page."""

from __future__ import annotations

import time

import pytest

from penchant.serve.answers import results as module
from tests.serve.conftest import Client, Make


@pytest.fixture
def busy(make: Make, monkeypatch: pytest.MonkeyPatch) -> Client:
    """Ann clicks one item of her list and buys another; Bob's list is a fallback in another placement."""
    monkeypatch.setattr(module, "FRESH", 0.0)
    client = make(exposures=True)
    client.events({"user": "ann", "item": "i00", "time": int(time.time()) - 100})
    told = client.get("/v1/users/ann/recommendations?k=4&placement=home").json()
    shown = [entry["item"] for entry in told["items"]]
    client.get("/v1/users/bob/recommendations?k=6")
    client.portal.call(client.service.shown.exposures.flush)
    client.events(
        {"user": "ann", "item": shown[0], "kind": "view", "recommendation": told["recommendation"]},
        {"user": "ann", "item": shown[1], "kind": "Buy"},
        {"user": "ann", "item": shown[2], "kind": "impression"},
    )
    return client


def test_the_counts(busy: Client) -> None:
    told = busy.get("/v1/results?days=1").json()
    total = told["total"]
    assert {name: total[name] for name in ("lists", "shown", "seen", "clicked", "bought")} == {
        "lists": 2, "shown": 10, "seen": 1, "clicked": 2, "bought": 1
    }  # fmt: skip
    assert total["fallback_share"] == 0.5
    assert total["click_through"]["mean"] == 0.2
    assert total["click_through"]["low"] < 0.2 < total["click_through"]["high"]
    assert 4 / 30 <= total["coverage"] <= 10 / 30
    assert [one["placement"] for one in told["placements"]] == ["default", "home"]
    assert [one["model"] for one in told["models"]] == [busy.service.models.active.version]
    assert len(told["days"]) == 1


def test_counts_are_used_again_for_a_moment(busy: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FRESH", 1000.0)
    before = busy.get("/v1/results").json()
    busy.get("/v1/users/eve/recommendations")
    busy.portal.call(busy.service.shown.exposures.flush)
    assert busy.get("/v1/results").json() == before
    monkeypatch.setattr(module, "FRESH", 0.0)
    assert busy.get("/v1/results").json()["total"]["lists"] == 3


@pytest.mark.parametrize(("days", "status"), [(0, 422), (1, 200), (366, 200), (367, 422)])
def test_days_have_bounds(busy: Client, days: int, status: int) -> None:
    assert busy.get("/v1/results", params={"days": days}).status_code == status


def test_for_prometheus(busy: Client) -> None:
    busy.service.results._measure(busy.get("/v1/results?days=1").json()["placements"])
    text = busy.get("/metrics").text
    assert 'penchant_results{count="clicked",placement="home"} 2.0' in text
    assert 'penchant_results{count="shown",placement="default"} 6.0' in text
    assert "penchant_exposures_total 2.0" in text
    assert "penchant_exposed_items_total 10.0" in text


def test_the_page(busy: Client) -> None:
    text = busy.get("/ui/results?days=1").text
    assert "<bdi>home</bdi>" in text
    assert f"knn · {busy.service.models.active.version}" in text
    assert "20.00 %" in text
    assert busy.get("/ui/results?days=x").status_code == 200


def test_without_exposures_the_page_says_so(make: Make) -> None:
    assert "exposures = true" in make().get("/ui/results").text


def test_an_empty_store(make: Make) -> None:
    client = make(exposures=True)
    assert "Nothing was shown yet" in client.get("/ui/results").text
    assert client.get("/v1/results").json()["total"]["click_through"] is None


def test_purchases_are_a_setting(make: Make) -> None:
    client = make(exposures=True, purchases=("rent",))
    (item,) = client.ids("/v1/users/ann/recommendations", k=1)
    client.portal.call(client.service.shown.exposures.flush)
    client.events({"user": "ann", "item": item, "kind": "rent"})
    assert client.get("/v1/results").json()["total"]["bought"] == 1
