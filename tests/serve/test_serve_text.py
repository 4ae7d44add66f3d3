"""Words in the service: search by meaning and taste, and new items that have only a title."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from penchant.data.catalog import Catalog
from penchant.data.read import read_interactions
from penchant.models.item_knn import ItemKNN
from penchant.training.fit import fit
from tests.every_byte import every_byte
from tests.serve.conftest import GENRES, ITEMS, Client, Make, rows

WORDS = {
    "drama": ["tragic love story", "family drama", "a broken heart", "love and loss", "family secrets"],
    "comedy": ["funny holiday", "crazy wedding comedy", "laughing friends", "a funny mistake", "comedy night"],
    "noir": ["murder detective", "dark city crime", "the detective returns", "crime and murder", "dark alley"],
}


@pytest.fixture(scope="module")
def worded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved recommender of the planted world whose titles tell the genre."""
    folder = tmp_path_factory.mktemp("worded") / "knn"
    titles = [f"{WORDS[GENRES[n // 10]][n % 5]} {'I' * (1 + n % 10 // 5)}" for n in range(30)]
    log = read_interactions(rows(), kinds={"view": 1.0, "dislike": -1.0}, values="weight")
    catalog = Catalog.read(pl.DataFrame({"item": ITEMS, "title": titles}), log.vocab)
    fit(log, ItemKNN(), catalog=catalog, text="learned").save(folder)
    return folder


@pytest.fixture
def worded_client(make: Make, worded: Path) -> Client:
    return make(folder=str(worded), active="")


def test_words_come_first_and_then_the_meaning(worded_client: Client) -> None:
    assert {*worded_client.ids("/v1/items", q="wedding crazy", k=2)} == {"i11", "i16"}
    found = worded_client.ids("/v1/items", q="one funny night", k=4)  # no title has every word
    assert len(found) == 4 and {*found} <= {*ITEMS[10:20]}
    assert worded_client.ids("/v1/items", q="wedding comedies")[0] in ITEMS[10:20]
    assert worded_client.ids("/v1/items", q="9999") == []


def test_a_need_changes_the_list_and_says_so(worded_client: Client) -> None:
    worded_client.events(*({"user": "a", "item": item} for item in ("i20", "i21")))
    path = "/v1/users/a/recommendations"
    first = worded_client.get(path, params={"need": "a crazy wedding", "k": 3, "why": True}).json()
    found = [item["item"] for item in first["items"]]
    assert {"i11", "i16"} <= {*found} and not first["fallback"]
    assert first["items"][0]["why"]["reasons"][0]["words"].startswith("what was asked for: a crazy wedding (")
    assert "i11" not in worded_client.ids(path, need="a crazy wedding", k=3, exclude="i11")
    assert {*worded_client.ids(path, need="family secrets", k=2)} == {"i04", "i09"}
    onward = worded_client.get(path, params={"need": "a crazy wedding", "k": 3, "page": first["next"]}).json()
    assert len(onward["items"]) == 3 and not {*found} & {item["item"] for item in onward["items"]}
    assert worded_client.get(path, params={"k": 3, "page": first["next"]}).status_code == 422  # another need
    body = {"history": ["i20"], "need": "family secrets", "k": 2}
    asked = worded_client.post("/v1/recommendations", json=body).json()
    assert {item["item"] for item in asked["items"]} == {"i04", "i09"}
    assert worded_client.get(path, params={"need": "x" * 501}).status_code == 422
    assert worded_client.post("/v1/recommendations", json={**body, "need": ""}).status_code == 422


def test_a_person_orders_what_matches(worded_client: Client) -> None:
    worded_client.events(*({"user": "a", "item": item} for item in ("i20", "i21", "i22")))
    everybody = worded_client.ids("/v1/items", q="i", k=30)
    mine = worded_client.ids("/v1/items", q="i", k=30, user="a")
    assert sorted(mine) == sorted(everybody) and mine != everybody
    assert {*mine[:5]} <= {*ITEMS[20:]}
    assert worded_client.ids("/v1/items", q="i", k=30, user="nobody") == everybody
    assert worded_client.get("/v1/items", params={"q": "i", "user": "a", "session": "b"}).status_code == 422


def test_a_new_item_with_only_a_title_reaches_the_right_people_at_once(worded_client: Client) -> None:
    worded_client.events(*({"user": "d", "item": item} for item in ("i00", "i01", "i03")))
    worded_client.events(*({"user": "n", "item": item} for item in ("i20", "i21", "i23")))
    assert worded_client.put("/v1/items/new", json={"title": "murder of the dark detective"}).status_code == 200
    noir = worded_client.ids("/v1/users/n/recommendations", k=5)
    drama = worded_client.ids("/v1/users/d/recommendations", k=5)
    assert "new" in noir and "new" not in drama
    assert worded_client.ids("/v1/items", q="detective", k=20).count("new") == 1
    assert worded_client.patch("/v1/items/new", json={"title": "a tragic family love"}).status_code == 200
    assert "new" in worded_client.ids("/v1/users/d/recommendations", k=5)
    assert "new" not in worded_client.ids("/v1/users/n/recommendations", k=5)


def test_pages_of_a_list_with_new_items_hold_each_item_once(worded_client: Client) -> None:
    worded_client.events(*({"user": "n", "item": item} for item in ("i20", "i21", "i23")))
    for n in range(4):
        worded_client.put(f"/v1/items/new{n}", json={"title": f"dark detective murder {n}"})
    page, shown = None, []
    for _ in range(20):
        params = {"k": 4} | ({} if page is None else {"page": page})
        answer = worded_client.get("/v1/users/n/recommendations", params=params).json()
        shown += [item["item"] for item in answer["items"]]
        page = answer.get("next_page") or answer.get("next")
        if page is None:
            break
    assert len(shown) == len(set(shown)) == 31  # all but those seen


def test_a_comment_changes_the_very_next_answer(client: Client, tmp_path: Path) -> None:
    client.events({"user": "c", "item": "i01"}, {"user": "c", "item": "i11"})
    before = client.ids("/v1/users/c/recommendations", k=30)
    said = "Terrible, much too sentimental: zanzibar"
    assert client.events({"user": "c", "item": "i02", "text": said}).json()["accepted"] == 1
    after = client.ids("/v1/users/c/recommendations", k=30)
    drama = [item for item in before if item < "i10" and item != "i02"]
    assert "i02" not in after
    assert sum(map(after.index, drama)) > sum(map(before.index, drama))  # similar items moved down
    praised = client.events({"user": "p", "item": "i02", "text": "Wonderful, I love it"})
    assert praised.status_code == 200
    assert {*client.ids("/v1/users/p/recommendations", k=4)} <= {*ITEMS[:10]}


def test_of_a_text_only_the_opinion_and_its_words_are_kept(client: Client, tmp_path: Path) -> None:
    client.events({"user": "c", "item": "i02", "text": "不好吃，太甜了 zanzibar", "context": {"device": "tv"}})
    (event,) = client.get("/v1/users/c/export").json()["events"]
    assert event["kind"] == "dislike"
    assert event["context"]["device"] == "tv" and event["context"]["comment"]["opinion"] < -0.25
    assert event["context"]["comment"]["words"][0] == "不好吃"
    held = every_byte(tmp_path.glob("store.db*"))
    assert held and b"zanzibar" not in held
    client.events({"user": "k", "item": "i02", "kind": "buy", "text": "awful"})
    (bought,) = client.get("/v1/users/k/export").json()["events"]
    assert bought["kind"] == "buy" and bought["context"]["comment"]["opinion"] < 0


def test_opinions_that_were_learned_read_comments_in_the_service(make: Make, tmp_path: Path) -> None:
    said = ["blim"] * 30 + ["grok"] * 30
    told = rows().head(60).with_columns(review=pl.Series(said), rating=pl.Series([5.0] * 30 + [1.0] * 30))
    log = read_interactions(told, text="review", opinion="weight", opiner="learn", values="rating")
    fit(log, ItemKNN()).save(tmp_path / "model")
    client = make(folder=str(tmp_path / "model"), active="")
    client.events({"user": "c", "item": "i02", "text": "grok grok"}, {"user": "c", "item": "i03", "text": "blim"})
    against, liked = client.get("/v1/users/c/export").json()["events"]
    assert against["kind"] == "dislike" and liked["kind"] == "comment"


def test_why_tells_what_was_written_and_aspects_filter(make: Make, tmp_path: Path) -> None:
    odd = pl.col.item.str.slice(1).cast(pl.Int64) % 2 == 1  # these have a good plot, the others good music
    plot, music = "the plot is great, the music is awful", "the music is great, the plot is awful"
    told = rows().with_columns(review=pl.when(odd).then(pl.lit(plot)).otherwise(pl.lit(music)))
    log = read_interactions(told, text="review", aspects=True)
    fit(log, ItemKNN()).save(tmp_path / "model")
    client = make(folder=str(tmp_path / "model"), active="")
    client.events({"user": "c", "item": "i02", "text": "the plot is wonderful"}, {"user": "c", "item": "i03"})
    answer = client.get("/v1/users/c/recommendations", params={"why": True, "k": 30}).json()
    parts = [part for item in answer["items"] for part in item["why"]["parts"] if part["item"] == "i02"]
    assert parts and {part["said"] for part in parts} == {"wonderful"}
    liked = {item["item"] for item in answer["items"] if item["why"].get("reasons")}
    where = '{"attribute": "liked for", "in": ["plot"]}'
    filtered = client.ids("/v1/users/c/recommendations", where=where, k=30)
    assert liked and liked == {*filtered} and all(int(item[1:]) % 2 for item in liked)


@pytest.mark.parametrize("text", ["x" * 4096, "\x00\x01", "😡😡", "<b>bad</b>", "bad 很差 плохо", " "])
def test_any_text_is_taken(client: Client, text: str) -> None:
    assert client.events({"user": "c", "item": "i02", "text": text}).json()["accepted"] == 1


@pytest.mark.parametrize("text", ["x" * 4097, "很" * 1366, 3])
def test_a_text_that_is_too_long_is_refused_alone(client: Client, text: object) -> None:
    done = client.events({"user": "c", "item": "i02", "text": text}, {"user": "c", "item": "i03"}).json()
    assert done["accepted"] == 1 and done["errors"][0]["index"] == 0 and done["errors"][0]["field"] == "text"
