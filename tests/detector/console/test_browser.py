"""The pages in a browser: what appears by itself, what keys do, what can be reached by whom."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import av
import numpy as np
import pytest
from console.chromium import COUNT_TONES, flawless_page, overflows, violations, wait_in
from console.kept import grow, keep
from console.pages_monitor import PagesMonitor, serving
from playwright.sync_api import Browser, Page, expect

from detector.journal.records import Verdict
from footage import write_video
from journal_feeding import NOW, closed, opened

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

HANGUL = """document.activeElement.dispatchEvent(
    new KeyboardEvent("keydown", {{key: "ㄱ", code: "{code}", bubbles: true}}))"""
"""What a key gives while Korean is typed."""

PICTURES = [np.full((180, 320, 3), 3 * number, np.uint8) for number in range(50)]

FRAGMENTS = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}

HOUR = timedelta(hours=1)

Open = Callable[..., Page]


@pytest.fixture
def show(at: PagesMonitor, browser: Browser) -> Iterator[Open]:
    """Opens a page; whatever the browser finds wrong with it fails the test."""
    with serving(at) as address, ExitStack() as left:

        def show(path: str = "/", width: int = 1280, locale: str = "en-GB") -> Page:
            size = {"width": width, "height": 844}
            opened = flawless_page(browser, viewport=size, locale=locale, base_url=address)
            page = left.enter_context(opened)
            page.add_init_script(COUNT_TONES)
            page.goto(path)
            return page

        yield show


def test_an_incident_appears_by_itself_and_rings_once(at: PagesMonitor, show: Open) -> None:
    page = show()
    expect(page.locator("#connection")).to_have_text("live")
    page.evaluate("window.notReloaded = true")
    page.click("#sound")
    expect(page.locator("#sound")).to_have_text("Sound on")
    one = opened()
    at.tell(one)
    expect(page.locator(f"#i-{one.id}.open")).to_be_visible()
    at.tell(one)
    at.tell(closed(one))
    expect(page.locator(f"#i-{one.id}:not(.open)")).to_be_visible()
    assert page.evaluate("window.tones") == 3  # one tone, of three pitches
    assert page.evaluate("window.notReloaded")
    page.goto("/history")
    expect(page.locator("#connection")).to_have_text("live")
    at.tell(opened(camera="yard"))
    expect(page.locator("#opened")).to_have_text("Incident: yard")


def test_two_keys_to_a_verdict_and_back(at: PagesMonitor, show: Open) -> None:
    made = [closed(opened(NOW - number * HOUR)) for number in range(3)]
    for one in made:
        at.tell(one)
    page = show()
    press = page.keyboard.press
    press("r")  # nothing is chosen
    expect(page.locator("#status")).to_have_text("Choose an incident first: j or k.")
    press("j")
    press("f")
    expect(page.locator("#status")).to_contain_text("False alarm.")
    expect(page.locator("article")).to_have_count(2)
    assert verdicts(at) == [(made[0].id, Verdict.FALSE_ALARM)]
    expect(page.locator("[aria-current=true][data-incident]")).to_be_focused()
    press("u")
    expect(page.locator("article")).to_have_count(3)
    again = page.locator(f"#i-{made[0].id}")
    expect(again).to_have_attribute("aria-current", "true")
    page.evaluate(HANGUL.format(code="KeyR"))
    expect(page.locator("article")).to_have_count(2)
    assert verdicts(at)[-1] == (made[0].id, Verdict.REAL)
    press("n")
    page.keyboard.type("jumping for joy")  # none of these letters judges
    page.locator("#note").get_by_role("button", name="Exercise").press("Enter")
    expect(page.locator("article")).to_have_count(1)
    assert at.done[-1][2]["note"] == "jumping for joy"


def test_mute_counts_down_and_ends(at: PagesMonitor, show: Open) -> None:
    at.tell(opened())
    page = show()
    page.keyboard.press("j")
    page.keyboard.press("m")
    countdown = page.locator("#mutes .countdown")
    expect(countdown).to_have_text(re.compile("^0:(10:00|09:5)"))
    left = countdown.inner_text()
    expect(countdown).not_to_have_text(left)
    page.get_by_role("button", name="Un-mute gate").click()
    expect(page.locator("#mutes")).to_have_count(0)
    assert at.mutes == {}


def test_the_clip_plays_whole_and_while_it_grows(
    at: PagesMonitor, show: Open, tmp_path: Path
) -> None:
    whole, growing = tmp_path / "whole.mp4", tmp_path / "growing.mp4"
    write_video(whole, PICTURES)
    with av.open(str(whole)) as of, av.open(str(growing), "w", options=FRAGMENTS) as to:
        stream = to.add_stream_from_template(of.streams.video[0])
        for packet in of.demux(of.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                to.mux(packet)
    one = opened()
    at.tell(one)
    assert at.evidence
    grow(keep(at.evidence, one, whole.read_bytes()), growing.read_bytes()[:-200])
    page = show()
    video = page.locator("video")
    page.keyboard.press("j")
    page.keyboard.press("p")
    plays = "video => video.readyState >= 2 && video.duration > 0.5 && video.src.includes('{}')"
    for source in ("clip-1.mp4?", "clip-2.mp4.unf"):
        wait_in(page, plays.format(source), f"{source} to play", video.element_handle())
    wait_in(page, "video => video.currentTime > 0.5", "it to go on", video.element_handle())
    expect(page.locator(".broken")).to_be_hidden()


def test_a_thousand_incidents_do_not_ask_a_thousand_times(at: PagesMonitor, show: Open) -> None:
    page = show()
    expect(page.locator("#connection")).to_have_text("live")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for number in range(1000):
        at.tell(closed(opened(NOW - number * HOUR / 1000)))
    last = opened(NOW + HOUR)
    at.tell(last)
    expect(page.locator(f"#i-{last.id}")).to_be_visible()
    expect(page.locator("article")).to_have_count(51)
    assert len([url for url in asked if url.endswith("/now/list")]) < 100


@pytest.mark.parametrize("locale", ["en-GB", "ko-KR"])
def test_every_page_is_for_everybody(at: PagesMonitor, show: Open, locale: str) -> None:
    one = closed(opened())
    at.tell(one)
    at.tell(opened(camera="yard"))
    assert at.evidence
    keep(at.evidence, one)
    at.reasons = ["disk full"]
    at.at.recorder.judge(one.id, Verdict.REAL, "a note", "kim")
    at.at.wait_fed()
    page = show(width=390, locale=locale)
    for path in (f"/incident/{one.id}", "/history", "/report", "/"):
        page.goto(path)
        assert not overflows(page), path
        assert page.locator("html").get_attribute("lang") == locale[:2]
        assert violations(page) == [], path
        assert not page.locator("[style]").count(), path  # which the security policy forbids


def verdicts(at: PagesMonitor) -> list[tuple[UUID, Verdict]]:
    """Those that were asked for, in order."""
    return [
        (UUID(details["incident"]), Verdict(details["verdict"]))
        for command, _, details in at.done
        if command == "judge"
    ]


def test_a_link_to_confirm_needs_one_tap(at: PagesMonitor, show: Open) -> None:
    one = opened()
    at.tell(one)
    at.awaits = {str(one.id): {"police": NOW + HOUR}}
    page = show(f"/incident/{one.id}?ask=confirm", 390)
    button = page.get_by_role("button", name="Confirm")
    expect(button).to_be_focused()
    expect(button).to_be_in_viewport()
    assert at.done == []
    button.press("Enter")
    expect(page).to_have_url(re.compile(f"/incident/{one.id}$"))
    assert [command for command, _, _ in at.done] == ["confirm"]
    page.goto(f"/incident/{one.id}?ask=mute")
    page.get_by_role("button", name="Mute 10 min").press("Enter")
    expect(page.get_by_text("muted until")).to_be_visible()
    expect(page).to_have_url(re.compile(f"/incident/{one.id}$"))
