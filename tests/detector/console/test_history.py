"""*History* and *Report*: filters, pages, CSV, a month's figures."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from datetime import datetime, timedelta

import httpx
import pytest
from console.pages_monitor import PagesMonitor

from detector.console.access.user import Role, User
from detector.console.pages import history
from detector.journal.records import Verdict
from journal_feeding import NOW, closed, opened

Browse = Callable[..., httpx.Client]

HOUR = timedelta(hours=1)


def listed(page: str) -> list[str]:
    return re.findall(r'<a href="/incident/([^"]+)"', page)


def test_filters_and_pages(
    at: PagesMonitor, browse: Browse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "PAGE", 2)
    monkeypatch.setattr(history, "CSV_PAGE", 2)
    made = [
        closed(opened(NOW - number * 25 * HOUR, "gate" if number % 2 else "yard"))
        for number in range(5)
    ]
    for one in made:
        at.tell(one)
    keys = [str(one.id) for one in made]
    at.at.recorder.judge(made[0].id, Verdict.REAL, "", "kim")
    pages = browse()
    seen, url = [], "/history"
    while url:
        page = pages.get(url).text
        seen += listed(page)
        older = re.search(r'href="([^"]+)" rel="next"', page)
        url = older[1].replace("&amp;", "&") if older else ""
    assert seen == keys
    assert listed(pages.get("/history?camera=yard").text) == keys[::2][:2]
    assert listed(pages.get("/history?verdict=real").text) == keys[:1]
    assert listed(pages.get("/history?judged=no&camera=yard").text) == keys[2::2]
    day = f"{made[3].opened_at.astimezone():%Y-%m-%d}"
    assert listed(pages.get(f"/history?since={day}&until={day}").text) == keys[3:4]
    text = pages.get("/history.csv?judged=no").content.decode("utf-8-sig")
    assert [row["id"] for row in csv.DictReader(text.splitlines())] == keys[1:]


@pytest.mark.parametrize(
    "query",
    [
        "since=soon",
        "until=0001-01-01",
        "verdict=maybe",
        "judged=2",
        "before=x",
        "before=0190a8c0-0000-7000-8000-000000000000",
    ],
)
def test_what_is_no_filter_is_said(browse: Browse, query: str) -> None:
    answer = browse().get(f"/history?{query}")
    assert answer.status_code == 400
    assert answer.text.startswith(query.partition("=")[0])


def test_a_spreadsheet_runs_nothing(at: PagesMonitor, browse: Browse) -> None:
    one = closed(opened())
    at.tell(one)
    at.at.recorder.judge(one.id, Verdict.REAL, '=HYPERLINK("http://x")', "@kim")
    [row] = csv.DictReader(browse().get("/history.csv").content.decode("utf-8-sig").splitlines())
    assert (row["note"], row["judged_by"]) == ('\'=HYPERLINK("http://x")', "'@kim")


def test_only_own_cameras(at: PagesMonitor, browse: Browse) -> None:
    own, other = closed(opened()), closed(opened(camera="yard"))
    at.tell(own)
    at.tell(other)
    at.at.wait_fed()
    pages = browse(User("lee", Role.VIEWER, lambda name: name == "gate"))
    for path in ("/history", "/history.csv", "/report"):
        assert "yard" not in pages.get(path).text, path
    assert listed(pages.get("/history").text) == [str(own.id)]


def test_a_month_on_a_page(at: PagesMonitor, browse: Browse) -> None:
    when = datetime(NOW.year, NOW.month, 1, 13).astimezone()
    made = [closed(opened(when + number * timedelta(minutes=1))) for number in range(4)]
    for one in made:
        at.tell(one)
    for one, verdict in zip(made, [*Verdict], strict=False):
        at.at.recorder.judge(one.id, verdict, "", "kim")
    at.at.wait_fed()
    page = browse().get(f"/report?month={when:%Y-%m}").text
    cells = re.findall(r'<td data-name="([^"]+)" class="number">([^<]*)</td>', page)
    found = dict(cells)
    assert [found[name] for name in ("Incidents", "Real", "False alarm", "Exercise")] == [
        "4",
        "1",
        "1",
        "1",
    ]
    assert (found["Not judged yet"], found["Precision"]) == ("1", "50.0 %")
    hours = re.findall(r'<td class="shade-(\d)">(\d*)</td>', page)
    assert [hour for hour, (_, count) in enumerate(hours) if count] == [13]
    assert hours[13] == ("5", "4")


@pytest.mark.parametrize("month", ["2026", "2026-13", "0001-01", "soon", "9999-12"])
def test_what_is_no_month_is_said(browse: Browse, month: str) -> None:
    answer = browse().get(f"/report?month={month}")
    assert (answer.status_code, answer.text[:6]) == (400, "month:")
