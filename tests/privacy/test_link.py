"""The signed link of a person: what is known, changed and erased by it, and who is refused."""

from __future__ import annotations

import base64
import csv
import html
import io
import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from penchant.serve.common import person_link
from penchant.serve.common.person_link import PAGE, PersonLink
from tests.privacy.conftest import ended
from tests.serve.conftest import Client, Make
from tests.serve.test_serve_pages import tags, token

KEY = b"k" * 32


def linked(client: Client, path: str = "/v1/users/ann/link", **said: Any) -> dict[str, str]:
    """The header of a new link."""
    made = client.post(path, json=said)
    assert made.status_code == 200, made.text
    return {"authorization": f"Bearer {made.json()['token']}"}


def opened(client: Client, path: str = "/v1/users/ann/link") -> str:
    """The page behind a new link."""
    told = client.get(client.post(path).json()["path"])
    assert told.status_code == 200, told.text
    assert str(told.url).endswith(PAGE)  # the link is no longer in the address
    return told.text


def press(client: Client, page: str, do: str, **fields: Any) -> Any:
    """Press a button of the page."""
    return client.post(PAGE, data={"token": token(page), "do": do, **fields}, follow_redirects=False)


@pytest.fixture
def busy(make: Make) -> Client:
    """A service that knows Ann."""
    client = make(exposures=True, keep="view=90d,0")
    client.events(
        {"user": "ann", "item": "i00", "kind": "view", "context": {"mood": "calm"}, "purpose": "training"},
        {"user": "ann", "item": "i11", "kind": "cart", "value": 2.0},
        {"user": "bob", "item": "i20"},
    )
    client.patch("/v1/users/ann", json={"attributes": {"country": "NO", "=cmd": "=1+1"}})
    client.get("/v1/users/ann/recommendations", params={"k": 3})
    client.portal.call(client.service.shown.exposures.flush)
    return client


def test_what_is_known_and_until_when(busy: Client) -> None:
    me = linked(busy)
    told = busy.get("/v1/me", headers=me).json()
    assert told["identities"] == [{"user": "ann"}]
    assert told["attributes"]["country"] == "NO"
    assert told["counts"] == {"events": 2, "written": 0, "shown_lists": 1}
    assert told["keep"] == {"kinds": {"view": 90 * 86_400}, "others": None, "shown_lists": 90 * 86_400}
    assert told["link_until"] - time.time() == pytest.approx(3600, abs=60)
    cart, view = busy.get("/v1/me/events", headers=me).json()["events"]
    assert (cart["kept_until"], view["kept_until"]) == (None, view["time"] + 90 * 86_400)
    page = busy.get("/v1/me/events", params={"k": 1}, headers=me).json()
    assert busy.get("/v1/me/events", params={"before": page["next"]}, headers=me).json()["events"] == [view]
    listed = busy.get("/v1/me/list", params={"k": 5}, headers=me).json()
    assert len(listed["items"]) == 5
    assert {part["item"] for one in listed["items"] for part in one["why"]["parts"]} <= {"i00", "i11"}
    busy.portal.call(busy.service.shown.exposures.flush)
    assert busy.get("/v1/me", headers=me).json()["counts"]["shown_lists"] == 1  # a look does not count as shown


def test_an_export_is_complete_as_json_and_as_a_table(busy: Client) -> None:
    me = linked(busy)
    busy.patch("/v1/me/choices", json={"off_items": ["genre=noir"]}, headers=me)
    told = busy.get("/v1/me/export", headers=me).json()
    assert told["events"][0]["context"] == {"mood": "calm"}
    assert told["events"][0]["purpose"] == "training"
    assert told["exposures"][0]["kept_until"] == told["exposures"][0]["time"] + 90 * 86_400
    assert told["choices"]["off_items"] == ["genre=noir"]
    admin = busy.get("/v1/users/ann/export").json()
    assert {**admin, "exported_at": 0} == {**told, "exported_at": 0}
    for path, headers in (("/v1/me/export.csv", me), ("/v1/users/ann/export.csv", {})):
        answer = busy.get(path, headers=headers)
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        assert "attachment" in answer.headers["content-disposition"]
        rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
        assert {row["what"] for row in rows} == {"identity", "attribute", "choice", "clock", "event", "shown"}
        assert [row["content"] for row in rows if row["name"] == "'=cmd"] == ["'=1+1"]  # runs in no spreadsheet
        first = next(row for row in rows if row["what"] == "event")
        assert (first["item"], first["purpose"], json.loads(first["content"])) == ("i00", "training", {"mood": "calm"})
        assert first["kept_until"].endswith("Z")
        assert len([row for row in rows if row["what"] == "shown"]) == 3
        assert not [cell for row in rows for cell in row.values() if re.match(r"[=+@\t\r]", cell)]


def test_single_events_and_choices_are_changed_by_the_link(busy: Client) -> None:
    me = linked(busy)
    cart, view = busy.get("/v1/me/events", headers=me).json()["events"]
    assert busy.patch(f"/v1/me/events/{view['seq']}", json={"item": "i02"}, headers=me).json() == {"seq": view["seq"]}
    assert busy.delete(f"/v1/me/events/{cart['seq']}", headers=me).status_code == 200
    assert [one["item"] for one in busy.get("/v1/me/events", headers=me).json()["events"]] == ["i02"]
    (theirs,) = busy.get("/v1/users/bob/events").json()["events"]
    for method, body in (("DELETE", None), ("PATCH", {"kind": "view"})):  # the link is of one person
        refused = busy.request(method, f"/v1/me/events/{theirs['seq']}", json=body, headers=me)
        assert refused.status_code == 404
    assert busy.get("/v1/users/bob/events").json()["events"] == [theirs]
    assert busy.patch("/v1/me/choices", json={"paused": True}, headers=me).json()["paused"]
    busy.events({"user": "ann", "item": "i05"})
    assert busy.get("/v1/me", headers=me).json()["counts"]["events"] == 1
    assert busy.get("/v1/me/choices", headers=me).json() == busy.get("/v1/me", headers=me).json()["choices"]
    assert busy.patch("/v1/me/choices", json={"off_items": ["noir"]}, headers=me).status_code == 422


def test_a_link_after_forgetting_is_over(busy: Client) -> None:
    me, other = linked(busy), linked(busy)
    assert opened(busy)
    receipt = busy.delete("/v1/me", headers=me).json()
    assert receipt["removed"]["events"] == 2
    for headers in (me, other):  # a second link from before, too
        refused = busy.get("/v1/me", headers=headers)
        assert (refused.status_code, refused.json()["type"]) == (410, "urn:penchant:problem:erased")
        assert "was erased" in refused.json()["detail"]
        assert busy.delete("/v1/me", headers=headers).status_code == 410
    page = busy.get(PAGE)
    assert page.status_code == 410
    assert "was erased" in page.text
    assert busy.get("/v1/users/bob/events").json()["events"]
    assert busy.get("/v1/me", headers=linked(busy)).json()["counts"]["events"] == 0


def test_a_link_that_was_changed_or_has_expired_is_refused(busy: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    made = busy.post("/v1/users/ann/link", json={"minutes": 1}).json()
    token_of = made["token"]
    raw = bytearray(base64.urlsafe_b64decode(token_of + "=" * (-len(token_of) % 4)))
    raw[raw.index(b'"p"') + 6] ^= 1
    forged = base64.urlsafe_b64encode(bytes(raw)).decode()
    form = busy.service.store.secret  # a text that is signed for something else is no link
    other = person_link.sign(form, "form", {"p": "u:ann", "m": 0, "u": 2**40})
    for wrong in (forged, token_of[:-3], token_of + "x", "", "é", "a" * 5000, other):
        refused = busy.get("/v1/me", headers={"authorization": f"Bearer {wrong}".encode()})
        assert (refused.status_code, refused.json()["type"]) == (401, "urn:penchant:problem:link"), wrong
        page = busy.get(PAGE, params={"link": wrong})
        assert page.status_code == 401
        assert "/ui/try" not in page.text
    assert busy.get("/v1/me").status_code == 401
    assert busy.get(PAGE).status_code == 401
    me = {"authorization": f"Bearer {token_of}"}
    assert busy.get("/v1/me", headers=me).status_code == 200
    monkeypatch.setattr(time, "time", lambda: made["until"] - 0.5)
    assert busy.get("/v1/me", headers=me).status_code == 200
    monkeypatch.setattr(time, "time", lambda: made["until"] + 0.5)
    late = busy.get("/v1/me", headers=me)
    assert (late.status_code, late.json()["type"]) == (410, "urn:penchant:problem:link-expired")
    assert "has expired" in busy.get(PAGE, params={"link": token_of}).text


def test_who_may_make_a_link_and_for_how_long(make: Make, tmp_path: Path) -> None:
    from penchant.store.database import Database
    from penchant.store.keys import Keyring

    database = Database(f"sqlite:///{tmp_path / 'store.db'}")
    database.migrate()
    ring = Keyring(database)
    _, admin = ring.create("a", ["admin"])
    _, read = ring.create("r", ["read", "collect"])
    client = make()
    path = "/v1/users/ann/link"
    assert client.post(path).status_code == 401
    assert client.post(path, headers={"authorization": f"Bearer {read}"}).status_code == 403
    key = {"authorization": f"Bearer {admin}"}
    for minutes, status in ((0, 422), (1, 200), (10_080, 200), (10_081, 422)):
        assert client.post(path, json={"minutes": minutes}, headers=key).status_code == status
    me = {"authorization": f"Bearer {client.post(path, headers=key).json()['token']}"}
    assert client.get("/v1/me", headers=me).status_code == 200
    assert client.get("/v1/users/ann/export", headers=me).status_code == 401  # a link is no key
    assert client.get("/v1/me", headers=key).status_code == 401  # and a key no link
    for name in ("é" * 256, "x" * 512, "%F0%9F%8E%B7" * 128):
        me = {"authorization": f"Bearer {client.post(f'/v1/users/{name}/link', headers=key).json()['token']}"}
        assert client.get("/v1/me", headers=me).status_code == 200
    assert client.get(client.post("/v1/sessions/s1/link", headers=key).json()["path"]).status_code == 200


def test_the_page_shows_and_changes(busy: Client) -> None:
    page = opened(busy)
    for words in ("Your data", "Title 0", "Title 11", "Goes on ", "Kept until you are forgotten", "Because of", "NO"):
        assert words in page, words
    assert "/ui/person" not in page  # nothing leads to the operator's pages
    for tag, said in tags(page):
        assert tag not in {"style", "iframe", "object", "embed", "base"}
        assert "style" not in said and not any(name.startswith("on") for name in said)
    seqs = re.findall(r'value="remove:(\d+)"', page)
    assert press(busy, page, f"remove:{seqs[0]}").headers["location"] == f"{PAGE}#events"
    assert press(busy, page, f"correct:{seqs[1]}", item="i03", kind="view", value="1.5").status_code == 303
    (event,) = busy.get("/v1/users/ann/events").json()["events"]
    assert (event["item"], event["value"]) == ("i03", 1.5)
    press(
        busy, page, "choose", choice=["paused"], kind=["view", "cart"], use=["view"], off=["genre=noir"], more="genre=b"
    )
    chosen = busy.get("/v1/users/ann/choices").json()
    assert chosen == {"user": "ann", "paused": True, "private": False, "training": False, "off_kinds": ["cart"],
                      "off_items": ["genre=noir", "genre=b"]}  # fmt: skip
    again = busy.get(PAGE).text
    assert "Recording is paused" in again
    assert re.search(r'value="genre=noir" checked', again)
    for wrong, fields in (("remove:x", {}), ("remove:999", {}), ("", {}), (f"correct:{seqs[1]}", {"value": "x"}),
                          ("choose", {"more": "horror"}), (f"correct:{seqs[1]}", {})):  # fmt: skip
        assert press(busy, page, wrong, **fields).status_code in {404, 422}, wrong
    assert busy.post(PAGE, data={"do": "choose"}).status_code == 403  # without the token of the form
    assert busy.get(PAGE, params={"before": "x"}).status_code == 422
    assert busy.get(f"{PAGE}/export").json()["attributes"]["country"] == "NO"
    assert busy.get(f"{PAGE}/export", params={"format": "csv"}).text.startswith("\ufeffwhat,time,kept_until")


def test_the_page_forgets(busy: Client) -> None:
    page = opened(busy)
    asked = busy.get(f"{PAGE}/forget").text
    assert "2 events" in asked
    told = busy.post(f"{PAGE}/forget", data={"token": token(page)})
    receipt = json.loads(html.unescape(re.search(r'<pre id="receipt">(.*?)</pre>', told.text, re.DOTALL)[1]))  # type: ignore[index]
    assert receipt["removed"]["events"] == 2
    assert busy.get(PAGE).status_code == 401  # the cookie is gone


def test_the_cookie_is_for_this_page(busy: Client) -> None:
    made = busy.post("/v1/users/ann/link").json()
    sent = busy.get(made["path"], follow_redirects=False)
    (cookie,) = [one for one in sent.headers.get_list("set-cookie") if one.startswith("penchant_person=")]
    for part in ("HttpOnly", f"Path={PAGE}", "SameSite=lax", "Max-Age=3"):
        assert part in cookie
    assert sent.headers["cache-control"] == "no-store"


def test_links_work_with_pseudonyms_and_name_nobody(make: Make, tmp_path: Path) -> None:
    for name, key in (("old", KEY), ("new", KEY[::-1] + b"!")):
        (tmp_path / f"{name}.key").write_bytes(key)
    given: dict[str, Any] = {"pseudonyms": True, "keep": "0"}
    with ended(make(**given, pseudonym_key=str(tmp_path / "old.key"))) as client:
        client.events({"user": "ann-4711", "item": "i00"})
        made = client.post("/v1/users/ann-4711/link").json()
        assert made["user"] == "ann-4711"
        link = PersonLink.of(made["token"], client.service.store.secret)
        assert link.person.startswith("u:p_")
        me = {"authorization": f"Bearer {made['token']}"}
        told = client.get("/v1/me/export", headers=me)
        assert len(told.json()["events"]) == 1
        page = client.get(made["path"]).text
        assert "Title 0" in page
        assert "ann-4711" not in told.text + page
        seq = told.json()["events"][0]["seq"]
        assert client.patch(f"/v1/me/events/{seq}", json={"item": "i01"}, headers=me).status_code == 200
        assert client.patch("/v1/me/choices", json={"training": False}, headers=me).status_code == 200
    client = make(
        **given, pseudonym_key=str(tmp_path / "new.key"), pseudonym_old_keys=(str(tmp_path / "old.key"),)
    )  # fmt: skip
    refused = client.get("/v1/me", headers=me)
    assert (refused.status_code, "change of keys" in refused.text) == (410, True)
    fresh = {"authorization": f"Bearer {client.post('/v1/users/ann-4711/link').json()['token']}"}
    assert client.get("/v1/me", headers=fresh).json()["counts"]["events"] == 1
    assert client.delete("/v1/me", headers=fresh).json()["removed"] == {
        "events": 1, "written": 0, "attributes": 0, "exposures": 0, "choices": 1,
    }  # fmt: skip
    assert client.get("/v1/users/ann-4711/events").json()["events"] == []
