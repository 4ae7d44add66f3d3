"""The pictures of docs/pages.md, taken of ``penchant demo --serve`` in Chromium: make screenshots."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

IMAGES = Path(__file__).parents[1] / "docs" / "images"
DESK, PHONE = {"width": 1200, "height": 860}, {"width": 390, "height": 844}
MINUTE = 60_000


def main() -> None:
    """Start the demonstration, wait until its charts are full, take the pictures, end it."""
    IMAGES.mkdir(exist_ok=True)
    command = [sys.executable, "-c", "from penchant.cli.main import run; run()", "demo", "--serve", "--port", "0"]
    demo = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)  # noqa: S603  # ours
    try:
        assert demo.stderr is not None
        address = next(found[0] for line in demo.stderr if (found := re.search(r"http://127\.0\.0\.1:\d+", line)))
        program = shutil.which("chromium") or shutil.which("chromium-browser")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
            take(browser, address)
            browser.close()
    finally:
        demo.terminate()
        demo.wait(30)


def take(browser: Any, address: str) -> None:
    """Every picture."""
    page = browser.new_page(viewport=DESK, color_scheme="light", reduced_motion="reduce")
    page.goto(f"{address}/ui/try")
    choose(page)
    save(page, "try")
    page.click("#beside-1")
    page.wait_for_selector(".columns.two")
    page.wait_for_timeout(300)
    save(page, "compare")
    page.goto(f"{address}/ui/models")
    save(page, "models")
    page.goto(f"{address}/ui/person")
    page.locator(".people a").nth(2).click()
    page.wait_for_selector(".card")
    save(page, "person")
    page.wait_for_timeout(MINUTE // 2)  # of traffic
    page.goto(f"{address}/ui/results?days=1")
    save(page, "results")
    phone = browser.new_page(viewport=PHONE, color_scheme="dark", reduced_motion="reduce", device_scale_factor=2)
    phone.goto(f"{address}/ui/try")
    choose(phone)
    phone.evaluate("scrollTo(0, 0)")
    save(phone, "phone")
    dark = browser.new_page(viewport=DESK, color_scheme="dark", reduced_motion="reduce")
    dark.goto(f"{address}/ui/live")
    dark.wait_for_timeout(2 * MINUTE)
    save(dark, "live")


def choose(page: Any) -> None:
    """A few likes and a dislike."""
    for title in ("alien", "heat", "fargo"):
        page.fill("#q", title)
        page.wait_for_selector("#hit-like-1")
        page.wait_for_timeout(400)
        page.click("#hit-like-1")
        page.wait_for_timeout(400)
    page.fill("#q", "")
    page.wait_for_timeout(400)
    page.click("#dislike-1-3")
    page.wait_for_selector(".chip.against")
    page.mouse.move(0, 0)
    page.wait_for_timeout(400)


def save(page: Any, name: str) -> None:
    """One picture, in few colours: it is small and looks the same."""
    path = IMAGES / f"{name}.png"
    page.screenshot(path=path)
    Image.open(path).convert("RGB").quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    main()
