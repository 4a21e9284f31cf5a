"""What changes reaches the pages: who hears of it, how much of it, and when it ends."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from console.pages_monitor import PagesMonitor, serving

from detector.console import events
from detector.console.access.user import Role, User
from detector.console.events import CrowdedError, Events
from detector.console.monitor import Change, Topic
from detector.daemon.operators.changes import Changes
from journal_feeding import opened

KIM = User("kim", Role.OPERATOR)

GATE = Change(Topic.INCIDENT, "1", "gate", "opened")
YARD = Change(Topic.INCIDENT, "2", "yard", "opened")
EVERYWHERE = Change(Topic.SILENCE, "", "")


class Source:
    """The monitor, as far as `Events` needs it."""

    def __init__(self) -> None:
        self.changes = Changes()
        self.listen = self.changes.listen

    def tell(self, *changes: Change) -> None:
        """In a thread of its own, as the daemon does, to its end."""

        def tell() -> None:
            for change in changes:
                self.changes.tell(change)

        thread = threading.Thread(target=tell)
        thread.start()
        thread.join()


async def heard(stream: AsyncIterator[str]) -> list[Any]:
    """The next changes, or the name of another event."""
    while True:
        text = await anext(stream)
        found: list[Any] = []
        for part in text.strip().split("\n\n"):
            lines = dict(line.split(": ", 1) for line in part.splitlines() if line[0] != ":")
            if lines.get("event") == "change":
                found.append(json.loads(lines["data"])["key"])
            elif "event" in lines:
                found.append(lines["event"])
        if found:
            return found


def run(scenario: Callable[[Source, Events], Any]) -> None:
    source = Source()
    asyncio.run(asyncio.wait_for(scenario(source, Events(source)), 60))  # type: ignore[arg-type]


def test_changes_reach_those_who_see_the_camera() -> None:
    async def scenario(source: Source, of: Events) -> None:
        everything = of.stream(KIM)
        gate = of.stream(User("lee", Role.VIEWER, lambda name: name == "gate"))
        assert await heard(everything) == await heard(gate) == ["resync"]
        source.tell(YARD, GATE, EVERYWHERE)
        assert await heard(everything) == ["2", "1", ""]
        assert await heard(gate) == ["1", ""]

    run(scenario)


def test_who_reads_slowly_loses_the_oldest_and_is_told() -> None:
    async def scenario(source: Source, of: Events) -> None:
        slow, quick = of.stream(KIM), of.stream(KIM)
        assert await heard(slow) == await heard(quick) == ["resync"]
        source.tell(*[GATE] * 200)
        assert len(await heard(quick)) == 200
        source.tell(*[GATE] * 199, YARD)
        assert len(await heard(quick)) == 200
        found = await heard(slow)
        assert found[0] == "resync"
        assert found[-1] == "2"
        assert len(found) <= events.MOST_WAITING + 1

    run(scenario)


def test_a_stream_ends_by_itself_so_that_who_asks_is_checked_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(events, "LASTS_S", 0.2)
    monkeypatch.setattr(events, "HEARTBEAT_S", 0.05)

    async def scenario(source: Source, of: Events) -> None:
        parts = [part async for part in of.stream(KIM)]
        assert parts[0].startswith("retry: ")
        assert set(parts[1:]) == {": still here\n\n"}
        assert not source.changes._listeners

    run(scenario)


def test_no_more_pages_than_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MOST_CLIENTS", 2)

    async def scenario(source: Source, of: Events) -> None:
        one, two = of.stream(KIM), of.stream(KIM)
        await heard(one)
        await heard(two)
        with pytest.raises(CrowdedError, match="2 pages"):
            of.stream(KIM)
        await two.aclose()  # type: ignore[attr-defined]
        await heard(of.stream(KIM))

    run(scenario)


def test_an_incident_reaches_a_page_over_http(at: PagesMonitor) -> None:
    with (
        serving(at) as address,
        httpx.stream("GET", f"{address}/events", timeout=30) as answer,
    ):
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.iter_lines()
        assert "event: resync" in [next(lines) for _ in range(4)]
        one = opened()
        at.tell(one)
        told = next(json.loads(line[6:]) for line in lines if line.startswith('data: {"topic'))
        assert told == {
            "topic": "incident",
            "key": str(one.id),
            "camera": "gate",
            "phase": "opened",
        }


def test_a_full_house_is_said(at: PagesMonitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MOST_CLIENTS", 0)
    with serving(at) as address:
        answer = httpx.get(f"{address}/events", timeout=30)
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"
