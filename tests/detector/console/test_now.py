"""*Now*: what is listed, for whom, in which order, and what is said of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from console.kept import grow, keep
from console.pages_monitor import PagesMonitor

from detector.console.access.user import Role, User
from detector.console.incidents.deliveries import Stage, Told, told
from detector.console.incidents.listing import MOST_SHOWN
from detector.journal.records import DeliveryRecord, Outcome, Verdict
from journal_feeding import NOW, closed, deliver, opened

Browse = Callable[..., httpx.Client]

MINUTE = timedelta(minutes=1)


def listed(page: str) -> list[str]:
    """The incidents to be judged, in order."""
    return re.findall(r'data-incident="([^"]+)"', page)


def test_what_is_open_comes_first_then_what_is_not_judged(at: PagesMonitor, browse: Browse) -> None:
    old, open_, new, judged, open_judged = (
        closed(opened(NOW)),
        opened(NOW + MINUTE),
        closed(opened(NOW + 2 * MINUTE)),
        closed(opened(NOW + 3 * MINUTE)),
        opened(NOW + 4 * MINUTE, "yard"),
    )
    for one in (old, open_, new, judged, open_judged):
        at.tell(one)
    at.at.recorder.judge(judged.id, Verdict.REAL, "", "kim")
    at.at.recorder.judge(open_judged.id, Verdict.REAL, "", "kim")
    pages = browse()
    page = pages.get("/").text
    assert listed(page) == [str(one.id) for one in (open_, new, old)]
    assert f'href="/incident/{open_judged.id}"' in page  # still said to be open
    again = pages.get("/now/list", params={"again": str(judged.id)}).text
    assert listed(again) == [str(one.id) for one in (open_, judged, new, old)]
    assert pages.get("/now/list?again=x").status_code == 400


def test_nobody_sees_another_ones_cameras(at: PagesMonitor, browse: Browse) -> None:
    own, other = opened(), opened(camera="yard")
    at.tell(own)
    at.tell(other)
    at.mutes["yard"] = datetime.now(UTC) + MINUTE
    at.reasons = ["camera yard is live", "sink police: away"]
    page = browse(User("lee", Role.OPERATOR, lambda name: name == "gate")).get("/").text
    assert listed(page) == [str(own.id)]
    assert "yard" not in page
    assert "sink police: away" in page


def test_who_may_only_look_gets_no_buttons(at: PagesMonitor, browse: Browse) -> None:
    at.tell(opened())
    at.mutes[None] = datetime.now(UTC) + MINUTE
    assert "data-do=" in browse().get("/").text
    assert "data-do=" not in browse(User("lee", Role.VIEWER)).get("/").text


def test_names_and_notes_are_never_markup(at: PagesMonitor, browse: Browse) -> None:
    at.names = ['<script>alert("camera")</script>']
    one = opened(camera=at.names[0], label="<b>label</b>")
    at.tell(one)
    at.at.recorder.judge(one.id, Verdict.REAL, "<i>note</i>", "<u>kim</u>")
    at.reasons = ["<s>reason</s>"]
    pages = browse()
    for path in (f"/now/list?again={one.id}", f"/incident/{one.id}", "/history", "/report"):
        page = pages.get(path).text
        assert not re.search("<(script>|b>label|i>note|u>kim|s>reason)", page), path


def test_a_long_list_is_cut_and_says_where_the_rest_is(at: PagesMonitor, browse: Browse) -> None:
    for number in range(MOST_SHOWN + 1):
        at.tell(closed(opened(NOW + number * MINUTE)))
    page = browse().get("/").text
    assert len(listed(page)) == MOST_SHOWN
    assert 'href="/history?judged=no"' in page


def test_the_clip_is_there_also_while_it_grows(at: PagesMonitor, browse: Browse) -> None:
    one = opened()
    at.tell(one)
    assert at.evidence
    folder = keep(at.evidence, one, verified=True)
    name = grow(folder)
    page = browse().get("/").text
    assert re.search(rf'<video[^>]* src="/evidence/{one.id}/clip-1.mp4\?v=', page)
    assert f'data-parts-after="/evidence/{one.id}/{name}"' in page
    assert re.search(rf'poster="/evidence/{one.id}/peak-marked.jpg\?v=', page)
    assert "verified by the second look" in page


def test_a_clip_that_no_browser_plays_is_for_download(at: PagesMonitor, browse: Browse) -> None:
    one = closed(opened())
    at.tell(one)
    assert at.evidence
    folder = keep(at.evidence, one)
    record = folder / "evidence.json"
    text = record.read_text()
    record.write_text(text.replace('"plays_in_browser":true', '"plays_in_browser":false'))
    page = browse().get("/").text
    assert "<video" not in page
    assert re.search(r'<a href="[^"]*clip-1.mp4[^"]*" download="clip-1.mp4">', page)


def test_it_says_what_is_wrong_and_what_is_muted(at: PagesMonitor, browse: Browse) -> None:
    at.reasons = ["disk full", "sink police: connection lost: is busy (0x89)"]
    until = datetime.now(UTC).replace(microsecond=0) + MINUTE
    at.mutes = {None: until, "gate": until}
    page = browse().get("/", headers={"accept-language": "ko-KR"}).text
    assert "disk full" in page
    assert "수신처 police: 연결 끊김: 바쁨 (0x89)" in page
    assert page.count(f'data-until="{until.isoformat()}"') == 2
    assert "모든 카메라" in page


def test_it_says_to_whom_it_was_told(at: PagesMonitor, browse: Browse) -> None:
    one = opened()
    at.tell(one)
    deliver(at.at.outbox, "siren", one)
    at.waiting = [
        {"state": "waiting", "sink": "phone", "incident": str(one.id), "reason": "timed out"}
    ]
    at.awaits = {str(one.id): {"police": datetime.now(UTC) + MINUTE}}
    page = browse().get("/").text
    sinks = re.findall(r'<li class="(\w+)"><b>(\w+)</b>', page)
    assert sinks == [("failing", "phone"), ("confirming", "police"), ("delivered", "siren")]
    assert "timed out" in page
    assert 'data-do="confirm"' in page


def record(sink: str, outcome: Outcome, minute: int) -> DeliveryRecord:
    one = opened()
    when = NOW + minute * MINUTE
    reason = "unknown device" if outcome is Outcome.REFUSED else None
    return DeliveryRecord(
        one.id, sink, one.id, "gate", "opened", False, outcome, NOW, when, 1, reason
    )


@pytest.mark.parametrize(
    ("done", "waiting", "stage"),
    [
        ([record("a", Outcome.DELIVERED, 1), record("a", Outcome.DELIVERED, 2)], [], "delivered"),
        ([record("a", Outcome.REFUSED, 1)], [], "refused"),
        ([record("a", Outcome.REFUSED, 1), record("a", Outcome.LATE, 2)], [], "delivered"),
        ([record("a", Outcome.DELIVERED, 1)], [("waiting", None)], "delivered"),
        ([record("a", Outcome.DELIVERED, 1)], [("waiting", "away")], "failing"),
        ([], [("waiting", None)], "waiting"),
        ([], [("refused", "unknown device")], "refused"),
    ],
)
def test_what_stands_for_all_messages_to_a_sink(
    done: list[DeliveryRecord], waiting: list[tuple[str, str | None]], stage: str
) -> None:
    messages: list[dict[str, Any]] = [
        {"state": state, "sink": "a", "reason": reason} for state, reason in waiting
    ]
    [found] = told(done, messages, {})
    assert found.stage == stage
    if stage == Stage.DELIVERED:
        first = min(one.at for one in done if one.outcome is not Outcome.REFUSED)
        assert found == Told("a", Stage.DELIVERED, first)
