"""The beacon in a real browser: events of a page of another origin, let in by a key for that origin only."""

from __future__ import annotations

import http.server
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from penchant.store.database import Database
from penchant.store.keys import Keyring
from tests.serve.serving import Process

pytestmark = pytest.mark.slow


@pytest.fixture
def browser() -> Iterator[Any]:
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    assert program, "this test needs chromium: apt-get install chromium"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A web shop on an origin of its own."""
    root = tmp_path / "shop"
    root.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments, directory=str(root))

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", root
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("allowed", [True, False])
def test_a_page_sends_its_events(
    knn: Path, tmp_path: Path, browser: Any, shop: tuple[str, Path], allowed: bool
) -> None:
    origin, root = shop
    store = tmp_path / "store.db"
    ring = Keyring(Database(f"sqlite:///{store}"))
    ring.database.migrate()
    _, collect = ring.create("page", ["collect"], origins=[origin if allowed else "https://other.example"])
    process = Process(knn, store)
    script = f'<script src="http://127.0.0.1:{process.port}/beacon.js" data-key="{collect}" data-user="ann"></script>'
    (root / "index.html").write_text(f"<!doctype html>{script}<script>penchant('view', 'i00')</script>")
    page = browser.new_page()
    page.goto(origin)
    page.evaluate("penchant('cart', 'i01', {value: 2})")
    page.wait_for_timeout(500)
    page.evaluate("penchant('view', 'i02')")
    page.goto("about:blank")  # what waits is sent when the page is left
    time.sleep(0.5)
    process.stop()
    rows = ring.database.mine.execute("SELECT person, item, kind, value FROM events ORDER BY seq").fetchall()
    ring.database.close()
    sent = [("u:ann", "i00", "view", None), ("u:ann", "i01", "cart", 2.0), ("u:ann", "i02", "view", None)]
    assert rows == (sent if allowed else [])
