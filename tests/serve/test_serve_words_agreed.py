"""What is off until the operator turns it on, and people agree: kept texts, moods from words, functions by name."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import polars as pl
import pytest

from penchant.data.catalog import Catalog
from penchant.data.read import read_interactions
from penchant.errors import ParameterError
from penchant.models.item_knn import ItemKNN
from penchant.ranking.ranked import Ranked
from penchant.serve.common.hooks import hook
from penchant.serve.common.settings import Settings
from penchant.training.fit import fit
from tests.every_byte import every_byte
from tests.ranking.test_ranked import FEW, moody, sad_share
from tests.serve.conftest import ITEMS, Client, Make, rows

HAPPY, SAD = "so happy today, what a wonderful day 😊", "I feel so sad and lonely today 😢"


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module of the operator."""
    module = ModuleType("operators_own")
    monkeypatch.setitem(sys.modules, "operators_own", module)
    return module


@pytest.fixture(scope="module")
def moods(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("moods") / "moody"
    fit(read_interactions(moody(), context="mood"), Ranked(**FEW)).save(folder)
    return folder


def kept(client: Client, person: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get(f"/v1/users/{person}/export").json()["events"]
    return [event["context"]["comment"] for event in found if event["context"]]


def in_files(folder: Path, word: bytes) -> bool:
    return word in every_byte(folder.glob("store.db*"))


def test_a_text_is_kept_where_the_operator_and_the_person_want_it_and_erased(make: Make, tmp_path: Path) -> None:
    client = make(keep_text=("quality",), clean_after=0.0)
    text = "Zanzibar is 不错, too \u0000 long"
    client.events(
        {"user": "a", "item": "i01", "text": text, "purpose": "quality"},
        {"user": "a", "item": "i02", "text": "zebra is nice", "purpose": "training"},
        {"user": "b", "item": "i02", "text": "zebra is nice"},
    )
    first, second = kept(client, "a")
    assert first["text"] == text and "text" not in second and "text" not in kept(client, "b")[0]
    assert in_files(tmp_path, b"Zanzibar") and not in_files(tmp_path, b"zebra")
    assert client.delete("/v1/users/a").status_code == 200
    assert client.get("/v1/users/a/export").json()["events"] == []


def test_moods_are_told_by_words_only_where_asked_for(make: Make, moods: Path) -> None:
    for agreed, purpose, expected in ((("mood",), "mood", True), (("mood",), None, False), ((), "mood", False)):
        client = make(folder=str(moods), active="", text_moods=agreed)
        seen: dict[str, Any] = {"user": f"{len(agreed)}{purpose}", "item": "i20"}
        client.events(seen)
        path = f"/v1/users/{seen['user']}/recommendations"
        client.events({**seen, "kind": "view", "text": SAD, "purpose": purpose})
        sad = client.ids(path, k=10)
        client.events({**seen, "kind": "view", "text": HAPPY, "purpose": purpose})
        happy = client.ids(path, k=10)
        told = [comment.get("mood") for comment in kept(client, seen["user"])] if expected else []
        if expected:
            assert sorted(told) == ["happy", "sad"]
            assert sad_share(sad) >= 0.8 and sad_share(happy) <= 0.2
            assert sad_share(client.ids(path, k=10, context='{"mood": "sad"}')) >= 0.8  # what is stated comes first
        else:
            assert abs(sad_share(sad) - sad_share(happy)) <= 0.3


def test_a_function_by_name_orders_lists_for_a_need_and_fails_open(make: Make, own: Any) -> None:
    asked: list[Any] = []

    def backwards(need: str, items: list[Any], history: list[Any]) -> list[Any]:
        asked.append((need, len(history)))
        return [one["item"] for one in reversed(items)]

    own.order, own.broken = backwards, lambda *_: 1 / 0
    plain, mine = make(), make(rerank="operators_own:order")
    plain.events({"user": "a", "item": "i01"})  # the store is that of all
    path, query = "/v1/users/a/recommendations", {"need": "i0", "k": 4}
    first, turned = (client.get(path, params=query).json() for client in (plain, mine))
    ids = [item["item"] for item in first["items"]]
    assert [item["item"] for item in turned["items"]] == ids[::-1] and turned["degraded"] is None
    assert asked == [("i0", 1)]
    onward = [c.get(path, params={**query, "page": a["next"]}).json() for c, a in ((plain, first), (mine, turned))]
    pages = [{item["item"] for item in one["items"]} for one in onward]
    assert pages[0] == pages[1] and not pages[1] & {*ids}  # pages hold the same items, in another order
    assert mine.ids(path, k=4) == plain.ids(path, k=4)  # nobody said what they need
    body = {"history": ["i01"], "need": "i0", "k": 4}
    assert mine.post("/v1/recommendations", json=body).json()["items"][0]["item"] == ids[-1]
    failing = make(rerank="operators_own:broken")
    answer = failing.get(path, params=query).json()
    assert [item["item"] for item in answer["items"]] == ids and "ZeroDivisionError" in answer["degraded"]


def test_a_python_encoder_by_name_reads_new_titles_and_is_counted_when_it_fails(
    make: Make, own: Any, tmp_path: Path
) -> None:
    def letters(texts: list[str]) -> Any:
        return np.array([[text.count(letter) + 1e-3 for letter in "xyz"] for text in texts])

    own.letters = letters
    log = read_interactions(rows(), kinds={"view": 1.0, "dislike": -1.0}, values="weight")
    table = pl.DataFrame({"item": ITEMS, "title": ["xyz"[n // 10] * 3 for n in range(30)]})
    fit(log, ItemKNN(), catalog=Catalog.read(table, log.vocab), text=letters).save(tmp_path / "model")
    client = make(folder=str(tmp_path / "model"), active="", encoder="operators_own:letters")
    client.events({"user": "a", "item": "i01"}, {"user": "a", "item": "i02"})
    client.put("/v1/items/new", json={"title": "x x"})
    assert "new" in client.ids("/v1/users/a/recommendations", k=10)
    assert client.get("/v1/items/new/similar", params={"k": 3}).json()["method"] == "content"
    assert {*client.ids("/v1/items/new/similar", k=3)} <= {*ITEMS[:10]}
    lost = make(folder=str(tmp_path / "model"), active="")  # nobody names the function: the folder holds no code
    assert "new" not in lost.ids("/v1/users/a/recommendations", k=10)
    assert "penchant_text_failures 1.0" in lost.get("/metrics").text


@pytest.mark.parametrize("name", ["order", "a b:c", "os:", ":f", "./x.py:f", "os:system()"])
def test_only_a_module_and_a_function_are_named(name: str) -> None:
    for setting in ("rerank", "encoder"):
        with pytest.raises(ParameterError, match=f"{setting} is module:function"):
            Settings(**{setting: name})


def test_a_function_that_cannot_be_imported_is_told_at_the_start(own: Any) -> None:
    own.number = 3
    assert hook("rerank", "") is None
    for name, message in (("no.such:f", "ModuleNotFoundError"), ("operators_own:gone", "AttributeError")):
        with pytest.raises(ParameterError, match=message):
            hook("rerank", name)
    with pytest.raises(ParameterError, match="is no function"):
        hook("rerank", "operators_own:number")
    with pytest.raises(ParameterError, match="a purpose is letters"):
        Settings(keep_text=("what people like",))
    with pytest.raises(ParameterError, match="rerank_seconds is at least"):
        Settings(rerank_seconds=0.001)
    with pytest.raises(ParameterError, match="rerank_seconds is at most"):
        Settings(rerank_seconds=61)
