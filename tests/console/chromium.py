"""Debian's Chromium, and what is asked of every page in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from servers.daemon import wait_until

CHROMIUM = "/usr/bin/chromium"

COUNT_TONES = """
window.tones = 0;
const start = OscillatorNode.prototype.start;
OscillatorNode.prototype.start = function (...more) { window.tones += 1; start.apply(this, more); };
"""
"""A script that goes before those of a page: it counts the tones that are played."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser; where it is not installed, whoever asks for it is skipped."""
    if not Path(CHROMIUM).exists():
        pytest.skip(f"{CHROMIUM} is not installed")
    with sync_playwright() as playwright:
        launch = playwright.chromium.launch
        with launch(executable_path=CHROMIUM, args=["--no-sandbox"]) as browser:
            yield browser


@contextmanager
def flawless_page(browser: Browser, timeout_ms: int = 60_000, **context: Any) -> Iterator[Page]:
    """A page of a context of its own; at its end no error may be in its console.

    `timeout_ms`: how long it is waited for what the page should show.
    """
    expect.set_options(timeout=timeout_ms)
    wrong: list[str] = []
    with browser.new_context(**{"locale": "en-GB", **context}) as opened:
        page = opened.new_page()
        page.set_default_timeout(timeout_ms)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
        yield page
    assert not wrong, wrong


def violations(page: Page, *impacts: str) -> list[str]:
    """What axe finds wrong with the page, each with the HTML; of these impacts, if any is named."""
    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {one['nodes'][0]['html']}"
        for one in found
        if not impacts or one["impact"] in impacts
    ]


def serious(page: Page) -> list[str]:
    """Of `violations` those that keep people out."""
    return violations(page, "serious", "critical")


def wait_in(page: Page, script: str, what: str, arg: Any = None) -> None:
    """Wait until the function `script`, given `arg`, is true in the page.

    Playwright's `wait_for_function` evaluates a string wherever it is not true at once, and that
    the console's Content-Security-Policy forbids.
    """
    wait_until(lambda: page.evaluate(script, arg), what)


def overflows(page: Page) -> bool:
    """Whether anything lies beside the screen."""
    return bool(page.evaluate("document.documentElement.scrollWidth > innerWidth"))
