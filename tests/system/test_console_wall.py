"""The wall of a whole daemon with 16 cameras over RTSP, in a browser."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from console.chromium import chromium, flawless_page, overflows, serious, wait_in
from playwright.sync_api import Page, expect

from servers import fighting
from servers.daemon import DaemonProcess
from servers.rtsp import RtspServer, make_clip

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

CAMERAS = [f"cam-{number:02}" for number in range(16)]
FIGHTING = CAMERAS[5]

SHOWN = """count => {
    const images = [...document.querySelectorAll('.tile img')];
    return images.filter(image => image.naturalWidth > 0).length === count;
}"""
RENEWED = """before => {
    const now = [...document.querySelectorAll('.tile img')].map(image => image.src);
    return now.length === before.length && now.every((source, n) => source !== before[n]);
}"""
SOURCES = "() => [...document.querySelectorAll('.tile img')].map(image => image.src)"


@pytest.fixture
def page() -> Iterator[Page]:
    size = {"width": 1600, "height": 1200}
    with chromium() as browser, flawless_page(browser, viewport=size) as page:
        yield page


def test_sixteen_cameras_are_seen_renewed_and_one_that_fights_turns_red(
    tmp_path: Path, page: Page
) -> None:
    clip = make_clip(tmp_path / "street.mp4", size=(320, 180), fps=10, gop=10)
    fights = tmp_path / "fights"
    with RtspServer(dict.fromkeys(CAMERAS, clip)) as server:
        lines = ["cameras:"]
        for name in CAMERAS:
            after_s = 0 if name == FIGHTING else 10**6
            detection = f"{{min_duration_s: {after_s}, second_look: off}}"
            lines.append(f"  {name}: {{url: '{server.url(name)}', detection: {detection}}}")
        command = (sys.executable, fighting.__file__, str(fights))
        with DaemonProcess(tmp_path / "jikimi", "\n".join(lines), command=command) as daemon:
            page.goto(daemon.jikimi("console").stdout.strip())
            page.goto(f"http://127.0.0.1:{daemon.port}/wall")
            expect(page.locator(".tile[data-look=live]")).to_have_count(len(CAMERAS))
            wait_in(page, SHOWN, "sixteen pictures", len(CAMERAS))
            wait_in(page, RENEWED, "another picture of each", page.evaluate(SOURCES))

            page.evaluate("window.notReloaded = true")
            fights.write_text("1 1")
            expect(page.locator(".tile[data-look=incident]")).to_have_count(1)
            red = page.locator(".tile[data-look=incident]")
            assert red.get_attribute("data-camera") == FIGHTING
            assert page.evaluate("window.notReloaded")
            page.set_viewport_size({"width": 390, "height": 844})
            assert not overflows(page)
            assert serious(page) == []
            page.goto("about:blank")  # before the daemon ends, which the page would report
