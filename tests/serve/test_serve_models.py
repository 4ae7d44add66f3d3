"""Models: list, activate, roll back; swaps without a failed request, broken folders that replace nothing."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from threading import current_thread
from typing import Any

import pytest

import penchant as pc
from penchant.errors import DataError, ParameterError, PenchantError
from penchant.models.kinds.base import Model
from penchant.serve.answers.models import ServedModel
from penchant.serve.catalogue.live import LiveCatalogue
from penchant.serve.common.settings import Settings
from penchant.serve.service import Service
from penchant.store.database import Statement, StoreError
from penchant.store.event_loop import QUICK
from penchant.store.items import ItemChange
from tests.serve.conftest import ITEMS, Client, Make

POOLS = ("penchant-reader", "penchant-heavy")  # names of threads beside the event loop


@pytest.fixture
def own(models: Path, tmp_path: Path) -> Path:
    """Models that a test may break."""
    return Path(shutil.copytree(models, tmp_path / "own"))


def active(client: Client) -> str:
    (name,) = [one["name"] for one in client.get("/v1/models").json()["models"] if one["active"]]
    return str(name)


def test_the_list_says_what_each_folder_holds(make: Make, own: Path) -> None:
    (own / "knn.evaluation.json").write_text('{"models": [{"metrics": {"ndcg@10": {"mean": 0.1}}}]}')
    (own / "junk").mkdir()
    (own / "half").mkdir()
    (own / "half" / "manifest.json").write_text("{")
    client = make(folder=str(own))
    told = {one["name"]: one for one in client.get("/v1/models").json()["models"]}
    assert set(told) == {"knn", "second", "popular", "half"}
    assert told["knn"]["model"] == "item-knn"
    assert told["knn"]["version"] == pc.load(own / "knn").version
    assert told["knn"]["evaluation"]["models"][0]["metrics"]["ndcg@10"]["mean"] == 0.1
    assert "cannot be read" in told["half"]["broken"]
    assert sum(one["active"] for one in told.values()) == 1


@pytest.mark.parametrize("text", ['{"models": [NaN, Infinity]}', "[" * 100_000, "{", "\xff"])
def test_whatever_stands_beside_a_folder_the_list_is_told(make: Make, own: Path, text: str) -> None:
    (own / "knn.evaluation.json").write_bytes(text.encode("latin-1"))
    (own / "half").mkdir()
    (own / "half" / "manifest.json").write_bytes(text.encode("latin-1"))
    shutil.copytree(own / "knn", own / os.fsdecode(b"\xff"))
    client = make(folder=str(own))
    told = {one["name"]: one for one in client.get("/v1/models").json()["models"]}
    assert set(told) == {"knn", "second", "popular", "half"}
    assert told["half"]["broken"]
    assert client.get("/ui/models").status_code == 200
    assert client.post("/v1/models/half/activate").status_code == 409


def test_activate_and_roll_back(make: Make, own: Path) -> None:
    client = make(folder=str(own))
    for name in ("knn", "popular"):
        assert client.post(f"/v1/models/{name}/activate").json()["active"] == name
        assert active(client) == name
        assert client.get("/v1/popular").json()["model"]["version"] == pc.load(own / name).version
    assert client.post("/v1/models/rollback").json()["active"] == "knn"
    assert make(folder=str(own)).get("/readyz").json()["version"] == pc.load(own / "knn").version  # after a restart


def test_a_model_activated_by_hand_and_rolled_back_is_not_returned_to(make: Make, own: Path) -> None:
    client = make(folder=str(own))
    for name in ("popular", "knn", "second"):
        client.post(f"/v1/models/{name}/activate")
    assert client.post("/v1/models/rollback").json()["active"] == "knn"
    client = make(folder=str(own))  # nothing is loaded but the active model
    assert client.post("/v1/models/rollback").json()["active"] == "popular"  # not second, which was bad
    client.post("/v1/models/second/activate")  # by hand it may be, and then it counts as good
    client.post("/v1/models/knn/activate")
    assert client.post("/v1/models/rollback").json()["active"] == "second"


def test_the_model_that_was_there_first_can_be_returned_to(make: Make, own: Path) -> None:
    client = make(folder=str(own))
    first = active(client)
    client.post(f"/v1/models/{'knn' if first != 'knn' else 'popular'}/activate")
    assert make(folder=str(own)).post("/v1/models/rollback").json()["active"] == first


def test_a_roll_back_is_at_once_whatever_became_of_the_folder(make: Make, own: Path) -> None:
    client = make(folder=str(own))
    for name in ("knn", "popular"):
        client.post(f"/v1/models/{name}/activate")
    was, page = client.service.models.loaded[1], client.get("/v1/users/ann/recommendations?k=3").json()["next"]
    client.put("/v1/items/new", json={"title": "N"})
    shutil.rmtree(own / "knn")
    assert client.post("/v1/models/rollback").json()["active"] == "knn"
    assert client.service.models.active is was
    assert client.get("/v1/items/new").json()["title"] == "N"
    assert client.get("/v1/users/ann/recommendations", params={"k": 3, "page": page}).status_code == 200


def test_a_swap_that_cannot_be_noted_is_none(make: Make, own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = make(folder=str(own))
    before = active(client)

    async def full(_: object) -> None:
        raise StoreError("the store cannot be written: database or disk is full")

    monkeypatch.setattr(client.service.store.writer, "do", full)
    assert client.post(f"/v1/models/{'knn' if before != 'knn' else 'popular'}/activate").status_code == 503
    assert active(client) == before


def test_there_may_be_nothing_to_roll_back_to(client: Client) -> None:
    told = client.post("/v1/models/rollback")
    assert told.status_code == 409


@pytest.mark.parametrize("damage", ["gone", "cut", "changed", "manifest"])
def test_a_broken_folder_never_replaces_a_good_one(make: Make, own: Path, damage: str) -> None:
    client = make(folder=str(own))
    client.post("/v1/models/knn/activate")
    file = own / "second" / "model.safetensors"
    if damage == "gone":
        file.unlink()
    elif damage == "cut":
        file.write_bytes(file.read_bytes()[:-10])
    elif damage == "changed":
        file.write_bytes(file.read_bytes()[:-1] + b"\x01")
    else:
        (own / "second" / "manifest.json").write_text("{}")
    told = client.post("/v1/models/second/activate")
    assert told.status_code == 409
    assert "the active model stays" in told.json()["detail"]
    assert active(client) == "knn"
    assert client.get("/v1/users/a/recommendations").status_code == 200


def test_a_restart_passes_over_a_broken_folder(make: Make, own: Path) -> None:
    make(folder=str(own), active="knn").post("/v1/models/second/activate")
    (own / "second" / "model.safetensors").unlink()
    assert active(make(folder=str(own), active="popular")) == "knn"  # the one before


def test_the_first_start_over_several_folders_needs_a_name(own: Path, make: Make, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"--active NAME: knn, popular, second"):
        Service(Settings(folder=str(own), store=f"sqlite:///{tmp_path / 'store.db'}")).open()
    with pytest.raises(ParameterError, match="there is no model 'none', only knn, popular, second"):
        make(folder=str(own), active="none")
    assert active(make(folder=str(own), active="popular")) == "popular"
    assert active(make(folder=str(own), active="knn")) == "popular"  # it is for the first start only


def test_a_new_folder_does_not_become_active_by_itself(own: Path, make: Make) -> None:
    assert active(make(folder=str(own), active="knn")) == "knn"
    shutil.copytree(own / "second", own / "third")
    assert active(make(folder=str(own), active="")) == "knn"
    (own / "knn" / "model.safetensors").unlink()
    with pytest.raises(DataError, match=r"the active model cannot be loaded .*--active: knn, popular, second, third"):
        make(folder=str(own), active="")
    assert active(make(folder=str(own), active="third")) == "third"


def test_a_folder_deleted_while_it_serves(make: Make, own: Path) -> None:
    client = make(folder=str(own / "knn"))
    shutil.rmtree(own / "knn")
    client.events({"user": "ann", "item": "i00"})
    told = client.get("/v1/users/ann/recommendations").json()
    assert told["degraded"] is None
    assert told["items"]
    (listed,) = client.get("/v1/models").json()["models"]
    assert listed["broken"] == "its folder is gone"
    assert client.post("/v1/models/knn/activate").status_code == 404


def test_slow_models_answer_beside_the_event_loop(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    client = make()
    client.service.models.active.seconds = 1.0
    client.events({"user": "ann", "item": "i00"}, {"user": "ann", "item": "fresh"})
    told = client.get("/v1/users/ann/recommendations?why=true").json()
    assert told["removed"]["seen"] == 2
    assert client.get("/v1/items/i00/similar").status_code == 200


@pytest.mark.parametrize("path", ["/v1/onboarding", "/v1/items/i00/similar", "/v1/items?q=title", "/v1/trending"])
def test_lists_are_made_beside_the_event_loop(client: Client, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[str] = []
    select = LiveCatalogue.select
    monkeypatch.setattr(LiveCatalogue, "select", lambda *given: (used.append(current_thread().name), select(*given))[1])
    assert client.get(path).status_code == 200
    assert used
    assert all(name.startswith(POOLS) for name in used)


def test_people_are_counted_beside_the_event_loop(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    client = make(min_support=1)
    service, used = client.service, []
    client.patch("/v1/users/ann", json={"attributes": {"country": "NO"}})
    client.patch("/v1/users/bob", json={"attributes": {"country": "NO"}})
    client.events({"user": "ann", "item": "i20"})
    count = service.trends._count("segment", service.models.active.kinds)
    read, counts = service.store.database.read, {service.trends._support, count}

    def noted(statement: Statement, **named: object) -> list[tuple[Any, ...]]:
        if statement in counts:
            used.append(current_thread().name)
        return read(statement, **named)

    monkeypatch.setattr(service.store.database, "read", noted)
    told = client.get("/v1/users/bob/recommendations").json()
    assert told["segment"] == {"attribute": "country", "value": "NO", "people": 1}
    assert len(used) == 2
    assert all(name.startswith(POOLS) for name in used)
    client.get("/v1/users/bob/recommendations")
    assert len(used) == 2  # kept for some seconds
    assert 'penchant_answers_total{kind="fallback"} 2.0' in client.get("/metrics").text  # once each


@pytest.mark.parametrize(("grows", "events", "k", "slow"), [
    (False, 5, 1, False), (False, 1, 5, True), (True, 1, 5, False), (True, 5, 1, True),
])  # fmt: skip
def test_reasons_that_take_long_are_found_beside_the_event_loop(
    client: Client, grows: bool, events: int, k: int, slow: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of one item each cost the same, or those of one event each: leaving every event out once."""
    active, used = client.service.models.active, []
    explain = active.recommender.model.explain_items
    assert 0 < active.reason_seconds < QUICK
    assert not active.reason_grows
    active.reason_seconds, active.reason_grows = QUICK / 3, grows

    def noted(*given: Any) -> Any:
        used.append(current_thread().name)
        return explain(*given)

    monkeypatch.setattr(active.recommender.model, "explain_items", noted)
    client.events(*({"user": "ann", "item": item} for item in ITEMS[:events]))
    assert client.get(f"/v1/users/ann/recommendations?why=true&k={k}").json()["items"][0]["why"]["parts"]
    assert [name.startswith(POOLS) for name in used] == [slow]


def test_a_model_that_remembers_people_needs_leave(knn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = f"sqlite:///{tmp_path / 'store.db'}"
    monkeypatch.setattr(type(pc.load(knn).model), "remembers_users", True)
    with pytest.raises(ParameterError, match="--allow-remembered"):
        Service(Settings(folder=str(knn), store=store)).open()
    allowed = Service(Settings(folder=str(knn), store=store, allow_remembered=True))
    allowed.open()
    assert isinstance(allowed.models.active.recommender.model, Model)
    allowed.store.close()


def test_a_service_needs_a_model(tmp_path: Path, knn: Path) -> None:
    store = f"sqlite:///{tmp_path / 'store.db'}"
    for folder in (tmp_path / "none", tmp_path):
        with pytest.raises(DataError):
            Service(Settings(folder=str(folder), store=store)).open()
    broken = Path(shutil.copytree(knn, tmp_path / "broken"))
    (broken / "items.parquet").unlink()
    with pytest.raises(PenchantError):
        Service(Settings(folder=str(broken), store=store)).open()


def test_another_process_that_activates_is_followed(make: Make, own: Path) -> None:
    one, other = make(folder=str(own)), make(folder=str(own))
    one.post("/v1/models/popular/activate")
    other.portal.call(other.service.refresh)  # type: ignore[union-attr]  # it runs every second
    assert active(other) == "popular"
    one.put("/v1/items/new", json={"title": "N"})
    one.events({"user": "ann", "item": "unheard of"})
    one.delete("/v1/items/i03")
    other.portal.call(other.service.refresh)  # type: ignore[union-attr]
    assert other.get("/v1/items/new").json()["title"] == "N"
    assert other.get("/v1/items/unheard%20of").status_code == 200
    assert other.get("/v1/items/i03").status_code == 404


def test_a_swap_tells_the_new_catalogue_only_what_changed_meanwhile(
    make: Make, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was said before is read while the model loads; saying it all again would hold up every answer."""
    client = make(folder=str(own))
    client.post("/v1/items", json={"put": [{"item": f"n{n}", "title": "before"} for n in range(40)]})
    models, read, told = client.service.models, client.service.models.read, []

    def slow(name: str, said: Sequence[ItemChange], fully: bool) -> ServedModel:
        ready = read(name, said, fully)
        assert client.patch("/v1/items/n7", json={"title": "meanwhile"}).status_code == 200
        assert client.events({"user": "ann", "item": "unheard of"}).status_code == 200
        told.clear()
        return ready

    apply = models.apply
    monkeypatch.setattr(models, "read", slow)
    monkeypatch.setattr(models, "apply", lambda changes: (told.extend(one.item for one in changes), apply(changes)))
    client.post("/v1/models/popular/activate")
    assert sorted(told) == ["n7", "unheard of"]
    assert client.get("/v1/items/n7").json()["title"] == "meanwhile"
    assert client.get("/v1/items/n8").json()["title"] == "before"
    assert client.get("/v1/items/unheard%20of").status_code == 200


def test_what_the_manifest_says_is_told_as_it_is(client: Client) -> None:
    (told,) = client.get("/v1/models").json()["models"]
    manifest = json.loads((client.service.models.root / "manifest.json").read_text())
    assert told["fitted_on"] == manifest["fitted_on"]
    assert told["created"] == manifest["created"]
