"""An operator's minute: a fight on a camera, heard, seen, judged and handed out, by keyboard."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from console.chromium import COUNT_TONES, chromium, flawless_page, wait_in
from playwright.sync_api import Page, expect

from servers.daemon import DaemonProcess, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(240)]

CONFIG = """
cameras: {gate: 'pattern://scuffle'}
evidence: {pre_roll_s: 3, post_roll_s: 1}
detection: {second_look: off}  # which finds no people in what is rendered
sinks: {police: {type: recording, path: recorded, confirm: {by: operator, within_s: 3600}}}
"""

PLAYS = "video => video.readyState >= 2 && video.duration > 4 && video.currentTime > 0"

WAIT_MS = 90_000
"""The two brawl once a minute."""


@pytest.fixture
def page() -> Iterator[Page]:
    with chromium() as browser, flawless_page(browser, WAIT_MS) as page:
        page.add_init_script(COUNT_TONES)
        yield page


def test_an_operators_minute(tmp_path: Path, page: Page) -> None:
    press = page.keyboard.press
    with DaemonProcess(tmp_path / "jikimi", CONFIG) as daemon:
        page.goto(daemon.jikimi("console").stdout.strip())
        page.locator("#sound").press("Enter")
        expect(page.locator("#sound")).to_have_text("Sound on")
        page.evaluate("window.notReloaded = true")
        expect(page.locator("article.open")).to_be_visible()
        assert page.evaluate("window.tones") == 3  # one tone, of three pitches

        press("j")
        incident = page.locator("article").get_attribute("data-incident")
        expect(page.locator(f"#i-{incident} .told")).to_contain_text("police waits for you")
        clip = page.locator(f"#i-{incident}:not(.open) video[src*='clip-1.mp4?']")
        expect(clip).to_be_visible()
        press("p")
        wait_in(page, PLAYS, "the clip to play", clip.element_handle())
        told = daemon.folder / "recorded"
        assert not told.exists()
        press("r")
        expect(page.locator("#status")).to_contain_text("Real.")
        wait_until(told.exists, "the police to be told")
        assert json.loads(told.read_text().splitlines()[0])["incident_id"] == incident
        expect(page.locator(f"#i-{incident}")).to_have_count(0)
        assert page.evaluate("window.notReloaded")

        address = f"http://127.0.0.1:{daemon.port}/incident/{incident}"
        page.goto(address)
        page.locator("#reason").fill("police, file 4711")
        with page.expect_download() as download:
            page.locator("#reason").press("Enter")
        with zipfile.ZipFile(download.value.path()) as archive:
            files = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
        assert {"clip-1.mp4", "scores.json", "journal.json"} <= files.keys()
        for line in files["SHA256SUMS"].decode().splitlines():
            digest, name = line.split("  ")
            assert hashlib.sha256(files[name]).hexdigest() == digest
        page.goto(address)
        for action in ("export", "judge", "look"):
            assert page.get_by_role("cell", name=action, exact=True).count() > 0
        page.goto("about:blank")  # before the daemon ends, which the page would report
