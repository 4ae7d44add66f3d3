"""Forgetting: models equal fits without the person, receipts are signed and checked, nothing of the person is left."""

from __future__ import annotations

import json
import logging
import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import penchant as pc
from penchant.cli.main import main
from penchant.core.histories import Histories
from penchant.errors import DataError, ParameterError
from penchant.privacy import receipts
from penchant.privacy.forgetting import stale
from penchant.recommender.recommender import Recommender, load
from penchant.serve.common.logs import JsonLines
from penchant.serve.common.settings import Settings
from penchant.store.erasures import Entry, read_file
from penchant.store.log import store_log
from penchant.training.loop.stages import remove
from tests.every_byte import every_byte
from tests.privacy.conftest import ended
from tests.serve.conftest import ITEMS, Client, Make

ANN = "ann-3f1c9d77"
EXACT = {
    "popular": 1e-6,
    "item-knn:neighbours=29,half_life=3": 1e-6,
    "transitions": 1e-6,
    "rp3beta": 1e-6,
    "graph-filter:rank=0": 1e-6,
    "ease": 1e-3,
}  # the tolerances of docs/updates.md


def fill(client: Client, people: int = 40) -> None:
    """Events of everybody, those of Ann among them; sent without times, as they come."""
    dice, now = random.Random(1), int(time.time()) - 5000
    told = [
        {"user": f"t{n}" if n else ANN, "item": item, "kind": "view", "time": now + n * 50 + at, "id": f"{n}.{at}"}
        for n in range(people)
        for at, item in enumerate(dice.sample(ITEMS, 6))
    ]
    dice.shuffle(told)
    assert client.events(*told).json()["accepted"] == len(told)


def fit_store(store: str, model: str, folder: Path, *, updatable: bool = True) -> Recommender:
    """A model of everything in a store, saved."""
    log = pc.read_interactions(store_log(store), items=[{"item": item} for item in ITEMS], kinds={"view": 1.0})
    rec = pc.fit(log, model, updatable=updatable)
    rec.save(folder)
    return rec


def scores(rec: Recommender) -> Any:
    """Scores of many histories, by the ids of items."""
    order = [rec.vocab.index(item) for item in ITEMS]
    dice = random.Random(2)
    given = [[order[at] for at in dice.sample(range(len(ITEMS)), 4)] for _ in range(40)]
    return rec.model.score(Histories.from_lists(given, rec.model.n_items))[:, order]


@pytest.fixture
def root(tmp_path: Path, knn: Path) -> Path:
    """A folder of models with one that was fitted on another log."""
    made = tmp_path / "models"
    load(knn).save(made / "first")
    return made


def of_exact(receipt: dict[str, Any]) -> tuple[list[Any], list[Any]]:
    """What a receipt says of other models than ``first``, of which only the time tells that it may hold a person."""
    models = receipt["models"]
    assert [one["why"] for one in models["pending"] if one["name"] == "first"] == [
        "it keeps no statistics (fit --updatable)"
    ]
    return models["corrected"], [one for one in models["pending"] if one["name"] != "first"]


def url_of(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'store.db'}"


@pytest.fixture
def key(tmp_path: Path) -> str:
    """A key of receipts."""
    receipts.make_key(tmp_path / "receipts.key")
    return str(tmp_path / "receipts.key")


def everything(folder: Path) -> bytes:
    """Every byte of every file under a folder."""
    return every_byte(folder.rglob("*"))


@pytest.mark.parametrize("model", EXACT)
def test_a_model_after_forgetting_is_that_of_a_fit_without_the_person(
    make: Make, root: Path, tmp_path: Path, model: str
) -> None:
    client = make(folder=str(root), active="first")
    fill(client)
    fit_store(url_of(tmp_path), model, root / "exact")
    client.events({"user": ANN, "item": ITEMS[0], "kind": "view"}, {"user": "t3", "item": ITEMS[1], "kind": "view"})
    receipt = client.delete(f"/v1/users/{ANN}").json()
    assert {"name": "exact", "into": "exact~1"} in receipt["models"]["corrected"]
    assert not (root / "exact").exists()
    store = client.service.store
    store.writer.do_now(lambda connection: connection.execute("DELETE FROM events WHERE seq > 240"))  # as it was
    fresh = fit_store(url_of(tmp_path), model, tmp_path / "fresh")
    corrected = load(root / "exact~1", statistics=True)
    wanted, found = scores(fresh), scores(corrected)
    assert np.abs(wanted - found).max() <= EXACT[model] * max(1.0, float(np.abs(wanted[np.isfinite(wanted)]).max()))
    order = [[rec.vocab.index(item) for item in ITEMS] for rec in (fresh, corrected)]
    assert (fresh.model.item_counts[order[0]] == corrected.model.item_counts[order[1]]).all()
    for name in ("events", "histories", "positives", "histories_with_positives"):
        assert fresh.fitted_on[name] == corrected.fitted_on[name], name
    again = client.delete("/v1/users/t7").json()
    assert {"name": "exact~1", "into": "exact~2"} in again["models"]["corrected"]


def test_the_active_model_is_corrected_and_no_answer_is_of_the_one_before(
    make: Make, root: Path, tmp_path: Path
) -> None:
    client = make(folder=str(root), active="first")
    fill(client)
    fit_store(url_of(tmp_path), "item-knn", root / "exact")
    client.post("/v1/models/exact/activate")
    page = client.get("/v1/users/t3/recommendations?k=3").json()["next"]
    receipt = client.delete(f"/v1/users/{ANN}").json()
    assert client.service.models.active.name == "exact~1"
    assert [one.name for one in client.service.models.loaded] == ["exact~1", "first"]
    assert client.get("/v1/users/t3/recommendations", params={"k": 3, "page": page}).status_code == 410
    told = {one["name"]: one for one in client.get("/v1/models").json()["models"]}
    assert set(told) == {"first", "exact~1"}
    assert told["exact~1"]["stale"] is None
    assert told["first"]["stale"]["people"] == 1
    assert of_exact(receipt)[1] == []
    assert client.post("/v1/models/rollback").json()["active"] == "first"


def test_a_model_without_statistics_is_pending_then_refused(
    make: Make, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    client = make(folder=str(root), active="first", overdue="replace")
    fill(client)
    fit_store(url_of(tmp_path), "popular", root / "plain", updatable=False)
    client.post("/v1/models/plain/activate")
    receipt = client.delete(f"/v1/users/{ANN}").json()
    (one,) = of_exact(receipt)[1]
    assert (one["name"], one["people"], one["overdue"]) == ("plain", 1, False)
    assert "fit --updatable" in one["why"]
    assert one["due"] == receipt["erased_at"] + 30 * 86_400
    told = {one["name"]: one for one in client.get("/v1/models").json()["models"]}
    assert told["plain"]["stale"]["due"] == one["due"]
    assert "May hold 1 person who asked to be forgotten: train again" in client.get("/ui/models").text
    client.portal.call(client.service.watch_overdue)
    assert client.service.models.active.name == "plain"
    assert client.service.metrics.overdue._value.get() == 0
    fit_store(url_of(tmp_path), "popular", root / "clean")
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 30 * 86_400 + 60)
    client.portal.call(client.service.watch_overdue)
    assert client.service.models.active.name == "clean"
    refused = client.post("/v1/models/plain/activate")
    assert refused.status_code == 409
    assert "may hold 1 people who were erased" in refused.json()["detail"]
    assert client.post("/v1/models/rollback").status_code == 409


def test_an_overdue_model_stays_with_an_alarm(
    make: Make, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = make(folder=str(root), active="first")
    fill(client)
    fit_store(url_of(tmp_path), "popular", root / "plain", updatable=False)
    client.post("/v1/models/plain/activate")
    client.delete(f"/v1/users/{ANN}")
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 31 * 86_400)
    client.portal.call(client.service.watch_overdue)
    assert client.service.models.active.name == "plain"
    assert "penchant_model_overdue 1.0" in client.get("/metrics").text


def test_a_history_that_changed_after_the_fit_is_not_subtracted(make: Make, root: Path, tmp_path: Path) -> None:
    client = make(folder=str(root), active="first")
    fill(client)
    client.events({"session": "s", "item": "i00", "kind": "view"})
    fit_store(url_of(tmp_path), "popular", root / "exact")
    client.post(f"/v1/users/{ANN}/merge", json={"session": "s"})
    receipt = client.delete(f"/v1/users/{ANN}").json()
    corrected, left = of_exact(receipt)
    assert [(one["name"], one["why"]) for one in left] == [("exact", "the history changed after the fit")]
    assert corrected == []


def test_what_a_model_may_hold():
    facts = {"store": {"id": "a", "events": 100, "erased": 5, "corrected": [7]}}
    created = "2026-01-01T00:00:00+00:00"
    at = 1_767_225_600
    for entry, store, held in (
        (Entry(6, at + 9, 100), "a", True),
        (Entry(6, at + 9, 101), "a", False),  # who came later
        (Entry(5, at + 9, 1), "a", False),  # was gone when the log was read
        (Entry(7, at + 9, 1), "a", False),  # was subtracted
        (Entry(6, at + 9, 0), "a", True),  # the first event is unknown
        (Entry(6, at + 9, -1), "a", False),  # had no events
        (Entry(5, at + 9, 1), "b", True),  # another store: only the time tells
        (Entry(5, at - 1, 1), "b", False),
        (Entry(5, at, 1), None, True),
    ):
        assert (stale(facts, created, [entry], store, 10) is not None) is held, entry
    found = stale(facts, created, [Entry(6, 50, 1), Entry(8, 40, 1)], "a", 10)
    assert (found.since, found.due, found.people) == (40, 50, 2)
    assert stale({}, "no time", [Entry(6, 50, 1)], "a", 10) is not None


def test_a_receipt_is_signed_and_a_change_shows(make: Make, key: str, tmp_path: Path) -> None:
    client = make(receipt_key=key)
    client.events({"user": ANN, "item": "i00"})
    receipt = client.delete(f"/v1/users/{ANN}").json()
    public = receipts.public_of(key)
    receipts.verify(receipt, public)
    receipts.verify(json.loads(json.dumps(receipt)), receipts.public_of(text=receipt["signature"]["public_key"]))
    for changed in (
        {**receipt, "removed": {**receipt["removed"], "events": 2}},
        {**receipt, "more": 1},
        {name: value for name, value in receipt.items() if name != "kept"},
        {**receipt, "signature": {**receipt["signature"], "value": "AAAA"}},
        {**receipt, "signature": "x"},
    ):
        with pytest.raises(DataError, match="was changed"):
            receipts.verify(changed, public)
    with pytest.raises(DataError, match="not signed"):
        receipts.verify({**receipt, "signature": None}, public)
    receipts.make_key(tmp_path / "other.key")
    with pytest.raises(DataError, match="another key"):
        receipts.verify(receipt, receipts.public_of(tmp_path / "other.key"))
    with pytest.raises(ParameterError, match="exists"):
        receipts.make_key(key)
    assert Path(key).stat().st_mode & 0o777 == 0o600
    with pytest.raises(ParameterError, match="64 hexadecimal"):
        receipts.public_of(text="zz")
    (tmp_path / "bad.key").write_text("x")
    with pytest.raises(DataError, match="no private key"):
        receipts.read_private(tmp_path / "bad.key")


def test_no_byte_of_a_person_is_left(
    make: Make, root: Path, tmp_path: Path, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    logging.getLogger("penchant.serve").propagate = True
    caplog.set_level(logging.DEBUG)
    client = make(folder=str(root), active="first", exposures=True, receipt_key=key, access_log=True)
    fill(client)
    odd = f"item-of-{ANN}"
    client.events({"user": ANN, "item": ITEMS[2], "kind": "view", "id": f"id-{ANN}", "context": {"said": odd}})
    fit_store(url_of(tmp_path), "item-knn", root / "exact")
    client.post("/v1/models/exact/activate")
    client.get(f"/v1/users/{ANN}/recommendations")
    client.patch(f"/v1/users/{ANN}", json={"attributes": {"name": odd}})
    assert client.delete(f"/v1/users/{ANN}").status_code == 200
    for _ in range(50):
        if client.portal.call(client.service.clean):
            break
    assert client.get(f"/v1/users/{ANN}/events").json()["events"] == []  # a request afterwards is logged as well
    ours = [one for one in caplog.records if not one.name.startswith("http")]  # not the log of who asks
    told = [JsonLines().format(one) for one in ours]
    assert sum("/v1/users/{id}" in line for line in told) >= 4
    assert any("models were corrected" in line for line in told)
    held = everything(tmp_path) + client.get("/metrics").content + "\n".join(told).encode()
    assert ANN.encode() not in held
    assert odd.encode() not in held


def test_a_restored_store_forgets_again(make: Make, tmp_path: Path) -> None:
    store, saved = tmp_path / "store.db", tmp_path / "saved.db"
    with ended(make()) as client:
        client.events({"user": ANN, "item": "i00", "id": "one"}, {"user": "bob", "item": "i00"})
        client.patch("/v1/users/eve/choices", json={"paused": True})  # nothing else is known of Eve
    saved.write_bytes(store.read_bytes())
    with ended(make()) as client:
        before = client.service.store.setting("id")
        client.delete(f"/v1/users/{ANN}")
        client.delete("/v1/users/eve")
        known, keys = read_file(tmp_path / "store.db.erasures")
        assert (len(known.people), len(known.ids), len(keys)) == (2, 1, 1)
        assert ANN.encode() not in (tmp_path / "store.db.erasures").read_bytes()
    store.write_bytes(saved.read_bytes())  # somebody copies the backup back by hand
    for name in ("store.db-wal", "store.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    client = make()
    assert client.get(f"/v1/users/{ANN}/events").json()["events"] == []
    assert client.get("/v1/users/eve/choices").json()["paused"] is False
    assert len(client.get("/v1/users/bob/events").json()["events"]) == 1
    assert client.events({"user": "eve", "item": "i00", "id": "one"}).status_code == 422
    late = client.events({"user": ANN, "item": "i01", "time": int(time.time()) - 3600})
    assert "erased" in late.text
    assert client.service.store.setting("id") != before  # clocks of models are of another life of the store


def test_erasures_under_another_secret_are_not_ignored(make: Make, tmp_path: Path) -> None:
    with ended(make(secret="a" * 32)) as client:
        client.events({"user": ANN, "item": "i00"})
        client.delete(f"/v1/users/{ANN}")
    (tmp_path / "store.db").unlink()
    with pytest.raises(DataError, match="another secret"):
        make(secret="b" * 32)
    file = tmp_path / "store.db.erasures"
    file.write_bytes(file.read_bytes() + b'{"hash": "00", "ti')  # a crash
    assert len(read_file(file)[0].people) == 1
    file.write_bytes(b"{}\n")
    with pytest.raises(DataError, match="is not a ledger of erasures"):
        read_file(file)


def test_settings() -> None:
    for given, why in (
        ({"overdue": "shrug"}, "overdue is one of"),
        ({"forget_within": "0"}, "forget_within"),
        ({"correct_seconds": -1.0}, "at least 0"),
        ({"correct_seconds": 3601.0}, "at most"),
    ):
        with pytest.raises(ParameterError, match=why):
            Settings(**given)
    assert Settings(forget_within="1d").forget_seconds == 86_400
    assert Settings(store="postgresql://h/n").ledger_file is None
    assert Settings(store="postgresql://h/n", erasures_file="x").ledger_file == Path("x")


def test_the_command_line_forgets_and_checks(
    make: Make, root: Path, tmp_path: Path, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    client = make(folder=str(root), active="first")
    fill(client)
    fit_store(url_of(tmp_path), "item-knn", root / "exact")
    fit_store(url_of(tmp_path), "popular", root / "plain", updatable=False)
    client.post("/v1/models/exact/activate")
    config = tmp_path / "penchant.toml"
    config.write_text(f'store = "{url_of(tmp_path)}"\nfolder = "{root}"\nreceipt_key = "{key}"\n')

    def run(*arguments: str) -> tuple[int, Any]:
        code = main(["privacy", *arguments, "--config", str(config), "--json"])
        said = capsys.readouterr()
        return code, json.loads(said.out) if said.out else said.err

    assert run("forget", "nobody") == (2, "penchant: the store holds nothing of this user (value 'nobody')\n")
    code, receipt = run("forget", ANN)
    assert code == 0
    assert receipt["user"] == ANN
    assert receipt["removed"]["events"] == 6
    corrected, left = of_exact(receipt)
    assert corrected == [{"name": "exact", "into": "exact~1"}]
    assert [one["name"] for one in left] == ["plain"]
    for _ in range(100):  # the service follows by itself
        if client.service.models.active.name == "exact~1":
            break
        time.sleep(0.1)
    assert client.service.models.active.name == "exact~1"
    assert client.get(f"/v1/users/{ANN}/events").json()["events"] == []
    file = tmp_path / "receipt.json"
    file.write_text(json.dumps(receipt))
    code, told = run("check", str(file))
    assert (code, told["passed"], told["signature"]) == (0, True, True)
    assert {one["passed"] for one in told["findings"]} == {True, None}
    remove(root / "plain")
    code, told = run("check", str(file))
    assert "plain was replaced, and is gone" in [one["what"] for one in told["findings"] if one["passed"]]
    client.events({"user": ANN, "item": "i00"})  # who comes back is another matter
    assert run("check", str(file))[0] == 0
    client.service.store.writer.do_now(
        lambda connection: connection.execute("UPDATE events SET time = time - 9999 WHERE seq > 240")
    )
    code, told = run("check", str(file))
    assert (code, told["passed"]) == (1, False)
    file.write_text(json.dumps({**receipt, "removed": {}}))
    code, why = run("check", str(file))
    assert code == 2
    assert "was changed after it was signed" in why
    assert run("check", str(tmp_path / "none.json"))[0] == 2
    file.write_text("[]")
    assert "is not a receipt" in run("check", str(file))[1]
    assert main(["privacy", "key", key]) == 2
    assert main(["privacy", "forget", ANN, "--store", "sqlite:////nowhere/none.db"]) == 2


def test_postgresql(make: Make, root: Path, cluster: Any, tmp_path: Path, key: str) -> None:
    given: dict[str, Any] = {
        "folder": str(root),
        "active": "first",
        "store": cluster.url,
        "model_copies": str(tmp_path / "copies"),
        "receipt_key": key,
    }
    client = make(**given)
    fill(client)
    fit_store(cluster.url, "item-knn", root / "exact")
    client.post("/v1/models/exact/activate")
    receipt = client.delete(f"/v1/users/{ANN}").json()
    assert of_exact(receipt) == ([{"name": "exact", "into": "exact~1"}], [])
    receipts.verify(receipt, receipts.public_of(key))
    assert client.service.models.active.name == "exact~1"


def test_postgresql_forgets_again_after_a_restore(make: Make, cluster: Any, tmp_path: Path) -> None:
    file = tmp_path / "kept" / "erasures"
    file.parent.mkdir()
    given: dict[str, Any] = {
        "store": cluster.url, "model_copies": str(tmp_path / "copies"), "erasures_file": str(file)
    }  # fmt: skip
    with ended(make(**given)) as client:
        client.events({"user": ANN, "item": "i00", "id": "one"}, {"user": "bob", "item": "i00"})
        client.patch("/v1/users/eve/choices", json={"paused": True})
    cluster.save("backup")
    with ended(make(**given)) as client:
        client.delete(f"/v1/users/{ANN}")
        client.delete("/v1/users/eve")
    known, keys = read_file(file)
    assert (len(known.people), len(known.ids), len(keys)) == (2, 1, 1)
    assert file.stat().st_mode & 0o777 == 0o600
    assert ANN.encode() not in file.read_bytes()
    cluster.put_back("backup")
    client = make(**given)
    rows = client.service.store.database.mine.execute("SELECT person FROM events UNION SELECT person FROM choices")
    assert rows.fetchall() == [("u:bob",)]
    assert client.events({"user": "dan", "item": "i00", "id": "one"}).status_code == 422
    late = client.events({"user": ANN, "item": "i01", "time": int(time.time()) - 3600})
    assert "erased" in late.text
    file.write_bytes(b"{}\n")
    with pytest.raises(DataError, match="is not a ledger of erasures"):
        make(**given)
