"""A real browser opens the page of an example, types, clicks, and sees what came of it."""

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import httpx
import pytest
from playwright.sync_api import Page, sync_playwright

from modal_emulator.emulator import Running

pytestmark = pytest.mark.slow


@pytest.fixture
def chromium() -> str:
    """Find the browser. Who runs all checks must have it; elsewhere it is worth a word."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        missing = "there is no chromium on PATH; Debian has it as `chromium`"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    return path


@contextlib.contextmanager
def opened(chromium: str, url: str) -> Iterator[Page]:
    """Open a page in a browser without a screen."""
    # Not a fixture: from here on this thread counts as one with an event loop, and the SDK warns.
    with sync_playwright() as tools:
        # Chromium's own sandbox refuses root.
        browser = tools.chromium.launch(
            executable_path=chromium, args=["--no-sandbox"], timeout=120_000
        )
        page = browser.new_page(viewport={"width": 800, "height": 500})
        page.set_default_timeout(120_000)
        failures: list[object] = []
        page.on("pageerror", lambda error: failures.append(error))
        page.goto(url)
        yield page
        browser.close()
    assert not failures


def test_items_are_added_and_removed_by_clicks(
    modal_emulator: Running,
    example: Callable[[str], ModuleType],
    serve: Callable[[ModuleType], httpx.Client],
    chromium: str,
    tmp_path: Path,
) -> None:
    client = serve(example("rest_api.app"))
    client.post("/items", json={"name": "already here", "price": 1})

    with opened(chromium, str(client.base_url)) as page:
        assert page.title() == "Items"
        page.get_by_text("already here: 1.00").wait_for()

        for name, price in (("apple", "0.5"), ("Pflaume ☃", "2")):
            page.fill("#name", name)
            page.fill("#price", price)
            page.click("#add")
            page.get_by_text(f"{name}: {float(price):.2f}").wait_for()
        page.screenshot(path=tmp_path / "items.png")

        page.fill("#price", "much")
        page.click("#add")
        page.get_by_text("price: Input should be a valid number").wait_for()

        page.locator("li", has_text="already here").get_by_role("button").click()
        page.get_by_text("already here").wait_for(state="detached")
    items = client.get("/items").json()["items"]
    assert [(item["name"], item["price"]) for item in items] == [("apple", 0.5), ("Pflaume ☃", 2)]
