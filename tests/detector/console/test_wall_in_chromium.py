"""The wall and zones in a browser; what Chromium does with the pages that `test_wall` asks for."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from console.chromium import flawless_page, overflows, serious
from console.cluster_views import CALM, WHOLE
from console.wall_monitor import ManyCameras, RunningDaemon, console, served, wait_for
from playwright.sync_api import Browser, Page

from detector.inference.weights import Classifier
from servers.rtsp import RtspServer, make_clip

pytestmark = pytest.mark.slow


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with flawless_page(browser, viewport={"width": 1280, "height": 800}) as page:
        page.on("dialog", lambda dialog: dialog.accept())
        yield page


@contextmanager
def browsed(page: Page, monitor: Any) -> Iterator[str]:
    """The address of its pages, which the browser leaves before they are gone."""
    with served(console(monitor)) as address:
        yield address
        page.goto("about:blank")


def test_a_wall_of_64_fetches_what_is_on_screen_one_at_a_time(page: Page) -> None:
    many = ManyCameras([f"cam-{index:02}" for index in range(64)])
    asked: Counter[str] = Counter()
    held = threading.Event()

    def hold(route: Any) -> None:
        asked[route.request.url.split("/")[4]] += 1
        if held.is_set():
            route.continue_()

    with browsed(page, many) as at:
        page.route("**/picture.jpg?side=320&n=*", hold)
        page.goto(f"{at}/wall")
        assert page.locator(".tile").count() == 64
        for _ in range(4):  # polls
            with page.expect_response("**/wall/state.json"):
                pass
        # the page itself names each once, lazily; the script has one more on its way of each
        assert max(asked.values()) <= 2
        assert 0 < len(asked) < 64
        held.set()
        page.unroute("**/picture.jpg?side=320&n=*")


def test_a_tile_turns_red_by_the_event_alone_and_is_found_by_its_state(page: Page) -> None:
    many = ManyCameras([f"cam-{index:02}" for index in range(16)])
    with browsed(page, many) as at:
        page.goto(f"{at}/wall")
        page.wait_for_selector("#connection[data-state=connected]")
        page.route("**/wall/state.json", lambda route: None)  # never answered
        with page.expect_request("**/wall/state.json"):
            pass
        many.open("cam-05")
        tile = page.locator("[data-camera=cam-05]")
        page.wait_for_selector("[data-camera=cam-05][data-look=incident]")
        assert tile.locator(".alarm").is_visible()
        page.select_option("[name=state]", "incident")
        assert page.locator(".tile:visible").count() == 1
        assert page.locator(".count").text_content() == "1 of 16 cameras"
        page.reload()  # what was chosen is in the address
        assert page.locator(".tile:visible").count() == 1
        page.unroute("**/wall/state.json")
        page.select_option("[name=state]", "")
        page.select_option("[name=site]", "yard")
        assert page.locator(".tile:visible").count() == 8
        page.click("[data-camera=cam-05]")
        page.wait_for_url("**/camera/cam-05")


@pytest.mark.parametrize("path", ["/wall", "/camera/cam-00", "/camera/cam-00/zones"])
def test_pages_are_for_everybody_and_fit_a_telephone(page: Page, path: str) -> None:
    many = ManyCameras([f"cam-{index:02}" for index in range(16)])
    many.incidents["cam-01"] = "an incident"
    with browsed(page, many) as at:
        page.goto(f"{at}{path}")
        assert serious(page) == []
        page.set_viewport_size({"width": 390, "height": 844})
        assert not overflows(page)
        assert serious(page) == []
        page.context.add_cookies([{"name": "language", "value": "ko", "url": at}])
        page.goto(f"{at}{path}")
        assert page.get_attribute("html", "lang") == "ko"
        assert not overflows(page)


def test_a_zone_is_drawn_by_keyboard_alone(page: Page) -> None:
    many = ManyCameras([f"cam-{index:02}" for index in range(1)])
    with browsed(page, many) as at:
        page.goto(f"{at}/camera/cam-00/zones")
        page.focus("[value=watch]")
        page.keyboard.press("ArrowRight")  # to ignore
        page.focus("#new")
        page.keyboard.press("Enter")  # a square, with its first corner in focus
        for _ in range(5):
            page.keyboard.press("ArrowLeft")
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        page.keyboard.press("Delete")
        page.locator("#share", has_text="%").wait_for()
        page.focus("#save")
        page.keyboard.press("Enter")
        page.locator("#saved", has_text="Saved, and in force").wait_for()
    [zones] = many.drawn
    assert zones
    assert zones.watch == []
    [polygon] = zones.ignore
    corners = [(0.3, 0.35), (0.475, 0.35), (0.65, 0.65), (0.35, 0.65)]
    assert np.allclose(polygon, corners, atol=0.001)


def test_a_zone_drawn_by_mouse_stops_motion_there_and_sleepers_sleep_on(
    page: Page, classifier: Classifier, tmp_path: Path
) -> None:
    clips = {
        "moves": moving_on_the_left(tmp_path / "moves.mp4"),
        "still": make_clip(tmp_path / "still.mp4", size=(320, 180), seconds=0, rest_s=60),
    }
    with RtspServer(clips) as server:
        urls = {name: server.url(name) for name in clips}
        with (
            RunningDaemon(tmp_path, classifier, urls, min_duration_s=0.0) as daemon,
            browsed(page, daemon.monitor) as at,
        ):
            views = lambda: {view.name: view for view in daemon.monitor.cameras()}  # noqa: E731
            wait_for(lambda: len(views()) == 2 and views()["moves"].open_incidents, 60)
            page.goto(f"{at}/camera/moves/zones")
            wait_for(lambda: views()["moves"].box)
            other = daemon.daemon._cameras.by_name("still")
            page.check("[value=ignore]")
            canvas = page.locator(".canvas").bounding_box()
            corners = ((0.02, 0.02), (0.6, 0.02), (0.6, 0.98), (0.02, 0.98), (0.02, 0.02))
            for x, y in corners:  # the last click is on the first corner
                left, top = canvas["x"] + x * canvas["width"], canvas["y"] + y * canvas["height"]
                page.mouse.click(left, top)
            page.locator("#share", has_text="44 %").wait_for()
            page.click("#save")
            page.locator("#saved", has_text="Saved, and in force").wait_for()
            assert daemon.daemon._cameras.by_name("still") is other
            scored = lambda: daemon.monitor.figures("moves").samples_scored  # noqa: E731
            wait_for(lambda: scored() > 24, 60)
            assert not views()["moves"].open_incidents
            assert views()["moves"].box is None

            page.goto(f"{at}/wall")
            wait_for(lambda: views()["still"].asleep, 60)
            frames = page.locator("[data-camera=still]").get_attribute
            woken = daemon.monitor.figures("still").wakes
            before = frames("data-picture")
            shown = set()
            deadline_s = time.monotonic() + 60
            while len(shown - {before}) < 4:  # four more pictures, on the page
                assert time.monotonic() < deadline_s
                with page.expect_response("**/wall/state.json"):
                    pass
                shown.add(frames("data-picture"))
                assert views()["still"].asleep
            assert daemon.monitor.figures("still").wakes == woken
            assert not page.locator("[data-camera=still][data-stale]").count()


def moving_on_the_left(path: Path) -> Path:
    """4 s of a textured scene; a square wanders in its left half, where else nothing moves."""
    noise = np.random.default_rng(3)
    scene = np.kron(noise.integers(60, 120, (45, 80)), np.ones((8, 8))).astype(np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        stream.options = {"preset": "veryfast", "threads": "1", "bf": "0", "g": "25"}
        for index in range(100):
            grey = scene.copy()
            left = 40 + (index * 11) % 160
            grey[120:220, left : left + 80] = 235
            frame = av.VideoFrame.from_ndarray(grey, format="gray8").reformat(format="yuv420p")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def test_boxes_are_renewed_by_themselves_and_fit_a_telephone(page: Page) -> None:
    many = ManyCameras(["gate", "yard"])
    many.in_cluster, many.told = True, CALM
    with browsed(page, many) as at:
        page.goto(f"{at}/boxes")
        assert page.locator("[aria-current=page]").text_content() == "Boxes"
        assert serious(page) == []
        page.focus("summary >> nth=1")
        page.keyboard.press("Enter")
        assert page.locator("details[open]").count() == 1
        many.told = replace(WHOLE, boxes=WHOLE.boxes[1:])
        page.locator("#unwatched", has_text="2").wait_for()
        assert page.locator("details").count() == 1
        assert page.locator("details[open]").count() == 0  # of the same box as before
        assert page.evaluate("document.activeElement.dataset.key") == "cameras of south"
        many.told = WHOLE
        page.set_viewport_size({"width": 390, "height": 844})
        assert not overflows(page)
        assert serious(page) == []
        page.context.add_cookies([{"name": "language", "value": "ko", "url": at}])
        page.goto(f"{at}/boxes")
        assert not overflows(page)
        page.click("text=gate")
        page.wait_for_url("**/camera/gate")
