"""A service on a free port of this process, a hostile catalogue to put in it, and a real browser."""

from __future__ import annotations

import contextlib
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import uvicorn
from playwright.sync_api import sync_playwright

from penchant.data.catalog import Catalog
from penchant.data.read import read_interactions
from penchant.models.item_knn import ItemKNN
from penchant.models.popular import Popular
from penchant.serve.app import make_app
from penchant.serve.common.settings import Settings
from penchant.serve.http.protocol import bounded
from penchant.serve.service import Service
from penchant.training.fit import fit
from tests.serve.conftest import begin_with

SCRIPT = "<script>document.title='owned'</script>"
HOSTILE = {
    "<b>'\"&amp;": SCRIPT,
    "a/b c?d#e": "\"><img src=x onerror=document.title='owned'>",
    "😀💥": "' onmouseover='document.title=1' x='",
    "x" * 512: "W" * 10_000,
    "+-taste": "\u202eevil gnirts\u202c \u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627",
    "like:like": "{{ 7 * 7 }} {% raw %} ${7*7}",
    "%2F%00": "👩‍👩‍👧‍👦" * 40,
    "plain": "Z̸̢͓̥͖̬̝̫͇̎̀̋a̵̡̧̢̢̫̘̙̎l̸̛g̷̈́o̶̚" * 20,
}


def hostile(root: Path) -> Path:
    """A folder with two models over titles and ids that nobody should have."""
    items = [*HOSTILE, *(f"n{n}" for n in range(8))]
    rows = [{"user": f"u{n}", "item": items[(n * 5 + m) % len(items)]} for n in range(40) for m in range(6)]
    titles = [HOSTILE.get(item, f"Ordinary {item}") for item in items]
    table = pl.DataFrame({"item": items, "title": titles, "genres": [[SCRIPT, "g" * 1500] for _ in items]})
    log = read_interactions(pl.DataFrame(rows))
    catalog = Catalog.read(table, log.vocab)
    for name, model in (("second", Popular()), ("first", ItemKNN())):
        fit(log, model, catalog=catalog).save(root / name)
    return root


@contextlib.contextmanager
def hosted(**settings: Any) -> Iterator[tuple[str, Service]]:
    """A service that listens; its address and itself."""
    service = Service(Settings(**{"keep": "0", "active": begin_with(settings["folder"]), **settings}))
    service.open()
    config = uvicorn.Config(
        make_app(service),
        port=0,
        http=bounded(service.settings),
        log_config=None,
        access_log=False,
        ws="none",
        lifespan="on",
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until = time.monotonic() + 20
    while not server.started and time.monotonic() < until:
        time.sleep(0.01)
    assert server.started
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}", service
    finally:
        server.should_exit = True
        thread.join(20)


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    """Debian's Chromium, without a window."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    assert program, "this test needs chromium: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()
