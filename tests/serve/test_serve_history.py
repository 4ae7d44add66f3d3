"""Events become a history as they did in training: the rows of a log, sent to the service, are the row of that log."""

from __future__ import annotations

import itertools
import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import penchant as pc
from penchant.data.interactions import Interactions
from penchant.data.read import read_interactions
from penchant.serve.answers.history import history_of
from penchant.training.fit import fit
from tests.serve.conftest import ITEMS, Client, Make

DAY = 86_400
NOW = int(time.time())
READ: dict[str, dict[str, Any]] = {
    "items": {},
    "kinds": {"kinds": {"view": 1.0, "cart": 3.0}, "values": "weight"},
    "weights": {"values": "weight"},
    "ratings": {"values": "rating", "positive": "value>=4"},
}


def table(how: str) -> pl.DataFrame:
    """Forty people with dates, and what the recipe speaks of; some come back to an item."""
    dice, now = random.Random(1), int(time.time())
    rows: list[dict[str, Any]] = []
    for user in range(40):
        chosen = [dice.choice(ITEMS[user % 3 * 10 :][:10]) for _ in range(8)]
        for item in chosen:
            row = {"user": f"u{user}", "item": item, "time": now - dice.randrange(400) * DAY - dice.randrange(DAY)}
            if how == "kinds":
                row["kind"] = dice.choice(["view", "cart", "never named"])
            if how in {"kinds", "weights"}:
                row["value"] = dice.choice([0.5, 1.0, 2.25])
            if how == "ratings":
                row["value"] = float(dice.randrange(1, 6))
            rows.append(row)
    return pl.DataFrame(rows)


@pytest.fixture(params=READ)
def world(request: pytest.FixtureRequest, tmp_path: Path, make: Make) -> tuple[pl.DataFrame, Interactions, Client]:
    rows = table(request.param)
    log = read_interactions(rows, **READ[request.param])
    fit(log, pc.ItemKNN(half_life=3.0, window=6)).save(tmp_path / "model")
    return rows, log, make(folder=str(tmp_path / "model"), keep="0")


def test_a_history_is_the_row_of_the_log(world: tuple[pl.DataFrame, Interactions, Client]) -> None:
    rows, log, client = world
    loaded = client.service.models.active
    assert client.events(*rows.sample(fraction=1, shuffle=True, seed=0).to_dicts()).json()["accepted"] == len(rows)
    for user in ("u0", "u1", "u2", "u17"):
        learned = log.history_of(user)
        stored = client.service.store.history(f"u:{user}")
        served = history_of(loaded, stored, int(time.time()), recent=500, dislike_days=180.0).given
        for name in ("items", "values", "liked", "times"):
            ours, theirs = getattr(served, name), getattr(learned, name)
            assert (ours is None) == (theirs is None), name
            assert ours is None or np.array_equal(ours, theirs), name
        assert served.values_are == learned.values_are
        told = client.get(f"/v1/users/{user}/recommendations?k=20&repeat=true").json()
        scores = {entry["item"]: entry["score"] for entry in told["items"]}
        expected = loaded.recommender.model.score(learned)[0]
        assert scores == {
            item: pytest.approx(float(expected[log.vocab.encode([item])[0]]), abs=1e-6) for item in scores
        }
        assert max(scores.values()) > 0


EVENT = st.fixed_dictionaries({
    "item": st.sampled_from([*ITEMS[:6], *ITEMS[10:13], "never seen"]),
    "kind": st.sampled_from(["view", "cart", "dislike"]),
    "time": st.integers(0, 5).map(lambda days: NOW - days * DAY),
})  # fmt: skip


def test_events_out_of_order_answer_as_the_library_does(client: Client, knn: Path) -> None:
    recommender, number = pc.load(knn), itertools.count()

    @given(st.lists(EVENT, min_size=1, max_size=8))
    @settings(deadline=None, max_examples=150)
    def answers_agree(events: list[dict[str, Any]]) -> None:
        user = f"p{next(number)}"
        assert client.events(*[{"user": user, **event} for event in events]).status_code == 200
        for repeat in (False, True):
            expected = recommender.recommend(events, 30, now=NOW, repeat=repeat).to_json()
            stored = client.get(f"/v1/users/{user}/recommendations", params={"k": 30, "repeat": repeat}).json()
            sent = client.post("/v1/recommendations", json={"history": events, "k": 30, "repeat": repeat}).json()
            agree(stored, expected)
            agree(sent, expected)

    def agree(ours: dict[str, Any], expected: dict[str, Any]) -> None:
        known = {entry["item"]: entry["score"] for entry in ours["items"] if entry["item"] in recommender.vocab}
        assert list(known) == [entry["item"] for entry in expected["items"]]
        assert list(known.values()) == pytest.approx([entry["score"] for entry in expected["items"]], abs=1e-6)

    answers_agree()


def known(answer: dict[str, Any], recommender: Any) -> list[str]:
    return [entry["item"] for entry in answer["items"] if entry["item"] in recommender.vocab]


def test_pages_continue_whatever_is_backfilled_between_them(client: Client, knn: Path) -> None:
    recommender, number = pc.load(knn), itertools.count()

    @given(st.lists(EVENT, min_size=1, max_size=6), st.lists(EVENT, min_size=1, max_size=4), st.booleans())
    @settings(deadline=None, max_examples=60)
    def pages_are_one_list(events: list[dict[str, Any]], later: list[dict[str, Any]], repeat: bool) -> None:
        user = f"q{next(number)}"
        client.events(*[{"user": user, **event} for event in events])
        expected = recommender.recommend(events, 30, now=NOW, repeat=repeat).to_json()
        found: list[str] = []
        params: dict[str, Any] = {"k": 4, "repeat": repeat}
        while True:
            page = client.get(f"/v1/users/{user}/recommendations", params=params)
            assert page.status_code == 200, page.text
            found += known(page.json(), recommender)
            if later:
                client.events({"user": user, **later.pop()})  # older or newer than all before, seen or disliked
            if (token := page.json()["next"]) is None:
                break
            params["page"] = token
        assert found == [entry["item"] for entry in expected["items"]]

    pages_are_one_list()


def test_what_retention_keeps_answers_as_those_events_alone(make: Make, knn: Path) -> None:
    most, recommender, number = 3, pc.load(knn), itertools.count()
    client = make(keep_per_user=most)
    due = list[int]()  # to be dropped, by this test or by the run at the start, which may still go on

    @given(st.lists(EVENT, min_size=1, max_size=8))
    @settings(deadline=None, max_examples=60)
    def answers_agree(events: list[dict[str, Any]]) -> None:
        user = f"r{next(number)}"
        client.events(*[{"user": user, **event} for event in events])
        ordered = sorted(enumerate(events), key=lambda pair: (pair[1]["time"], pair[0]))  # by time, then as accepted
        left = [event for _, event in ordered[-most:]]
        expected = [entry["item"] for entry in recommender.recommend(left, 30, now=NOW).to_json()["items"]]
        before = client.get(f"/v1/users/{user}/recommendations?k=30").json()
        due.append(max(0, len(events) - most))
        client.portal.call(client.service.tidy)
        assert client.service.store.clock().dropped_many == sum(due)
        after = client.get(f"/v1/users/{user}/recommendations?k=30").json()
        assert known(before, recommender) == known(after, recommender) == expected
        listed = client.get(f"/v1/users/{user}/events").json()["events"]
        assert [event["item"] for event in listed] == [event["item"] for event in left[::-1]]

    answers_agree()
