"""Attributes of people behind HTTP: set by PATCH or from a table, learned from in training, used before any event."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from penchant.cli.main import main
from penchant.core.run import Run
from penchant.data.read import read_interactions
from penchant.recommender.recommender import load
from penchant.store.described import described_people
from penchant.training.fit import fit
from penchant.training.loop.data import read_data
from penchant.training.loop.settings import TrainSettings
from tests.ranking.test_attributes_of_people import DAY, few, south, visits
from tests.serve.conftest import Make


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("people")
    events, users = visits()
    fit(read_interactions(events, users=users), few(), run=Run(threads=1)).save(root / "model")
    return root


def asked(client: Any, user: str, **params: Any) -> dict[str, Any]:
    return dict(client.get(f"/v1/users/{user}/recommendations", params={"k": 8, **params}).json())


def ids(answer: dict[str, Any]) -> list[str]:
    return [one["item"] for one in answer["items"]]


def test_attributes_of_a_person_turn_the_list_before_any_event(folder: Path, make: Make) -> None:
    client = make(folder=str(folder))
    assert asked(client, "ann")["fallback"]
    for region, low, high in (("north", 0, 0.2), ("south", 0.8, 1)):
        said = client.patch("/v1/users/ann", json={"attributes": {"region": region, "age": 31, "shoe": 42}})
        assert said.status_code == 200
        found = asked(client, "ann", why=True)
        assert low <= south(ids(found)) <= high
        assert not found["fallback"]
        assert "segment" not in found
        assert not found.get("strange")
        along = client.post(
            "/v1/recommendations", json={"history": [], "context": {"region": region, "age": 31}, "k": 8}
        )
        assert ids(along.json()) == ids(found)
        assert any(f"region = {region}" in one["words"] for item in found["items"] for one in item["why"]["reasons"])
    stated = asked(client, "ann", context='{"region": "north"}')
    assert south(ids(stated)) <= 0.2  # what the request says of the person goes before what is stored
    page = client.get("/v1/users/ann/recommendations", params={"k": 4}).json()
    more = client.get("/v1/users/ann/recommendations", params={"k": 4, "page": page["next"]}).json()
    assert not {*ids(page)} & {*ids(more)}
    client.patch("/v1/users/ann", json={"attributes": {"region": "north"}})
    gone = client.get("/v1/users/ann/recommendations", params={"k": 4, "page": page["next"]})
    assert gone.status_code == 410
    client.patch("/v1/users/ann/choices", json={"private": True})
    assert asked(client, "ann")["fallback"]


def test_a_table_goes_into_the_store_and_training_takes_it_from_there(
    folder: Path, make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    client = make(folder=str(folder))
    url = client.service.settings.store
    client.events({"user": "u3", "item": "i01"})
    assert client.delete("/v1/users/u3").status_code == 200
    events, users = visits()
    later = (int(time.time()) - 2 * DAY - int(events["time"].max())) // DAY * DAY  # type: ignore[arg-type]
    events.with_columns(events["time"] + later).write_csv(tmp_path / "log.csv")
    users.write_csv(tmp_path / "users.csv")
    arguments = [str(tmp_path / "log.csv"), "--users", str(tmp_path / "users.csv"), "--store", url, "--keep", "0"]
    assert main(["events", "import", *arguments]) == 0
    told = capsys.readouterr().out
    assert "the attributes of 119 users were imported" in told
    assert "1 user was erased once" in told
    assert client.get("/v1/users/u4").json()["attributes"] == {"region": "north", "age": 24}
    assert client.get("/v1/users/u3").json()["attributes"] == {}
    assert described_people(url).of("u4") == {"region": "north", "age": 24}
    model = str(tmp_path / "again")
    fitted = [
        "fit",
        "--store",
        url,
        "--users",
        "store",
        "-m",
        "ranked:members=popular,trees=5",
        "-o",
        model,
        "--threads",
        "1",
    ]
    assert main(fitted) == 0
    assert sorted(load(model).recipe.people) == ["age", "region"]
    live = load(folder / "model")
    data = read_data(TrainSettings(), _metric(), store=url, live=live)
    assert data.log.recipe.people
    assert data.log.context is not None
    plain = read_data(TrainSettings(), _metric(), store=url)
    assert not plain.log.recipe.people
    assert plain.fingerprint != data.fingerprint
    with_store = read_data(TrainSettings(users="store"), _metric(), store=url)
    assert with_store.log.recipe.people


def _metric() -> Any:
    from penchant.evaluation.measure import parse_metric

    return parse_metric("ndcg@10")
