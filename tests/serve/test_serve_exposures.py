"""What was shown is remembered: once a request, for as long as the settings say, and erased with its person."""

from __future__ import annotations

import json
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from penchant.errors import ParameterError
from penchant.serve.answers import shown as module
from penchant.serve.app import make_app
from penchant.serve.common.settings import Settings
from penchant.serve.service import Service
from penchant.store import exposures as store_module
from penchant.store.backup import backup, restore
from penchant.store.database import StoreError
from penchant.store.exposures import Exposure
from tests.every_byte import every_byte
from tests.serve.conftest import Client, Make

LIST = "/v1/users/ann/recommendations"


@pytest.fixture
def client(make: Make) -> Client:
    return make(exposures=True)


def written(client: Client) -> list[Exposure]:
    """Everything in the table, flushed."""
    shown = client.service.shown.exposures
    client.portal.call(shown.flush)
    people = client.service.store.database.mine.execute("SELECT DISTINCT person FROM exposures").fetchall()
    return [one for (person,) in people for one in shown.of(person)]


def test_a_list_is_written_as_it_was_answered(client: Client) -> None:
    client.events({"user": "ann", "item": "i00"})
    told = client.get(LIST, params={"k": 3, "placement": "home.top-1"}).json()
    (one,) = written(client)
    assert one.person == "u:ann"
    assert one.id == told["recommendation"]
    assert one.id.startswith("r_")
    assert (one.start, one.placement, one.arm, one.fallback, one.chances) == (0, "home.top-1", "", False, None)
    assert one.model == told["model"]["version"]
    assert list(one.items) == [entry["item"] for entry in told["items"]]
    assert list(one.scores) == pytest.approx([entry["score"] for entry in told["items"]], rel=1e-5)
    assert abs(one.time - time.time()) < 60


def test_without_the_setting_nothing_is_written(make: Make) -> None:
    client = make()
    assert client.get(LIST).json()["recommendation"] is None
    assert written(client) == []


def test_sessions_fallbacks_and_opting_out(client: Client) -> None:
    told = client.get("/v1/sessions/s/recommendations").json()
    assert told["fallback"]
    assert client.get(LIST, params={"expose": False}).json()["recommendation"] is None
    assert client.post(LIST, json={"expose": False}).json()["recommendation"] is None
    posted = client.post(LIST, json={"placement": "basket"}).json()["recommendation"]
    assert "recommendation" not in client.post("/v1/recommendations", json={"history": ["i00"]}).json()
    client.get("/ui/person?user=ann")  # a page for operators
    by_id = {one.id: one for one in written(client)}
    assert set(by_id) == {told["recommendation"], posted}
    assert (by_id[told["recommendation"]].person, by_id[told["recommendation"]].fallback) == ("s:s", True)
    assert by_id[posted].placement == "basket"


@pytest.mark.parametrize("placement", ["", "-x", "a b", "x" * 65, "ü"])
def test_a_placement_is_a_name(client: Client, placement: str) -> None:
    assert client.get(LIST, params={"placement": placement}).status_code == 422
    assert client.post(LIST, json={"placement": placement}).status_code == 422
    assert client.get(LIST, params={"placement": "x" * 64}).status_code == 200


def test_a_retry_counts_once(client: Client) -> None:
    one, other = (client.get(LIST, params={"k": 4}).json()["recommendation"] for _ in range(2))
    assert one == other
    assert len(written(client)) == 1
    changed = [
        client.get(LIST, params=params).json()["recommendation"]
        for params in ({"k": 5}, {"k": 4, "placement": "b"}, {"k": 4, "exclude": "i00"}, {"k": 4, "repeat": True})
    ]
    client.events({"user": "ann", "item": "i00"})
    changed.append(client.get(LIST, params={"k": 4}).json()["recommendation"])
    assert len({one, *changed}) == 6
    assert len(written(client)) == 6


def test_after_a_minute_the_same_request_is_another_list(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [time.time()]
    monkeypatch.setattr(time, "time", lambda: now[0])
    ids = []
    for step in (0, 59, 1, 59, 2):  # seconds later
        now[0] += step
        ids.append(client.get(LIST).json()["recommendation"])
    assert ids[0] == ids[1] != ids[2] == ids[3] != ids[4]
    assert len(written(client)) == 3


def test_another_process_gives_a_retry_the_same_id(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_790_000_010.0)
    one, other = make(exposures=True), make(exposures=True)
    assert one.get(LIST).json()["recommendation"] == other.get(LIST).json()["recommendation"]
    written(one)
    assert len(written(other)) == 1


def test_pages_belong_to_one_list(client: Client) -> None:
    first = client.get(LIST, params={"k": 3}).json()
    second = client.get(LIST, params={"k": 2, "page": first["next"]}).json()
    again = client.get(LIST, params={"k": 2, "page": first["next"]}).json()
    assert first["recommendation"] == second["recommendation"] == again["recommendation"]
    found = sorted(written(client), key=lambda one: one.start)
    assert [(one.start, len(one.items)) for one in found] == [(0, 3), (3, 2)]
    assert list(found[1].items) == [entry["item"] for entry in second["items"]]
    page = client.get(LIST, params={"page": first["next"], "placement": "other"})
    assert (page.status_code, "placement" in page.json()["detail"]) == (422, True)


def test_events_carry_the_recommendation_back(client: Client) -> None:
    shown = client.get(LIST).json()["recommendation"]
    assert client.events({"user": "ann", "item": "i00", "recommendation": shown}).json()["accepted"] == 1
    assert client.get("/v1/users/ann/events").json()["events"][0]["recommendation"] == shown
    wrong = client.events({"user": "ann", "item": "i00", "recommendation": "x"})
    assert wrong.json()["errors"][0]["field"] == "events.0.recommendation"


def test_export_merge_and_erasure_cover_what_was_shown(client: Client, tmp_path: Path) -> None:
    shown = client.get("/v1/sessions/guest-7/recommendations?placement=secret-spot").json()["recommendation"]
    written(client)
    client.post("/v1/users/ann/merge", json={"session": "guest-7"})
    (exported,) = client.get("/v1/users/ann/export").json()["exposures"]
    assert (exported["recommendation"], exported["placement"]) == (shown, "secret-spot")
    client.get(LIST)  # not yet written
    removed = client.delete("/v1/users/ann").json()["removed"]
    assert removed == {
        "events": 0,
        "written": 0,
        "attributes": 0,
        "exposures": 2,
        "choices": 0,
    }
    assert written(client) == []
    while not client.portal.call(client.service.clean):
        time.sleep(0.05)
    for part in ("store.db", "store.db-wal"):
        data = every_byte([tmp_path / part])
        assert b"secret-spot" not in data
        assert shown.encode() not in data


def test_what_is_written_late_does_not_bring_an_erased_person_back(client: Client) -> None:
    client.get(LIST)
    shown = client.service.shown.exposures
    late = [one._replace(id="r_late") for one in shown._waiting]
    client.delete("/v1/users/ann")
    for one in late:
        shown.add(one)
    shown.add(late[0]._replace(person="u:bob", id="r_bob"))
    assert [one.person for one in written(client)] == ["u:bob"]


def test_retention_drops_what_is_old(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "GROUP", 2)
    monkeypatch.setattr(Service, "_keep_tidy", Service._keep_copies)  # not by itself
    client, now = make(exposures=True, keep_exposures="1h"), int(time.time())
    for n, age in enumerate((3700, 3700, 3700, 3500, 10)):
        one = Exposure("u:ann", f"r_{n}", 0, now - age, "default", "v", False, ["a"], [1.0])
        client.service.shown.exposures.add(one)
    assert len(written(client)) == 5
    client.portal.call(client.service.tidy)
    assert {one.id for one in written(client)} == {"r_3", "r_4"}


def test_a_backup_holds_what_was_shown_and_a_restored_one_not_that_of_the_erased(
    client: Client, tmp_path: Path
) -> None:
    client.get(LIST)
    client.get("/v1/users/bob/recommendations")
    written(client)
    url = f"sqlite:///{tmp_path / 'store.db'}"
    backup(url, tmp_path / "copy.db")
    client.delete("/v1/users/ann")
    client.__exit__()
    assert restore(url, tmp_path / "copy.db", replace=True).erased == 1
    kept = sqlite3.connect(tmp_path / "store.db")
    assert kept.execute("SELECT person FROM exposures").fetchall() == [("u:bob",)]
    kept.close()


def test_a_store_that_cannot_be_written_loses_the_oldest_only(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    shown, writer = client.service.shown.exposures, client.service.store.writer
    monkeypatch.setattr(store_module, "WAITING", 3)
    whole = writer.do

    async def full(_: Any) -> None:
        raise StoreError("the disk is full")

    monkeypatch.setattr(writer, "do", full)
    for n in range(5):
        shown.add(Exposure("u:ann", f"r_{n}", 0, int(time.time()), "default", "v", False, ["a"], [1.0]))
    with pytest.raises(StoreError):
        client.portal.call(shown.flush)
    assert (shown.waiting, shown.lost) == (3, 2)
    monkeypatch.setattr(writer, "do", whole)
    assert {one.id for one in written(client)} == {"r_2", "r_3", "r_4"}
    assert "penchant_lost_exposures 2.0" in client.get("/metrics").text


def test_they_reach_the_disk_within_a_second(client: Client) -> None:
    assert module.EVERY <= 0.5
    client.get(LIST)
    until = time.monotonic() + 5
    while client.service.shown.exposures.waiting and time.monotonic() < until:
        time.sleep(0.01)
    assert client.service.store.clock() is not None
    count = client.service.store.database.mine.execute("SELECT count(*) FROM exposures").fetchall()
    assert count == [(1,)]


def test_the_end_of_the_service_writes_what_is_left(knn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EVERY", 1000.0)
    service = Service(Settings(folder=str(knn), store=f"sqlite:///{tmp_path / 'store.db'}", exposures=True))
    service.open()
    with Client(make_app(service), base_url="http://localhost") as client:
        client.get(LIST)
        assert service.shown.exposures.waiting == 1
    kept = sqlite3.connect(tmp_path / "store.db")
    ((items,),) = kept.execute("SELECT items FROM exposures").fetchall()
    assert len(json.loads(items)) == 10
    kept.close()


def test_settings() -> None:
    for name, wrong, right in (("keep_exposures", "59s", "1min"), ("attribution", "0", "1s")):
        with pytest.raises(ParameterError, match=name):
            Settings(**{name: wrong})
        assert getattr(Settings(**{name: right}), f"{name}_seconds") > 0
    assert Settings(keep_exposures="0").keep_exposures_seconds is None
    assert not Settings().exposures


def test_impressions_are_no_history(client: Client) -> None:
    shown = client.ids(LIST, k=29)
    client.events(*({"user": "ann", "item": item, "kind": "impression"} for item in shown[:5]))
    told = client.get(LIST, params={"k": 29}).json()
    assert told["fallback"]
    assert [entry["item"] for entry in told["items"]] == shown
    assert "seen" not in told["removed"]


@pytest.mark.parametrize("by", ["setting", "parameter", "body"])
def test_an_item_is_not_shown_again_after_some_impressions(make: Make, by: str) -> None:
    client = make(**({"most_impressions": 3} if by == "setting" else {}))

    def removed() -> dict[str, int]:
        more = {} if by == "setting" else {"most_impressions": 3}
        response = (
            client.post(LIST, json={"k": 29, **more}) if by == "body" else client.get(LIST, params={"k": 29, **more})
        )
        found: dict[str, int] = response.json()["removed"]
        assert ("i03" in [entry["item"] for entry in response.json()["items"]]) == ("impressions" not in found)
        return found

    now = int(time.time())
    for n in range(2):
        client.events({"user": "ann", "item": "i03", "kind": "impression", "time": now - 100 + n})
    assert "impressions" not in removed()
    client.events({"user": "ann", "item": "i03", "kind": "impression", "time": now - 50})
    assert removed()["impressions"] == 1
    if by == "setting":
        assert "impressions" not in client.get(LIST, params={"most_impressions": 4}).json()["removed"]
        assert "impressions" not in client.get(LIST, params={"most_impressions": 0}).json()["removed"]
    client.events({"user": "ann", "item": "i03", "kind": "view", "time": now - 10})  # taken: a new start
    assert "impressions" not in client.get(LIST, params={"repeat": True, "most_impressions": 3}).json()["removed"]


def test_the_limit_of_impressions_has_bounds(client: Client) -> None:
    for value, status in ((-1, 422), (0, 200), (1000, 200), (1001, 422)):
        assert client.get(LIST, params={"most_impressions": value}).status_code == status
        assert client.post(LIST, json={"most_impressions": value}).status_code == status
