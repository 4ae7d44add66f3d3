"""The page Try it of a model that uses contexts: what somebody says of now turns the list within one request."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from penchant.data.catalog import Catalog
from penchant.data.read import read_interactions
from penchant.ranking.ranked import Ranked
from penchant.training.fit import fit
from tests.ranking.test_ranked import FEW, moody, sad_share
from tests.serve.conftest import Make
from tests.serve.hosting import chromium, hosted
from tests.serve.test_serve_pages_browser import FAINT, PHONE, items, visit, wait

assert visit  # a fixture


@pytest.fixture(scope="module")
def moods(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model that knows moods."""
    root = tmp_path_factory.mktemp("moods") / "models"
    log = read_interactions(moody(), context="mood,noise")
    table = pl.DataFrame({"item": [f"i{n:02}" for n in range(30)], "title": [f"Song {n}" for n in range(30)]})
    catalog = Catalog.read(table, log.vocab)
    fit(log, Ranked(**FEW), catalog=catalog).save(root / "moody")
    return root


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as started:
        yield started


def shown(text: str) -> list[str]:
    return re.findall(r'data-item="([^"]+)"', text)


def test_what_is_said_turns_the_list_within_one_request(make: Make, moods: Path) -> None:
    client = make(folder=str(moods))
    begun = client.get("/ui/try").text
    assert begun.count('value="say:mood=') == 2 and begun.count('value="say:noise=') == 3
    was = shown(begun)
    sad = client.post("/ui/try", data={"was": was, "do": "say:mood=sad"}).text
    assert sad_share(shown(sad)) >= 0.9 and 'name="says" value="mood=sad"' in sad
    assert (
        "with <bdi>mood = sad</bdi>" in sad and "mood = sad" in re.findall(r'class="why">(.*?)</p>', sad, re.DOTALL)[0]
    )
    assert "popular" not in re.findall(r'class="why">(.*?)</p>', sad, re.DOTALL)[0].partition(" by ")[0]
    happy = client.post("/ui/try", data={"says": "mood=sad", "taste": "+i20", "do": "say:mood=happy"}).text
    assert sad_share(shown(happy)) <= 0.1 and happy.count('name="says"') == 1
    nothing = client.post("/ui/try", data={"says": "mood=sad", "do": "say:mood="}).text
    assert shown(nothing) == was and 'name="says"' not in nothing
    assert client.service.store.count() == 0


def test_what_nobody_knows_is_nothing(make: Make, moods: Path) -> None:
    client = make(folder=str(moods))
    none, strange, hat = (
        client.post("/ui/try", data={"taste": ["+i01", "+i20"], **said}).text
        for said in ({}, {"says": "mood=hangry"}, {"says": "hat=red"})
    )
    assert shown(none) == shown(strange) == shown(hat)


def test_a_model_without_contexts_asks_for_none(client: Any) -> None:
    assert "What holds now?" not in client.get("/ui/try").text


@pytest.mark.browser
def test_say_how_you_feel(moods: Path, visit: Any, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    import os

    shots = Path(os.environ.get("PENCHANT_SCREENSHOTS") or tmp_path_factory.mktemp("screenshots"))
    shots.mkdir(parents=True, exist_ok=True)
    with hosted(folder=str(moods), store=f"sqlite:///{tmp_path / 'store.db'}") as (address, service):
        page = visit(address)
        page.get_by_role("button", name="sad", exact=True).click()
        wait(page, lambda: page.locator(".moment [aria-pressed=true]").count() == 1)
        assert sad_share(items(page)) >= 0.9
        assert page.locator("#change").inner_text().startswith("mood = sad.")
        assert "mood = sad" in page.locator(".card .why").first.inner_text()
        page.get_by_role("button", name="happy", exact=True).click()
        wait(page, lambda: sad_share(items(page)) <= 0.1)
        assert page.locator(".moment [aria-pressed=true]").count() == 1
        assert not page.evaluate(FAINT)
        page.screenshot(path=shots / "try-mood.png", full_page=True)
        page.set_viewport_size(PHONE)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        page.get_by_role("button", name="happy", exact=True).click()
        wait(page, lambda: page.locator(".moment [aria-pressed=true]").count() == 0)
        assert service.store.count() == 0
