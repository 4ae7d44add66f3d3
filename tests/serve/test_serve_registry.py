"""Every model of the registry can be fitted, saved, served and asked, with ratings in the log and in the events."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from starlette.testclient import TestClient

from penchant.data.catalog import Catalog
from penchant.data.read import read_interactions
from penchant.models import registry
from penchant.serve.app import make_app
from penchant.serve.common.settings import Settings
from penchant.serve.service import Service
from penchant.training.fit import fit
from tests.models.small import SMALL

ITEMS = [f"i{n:02d}" for n in range(24)]
TINY: dict[str, Any] = {"epochs": 1, "factors": 4, "hidden": 8, "window": 6}
OWN: dict[str, dict[str, Any]] = {"blend": {"members": [{"model": "ease"}, {"model": "item-knn"}]}}


@pytest.fixture(scope="module")
def log() -> Any:
    dice = random.Random(3)
    rows = [
        {
            "user": f"u{user}",
            "item": item,
            "rating": float(dice.randrange(1, 6)),
            "time": 1_700_000_000 + 100 * user + n,
        }
        for user in range(60)
        for n, item in enumerate(dice.sample(ITEMS, 8))
    ]
    return read_interactions(pl.DataFrame(rows), values="rating")


def params(name: str) -> dict[str, Any]:
    known = {one.name for one in registry.model_class(name).hyper_parameters()}
    tiny = {key: value for key, value in TINY.items() if key in known}
    return SMALL.get(name, {}) | tiny | OWN.get(name, {})


@pytest.fixture
def served(request: pytest.FixtureRequest, log: Any, tmp_path: Path) -> Iterator[TestClient]:
    table = pl.DataFrame({"item": ITEMS, "title": ITEMS, "genre": [[f"g{n % 3}"] for n in range(len(ITEMS))]})
    model = registry.create(request.param, params(request.param))
    fit(log, model, catalog=Catalog.read(table, log.vocab)).save(tmp_path / "model")
    settings = Settings(
        folder=str(tmp_path / "model"), store=f"sqlite:///{tmp_path / 'store.db'}", allow_remembered=True
    )
    service = Service(settings)
    service.open()
    with TestClient(make_app(service), base_url="http://localhost") as client:
        yield client


@pytest.mark.parametrize("served", list(registry.MODELS), indirect=True)
def test_every_model_can_be_served_and_asked(served: TestClient) -> None:
    events = [{"user": "ann", "item": "i01", "value": 5.0}, {"user": "ann", "item": "i02", "value": 1.0},
              {"user": "ann", "item": "i03"}, {"user": "bob", "item": "i04", "kind": "dislike"}]  # fmt: skip
    assert served.post("/v1/events", json={"events": events}).status_code == 200
    history = [{"item": "i01", "value": 4.0}, "i05"]
    answers = [
        served.get("/v1/users/ann/recommendations?k=5&why=true"),
        served.get("/v1/users/bob/recommendations?k=5&why=true"),
        served.get("/v1/users/nobody/recommendations?k=5&why=true"),
        served.post("/v1/recommendations", json={"history": history, "k": 5, "why": True}),
    ]
    for answer in answers:
        assert answer.status_code == 200, answer.text
        document = answer.json()
        assert document["degraded"] is None, document["degraded"]
        assert len(document["items"]) == 5
        assert all(math.isfinite(entry["score"]) for entry in document["items"])
    for path in ("/v1/items/i01/similar", "/v1/popular", "/v1/onboarding"):
        assert served.get(path).status_code == 200
    _one_absurd_value_is_harmless(served)


def _one_absurd_value_is_harmless(served: TestClient) -> None:
    for user, value, plain in (("high", 1e9, 5.0), ("low", -1e9, 1.0)):
        sizes, lists = [], []
        for who, rating in ((user, value), (f"plain {user}", plain)):
            events = [{"user": who, "item": "i06", "value": rating}, {"user": who, "item": "i07", "value": 3.0}]
            assert served.post("/v1/events", json={"events": events}).status_code == 200
            document = served.get(f"/v1/users/{who}/recommendations?k=8").json()
            sizes.append(max(abs(entry["score"]) for entry in document["items"]))
            lists.append([entry["item"] for entry in document["items"]])
        assert sizes[0] <= max(10.0, 2 * sizes[1]), f"{value:g}: {sizes}"
        assert lists[0] == lists[1], value
