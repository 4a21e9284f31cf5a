"""Who hears of a change: sinks, the journal, the console's pages, a camera's next box."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from alerting import sink
from prometheus_client import CollectorRegistry
from uuid_utils.compat import uuid7

from alerts.deadline import Deadline
from alerts.dispatcher import Dispatcher
from alerts.metrics import AlertMetrics
from config.settings import CameraSettings
from config.urls import StreamUrl
from detector.console.monitor import Change, Topic
from detector.daemon.announcing import Announcer
from detector.daemon.handover.carrying import Carrying
from detector.daemon.handover.claims import CLAIMS, Claims, write_claims
from detector.daemon.operators.changes import Changes
from detector.daemon.operators.zones import ZONES, DrawnZones
from detector.daemon.watched.cameras import Cameras
from detector.journal import local
from detector.journal.recorder import Recorder
from detector.journal.records import STOPPED, CameraStateRecord, Handover
from detector.types import CameraState, Incident, Phase

NOW = datetime.now(UTC).replace(microsecond=0)
GATE = CameraSettings(name="gate", url=StreamUrl.parse("pattern://calm"), site="harbour")


class Watched:
    """A camera of which nothing but its settings is asked."""

    def __init__(self, settings: CameraSettings) -> None:
        self.camera = settings

    def start(self) -> None: ...


class Box:
    """One of a cluster, whose turn at `gate` is its third; `heard`: by the console's pages."""

    def __init__(self, folder: Path) -> None:
        self.dispatcher = Dispatcher(
            [sink("recording")], folder / "outbox.sqlite", AlertMetrics(CollectorRegistry())
        )
        write_claims(folder / CLAIMS, "a", {"gate": 3})
        cameras = Cameras(Watched)  # type: ignore[arg-type]
        cameras.add(GATE)
        changes = Changes()
        self.heard: list[Change] = []
        changes.listen(self.heard.append)
        zones = DrawnZones(folder / ZONES)
        claims = Claims(folder / CLAIMS)
        carrying = Carrying(claims, lambda: None, self.dispatcher, zones)  # type: ignore[arg-type]
        recorder = Recorder(self.dispatcher.store)
        self.announcer = Announcer(self.dispatcher, recorder, changes, carrying, cameras)

    def journalled(self) -> list[Any]:
        return [one for _, one in local.waiting(self.dispatcher.store.read, "a", 100).pending]

    def shown(self) -> dict[str, str]:
        """By camera the state that a sink would be shown."""
        notices = self.dispatcher.cameras._notices.values()
        return {notice.camera: notice.state for notice in notices}


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    made = Box(tmp_path)
    made.dispatcher.start()
    yield made
    made.dispatcher.stop(Deadline.after(5))


def test_a_cameras_state_is_shown_by_sinks_and_pages_and_journalled(box: Box) -> None:
    box.announcer.camera_state(GATE, CameraState.LIVE, NOW)
    assert box.shown() == {"gate": "live"}
    assert box.journalled() == [CameraStateRecord("gate", "harbour", "live", NOW)]
    assert box.heard == [Change(Topic.CAMERA, "gate", "gate")]


def test_that_this_box_watches_a_camera_no_more_is_journalled_alone(box: Box) -> None:
    box.announcer.camera_stopped(GATE)
    [record] = box.journalled()
    assert (record.camera, record.state) == ("gate", STOPPED)
    assert record.since >= NOW
    assert (box.shown(), box.heard) == ({}, [])


def test_pages_hear_of_an_incident(box: Box) -> None:
    incident = Incident(uuid7(), "gate", "violence", NOW, None, 0.9, Phase.OPENED)
    box.announcer.incident(incident)
    assert box.heard == [Change(Topic.INCIDENT, str(incident.id), "gate", "opened")]


def test_a_silence_is_kept_for_the_next_box_and_a_verdict_is_not(box: Box) -> None:
    verdict, silence = Change(Topic.VERDICT, "0191", "gate"), Change(Topic.SILENCE, "", "")
    box.announcer.said(verdict)
    assert box.journalled() == []
    until = box.dispatcher.cameras.silence(None, 60)
    box.announcer.said(silence)
    assert box.heard == [verdict, silence]
    [kept] = box.journalled()
    assert kept == Handover("gate", "silence", kept.body, "a", 3)
    assert abs(datetime.fromisoformat(kept.body) - until) < timedelta(seconds=1)
