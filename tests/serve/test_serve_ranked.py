"""A second stage behind HTTP: contexts of events and requests, without LightGBM, with words where it is refused."""

from __future__ import annotations

import copy
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from penchant.data.read import read_interactions
from penchant.ranking.features import compute
from penchant.ranking.ranked import Ranked
from penchant.recommender.recommender import Recommender
from penchant.training.fit import fit
from tests.ranking.test_ranked import DAY, FEW, moody
from tests.serve.conftest import Make

HISTORY = [("i01", "happy"), ("i20", "sad"), ("i07", None)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``moody``, and ``foreign``, whose trees are over other features."""
    root = tmp_path_factory.mktemp("ranked")
    found = fit(read_interactions(moody(), context="mood,noise"), Ranked(**FEW))
    found.save(root / "moody")
    foreign = copy.copy(found.model)
    foreign.assets = {"ranker.txt": found.model.assets["ranker.txt"].replace(b"history.times", b"history.often", 1)}
    Recommender(found.vocab, foreign, found.recipe).save(root / "foreign")
    return root


def sad_share(items: list[dict[str, object]]) -> float:
    return float(np.mean([int(str(one["item"])[1:]) >= 15 for one in items]))


def test_a_service_without_lightgbm_serves_the_second_stage(
    folder: Path, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    client = make(folder=str(folder), active="moody")
    events = [
        {"item": item, "time": int(time.time()) - 60 + n, **({"context": {"mood": mood}} if mood else {})}
        for n, (item, mood) in enumerate(HISTORY)
    ]
    sent = client.events(*({"user": "ann", **one} for one in events))
    assert sent.status_code in {200, 202}, sent.text
    for mood, low, high in (("sad", 0.9, 1), ("happy", 0, 0.1)):
        told = client.get("/v1/users/ann/recommendations", params={"k": 8, "context": f'{{"mood": "{mood}"}}'}).json()
        assert low <= sad_share(told["items"]) <= high and not told["degraded"] and not told["fallback"]
        along = client.post("/v1/recommendations", json={"history": events, "context": {"mood": mood}, "k": 8}).json()
        assert [one["item"] for one in along["items"]] == [one["item"] for one in told["items"]]
    never = client.get("/v1/users/ann/recommendations", params={"context": '{"mood": "hangry"}'}).json()
    none = client.get("/v1/users/ann/recommendations").json()
    assert never["strange"] == ["mood=hangry"] and never["items"] == none["items"]


def test_trees_over_other_features_are_refused_in_words(folder: Path, make: Make) -> None:
    client = make(folder=str(folder), active="moody")
    told = client.post("/v1/models/foreign/activate")
    assert told.status_code >= 400 and "other features" in told.text
    assert client.get("/v1/users/bob/recommendations").status_code == 200


def test_features_of_the_service_are_those_of_the_log_bit_for_bit(
    folder: Path, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = make(folder=str(folder), active="moody")
    logged: list[np.ndarray] = []
    look = Ranked.look
    monkeypatch.setattr(
        Ranked, "look", lambda self, *of: (logged.append((of, look(self, *of))), logged[-1][1])[1]
    )  # what is seen of a request
    log = moody()
    later = (int(time.time()) - 2 * DAY - int(log["time"].max())) // DAY * DAY  # a store keeps no events of long ago
    log = log.with_columns(pl.col("time") + later)
    mine = log.filter(user="u3").sort("time")
    sent = client.events(*(
        {"user": "u3", "item": row["item"], "time": row["time"],
         "context": {"mood": row["mood"] or "", "noise": row["noise"]}}
        for row in mine.iter_rows(named=True)
    ))  # fmt: skip
    assert sent.status_code in {200, 202}, sent.text
    client.get("/v1/users/u3/recommendations", params={"context": '{"mood": "sad"}'})
    (_, asked), served = logged[-1]
    model = client.service.models.active.recommender.model
    whole = read_interactions(log, context="mood,noise")
    row = whole.user_ids.index("u3")
    again = replace(whole.histories()[row : row + 1], asked=asked.given.asked, now=asked.given.now)
    redone = compute(model.statistics, replace(asked, given=again))
    assert len(redone) > 20
    np.testing.assert_array_equal(served.table, redone)


def test_what_a_composite_keeps_is_what_its_members_keep() -> None:
    log = read_interactions(moody(60))
    found = {spec: fit(log, spec).remembering for spec in (
        "blend:members=item-knn+popular", "blend:members=item-knn+user-knn",
        "ranked:members=popular,trees=5", "ranked:members=popular+user-knn,trees=5",
    )}  # fmt: skip
    assert list(found.values()) == [None, "user-knn", None, "user-knn"]
