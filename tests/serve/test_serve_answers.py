"""Answers: read your writes, filters, reasons, pages, dislikes, what is never silent."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import penchant as pc
from penchant.core.histories import Histories
from penchant.data.read import read_interactions
from penchant.store.database import StoreError
from penchant.training.fit import fit
from tests.serve.conftest import ITEMS, Client, Make, rows

DRAMA = ITEMS[:10]


def scores(client: Client, path: str) -> dict[str, float]:
    return {entry["item"]: entry["score"] for entry in client.get(path).json()["items"]}


def history(client: Client, user: str, *items: str, **more: Any) -> None:
    client.events(*[{"user": user, "item": item, **more} for item in items])


@pytest.mark.parametrize("how", ["stored", "sent along"])
def test_the_answer_is_that_of_the_recommender(client: Client, knn: Path, how: str) -> None:
    events = [{"item": "i00", "kind": "view"}, {"item": "i11", "kind": "cart"}, {"item": "i03", "kind": "unheard of"},
              {"item": "i12", "kind": "dislike"}, {"item": "i00", "kind": "cart", "value": 2.0}]  # fmt: skip
    if how == "stored":
        client.events(*[{"user": "ann", **event} for event in events])
        told = client.get("/v1/users/ann/recommendations", params={"k": 8, "why": "true"}).json()
    else:
        told = client.post("/v1/recommendations", json={"history": events, "k": 8, "why": True}).json()
    expected = pc.load(knn).recommend(events, 8, why=True).to_json()
    assert [entry["item"] for entry in told["items"]] == [entry["item"] for entry in expected["items"]]
    for ours, theirs in zip(told["items"], expected["items"], strict=True):
        assert ours["score"] == pytest.approx(theirs["score"], abs=1e-6)
        assert ours["title"] == theirs["title"]
        ours_parts = {part["item"]: part["contribution"] for part in ours["why"]["parts"]}
        theirs_parts = {part["item"]: part["contribution"] for part in theirs["why"]["parts"]}
        assert ours_parts == pytest.approx(theirs_parts, abs=1e-6)
        total = ours["why"]["base"] + sum(part["contribution"] for part in ours["why"]["parts"])
        assert ours["score"] == pytest.approx(total, abs=1e-5)
    assert told["model"] == expected["model"]
    assert told["user"] == ("ann" if how == "stored" else None)


def test_nothing_of_a_history_that_is_sent_along_is_kept(client: Client) -> None:
    client.post("/v1/recommendations", json={"history": ["i00", "never heard of"]})
    assert client.service.store.count() == 0
    assert "never heard of" not in client.service.models.active.catalogue.vocab


@pytest.mark.parametrize(("wrong", "field"), [
    (5, "history.0"), (None, "history.0"), ("", "history.0.item"), ("a\0", "history.0.item"),
    ({"itm": "a"}, "history.0.item"),
    ({"item": "a", "value": "5"}, "history.0.value"), ({"item": "a", "kind": 1}, "history.0.kind"),
])  # fmt: skip
def test_a_history_that_cannot_be_is_refused_and_its_field_named(client: Client, wrong: Any, field: str) -> None:
    told = client.post("/v1/recommendations", json={"history": [wrong]})
    assert told.status_code == 422
    assert told.json()["errors"][0]["field"] == field


def test_get_and_post_say_the_same(client: Client) -> None:
    history(client, "ann", "i00", "i01")
    where = {"attribute": "genre", "in": ["drama"]}
    got = client.get(
        "/v1/users/ann/recommendations",
        params={"k": 3, "exclude": ["i02", "i03"], "where": json.dumps(where), "why": "true"},
    ).json()
    asked = {"k": 3, "exclude": ["i02", "i03"], "where": where, "why": True}
    posted = client.post("/v1/users/ann/recommendations", json=asked).json()
    for told in (got, posted):
        told.pop("next")  # signed with the moment
    assert got == posted
    assert got["removed"]["exclude"] == 2


@pytest.mark.parametrize("k", [0, -1, 10**9, 1001, "ten", 1.5])
def test_k_is_from_1_to_1000(client: Client, k: Any) -> None:
    for told in (
        client.get("/v1/users/ann/recommendations", params={"k": k}),
        client.post("/v1/users/ann/recommendations", json={"k": k}),
        client.get("/v1/popular", params={"k": k}),
    ):
        assert told.status_code == 422
        assert told.json()["errors"][0]["field"] == "k"


def test_pages_never_repeat_and_hold_everything(client: Client) -> None:
    history(client, "ann", "i00")
    seen, page = [], None
    for n in range(20):
        params = {"k": 4, **({"page": page} if page else {})}
        told = client.get("/v1/users/ann/recommendations", params=params).json()
        seen += [entry["item"] for entry in told["items"]]
        history(client, "ann", f"i{20 + n % 10}")  # what comes later changes the next list, not this one
        if n == 1:
            client.patch(f"/v1/items/{seen[0]}", json={"hidden": True})
            client.put("/v1/items/fresh", json={"title": "New"})
        page = told["next"]
        if page is None:
            break
    assert len(seen) == len(set(seen))
    assert set(ITEMS) - {"i00", "i09"} <= set(seen)
    assert "i00" not in seen


def test_items_that_come_back_before_the_end_of_a_page_shorten_nothing(client: Client) -> None:
    history(client, "ann", "i00")
    whole = client.ids("/v1/users/ann/recommendations", k=28)
    client.post("/v1/items", json={"patch": [{"item": item, "hidden": True} for item in whole[:4]]})
    first = client.get("/v1/users/ann/recommendations?k=3").json()
    client.post("/v1/items", json={"patch": [{"item": item, "hidden": None} for item in whole[:4]]})
    rest = client.get("/v1/users/ann/recommendations", params={"k": 5, "page": first["next"]}).json()
    assert [entry["item"] for entry in rest["items"]] == whole[7:12]
    assert rest["next"] is not None


def test_a_page_survives_a_new_model_and_ends_with_the_second(make: Make, models: Path) -> None:
    client = make(folder=str(models))
    first, second, third = "knn", "popular", "second"
    assert client.post(f"/v1/models/{first}/activate").status_code == 200
    history(client, "ann", "i00")
    whole = client.ids("/v1/users/ann/recommendations", k=6)
    page = client.get("/v1/users/ann/recommendations", params={"k": 3}).json()["next"]
    assert client.post(f"/v1/models/{second}/activate").status_code == 200
    assert client.ids("/v1/users/ann/recommendations", k=3, page=page) == whole[3:]
    assert client.post(f"/v1/models/{third}/activate").status_code == 200
    told = client.get("/v1/users/ann/recommendations", params={"k": 3, "page": page})
    assert told.status_code == 410
    assert told.json()["errors"][0]["field"] == "page"


@pytest.mark.parametrize("change", ["merged", "erased", "segment"])
def test_a_page_of_a_history_that_is_another_now_is_gone(make: Make, change: str) -> None:
    client = make(min_support=1)
    client.events({"session": "s", "item": "i20"})
    history(client, "other", "i25", "i26")
    if change == "segment":
        for user in ("ann", "other"):
            client.patch(f"/v1/users/{user}", json={"attributes": {"country": "NO"}})
    else:
        history(client, "ann", "i00", "i01")
    page = client.get("/v1/users/ann/recommendations?k=3").json()["next"]
    onward = {"k": 3, "page": page}
    assert client.get("/v1/users/ann/recommendations", params=onward).status_code == 200
    if change == "merged":
        client.post("/v1/users/ann/merge", json={"session": "s"})
    elif change == "erased":
        client.delete("/v1/users/ann")
    else:
        client.patch("/v1/users/other", json={"attributes": {"country": "SE"}})
        client.service.trends._kept.clear()
    told = client.get("/v1/users/ann/recommendations", params=onward)
    assert told.status_code == 410
    assert told.json()["errors"][0]["field"] == "page"


def test_a_page_token_cannot_be_made_or_moved(client: Client) -> None:
    history(client, "ann", "i00")
    page = client.get("/v1/users/ann/recommendations", params={"k": 3}).json()["next"]
    tampered = page[:-2] + ("AA" if page[-2:] != "AA" else "BB")
    for user, token in (("ann", tampered), ("bob", page), ("ann", "x"), ("ann", "é"), ("ann", "A" * 2000)):
        told = client.get(f"/v1/users/{user}/recommendations", params={"k": 3, "page": token})
        assert told.status_code == 422
        assert told.json()["errors"][0]["field"] == "page"


def test_a_dislike_hides_its_item_for_a_time_and_lowers_what_resembles_it(make: Make) -> None:
    client = make(dislike_days=30.0)
    now = int(time.time())
    history(client, "ann", "i00", "i10", kind="view")
    before = scores(client, "/v1/users/ann/recommendations?k=28")
    client.events({"user": "ann", "item": "i11", "kind": "dislike"})
    told = client.get("/v1/users/ann/recommendations?k=28&repeat=true").json()
    after = {entry["item"]: entry["score"] for entry in told["items"]}
    assert "i11" not in after
    assert told["removed"]["disliked"] == 1
    assert all(after[item] < before[item] for item in ITEMS[12:20])
    assert all(after[item] == pytest.approx(before[item]) for item in ITEMS[1:9])
    client.events({"user": "bob", "item": "i11", "kind": "dislike", "time": now - 31 * 86_400})
    forgotten = client.get("/v1/users/bob/recommendations?k=29").json()
    assert "i11" in {entry["item"] for entry in forgotten["items"]}
    assert forgotten["fallback"] is True


def test_a_like_after_a_dislike_shows_the_item_again(client: Client) -> None:
    client.events({"user": "ann", "item": "i11", "kind": "dislike"}, {"user": "ann", "item": "i11", "kind": "view"})
    told = client.get("/v1/users/ann/recommendations?k=29&repeat=true").json()
    assert "disliked" not in told["removed"]


def test_dislikes_work_where_training_knew_none(make: Make, tmp_path: Path) -> None:
    log = read_interactions(rows().select("user", "item"))
    fit(log, pc.ItemKNN()).save(tmp_path / "plain")
    client = make(folder=str(tmp_path / "plain"))
    history(client, "ann", "i10", "i00")
    before = scores(client, "/v1/users/ann/recommendations?k=28")
    client.events({"user": "ann", "item": "i11", "kind": "dislike"})
    told = client.get("/v1/users/ann/recommendations?k=28").json()
    after = {entry["item"]: entry["score"] for entry in told["items"]}
    assert "i11" not in after
    assert all(after[item] < before[item] for item in ITEMS[12:20])


def test_older_events_count_as_seen_but_are_not_scored(make: Make) -> None:
    client = make(recent=2)
    history(client, "ann", "i10", "i11", "i00", "i01")
    told = client.get("/v1/users/ann/recommendations?k=5&why=true").json()
    assert "2 older events" in told["degraded"]
    parts = {part["item"] for entry in told["items"] for part in entry["why"]["parts"]}
    assert parts == {"i00", "i01"}
    assert told["removed"]["seen"] == 4


def test_a_list_that_is_too_short_says_so(client: Client) -> None:
    told = client.get("/v1/users/ann/recommendations?k=1000").json()
    assert len(told["items"]) == 29
    assert told["degraded"] == "only 29 of 1000 items: no others may be shown"
    assert told["removed"] == {"unavailable": 1}
    assert told["next"] is None


def test_an_empty_catalogue_answers_with_nothing(client: Client) -> None:
    assert client.post("/v1/items", json={"delete": ITEMS}).json()["deleted"] == 30
    for path in ("/v1/users/ann/recommendations", "/v1/popular", "/v1/latest", "/v1/trending", "/v1/onboarding"):
        told = client.get(path)
        assert told.status_code == 200, path
        assert told.json()["items"] == []
        assert "only 0 of 10" in told.json()["degraded"]


def test_a_model_that_fails_is_not_a_failed_request(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise FloatingPointError("no")

    history(client, "ann", "i00")
    monkeypatch.setattr(client.service.models.active.recommender.model, "top", broken)
    told = client.get("/v1/users/ann/recommendations?k=3").json()
    assert told["degraded"] == "the model failed: this is the popularity list"
    assert told["fallback"] is True
    assert told["items"]
    assert "i00" not in {entry["item"] for entry in told["items"]}
    assert told["next"] is None
    metrics = client.get("/metrics").text
    assert 'penchant_answers_total{kind="degraded"} 1.0' in metrics


@pytest.mark.parametrize("trouble", ["model", "store"])
def test_a_list_never_goes_on_as_another(client: Client, monkeypatch: pytest.MonkeyPatch, trouble: str) -> None:
    history(client, "ann", "i00")
    page = client.get("/v1/users/ann/recommendations?k=3").json()["next"]

    def broken(*_: Any, **__: Any) -> None:
        raise StoreError("the store cannot be read: gone")

    if trouble == "model":
        monkeypatch.setattr(client.service.models.active.recommender.model, "top", broken)
    else:
        monkeypatch.setattr(client.service.store, "history", broken)
    told = client.get("/v1/users/ann/recommendations", params={"k": 3, "page": page})
    assert told.status_code == 503
    assert told.headers["retry-after"] == "1"


def test_a_store_that_cannot_be_read_is_told(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise StoreError("the store cannot be read: gone")

    monkeypatch.setattr(client.service.store, "history", broken)
    told = client.get("/v1/users/ann/recommendations?k=3").json()
    assert len(told["items"]) == 3
    assert told["next"] is None
    assert "the history could not be read" in told["degraded"]


def test_a_segment_stands_in_for_someone_without_events(make: Make) -> None:
    client = make(min_support=3)
    for n in range(3):
        client.patch(f"/v1/users/no{n}", json={"attributes": {"country": "NO", "plan": "free"}})
        history(client, f"no{n}", "i25", "i26" if n else "i25")
    client.patch("/v1/users/se", json={"attributes": {"country": "SE", "plan": "free"}})
    history(client, "se", "i15")
    client.patch("/v1/users/new", json={"attributes": {"country": "NO", "plan": "free"}})
    told = client.get("/v1/users/new/recommendations?k=5").json()
    assert told["fallback"] is True
    assert told["segment"] == {"attribute": "country", "value": "NO", "people": 3}  # the smallest that is large enough
    assert [entry["item"] for entry in told["items"]][:2] == ["i25", "i26"]
    assert len({entry["item"] for entry in told["items"]}) == 5
    first = client.get("/v1/users/new/recommendations?k=2").json()
    for n in range(4):
        history(client, f"no{n % 3}", *[f"i1{m}" for m in range(n + 3)])  # the segment's list is another now
    client.service.trends._kept.clear()
    rest = client.ids("/v1/users/new/recommendations", k=3, page=first["next"])
    assert [entry["item"] for entry in first["items"]] + rest == [entry["item"] for entry in told["items"]]
    client.patch("/v1/users/lone", json={"attributes": {"country": "SE"}})
    assert "segment" not in client.get("/v1/users/lone/recommendations").json()


def test_non_personalised_lists(client: Client) -> None:
    popular = client.get("/v1/popular?k=29").json()
    counts = [entry["score"] for entry in popular["items"]]
    assert counts == sorted(counts, reverse=True)
    similar = client.get("/v1/items/i00/similar?k=5").json()
    assert similar["method"] == "model"
    assert {entry["item"] for entry in similar["items"]} <= set(DRAMA)
    history(client, "ann", "i20")
    history(client, "bob", "i20", "i21")
    assert client.ids("/v1/trending", k=2) == ["i20", "i21"]
    assert client.ids("/v1/popular", k=2, days=1) == ["i20", "i21"]
    assert client.get("/v1/items/none/similar").status_code == 404


def test_onboarding_leaves_popular_items_out_that_resemble_the_others(make: Make, tmp_path: Path) -> None:
    dice = random.Random(5)
    genre_of = [0] * 60 + [1] * 20 + [2] * 10  # most people keep to the first genre, so its items are the popular ones
    events = [
        {"user": f"t{user}", "item": ITEMS[genre * 10 + n]}
        for user, genre in enumerate(genre_of)
        for n in dice.sample(range(10), 5)
    ]
    fit(read_interactions(pl.DataFrame(events)), "item-knn").save(tmp_path / "skewed")
    client = make(folder=str(tmp_path / "skewed"))

    def genres(path: str) -> set[int]:
        return {ITEMS.index(item) // 10 for item in client.ids(path, k=3)}

    assert genres("/v1/popular") == {0}
    assert genres("/v1/onboarding") == {0, 1, 2}


def test_nan_scores_degrade_the_answer_and_the_log_names_the_model(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def nan(_: object, given: Histories) -> np.ndarray:
        return np.full(len(given.items), np.nan, np.float32)

    history(client, "ann", "i00", "i11")
    assert client.ids("/v1/users/ann/recommendations", k=3)
    monkeypatch.setattr(type(client.service.models.active.recommender.model), "coefficients", nan)
    history(client, "ann", "i12")
    answer = client.get("/v1/users/ann/recommendations", params={"k": 3}).json()
    assert answer["degraded"] and len(answer["items"]) == 3, "the popularity list, and it says so"
    assert "item-knn: its scores of history 0 (counted from 0) are not numbers (NaN)" in caplog.text


@pytest.mark.parametrize("how", ["stored", "sent along"])
def test_contexts_reach_the_model(tmp_path: Path, make: Make, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    log = rows()
    moods = ["sad" if n % 2 else "happy" for n in range(len(log))]
    recommender = fit(read_interactions(log.with_columns(mood=pl.Series(moods)), context="mood"), "item-knn")
    recommender.save(tmp_path / "moody" / "one")
    client = make(folder=str(tmp_path / "moody"))
    seen: list[Histories] = []
    model = client.service.models.active.recommender.model
    top = type(model).top
    monkeypatch.setattr(
        type(model), "top", lambda self, given, *a, **b: (seen.append(given), top(self, given, *a, **b))[1]
    )
    events = [{"item": "i00", "context": {"mood": "happy"}}, {"item": "i11"}]
    if how == "stored":
        history(client, "ann", "i00", context={"mood": "happy", "deep": {"x": 1}})
        history(client, "ann", "i11")
        told = client.get("/v1/users/ann/recommendations", params={"context": '{"mood": "SAD", "hat": "red"}'})
    else:
        asked = {"history": events, "context": {"mood": "SAD", "hat": "red"}}
        told = client.post("/v1/recommendations", json=asked)
    assert told.json()["strange"] == ["hat=red"]
    assert seen[-1].asked is not None and seen[-1].asked.tolist() == [[1]]
    assert seen[-1].context is not None and seen[-1].context.tolist() == [[0], [-1]]
    wrong = client.get("/v1/users/ann/recommendations", params={"context": "sad"})
    assert wrong.status_code == 422 and "context" in wrong.text
