"""The pages in a real browser: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from penchant.store.database import Database
from penchant.store.keys import Keyring
from penchant.store.lease import Lease
from penchant.store.trainings import Trainings
from tests.serve.hosting import HOSTILE, chromium, hosted, hostile
from tests.serve.test_serve_trainings import training

pytestmark = pytest.mark.browser
PAGES = ("/ui/try", "/ui/person?user=ann", "/ui/live", "/ui/results", "/ui/models")
DESK, PHONE = {"width": 1200, "height": 800}, {"width": 360, "height": 740}
# the contrast of every text with what lies behind it, where it is less than WCAG's AA asks for
FAINT = """() => {
  const parse = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const behind = (node) => {
    for (; node; node = node.parentElement) {
      const colour = parse(getComputedStyle(node).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement, style = getComputedStyle(node);
    if (!walker.currentNode.textContent.trim() || node.closest(".hidden, noscript")) continue;
    const [a, b] = [light(parse(style.color)), light(behind(node))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) found.push([walker.currentNode.textContent.trim().slice(0, 40), ratio]);
  }
  return found;
}"""
Open = Callable[..., Any]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where screenshots are kept: the folder PENCHANT_SCREENSHOTS names, else one that is thrown away."""
    folder = Path(os.environ.get("PENCHANT_SCREENSHOTS") or tmp_path_factory.mktemp("screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def site(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Any]]:
    """A service without keys, with two models at hand, evaluations and a few events."""
    store, root = tmp_path_factory.mktemp("store") / "store.db", tmp_path_factory.mktemp("site") / "models"
    shutil.copytree(models, root)
    for name, model, mean in (("knn", "item-knn", 0.25), ("popular", "popular", 0.125)):
        metrics = {f"{metric}@10": {"mean": mean, "low": mean - 0.1, "high": mean + 0.1} for metric in ("ndcg", "hit")}
        found = {"name": model, "label": model, "params": {}, "metrics": {**metrics, "coverage@10": {"mean": mean}}}
        document = {"split": {"name": "leave-last", "cases": 120}, "models": [found]}
        (root / f"{name}.evaluation.json").write_text(json.dumps(document))
    with hosted(folder=str(root), store=f"sqlite:///{store}", exposures=True) as (address, service):
        other = next(name for name in ("second", "popular") if name != service.models.active.name)
        service.models.beside = service.models.read(other, (), False)
        with Lease(service.store, "train") as lease:
            for number, outcome in enumerate(("activated", "refused", "cannot tell", "activated")):
                Trainings(service.store).note(training(number, outcome), "v", lease)
        service.store.writer.do_now(service.active_model.note(service.models.active.name, "v"))
        send(address, *({"user": "ann", "item": item} for item in ("i12", "i13", "i02")))
        shown(address, service)
        yield address, service


def send(address: str, *events: dict[str, Any]) -> None:
    body = json.dumps({"events": list(events)}).encode()
    ask(address, "POST", "/v1/events", body)


def ask(address: str, method: str, path: str, body: bytes | None = None) -> None:
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=10)
    connection.request(method, path, body, {"content-type": "application/json"} if body else {})
    assert connection.getresponse().status == 200
    connection.close()


@pytest.fixture
def visit(browser: Any) -> Iterator[Open]:
    """Open pages that may ask nobody but their own site and may break nothing of their policy."""
    contexts = []

    def opened(address: str, path: str = "/ui/try", *, viewport: Any = DESK, wrong: int = 0, **options: Any) -> Any:
        context = browser.new_context(viewport=viewport, reduced_motion="reduce", **options)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.troubles = []
        page.on("console", lambda said: page.troubles.append(said.text) if said.type in {"error", "warning"} else None)
        page.on("pageerror", lambda error: page.troubles.append(str(error)))
        page.on("dialog", lambda dialog: page.troubles.append(dialog.message))
        page.on("request", lambda asked: page.troubles.append(asked.url) if not asked.url.startswith(address) else None)
        contexts.append((context, page, wrong))
        page.goto(address + path)
        return page

    yield opened
    for context, page, wrong in contexts:
        assert len(page.troubles) == wrong, page.troubles
        context.close()


def items(page: Any, column: int = 1) -> list[str]:
    cards = page.locator(f'.card[data-list="{column}"]')
    return list(cards.evaluate_all("cards => cards.map(card => card.dataset.item)"))


def wait(page: Any, holds: Callable[[], bool], seconds: float = 15) -> None:
    """Playwright's own would evaluate text in the page, which the pages' policy forbids."""
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, "it did not come to be"
        page.wait_for_timeout(30)


def test_try_it(site: tuple[str, Any], visit: Open, shots: Path) -> None:
    page, stored = visit(site[0]), site[1].store.count()
    popular = items(page)
    assert page.get_by_role("heading", name="Popular items").is_visible()
    page.locator("#q").press_sequentially("title 12", delay=15)
    page.get_by_role("button", name="Like Title 12", exact=True).click()
    page.wait_for_selector(".chip")
    wait(page, lambda: page.locator("#list-1").inner_text().startswith("For you"))
    liked = items(page)
    assert liked != popular
    assert {*liked[:3]} < {f"i{n}" for n in range(10, 20)}
    assert "Because you liked Title 12" in page.locator(".card .why").first.inner_text()
    assert "since you liked Title 12" in page.locator("#list-1").inner_text()
    assert page.locator("#change").inner_text().startswith("Liked Title 12.")
    assert page.locator(".hits .like[aria-pressed=true]").count() == 1  # what was found says so too
    assert page.locator("#q").input_value() == "title 12"
    page.locator("#q").fill("")
    wait(page, lambda: page.locator(".hits").count() == 0)
    gone = items(page)[0]
    page.locator("#dislike-1-1").click()
    page.wait_for_selector(".chip.against")
    assert gone not in items(page)
    page.locator("#near-1-1").click()
    page.wait_for_selector(".alike ol")
    page.locator("#beside-1").click()
    page.wait_for_selector(".columns.two")
    assert len(items(page, 2)) == 10
    page.screenshot(path=shots / "try.png", full_page=True)
    page.locator("#beside-1").click()
    page.get_by_role("button", name="Close the similar items").click()
    wait(page, lambda: page.locator(".alike, .two").count() == 0)
    page.get_by_role("button", name="Remove Title 12").click()
    wait(page, lambda: page.locator(".chip").count() == 1)
    page.get_by_role("button", name="Start over").click()
    wait(page, lambda: page.locator(".chip").count() == 0)
    assert items(page) == popular
    assert site[1].store.count() == stored  # nothing was added


def test_with_the_keyboard_alone(site: tuple[str, Any], visit: Open) -> None:
    page = visit(site[0])
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.locator("#like-1-1").focus()
    first = items(page)[0]
    page.keyboard.press("Enter")
    page.wait_for_selector(".chip")
    wait(page, lambda: page.evaluate("document.activeElement.id") == "like-1-1")  # it stays where it was
    assert first not in items(page)
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    page.keyboard.press("Enter")
    wait(page, lambda: page.locator(".chip").count() == 2)
    page.locator("#q").focus()
    page.keyboard.type("title 2")
    page.wait_for_selector(".hits")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "hit-like-1"
    page.keyboard.press("Enter")
    wait(page, lambda: page.locator(".chip").count() == 3)


def test_typing_goes_on_while_the_list_changes(site: tuple[str, Any], visit: Open) -> None:
    page = visit(site[0])
    page.locator("#like-1-1").click()
    page.locator("#q").press_sequentially("title 1", delay=10)
    page.wait_for_selector(".hits")
    page.wait_for_timeout(300)
    assert page.locator("#q").input_value() == "title 1"
    assert page.evaluate("document.activeElement.id") == "q"
    page.keyboard.press("Enter")
    page.wait_for_timeout(200)
    assert page.locator("#q").input_value() == "title 1"
    assert page.locator(".chip").count() == 1  # Enter searches, it likes nothing


def test_without_scripts(site: tuple[str, Any], visit: Open, shots: Path) -> None:
    page = visit(site[0], java_script_enabled=False)
    page.locator("#q").fill("title 12")
    page.locator("#q").press("Enter")
    page.locator("#hit-like-1").click()
    assert page.locator(".chip").count() == 1
    assert page.locator("#q").input_value() == "title 12"
    assert "Because you liked Title 12" in page.locator(".card .why").first.inner_text()
    page.locator("#dislike-1-2").click()
    assert page.locator(".chip.against").count() == 1
    page.locator("#beside-1").click()
    assert page.locator(".columns.two").count() == 1
    page.get_by_role("button", name="Dark").click()
    assert page.locator("html").get_attribute("data-theme") == "dark"
    page.goto(site[0] + "/ui/live")
    assert page.locator('noscript meta[http-equiv="refresh"]').count() + page.locator("meta[http-equiv]").count()
    page.screenshot(path=shots / "live-without-scripts.png")


def test_nothing_hostile_runs_or_breaks_out(visit: Open, tmp_path: Path, shots: Path) -> None:
    store = f"sqlite:///{tmp_path / 'hostile.db'}"
    with hosted(folder=str(hostile(tmp_path / "models")), store=store) as (address, service):
        service.models.beside = service.models.read("second", (), False)
        for n, item in enumerate(HOSTILE):
            send(address, {"user": next(iter(HOSTILE)), "item": item, "kind": "W" * 64, "id": str(n)})
        send(address, {"user": "\u202eW" * 100, "item": "plain", "kind": "dislike"})
        for viewport in (PHONE, DESK):
            page = visit(address, viewport=viewport)
            for n in (1, 2, 3):
                page.locator(f"#like-1-{n}").click()
                page.locator(".chip").nth(n - 1).wait_for()
            page.locator("#dislike-1-1").click()
            page.wait_for_selector(".chip.against")
            page.locator("#near-1-1").click()
            page.wait_for_selector(".alike")
            page.locator("#beside-1").click()
            page.wait_for_selector(".columns.two")
            page.locator("#q").fill("www")
            page.wait_for_selector(".hits")
            assert_fits(page)
            page.screenshot(path=shots / f"hostile-{viewport['width']}.png", full_page=True)
            tallest = page.locator(".card").evaluate_all("all => Math.max(...all.map(one => one.offsetHeight))")
            assert tallest < 450
            for path in ("/ui/person", "/ui/live", "/ui/models"):
                page.goto(address + path)
                assert_fits(page)
            page.goto(address + "/ui/person")
            for person in page.locator(".people a").evaluate_all("all => all.map(one => one.href)"):
                page.goto(person)
                assert_fits(page)
                page.get_by_role("link", name="Erase…").click()
                assert_fits(page)
            assert page.title() == "Erase · Penchant"


def shown(address: str, service: Any) -> None:
    """Lists in two placements, some of whose items are clicked."""
    host = address.removeprefix("http://")
    for n in range(40):
        connection = http.client.HTTPConnection(host, timeout=10)
        connection.request("GET", f"/v1/users/p{n}/recommendations?k=5&placement={'home' if n % 3 else 'basket'}")
        told = json.loads(connection.getresponse().read())
        connection.close()
        for entry in told["items"][: 1 + n % 2]:
            if n % 2:
                kind = "purchase" if n % 8 == 1 else "view"
                send(
                    address,
                    {"user": f"p{n}", "item": entry["item"], "kind": kind, "recommendation": told["recommendation"]},
                )
    until = time.monotonic() + 10
    while service.shown.exposures.waiting and time.monotonic() < until:
        time.sleep(0.05)


def assert_fits(page: Any) -> None:
    wide, room = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert wide <= room, page.url


@pytest.mark.parametrize("path", PAGES)
def test_both_appearances_can_be_read_and_fit_a_phone(
    site: tuple[str, Any], visit: Open, shots: Path, path: str
) -> None:
    name = path.removeprefix("/ui/").partition("?")[0]
    colours = set()
    for scheme in ("light", "dark"):
        page = visit(site[0], path, color_scheme=scheme)
        if name == "try":
            page.locator("#like-1-1").click()
            page.wait_for_selector(".chip")
            page.locator("#dislike-1-2").click()
            page.wait_for_selector(".chip.against")
        page.wait_for_timeout(250)
        assert page.evaluate(FAINT) == []
        colours.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        page.screenshot(path=shots / f"{name}-{scheme}.png", full_page=True)
    assert len(colours) == 2
    page = visit(site[0], path, viewport=PHONE)
    assert_fits(page)
    small = page.locator("button:not(.hidden):visible, nav a").evaluate_all(
        "all => all.filter(one => one.offsetHeight < 24 || one.offsetWidth < 24).map(one => one.outerHTML)"
    )
    assert small == []  # a finger needs room
    page.screenshot(path=shots / f"{name}-phone.png", full_page=True)


def test_the_appearance_is_chosen(site: tuple[str, Any], visit: Open) -> None:
    page = visit(site[0], "/ui/models", color_scheme="light")
    paper = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(paper)
    page.get_by_role("button", name="Dark").click()
    page.wait_for_selector('html[data-theme="dark"]')
    dark = page.evaluate(paper)
    assert dark != light
    page.goto(site[0] + "/ui/live")
    assert page.evaluate(paper) == dark
    page.get_by_role("button", name="As the system").click()
    page.wait_for_selector('html[data-theme="auto"]')
    assert page.evaluate(paper) == light
    assert page.url.endswith("/ui/live")


def test_signing_in(visit: Open, models: Path, tmp_path: Path, shots: Path) -> None:
    store = f"sqlite:///{tmp_path / 'store.db'}"
    database = Database(store)
    database.migrate()
    _, key = Keyring(database).create("me", ["admin"])
    database.close()
    with hosted(folder=str(models), store=store) as (address, _):
        page = visit(address, "/ui/person?user=ann", wrong=1)  # the browser notes the refusal on its console
        assert "/ui/sign-in?next=" in page.url
        page.get_by_label("Key").fill("pk_no_key")
        page.get_by_role("button", name="Sign in").click()
        assert page.get_by_role("alert").filter(has_text="not a valid key").is_visible()
        page.screenshot(path=shots / "sign-in.png")
        page.get_by_label("Key").fill(key)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("heading", name="ann").wait_for()
        assert page.url == f"{address}/ui/person?user=ann"
        assert page.evaluate("document.cookie") == ""
        assert page.evaluate("fetch('/v1/models').then(told => told.status)") == 401
        page.troubles.pop()  # that one
        page.set_viewport_size(PHONE)
        page.screenshot(path=shots / "signed-in-phone.png")
        assert page.locator(".top").evaluate("top => top.offsetHeight") < 100  # two lines
        assert_fits(page)
        page.set_viewport_size(DESK)
        page.get_by_role("link", name="Models").click()
        page.get_by_role("button", name="Sign out").click()
        page.wait_for_url("**/ui/sign-in")
        page.goto(address + "/ui/models")
        assert "/ui/sign-in" in page.url


def test_a_form_of_a_page_elsewhere_is_refused(site: tuple[str, Any], visit: Open, tmp_path: Path) -> None:
    address, service = site
    page = visit(address, "/ui/models")
    good = page.locator("input[name=token]").first.input_value()
    elsewhere = tmp_path / "elsewhere.html"
    fields = f'<input name=token value="{good}"><input name=name value=popular>'
    elsewhere.write_text(f"<form method=post action={address}/ui/models/activate>{fields}<button>Win</button></form>")
    active = service.models.active.name
    page.goto(elsewhere.as_uri())
    with page.expect_navigation() as gone:
        page.get_by_role("button").click()
    assert gone.value.status == 403
    assert service.models.active.name == active
    page.troubles.clear()  # the file, and the refusal


def test_live_moves_and_can_be_held(site: tuple[str, Any], visit: Open) -> None:
    address, _ = site
    page = visit(address, "/ui/live")
    line = page.locator("#chart-events .line")
    wait(page, lambda: line.get_attribute("d") is not None)
    send(address, *({"session": "visitor", "item": "i21", "id": f"live{n}"} for n in range(50)))
    ask(address, "GET", "/v1/sessions/visitor/recommendations")
    wait(page, lambda: page.get_by_role("link", name="visitor").count() > 0)
    wait(page, lambda: "0.0" not in page.locator(".now").first.inner_text())
    before = line.get_attribute("d")
    wait(page, lambda: line.get_attribute("d") != before)
    wait(page, lambda: "ms at the median" in page.locator(".tile").nth(2).inner_text())
    page.get_by_role("button", name="Pause").click()
    page.wait_for_timeout(200)
    held = line.get_attribute("d")
    page.wait_for_timeout(1500)
    assert line.get_attribute("d") == held
    page.get_by_role("button", name="Pause").click()
    wait(page, lambda: line.get_attribute("d") != held)


def test_a_person_from_history_to_receipt(site: tuple[str, Any], visit: Open, shots: Path) -> None:
    address, _ = site
    send(address, {"user": "bob/1", "item": "i25"}, {"user": "bob/1", "item": "i03", "kind": "dislike"})
    page = visit(address, "/ui/person")
    page.get_by_role("link", name="bob/1").click()
    assert "Title 25" in page.locator(".events").inner_text()
    assert "Because of Title 25" in page.locator(".card .why").first.inner_text()
    with page.expect_download() as told:
        page.get_by_role("link", name="Export").click()
    document = json.loads(Path(told.value.path()).read_text())
    assert told.value.suggested_filename.endswith(".json")
    assert [event["item"] for event in document["events"]] == ["i25", "i03"]
    page.get_by_role("link", name="Erase…").click()
    page.screenshot(path=shots / "erase.png")
    page.get_by_role("button", name="Erase for good").click()
    receipt = json.loads(page.locator("#receipt").inner_text())
    assert receipt["removed"]["events"] == 2
    page.goto(address + "/ui/person?user=bob%2F1")
    assert "no events of this person" in page.locator("main").inner_text()


def test_models_take_over_and_back(visit: Open, models: Path, tmp_path: Path) -> None:
    with hosted(folder=str(models), store=f"sqlite:///{tmp_path / 'store.db'}") as (address, service):
        page = visit(address, "/ui/models", wrong=1)  # the first roll back is refused
        begun = service.models.active.name
        page.get_by_role("button", name="Roll back").click()
        assert page.get_by_role("alert").filter(has_text="no other model").is_visible()
        for name in [other for other in ("popular", "second", "knn") if other != begun]:
            article = page.locator("article").filter(has=page.get_by_role("heading", name=name))
            article.get_by_role("button", name="Activate").click()
            page.get_by_role("status").filter(has_text=f"{name} is active now").wait_for()
            assert service.models.active.name == name
            assert page.locator("article.active h2").inner_text().startswith(name)
        page.get_by_role("button", name="Roll back").click()
        page.get_by_role("status").filter(has_text="is active again").wait_for()
        assert service.models.active.name != name
