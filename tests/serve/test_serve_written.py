"""What people write without an item, a search or a reply: it is what they need now, and no interaction."""

from __future__ import annotations

import csv
import io
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penchant import load
from penchant.data.read import read_interactions
from penchant.errors import ParameterError
from penchant.ranking.ranked import Ranked
from penchant.recommender.written import MOST_WORDS, read_needs
from penchant.serve.common.settings import Settings
from penchant.store.exporting import export_log
from penchant.store.log import store_log
from penchant.training.fit import fit
from tests.ranking.test_ranked import FEW, moody, sad_share
from tests.serve.conftest import ITEMS, Client, Make
from tests.serve.test_serve_text import worded
from tests.serve.test_serve_words_agreed import in_files

__all__ = ["worded"]
WEDDING, SECRETS = "looking for a crazy wedding", "well, family secrets please"
SAD, HAPPY = "I feel so sad and lonely today 😢", "so happy today, what a wonderful day 😊"


@pytest.fixture
def client(make: Make, worded: Path) -> Client:
    found = make(folder=str(worded), active="")
    for person in "ab":
        found.events(*({"user": person, "item": item} for item in ("i20", "i21")))
    return found


def listed(client: Client, person: str = "a", k: int = 2, **more: Any) -> Any:
    answer = client.get(f"/v1/users/{person}/recommendations", params={"k": k, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


def ids(answer: Any) -> list[str]:
    return [one["item"] for one in answer["items"]]


def exported(client: Client, person: str = "a") -> Any:
    return client.get(f"/v1/users/{person}/export").json()


def test_two_replies_with_one_history_make_two_lists(client: Client) -> None:
    before = listed(client)
    assert ids(before) == ids(listed(client, "b"))
    done = client.events({"user": "a", "text": WEDDING}, {"user": "b", "text": SECRETS, "kind": "reply"})
    assert done.json() == {"accepted": 2, "duplicates": 0, "errors": []}
    one, other = listed(client, why=True), listed(client, "b", why=True)
    assert {*ids(one)} == {"i11", "i16"} and {*ids(other)} == {"i04", "i09"}
    assert one["recommendation"] == before["recommendation"] or one["recommendation"] is None
    reason = one["items"][0]["why"]["reasons"][0]
    assert reason["name"] == "need" and reason["words"].startswith("from what you wrote (")
    assert not one["fallback"] and one["degraded"] is None
    client.events({"user": "a", "text": SECRETS})  # a later one takes the place of the earlier
    assert {*ids(listed(client))} == {"i04", "i09"}
    assert {*ids(listed(client, need="a crazy wedding"))} == {"i11", "i16"}  # what the request says comes first


def test_it_weighs_what_a_stated_need_weighs(client: Client) -> None:
    stated = listed(client, k=5, need="crazy wedding")
    client.events({"user": "a", "text": "crazy wedding"})
    written = listed(client, k=5)
    assert ids(written) == ids(stated)
    ours, theirs = ([one["score"] for one in answer["items"]] for answer in (written, stated))
    assert np.allclose(ours, theirs, atol=1e-3)  # the vector is kept in half precision


def test_sessions_and_pages(client: Client) -> None:
    path = "/v1/sessions/s/recommendations"
    plain = client.ids(path, k=3)
    client.events({"session": "s", "text": WEDDING, "kind": "search"})
    first = client.get(path, params={"k": 3}).json()
    assert {"i11", "i16"} <= {*ids(first)} and ids(first) != plain
    client.events({"session": "s", "text": SECRETS})  # a list that has begun goes on
    onward = client.get(path, params={"k": 27, "page": first["next"]}).json()
    assert len(onward["items"]) == 27 and not {*ids(first)} & {*ids(onward)}
    client.put("/v1/users/c/attributes", json={"age": 30})
    client.events({"user": "c", "text": WEDDING})
    answer = listed(client, "c")
    assert {*ids(answer)} == {"i11", "i16"} and "segment" not in answer


def test_it_is_a_need_for_a_while(make: Make, worded: Path) -> None:
    client = make(folder=str(worded), active="", need_minutes=10.0)
    client.events({"user": "a", "item": "i20"})
    before, now = ids(listed(client)), int(time.time())
    client.events({"user": "a", "text": WEDDING, "time": now - 601})
    assert ids(listed(client)) == before
    client.events({"user": "a", "text": WEDDING, "time": now - 590})
    assert {*ids(listed(client))} == {"i11", "i16"}
    off = make(folder=str(worded), active="", need_minutes=0.0)
    off.events({"user": "a", "text": WEDDING})
    assert ids(listed(off)) == before
    for wrong in (-1.0, 1441.0):
        with pytest.raises(ParameterError, match="need_minutes is at"):
            Settings(need_minutes=wrong)


def test_it_is_no_interaction(client: Client, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    items, log = client.get("/v1/items").json(), store_log(url)
    known, popular = len(read_interactions(log)), client.ids("/v1/popular", k=30)
    events, count = client.get("/v1/users/a/events").json(), client.service.store.count()
    client.events({"user": "a", "text": WEDDING}, {"user": "z", "text": WEDDING})
    assert client.service.store.count() == count
    assert client.get("/v1/users/a/events").json() == events
    assert client.get("/v1/items").json() == items and client.ids("/v1/popular", k=30) == popular
    assert len(read_interactions(store_log(url))) == known
    assert export_log(url, tmp_path / "log.jsonl") == count
    assert "wedding" not in (tmp_path / "log.jsonl").read_text() and '"z"' not in (tmp_path / "log.jsonl").read_text()


def test_an_id_counts_once(client: Client) -> None:
    said = {"user": "a", "text": WEDDING, "id": "e1"}
    assert client.events(said, said).json()["duplicates"] == 1
    client.events({"user": "a", "text": SECRETS, "id": "e2"}, {"user": "a", "item": "i22", "id": "e3"})
    assert client.events(said).json() == {"accepted": 0, "duplicates": 1, "errors": []}
    assert client.events({**said, "id": "e3"}).json()["duplicates"] == 1  # the id of an event
    assert {*ids(listed(client))} == {"i04", "i09"}  # an old one that is sent again is not the newest
    assert [one["id"] for one in exported(client)["written"]] == ["e1", "e2"]


def test_the_text_is_dropped_unless_it_is_to_be_kept(make: Make, worded: Path, tmp_path: Path) -> None:
    client = make(folder=str(worded), active="", keep_text=("quality",), clean_after=0.0)
    client.events({"user": "a", "item": "i20"})
    text = "zebra: a crazy wedding"
    client.events({"user": "a", "text": text, "purpose": "training"})
    (one,) = exported(client)["written"]
    assert one["context"]["comment"]["need"]["words"] == ["a", "crazy", "wedding"]
    assert "text" not in one["context"]["comment"] and one["purpose"] == "training"
    assert in_files(tmp_path, b"crazy") and not in_files(tmp_path, b"zebra")
    client.events({"user": "a", "text": text, "purpose": "quality"})
    assert exported(client)["written"][1]["context"]["comment"]["text"] == text
    words = listed(client, why=True)["items"][0]["why"]["reasons"][0]["words"]
    assert words.startswith(f"you wrote: {text} (")


def test_it_is_exported_merged_and_erased(client: Client) -> None:
    link = client.post("/v1/users/u/link", json={}).json()
    client.events({"session": "s", "text": WEDDING, "id": "w1"}, {"user": "u", "item": "i20"})
    assert client.post("/v1/users/u/merge", json={"session": "s"}).status_code == 200
    assert {*ids(listed(client, "u"))} == {"i11", "i16"}
    mine = {"Authorization": f"Bearer {link['token']}"}
    (own,) = client.get("/v1/me/export", headers=mine).json()["written"]
    assert own["kept_until"] > own["time"] and client.get("/v1/me", headers=mine).json()["counts"]["written"] == 1
    table = csv.DictReader(io.StringIO(client.get("/v1/me/export.csv", headers=mine).text.lstrip("\ufeff")))
    assert [row["id"] for row in table if row["what"] == "written"] == ["w1"]
    receipt = client.delete("/v1/users/u").json()
    assert receipt["removed"]["written"] == 1 and receipt["removed"]["events"] == 1
    assert exported(client, "u")["written"] == [] and not {"i11", "i16"} & {*ids(listed(client, "u"))}
    again = client.events({"user": "v", "text": WEDDING, "id": "w1"}).json()
    assert again["errors"][0]["field"].endswith("id")  # the id of an erased one
    late = client.events({"user": "u", "text": WEDDING, "time": int(time.time()) - 60}).json()
    assert late["errors"][0]["field"].endswith("time")
    mixed = client.events(
        {"user": "b", "text": WEDDING}, {"user": "u", "text": WEDDING, "time": 1}, {"user": "b", "item": "i22"}
    ).json()
    assert mixed["accepted"] == 2 and [one["index"] for one in mixed["errors"]] == [1]


def test_retention_drops_it(make: Make, worded: Path) -> None:
    client = make(folder=str(worded), active="", keep="search=1h,2d", keep_per_user=3)
    old = int(time.time()) - 3000
    client.events(
        {"user": "a", "text": WEDDING, "kind": "search", "time": old, "id": "s"},
        {"user": "a", "text": WEDDING, "time": old, "id": "r"},
    )
    client.service.store.writer.do_now(lambda at: at.execute("UPDATE written SET time = time - 3600") and None)
    client.portal.call(client.service.tidy)
    assert [one["id"] for one in exported(client)["written"]] == ["r"]
    client.events(*({"user": "a", "text": WEDDING, "id": f"n{n}"} for n in range(4)))
    assert [one["id"] for one in exported(client)["written"]] == ["n1", "n2", "n3"]


def test_choices_hold(client: Client) -> None:
    before = ids(listed(client))
    client.events({"user": "a", "text": WEDDING, "kind": "search"})
    client.patch("/v1/users/a/choices", json={"off_kinds": ["search"]})
    assert ids(listed(client)) == before
    client.patch("/v1/users/a/choices", json={"off_kinds": [], "paused": True})
    assert {*ids(listed(client))} == {"i11", "i16"}
    client.events({"user": "a", "text": SECRETS})
    assert len(exported(client)["written"]) == 1  # nothing is recorded


def test_pseudonyms_name_its_person(make: Make, worded: Path, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_bytes(b"k" * 32)
    key.chmod(0o600)
    client = make(folder=str(worded), active="", pseudonyms=True, pseudonym_key=str(key))
    client.events({"user": "person-of-note", "text": WEDDING})
    assert {*ids(listed(client, "person-of-note"))} == {"i11", "i16"}
    assert not in_files(tmp_path, b"person-of-note")


def test_a_model_without_vectors_of_texts_makes_nothing_of_it(make: Make) -> None:
    client = make()
    client.events({"user": "a", "item": "i01"})
    before = listed(client, why=True)
    assert client.events({"user": "a", "text": "Title 25"}).json()["accepted"] == 1
    after = listed(client, why=True)
    assert after["items"] == before["items"] and after["degraded"] == before["degraded"]
    assert "need" not in exported(client)["written"][0]["context"]["comment"]


@pytest.mark.parametrize("text", ["9999", "\u0000\u0001", "<b></b>", "🙂🙂🙂"])
def test_a_text_that_says_nothing_changes_nothing(client: Client, text: str) -> None:
    before = listed(client, why=True)
    assert client.events({"user": "a", "text": text}).json()["accepted"] == 1
    assert listed(client, why=True)["items"] == before["items"]


@pytest.mark.parametrize(
    ("event", "field"),
    [
        ({}, "item"),
        ({"text": ""}, "item"),
        ({"text": None}, "item"),
        ({"item": None}, "item"),
        ({"text": "x" * 4097}, "text"),
        ({"text": 3}, "text"),
        ({"text": "x", "value": 3}, "value"),
        ({"text": "x", "recommendation": "r_abc"}, "recommendation"),
        ({"text": "x", "time": 1}, "time"),
        ({"text": "x", "time": 9_999_999_999}, "time"),
        ({"item": "", "text": "x"}, "item"),
    ],
)
def test_wrong_input_is_refused(client: Client, event: dict[str, Any], field: str) -> None:
    done = client.events({"user": "a", **event})
    assert done.status_code in {200, 422}
    (told,) = done.json()["errors"]
    assert told["field"].endswith(field)
    assert exported(client)["written"] == []
    assert client.events({"text": "nobody wrote this"}).status_code == 422


def test_what_is_kept_is_bounded(worded: Path) -> None:
    model = load(worded)
    (long,) = read_needs(model, "v", ["love " * 2000 + " ".join(chr(97 + n % 26) for n in range(99))])
    assert long is not None and len(long["words"]) <= MOST_WORDS and len(long["vector"]) < 1000
    assert read_needs(model, "v", []) == [] and read_needs(model, "v", ["", "9999"]) == [None, None]


def test_a_vector_of_another_model_does_not_count(client: Client) -> None:
    client.events({"user": "a", "text": "weddings"})
    near = ids(listed(client))
    assert {*near} <= {*ITEMS[10:20]}
    service = client.service
    sql = 'UPDATE written SET context = replace(context, \'"version": "\', \'"version": "other\')'
    service.store.writer.do_now(lambda at: at.execute(sql) and None)
    assert ids(listed(client)) != near


def test_its_mood_counts_where_it_may(make: Make, tmp_path: Path) -> None:
    fit(read_interactions(moody(), context="mood"), Ranked(**FEW)).save(tmp_path / "moody")
    client = make(folder=str(tmp_path / "moody"), active="", text_moods=("mood",))
    for person in ("n", "m"):  # the second has a history
        path = f"/v1/users/{person}/recommendations"
        if person == "m":
            client.events({"user": "m", "item": "i20"})
        client.events({"user": person, "text": SAD, "purpose": "mood"})
        sad = client.ids(path, k=10)
        client.events({"user": person, "text": HAPPY, "purpose": "mood"})
        happy = client.ids(path, k=10)
        if person == "m":
            assert sad_share(sad) >= 0.8 and sad_share(happy) <= 0.2
            assert sad_share(client.ids(path, k=10, context='{"mood": "sad"}')) >= 0.8
            client.events({"user": "m", "item": "i20", "kind": "view", "text": SAD, "purpose": "mood"})
            assert sad_share(client.ids(path, k=10)) in {sad_share(sad), sad_share(happy)}
        assert [one["context"]["mood"] for one in exported(client, person)["written"]] == ["sad", "happy"]
    client.events({"user": "o", "item": "i20"})
    before = client.ids("/v1/users/o/recommendations", k=10)
    client.events({"user": "o", "text": SAD})  # no consent
    assert client.ids("/v1/users/o/recommendations", k=10) == before
