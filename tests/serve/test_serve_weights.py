"""To every model that takes weights, one absurd weight counts as the largest of training: library and service."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from starlette.testclient import TestClient

from penchant.data.catalog import Catalog
from penchant.data.read import read_interactions
from penchant.models import registry
from penchant.recommender.recommender import Recommender, load
from penchant.serve.app import make_app
from penchant.serve.common.settings import Settings
from penchant.serve.service import Service
from penchant.training.fit import fit
from tests.serve.test_serve_registry import ITEMS, params

MODELS = [name for name in registry.MODELS if registry.model_class(name).task != "rating"]
START = 1_700_000_000
HIGH, LOW = 9.0, -3.0  # of a person and item: the largest is 4 + 5, the smallest -3


@pytest.fixture(scope="module", params=MODELS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    dice = random.Random(5)
    rows = [
        {"user": f"u{user}", "item": item, "weight": dice.choice([1.0, 2.5, 4.0]), "time": START + 100 * user + n}
        for user in range(60)
        for n, item in enumerate(dice.sample(ITEMS, 8))
    ]
    extremes = [("a", "i01", 4.0), ("a", "i01", 5.0), ("b", "i02", -3.0), ("b", "i03", 1.0)]
    rows += [{"user": u, "item": i, "weight": w, "time": START + n} for n, (u, i, w) in enumerate(extremes)]
    log = read_interactions(pl.DataFrame(rows), values="weight", weight="raw")
    table = pl.DataFrame({"item": ITEMS, "title": ITEMS, "genre": [[f"g{n % 3}"] for n in range(len(ITEMS))]})
    model = registry.create(request.param, params(request.param))
    saved = tmp_path_factory.mktemp("weights") / "model"
    fit(log, model, catalog=Catalog.read(table, log.vocab)).save(saved)
    return saved


@pytest.fixture
def served(folder: Path, tmp_path: Path) -> Iterator[TestClient]:
    settings = Settings(folder=str(folder), store=f"sqlite:///{tmp_path / 'store.db'}", allow_remembered=True)
    service = Service(settings)
    service.open()
    with TestClient(make_app(service), base_url="http://localhost") as client:
        yield client


def events(*weights: float) -> list[dict[str, Any]]:
    """One event of each weight, and two ordinary ones."""
    items = ["i06", "i11", "i17"]
    chosen = zip(items, (*weights, 2.5, 1.0)[: len(items)], strict=True)
    return [{"item": item, "value": value, "time": START + n} for n, (item, value) in enumerate(chosen)]


def scores(recommender: Recommender, history: list[dict[str, Any]]) -> bytes:
    given, _ = recommender.histories(history, now=START + 60)
    return recommender.model.score(given).tobytes()


def test_in_the_library(folder: Path) -> None:
    found = load(folder)
    assert found.recipe.weight_range == (LOW, HIGH)
    free = Recommender(found.vocab, found.model, replace(found.recipe, weight_range=None), found.catalog)
    for ordinary in (events(HIGH), events(LOW), events(0.01, -0.01), events(HIGH, LOW), [*events(4.0), *events(5.0)]):
        assert scores(found, ordinary) == scores(free, ordinary)
    assert scores(found, events(1e9)) == scores(found, events(HIGH))
    assert scores(found, events(-1e9)) == scores(found, events(LOW))
    assert scores(found, events(1e9, -1e9)) == scores(found, events(HIGH, LOW))


def test_in_the_service(served: TestClient) -> None:
    start = int(time.time()) - 60  # events of long ago are not kept
    for n, (absurd, plain) in enumerate([(1e9, HIGH), (-1e9, LOW)]):
        lists = []
        for who, weight in ((f"absurd {n}", absurd), (f"plain {n}", plain)):
            sent = [{"user": who, **event, "time": start + at} for at, event in enumerate(events(weight))]
            assert served.post("/v1/events", json={"events": sent}).status_code == 200
            answer = served.get(f"/v1/users/{who}/recommendations?k=8").json()
            asked = served.post("/v1/recommendations", json={"history": events(weight), "k": 8}).json()
            lists.append([(one["item"], one["score"]) for each in (answer, asked) for one in each["items"]])
        assert [item for item, _ in lists[0]] == [item for item, _ in lists[1]]
        assert [score for _, score in lists[0]] == pytest.approx([score for _, score in lists[1]], rel=1e-4, abs=1e-6)
