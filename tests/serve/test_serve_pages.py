"""The pages without a browser: who gets in, what a page elsewhere cannot do, headers, and what a title cannot do."""

from __future__ import annotations

import html
import json
import re
import shutil
import time
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from penchant.serve.catalogue.search import folded, search
from penchant.serve.common.metrics import Metrics
from penchant.serve.common.problems import Problem
from penchant.serve.pages import charts, sessions
from penchant.serve.pages.html import POLICY, ago, size
from penchant.serve.pages.live_metrics import LiveMetrics, quantile
from penchant.serve.pages.models import evaluation
from penchant.serve.pages.reasons import reasons, shades
from penchant.serve.pages.site import onward
from penchant.serve.pages.tryit import TASTES, State
from penchant.store.database import Database
from penchant.store.keys import Keyring
from tests.serve.conftest import Client, Make
from tests.serve.hosting import HOSTILE, SCRIPT, hostile
from tests.serve.test_serve_security import _routes

PAGES = (
    "/ui/try",
    "/ui/person",
    "/ui/person?user=ann",
    "/ui/live",
    "/ui/live/now",
    "/ui/results",
    "/ui/models",
    "/ui/sign-in",
)
CHANGES = {
    "/ui/models/activate": {"name": "second"}, "/ui/models/beside": {"name": "second"}, "/ui/models/rollback": {},
    "/ui/person/erase": {"user": "ann"}, "/ui/sign-out": {},
}  # fmt: skip


@pytest.fixture
def ring(tmp_path: Path) -> Iterator[Keyring]:
    database = Database(f"sqlite:///{tmp_path / 'store.db'}")
    database.migrate()
    yield Keyring(database)
    database.close()


def token(text: str) -> str:
    found = re.search(r'name="token" value="([^"]+)"', text)
    assert found, "there is no form that changes anything"
    return found[1]


def sign_in(client: Client, key: str, **more: str) -> Any:
    asked = client.get("/ui/sign-in")
    form = {"key": key, "token": token(asked.text), **more}
    return client.post("/ui/sign-in", data=form, follow_redirects=False)


@pytest.fixture
def guarded(make: Make, ring: Keyring, models: Path) -> tuple[Client, str]:
    """A service with keys, and its admin key."""
    _, told = ring.create("me", ["admin"])
    return make(folder=str(models)), told


# -- who gets in ------------------------------------------------------------------------------------------------------


def test_every_page_is_guarded(client: Client) -> None:
    guards = {sessions.anyone: 0, sessions.may_try: 1, sessions.signed_in: 2}
    public = {"/", "/ui", "/ui/", "/ui/assets/{name}"}
    anyone = {"/ui/theme", "/ui/sign-in", "/ui/sign-out", "/ui/{rest:path}"}
    anyone |= {"/ui/mine", "/ui/mine/export", "/ui/mine/forget"}  # behind a signed link: tests/privacy/test_link.py
    routes = [route for route in _routes(client.app.app.routes) if route.path in public or route.path.startswith("/ui")]
    assert len(routes) > 15
    for route in routes:
        calls = [dependency.call for dependency in route.dependant.dependencies]
        level = max((guards[call] for call in calls if call in guards), default=-1)
        wanted = -1 if route.path in public else 0 if route.path in anyone else 1 if "/try" in route.path else 2
        assert level == wanted, route.path
        harmless = {"/ui/try", "/ui/try/search", "/ui/theme", "/ui/sign-in"}
        changes = "POST" in route.methods and route.path not in harmless
        assert (sessions.own_form in calls) == changes, route.path
        assert not route.include_in_schema


def test_without_a_key_this_machine_sees_everything(client: Client) -> None:
    for path in PAGES:
        assert client.get(path).status_code == 200, path
        assert client.get(path, headers={"host": "evil.example"}).status_code == 403
        assert client.get(path, headers={"x-forwarded-for": "203.0.113.9"}).status_code == 403
    assert "the service has no key" in client.get("/ui/try").text


def test_with_keys_every_page_asks_who_is_there(guarded: tuple[Client, str]) -> None:
    client, _ = guarded
    for path in PAGES[:-1]:
        sent = client.get(path, follow_redirects=False)
        assert sent.status_code == 303, path
        assert sent.headers["location"].startswith("/ui/sign-in?next=%2Fui%2F")
        part = client.get(path, headers={"hx-request": "true"}, follow_redirects=False)
        assert part.status_code == 401
        assert part.headers["hx-redirect"].startswith("/ui/sign-in")
    assert client.post("/ui/try", data={}, follow_redirects=False).status_code == 303


def test_the_demo_leaves_try_it_open_and_nothing_else(make: Make, ring: Keyring) -> None:
    ring.create("me", ["admin"])
    client = make(demo=True)
    assert client.get("/ui/try").status_code == 200
    assert client.post("/ui/try", data={"do": "like:i01"}).status_code == 200
    assert client.post("/ui/try/search", data={"q": "title"}).status_code == 200
    for path in ("/ui/person", "/ui/live", "/ui/models", "/ui/live/now", "/ui/person/export?user=ann"):
        assert client.get(path, follow_redirects=False).status_code == 303, path
    assert client.get("/v1/popular").status_code == 401


def test_only_an_admin_key_signs_in(guarded: tuple[Client, str], ring: Keyring) -> None:
    client, admin = guarded
    _, read = ring.create("reader", ["read", "collect"])
    client.portal.call(client.service.refresh)  # type: ignore[union-attr]  # it runs every second
    for wrong in (read, admin[:-1] + "x", "", "é" * 300):
        refused = sign_in(client, wrong)
        assert refused.status_code == 401
        assert wrong == "" or wrong not in refused.text
        assert client.get("/ui/models", follow_redirects=False).status_code == 303
    assert sign_in(client, admin, next="/ui/models").headers["location"] == "/ui/models"
    for path in PAGES:
        assert client.get(path).status_code == 200


def test_keys_are_not_tried_fast(guarded: tuple[Client, str]) -> None:
    client, _ = guarded
    statuses = [sign_in(client, "pk_x_y").status_code for _ in range(21)]
    assert statuses == [401] * 20 + [429]


def test_the_cookie_is_for_these_pages_of_this_site_and_for_no_script(guarded: tuple[Client, str]) -> None:
    client, admin = guarded
    cookie = sign_in(client, admin).headers["set-cookie"]
    for flag in ("HttpOnly", "SameSite=strict", "Path=/ui/", "Max-Age="):
        assert flag in cookie
    assert "Secure" not in cookie
    assert admin not in cookie
    behind = client.get("/ui/sign-in", headers={"x-forwarded-proto": "https", "cookie": ""})
    assert "Secure" in behind.headers["set-cookie"]
    assert client.get("/v1/models").status_code == 401  # the API takes no cookie


def test_signing_in_begins_a_new_session(guarded: tuple[Client, str]) -> None:
    client, admin = guarded
    before = token(client.get("/ui/sign-in").text)
    sign_in(client, admin)
    after = token(client.get("/ui/models").text)
    assert before != after
    assert client.post("/ui/models/rollback", data={"token": before}).status_code == 403


def test_a_session_ends(guarded: tuple[Client, str], ring: Keyring, monkeypatch: pytest.MonkeyPatch) -> None:
    client, admin = guarded
    real, ahead = time.time, 0

    def look() -> int:
        return int(client.get("/ui/models", follow_redirects=False).status_code)

    monkeypatch.setattr(sessions.time, "time", lambda: real() + ahead)  # type: ignore[attr-defined]  # the module it uses
    sign_in(client, admin)
    for _ in range(12):  # it goes on while somebody is there, for twelve hours at most
        ahead += sessions.IDLE - 60
        assert look() == 200
    ahead += sessions.IDLE - 60
    assert look() == 303
    sign_in(client, admin)
    assert look() == 200
    ahead += sessions.IDLE + 1
    assert look() == 303


def test_a_session_ends_with_its_key(guarded: tuple[Client, str], ring: Keyring) -> None:
    client, admin = guarded
    sign_in(client, admin)
    assert client.get("/ui/models", follow_redirects=False).status_code == 200
    ring.load()
    ring.rotate(next(iter(ring)).id, grace=3600)
    client.portal.call(client.service.refresh)  # type: ignore[union-attr]
    assert client.get("/ui/models", follow_redirects=False).status_code == 303


def test_a_session_begun_without_a_key_opens_nothing_once_there_is_one(client: Client, ring: Keyring) -> None:
    assert client.get("/ui/models", follow_redirects=False).status_code == 200
    ring.create("me", ["admin"])
    client.portal.call(client.service.refresh)  # type: ignore[union-attr]
    assert client.get("/ui/models", follow_redirects=False).status_code == 303


def test_signing_out(guarded: tuple[Client, str]) -> None:
    client, admin = guarded
    sign_in(client, admin)
    page = client.get("/ui/models")
    assert client.post("/ui/sign-out", data={"token": token(page.text)}).status_code == 200
    assert client.get("/ui/models", follow_redirects=False).status_code == 303


@pytest.mark.parametrize("change", ["", "x", "none"])
def test_a_cookie_that_was_changed_is_nobody(guarded: tuple[Client, str], change: str) -> None:
    client, admin = guarded
    cookie = sign_in(client, admin).headers["set-cookie"].split(";")[0].partition("=")[2]
    client.cookies.clear()
    forged = {"": cookie[:-4], "x": cookie[:10] + "AAAA" + cookie[14:], "none": "e30"}[change]
    asked = client.get("/ui/models", headers={"cookie": f"penchant_session={forged}"}, follow_redirects=False)
    assert asked.status_code == 303
    own = client.get("/ui/models", headers={"cookie": f"penchant_session={cookie}"}, follow_redirects=False)
    assert own.status_code == 200


def test_where_a_sign_in_leads() -> None:
    for good in ("/ui/models", "/ui/person?user=a%2Fb&x=1", "/ui/live"):
        assert onward(sessions.Form([("next", good)])) == good
    for bad in (
        "https://evil.example",
        "//evil.example",
        "/ui/../v1",
        "/ui/\\evil",
        "/ui/x\nSet-Cookie:a",
        "/v1/x",
        "",
    ):
        assert onward(sessions.Form([("next", bad)])) == "/ui/try"


# -- pages elsewhere --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("open_to_all", [True, False])
def test_only_our_own_forms_change_anything(guarded: tuple[Client, str], make: Make, models: Path, open_to_all: bool,
                                             tmp_path: Path) -> None:  # fmt: skip
    client, admin = guarded
    if open_to_all:
        client = make(folder=str(models), store=f"sqlite:///{tmp_path / 'other.db'}")
    else:
        sign_in(client, admin)
    active = client.service.models.active.name
    good = token(client.get("/ui/models").text)
    for path, form in CHANGES.items():
        for data, headers in (
            (form, {}),
            ({**form, "token": ""}, {}),
            ({**form, "token": "é"}, {}),
            ({**form, "token": good[:-2] + "AA"}, {}),
            ({**form, "token": good}, {"origin": "http://evil.example"}),
            ({**form, "token": good}, {"origin": "http://localhost:1"}),
            ({**form, "token": good}, {"origin": "null"}),
            ({**form, "token": good}, {"sec-fetch-site": "cross-site"}),
            ({**form, "token": good}, {"sec-fetch-site": "same-site"}),
        ):
            refused = client.post(path, data=data, headers=headers, follow_redirects=False)
            assert refused.status_code == 403, (path, data, headers)
    assert client.service.models.active.name == active
    form = {"name": "second", "token": good}
    headers = {"origin": "http://localhost", "sec-fetch-site": "same-origin"}
    assert client.post("/ui/models/activate", data=form, headers=headers).status_code == 200
    assert client.service.models.active.name == "second"


def test_forms_are_forms(client: Client) -> None:
    assert client.post("/ui/try", json={}).status_code == 415
    assert client.post("/ui/try", files={"q": b"x"}).status_code == 415
    headers = {"content-type": "application/x-www-form-urlencoded"}
    assert client.post("/ui/try", content=b"q=\xff", headers=headers).status_code == 400
    assert client.post("/ui/try", content=b"q=%ff", headers=headers).status_code == 400
    assert client.post("/ui/try", content=b"a=1&" * 4000, headers=headers).status_code == 422
    assert client.post("/ui/try", content=b"q=" + b"x" * 2**20, headers=headers).status_code == 413
    assert client.post("/v1/recommendations", content=b"a=1", headers=headers).status_code == 415  # nowhere else


# -- headers ----------------------------------------------------------------------------------------------------------


def test_nothing_runs_but_our_own_files(client: Client) -> None:
    wanted = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    )
    assert wanted == POLICY
    for path in (*PAGES, "/", "/ui/nothing", "/ui/assets/pages.css", "/ui/person/export?user=ann"):
        told = client.get(path, follow_redirects=False)
        assert told.headers["content-security-policy"] == POLICY, path
        assert told.headers["referrer-policy"] == "same-origin"
        assert told.headers["x-content-type-options"] == "nosniff"
        assert ("no-store" in told.headers["cache-control"]) == ("assets" not in path)


class _Tags(HTMLParser):
    """Every tag with its attributes, and the text of scripts and styles."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def tags(text: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = _Tags()
    parser.feed(text)
    return parser.tags


@pytest.mark.parametrize("path", PAGES)
def test_nothing_is_inline_and_nothing_is_elsewhere(client: Client, path: str) -> None:
    client.events({"user": "ann", "item": "i00"})
    for tag, attributes in tags(client.get(path).text):
        assert tag not in {"style", "iframe", "object", "embed", "base"}
        assert "style" not in attributes
        assert not any(name.startswith("on") for name in attributes)
        if tag == "script":
            assert (attributes["src"] or "").startswith("/ui/assets/")
        for name in ("src", "href", "action", "hx-get", "hx-post"):
            assert attributes.get(name, "/")[:1] in {"/", "#"}, (tag, attributes)  # type: ignore[index]


def test_assets_are_local_and_kept(client: Client) -> None:
    page = client.get("/ui/try").text
    for path in re.findall(r'(?:src|href)="(/ui/assets/[^"]+)"', page):
        told = client.get(html.unescape(path))
        assert told.status_code == 200
        assert "immutable" in told.headers["cache-control"]
    assert "immutable" not in client.get("/ui/assets/pages.css").headers["cache-control"]
    for nothing in ("..%2Fhtml.py", "htmx.LICENSE.txt", "%00"):
        assert client.get(f"/ui/assets/{nothing}").status_code == 404


def test_a_refusal_is_a_page(client: Client) -> None:
    for path, status in (("/ui/nothing", 404), ("/ui/person?user=a%00b", 422), ("/ui/try?like=", 422)):
        told = client.get(path)
        assert told.status_code == status
        assert told.headers["content-type"].startswith("text/html")
        assert "<h1>" in told.text
    part = client.post("/ui/try", data={"do": "like:\x00"}, headers={"hx-request": "true"})
    assert part.status_code == 422
    assert "<html" not in part.text


# -- what is shown ----------------------------------------------------------------------------------------------------


def test_hostile_titles_and_ids_are_text(tmp_path: Path, make: Make) -> None:
    client = make(folder=str(hostile(tmp_path / "hostile")))
    client.service.models.beside = client.service.models.read("second", (), False)
    for n, item in enumerate(HOSTILE):
        client.events({"user": f"<i>{item[:200]}", "item": item, "kind": "<u>'\"", "id": str(n)})
    client.patch("/v1/users/evil", json={"attributes": {"<b>": SCRIPT}})
    form: dict[str, Any] = {"taste": ["+" + item for item in list(HOSTILE)[:4]], "do": "near:plain", "q": SCRIPT[:3]}
    texts = [client.post("/ui/try", data={**form, "beside": "second"}).text, client.get("/ui/live").text]
    texts += [client.get("/ui/person").text, client.get("/ui/person", params={"user": "evil"}).text]
    texts += [client.get(path, params={"user": f"<i>{next(iter(HOSTILE))}"}).text
              for path in ("/ui/person", "/ui/person/erase")]  # fmt: skip
    for text in texts:
        found = tags(text)
        assert {tag for tag, _ in found} <= KNOWN_TAGS
        assert sum(tag == "script" for tag, _ in found) == 2
        assert not any(name.startswith("on") for _, attributes in found for name in attributes)
        assert len(text) < 200_000
    assert any(html.escape(SCRIPT) in text.replace("&#39;", "&#x27;") for text in texts)


KNOWN_TAGS = {
    "html", "head", "meta", "title", "link", "script", "body", "a", "header", "svg", "path", "nav", "div", "form",
    "input", "button", "span", "main", "h1", "h2", "p", "section", "noscript", "ul", "ol", "li", "bdi", "rect", "small",
    "circle", "b", "footer", "time", "code", "pre",
}  # fmt: skip


def test_a_click_says_what_it_changed_and_why(client: Client) -> None:
    begun = client.get("/ui/try").text
    assert "Popular items" in begun
    was = re.findall(r'name="was" value="([^"]+)"', begun)
    assert len(was) == 10
    liked = client.post("/ui/try", data={"was": was, "do": "like:i12"}).text
    assert 'name="taste" value="+i12"' in liked
    assert "since you liked" in re.sub(r"\s+", " ", liked)
    first = re.search(r'data-item="([^"]+)"', liked)
    assert first and first[1] in {f"i{n}" for n in range(10, 20)}
    assert "Because you liked" in liked and "Title 12" in liked
    both = client.post("/ui/try", data={"taste": ["+i12"], "do": "dislike:i13"}).text
    assert 'value="-i13"' in both
    assert 'data-item="i13"' not in both
    back = client.post("/ui/try", data={"taste": ["+i12", "-i13"], "do": "drop:i13"}).text
    assert 'value="-i13"' not in back


def test_nothing_of_a_try_is_stored(client: Client) -> None:
    client.post("/ui/try", data={"taste": ["+i12", "-i13"], "do": "like:i14"})
    assert client.service.store.count() == 0
    assert client.service.store.clock().items == 0


def test_two_models_side_by_side(make: Make, models: Path) -> None:
    client = make(folder=str(models))
    page = client.get("/ui/models").text
    active = client.service.models.active.name
    other = next(name for name in ("second", "popular", "knn") if name != active)
    told = client.post("/ui/models/beside", data={"name": other, "token": token(page)})
    assert "compare with it" in told.text
    assert client.service.models.active.name == active
    both = client.post("/ui/try", data={"taste": "+i12", "beside": other}).text
    assert both.count('class="list"') == 2
    assert both.count('<li class="card"') == 20
    assert client.post("/ui/try", data={"taste": "+i12", "beside": "nothing"}).text.count('class="list"') == 1
    rolled = client.post("/ui/models/rollback", data={"token": token(page)})
    assert rolled.status_code == 409  # what was only compared with never answered
    assert client.service.models.active.name == active


def test_a_new_event_of_an_item_reaches_the_model_beside(make: Make, models: Path) -> None:
    client = make(folder=str(models))
    client.service.models.beside = client.service.models.read("second", (), False)
    client.events({"user": "a", "item": "never seen"})
    assert all("never seen" in one.catalogue.vocab for one in client.service.models.at_hand)


def test_a_person_is_shown_exported_and_erased(client: Client) -> None:
    client.events({"user": "ann/é", "item": "i12", "id": "1"}, {"user": "ann/é", "item": "i13", "kind": "dislike"})
    client.patch("/v1/users/ann%2F%C3%A9", json={"attributes": {"country": "NO"}})
    lately = client.get("/ui/person").text
    assert "user=ann%2F%C3%A9" in lately
    page = client.get("/ui/person", params={"user": "ann/é"}).text
    assert "Title 12" in page and "Because of" in page and "country" in page and "dislike" in page
    export = client.get("/ui/person/export", params={"user": "ann/é"})
    assert export.headers["content-disposition"].startswith('attachment; filename="ann-.json"')
    assert [event["item"] for event in export.json()["events"]] == ["i12", "i13"]
    ask = client.get("/ui/person/erase", params={"user": "ann/é"}).text
    assert "2 events and 1 attribute " in ask
    receipt = client.post("/ui/person/erase", data={"user": "ann/é", "token": token(ask)}).text
    shown = re.search(r'<pre id="receipt">(.*?)</pre>', receipt, re.DOTALL)
    assert shown
    document = json.loads(html.unescape(shown[1]))
    assert document["removed"] == {"events": 2, "written": 0, "attributes": 1, "exposures": 0, "choices": 0}
    assert "no events of this person" in client.get("/ui/person", params={"user": "ann/é"}).text
    assert client.service.store.count() == 0
    assert "Title 12" not in client.get("/ui/live").text


def test_a_session_may_be_looked_at_too(client: Client) -> None:
    client.events({"session": "s 1", "item": "i12"})
    assert "Title 12" in client.get("/ui/person", params={"session": "s 1"}).text
    assert client.get("/ui/person/export", params={"session": "s 1"}).json()["session"] == "s 1"
    for path in ("/ui/person/export", "/ui/person/erase"):
        assert client.get(path).status_code == 422, path


def test_models_with_and_without_an_evaluation(make: Make, tmp_path: Path, models: Path) -> None:
    root = tmp_path / "models"
    shutil.copytree(models, root)
    measured = {"mean": 0.5, "low": 0.4, "high": 0.6}
    found = {
        "name": "item-knn",
        "label": "item-knn",
        "params": {},
        "metrics": {"ndcg@10": measured, "rmse": {"mean": None}},
    }
    document = {"split": {"name": "leave-last", "cases": 120}, "models": [found]}
    (root / "knn.evaluation.json").write_text(json.dumps(document))
    (root / "second.evaluation.json").write_text('["not", "an evaluation"]')
    (root / "broken").mkdir()
    (root / "broken" / "manifest.json").write_text("{")
    page = make(folder=str(root)).get("/ui/models").text
    assert page.count("Not evaluated.") == 2
    assert "0.5000" in page and "0.4000 – 0.6000" in page and "leave-last, 120 cases" in re.sub(r"\s+", " ", page)
    assert page.count("badge bad") == 1
    assert 'd="M634.9 7H952.4"' in page  # of a scale from 0 to 1.05 × .6


@pytest.mark.parametrize("wrong", [None, {}, {"models": []}, {"models": [{"name": "other"}]}, {"models": 3}, "text"])
def test_an_evaluation_of_something_else_is_none(wrong: Any) -> None:
    assert evaluation({"model": "knn", "params": {}, "evaluation": wrong}) is None


def test_activating_a_broken_model_says_so_and_changes_nothing(make: Make, tmp_path: Path, models: Path) -> None:
    root = tmp_path / "models"
    shutil.copytree(models, root)
    client = make(folder=str(root))
    active = client.service.models.active.name
    other = "second" if active != "second" else "popular"
    good = token(client.get("/ui/models").text)
    (root / other / "model.safetensors").write_bytes(b"broken")
    for path in ("/ui/models/activate", "/ui/models/beside"):
        refused = client.post(path, data={"name": other, "token": good})
        assert refused.status_code == 409
        assert "the active model stays" in refused.text
    assert client.post("/ui/models/activate", data={"name": "../x", "token": good}).status_code == 404
    assert client.service.models.active.name == active


def test_appearance_is_kept_in_a_cookie(client: Client) -> None:
    assert 'data-theme="auto"' in client.get("/ui/try").text
    told = client.post("/ui/theme", data={"theme": "dark", "next": "/ui/live"}, follow_redirects=False)
    assert told.headers["location"] == "/ui/live"
    assert 'data-theme="dark"' in client.get("/ui/live").text
    client.post("/ui/theme", data={"theme": "<b>"})
    assert 'data-theme="dark"' in client.get("/ui/live").text


# -- parts ------------------------------------------------------------------------------------------------------------


def test_a_state_is_what_its_form_says() -> None:
    def state(*fields: tuple[str, str]) -> State:
        return State.of(sessions.Form(list(fields)))

    assert state(("taste", "+a"), ("taste", "-b"), ("do", "like:b")).tastes == ["+a", "+b"]
    assert state(("taste", "+a"), ("do", "dislike:a:b")).tastes == ["+a", "-a:b"]
    assert state(("taste", "+a"), ("do", "clear")).tastes == []
    assert state(("like", "a"), ("dislike", "b")).tastes == ["+a", "-b"]
    assert state(("do", "near:x:y")).near == "x:y"
    assert state(("near", "x"), ("do", "near:")).near == ""
    for wrong in ([("taste", "a")], [("taste", "+")], [("do", "like:")], [("taste", "+a")] * (TASTES + 1)):
        with pytest.raises(Problem) as refused:
            state(*wrong)
        assert refused.value.status_code == 422


def test_search_finds_words_in_any_order(client: Client) -> None:
    served = client.service.models.active
    ids = served.catalogue.ids

    def found(question: str, k: int = 5) -> list[str]:
        return [ids[at] for at in search(served.catalogue, question, k)]

    client.put("/v1/items/new", json={"title": "Le Fabuleux Destin d'Amélie"})
    assert found("amelie DESTIN") == ["new"]
    assert found("12 title") == ["i12"]
    assert found("i07")[0] == "i07"
    assert "i09" not in found("title 9")  # not available
    assert found("   ", 29) == client.ids("/v1/popular", k=29)
    assert len(found("title", 3)) == 3
    counts = served.recommender.item_counts
    shown = [counts[served.catalogue.vocab.index(item)] for item in found("title", 30)]
    assert shown == sorted(shown, reverse=True)
    client.delete("/v1/items/new")
    assert found("amelie") == []
    assert folded("ÀÉß") == folded("aess")


def test_reasons_add_up() -> None:
    parts = [
        {"item": item, "title": None, "contribution": x}
        for item, x in (("a", 3.0), ("b", 1.0), ("a", 1.0), ("c", -1.0))
    ]
    entry = {"item": "x", "score": 4.0, "why": {"method": "exact", "base": 0.0, "parts": parts}}
    told = reasons(entry, shades(["a", "b", "c"]), 8.0)
    assert [(part["item"], part["share"], part["shade"]) for part in told["for"]] == [("a", 0.8, 1), ("b", 0.2, 2)]
    assert [part["item"] for part in told["against"]] == ["c"]
    assert told["bar"] == [{"x": 0.0, "width": 400.0, "shade": 1}, {"x": 400.0, "width": 100.0, "shade": 2}]
    plain = reasons(entry, {"a": 0, "b": 2}, 8.0)["bar"]
    assert [(one["width"], one["shade"]) for one in plain] == [(100.0, 2), (400.0, 0)]
    many = [{"item": str(n), "title": None, "contribution": 10.0 - n} for n in range(10)]
    bar = reasons({**entry, "why": {**entry["why"], "parts": many}}, {}, 4.0)["bar"]
    assert [one["shade"] for one in bar] == [1, 2, 3, 0]
    assert sum(one["width"] for one in bar) == pytest.approx(1000, abs=0.5)
    assert shades("aabcdefgh") == {"a": 0, "b": 0, "c": 3, "d": 4, "e": 5, "f": 6, "g": 1, "h": 2}
    nothing = reasons({**entry, "score": -1.0, "why": {**entry["why"], "parts": []}}, {}, 0.0)
    assert nothing["for"] == nothing["bar"] == []


def test_a_pulse_counts_a_second() -> None:
    metrics = Metrics()
    live_metrics = LiveMetrics(metrics)
    live_metrics.sample()
    metrics.events.labels("accepted").inc(30)
    metrics.events.labels("refused").inc(5)
    metrics.answers.labels("personal").inc(6)
    metrics.answers.labels("fallback").inc(2)
    metrics.lately.extend(n / 1000 for n in range(1, 101))
    time.sleep(0.05)
    live_metrics.sample()
    sample = live_metrics.samples[-1]
    assert sample.events / sample.answers == pytest.approx(30 / 8)
    assert sample.fallback / sample.answers == pytest.approx(1 / 4)
    assert (sample.p50, sample.p95, sample.p99) == (50, 95, 99)
    live_metrics.sample()
    assert live_metrics.samples[-1].events == 0
    assert not metrics.lately
    assert quantile([], 0.5) is None
    assert [quantile([1, 2, 3], share) for share in (0.0, 0.33, 0.34, 1.0)] == [1, 1, 2, 3]


def test_lines_and_scales() -> None:
    assert charts.line([0, None, 1], 1.0) == "M589.9 100.0 M600.0 0.0"
    assert charts.line([0, 5], 1.0) == "M595.0 100.0 L600.0 0.0"
    assert charts.area([], 1.0) == ""
    assert [charts.nice(value) for value in (0, 0.3, 1, 1.1, 7, 10, 1234)] == [1, 0.5, 1, 2, 10, 10, 2000]
    assert charts.span(1, 2, 3, 0, 4) == {"low": 250, "mean": 500, "high": 750}
    assert [size(count) for count in (0, 2048, 3 * 2**30)] == ["0 B", "2.0 KiB", "3.0 GiB"]
    assert ago(time.time() - 7200) == "2 h ago"
