"""From report to journal and alert: in order, with its picture, and whatever happens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import cv2
import numpy as np
import pytest
from structlog.testing import capture_logs
from uuid_utils.compat import uuid7

from alerts.deadline import Deadline
from alerts.message import Alert, AlertContext, AlertPhase
from alerts.storage.write_behind import Change
from config.settings import CameraSettings, Location
from config.urls import StreamUrl
from detector.capture.frames import ArrayFrame
from detector.daemon.alerting import IncidentReport, camera_alert, incident_alert
from detector.daemon.reporter import IncidentReporter
from detector.daemon.watched.loss import Notice
from detector.motion.snapshot import SNAPSHOT_SIDE, snapshot
from detector.types import Box, Incident, Phase, Sample
from journals import StoredJournal, kept

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
CAMERA = CameraSettings(
    name="gate",
    url=StreamUrl.parse("rtsp://viewer:s3cret-word@192.0.2.1/stream1"),
    site="harbour",
    station="north",
    location=Location(text="Gate 3", latitude=37.5, longitude=127.0),
)
GREY = np.full((180, 320), 40, np.uint8)
PICTURE = np.full((720, 1280, 3), 40, np.uint8)
SAMPLE = Sample("gate", NOW, 1.0, 1.0, GREY, ArrayFrame(PICTURE))
OPENED = Incident(uuid7(), "gate", "violence", NOW, None, 0.8, Phase.OPENED)
CLOSED = replace(
    OPENED, phase=Phase.CLOSED, closed_at=NOW + timedelta(seconds=12), peak=0.9, duration_s=12.0
)


def decoded(jpeg: bytes) -> np.ndarray:
    return np.asarray(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR))


def test_the_message_says_what_where_and_when_and_reads_back_from_json() -> None:
    alert, context = incident_alert(
        IncidentReport(OPENED, CAMERA, SAMPLE, Box(0.25, 0.25, 0.5, 0.5)), 0, NOW
    )
    assert (alert.camera, alert.site, alert.station) == ("gate", "harbour", "north")
    assert alert.location.text == "Gate 3"
    assert (alert.incident_id, alert.phase) == (OPENED.id, AlertPhase.OPENED)
    assert (alert.label, alert.score, alert.opened_at, alert.sent_at) == ("violence", 0.8, NOW, NOW)
    assert context == AlertContext(duration_s=0.0, mean_grey=40.0)
    text = alert.model_dump_json()
    assert Alert.model_validate_json(text) == alert
    assert "s3cret" not in text


@pytest.mark.parametrize("verified", [True, False, None])
def test_the_message_says_whether_the_second_look_has_found_it_but_of_no_exercise(
    verified: bool | None,
) -> None:
    incident = replace(OPENED, verified=verified)
    assert incident_alert(IncidentReport(incident, CAMERA), 0, NOW)[0].verified is verified
    exercise = IncidentReport(incident, CAMERA, exercise=True)
    assert incident_alert(exercise, 0, NOW)[0].verified is None
    assert camera_alert(CAMERA, OPENED.id, Notice.LOST, NOW, "gone", NOW).verified is None


def test_an_open_incident_carries_its_picture_and_a_closed_one_none() -> None:
    for phase in (Phase.OPENED, Phase.UPDATED):
        alert, _ = incident_alert(
            IncidentReport(replace(OPENED, phase=phase), CAMERA, SAMPLE), 0, NOW
        )
        assert alert.image
        assert decoded(alert.image).shape == (720, 1280, 3)
    alert, context = incident_alert(
        IncidentReport(CLOSED, CAMERA, SAMPLE, reason="camera offline"), 2, NOW
    )
    assert alert.image is None
    assert (alert.reason, alert.sequence) == ("camera offline", 2)
    assert context.duration_s == 12


def test_without_a_frame_there_is_a_message_without_a_picture() -> None:
    for sample in (None, replace(SAMPLE, frame=None)):
        alert, _ = incident_alert(IncidentReport(OPENED, CAMERA, sample), 0, NOW)
        assert alert.image is None


def test_every_message_has_an_id_of_its_own_and_a_beginning_and_an_end_always_the_same() -> None:
    def new_id(incident: Incident) -> UUID:
        return incident_alert(IncidentReport(incident, CAMERA), 0, NOW)[0].alert_id

    updated = replace(OPENED, phase=Phase.UPDATED)
    ids = {new_id(updated) for _ in range(20)} | {new_id(OPENED), new_id(CLOSED)}
    assert len(ids | {new_id(replace(OPENED, id=uuid7())) for _ in range(20)}) == 42
    assert {new_id(OPENED), new_id(CLOSED)} <= ids


def test_lost_and_back_are_told_as_one_story() -> None:
    loss = uuid7()
    lost = camera_alert(CAMERA, loss, Notice.LOST, NOW, "no packets for 5 s", NOW)
    back = camera_alert(CAMERA, loss, Notice.BACK, NOW, "", NOW)
    assert lost.incident_id == back.incident_id == loss
    assert (lost.phase, lost.sequence) == (AlertPhase.CAMERA_LOST, 0)
    assert (back.phase, back.sequence) == (AlertPhase.CAMERA_BACK, 1)
    assert lost.reason == "no packets for 5 s"
    assert lost.alert_id != back.alert_id


@pytest.mark.parametrize("size", [(1080, 1920), (1920, 1080), (48, 64), (720, 1280)])
def test_the_snapshot_marks_the_place_and_leaves_the_frame_alone(size: tuple[int, int]) -> None:
    frame = np.full((*size, 3), 30, np.uint8)
    picture = decoded(snapshot(ArrayFrame(frame), Box(0.25, 0.25, 0.5, 0.5)))
    height, width = picture.shape[:2]
    assert max(height, width) == min(SNAPSHOT_SIDE, max(size))
    assert width / height == pytest.approx(size[1] / size[0], rel=0.02)
    assert picture[round(height * 0.25) + 1, width // 2].max() > 120  # upper edge
    assert picture[height // 2, width // 2].max() < 60  # inside
    assert (frame == 30).all()
    assert decoded(snapshot(ArrayFrame(frame), None)).max() < 60


@pytest.fixture
def sent() -> list[Alert]:
    return []


@pytest.fixture
def reporter(tmp_path: Path, sent: list[Alert]) -> Callable[..., IncidentReporter]:
    def make(journal: StoredJournal, fail_first: BaseException | None = None) -> IncidentReporter:
        failures = [fail_first] if fail_first else []

        def submit(alert: Alert, context: AlertContext, also: Change | None) -> list[str]:
            if failures:
                raise failures.pop()
            if also:
                journal.store.write(also)
            sent.append(alert)
            return ["police", "siren"]

        return IncidentReporter(journal, submit)

    return make


def test_reports_are_journalled_and_sent_in_order_and_none_is_lost_at_the_end(
    tmp_path: Path, reporter: Callable[..., IncidentReporter], sent: list[Alert]
) -> None:
    journal = StoredJournal(tmp_path)
    one = reporter(journal)
    for incident in (OPENED, replace(OPENED, phase=Phase.UPDATED), CLOSED):
        one.report(IncidentReport(incident, CAMERA, SAMPLE))
    one.start()
    one.stop(Deadline.after(10))
    assert [(a.phase.value, a.sequence) for a in sent] == [
        ("opened", 0),
        ("updated", 1),
        ("closed", 2),
    ]
    assert kept(journal)[0].incident == CLOSED
    journal.close(Deadline.after(5))


def test_an_incident_that_begins_goes_before_news_of_other_cameras_but_not_of_its_own(
    tmp_path: Path, reporter: Callable[..., IncidentReporter], sent: list[Alert]
) -> None:
    journal = StoredJournal(tmp_path)
    one = reporter(journal)
    yard = replace(OPENED, id=uuid7(), camera="yard")
    again = replace(OPENED, id=uuid7())
    for incident in (OPENED, replace(OPENED, phase=Phase.UPDATED), CLOSED, again, yard):
        camera = CAMERA.model_copy(update={"name": incident.camera})
        one.report(IncidentReport(incident, camera, SAMPLE))
    one.start()
    one.stop(Deadline.after(10))
    assert [(a.camera, a.phase.value) for a in sent] == [
        ("gate", "opened"),
        ("yard", "opened"),
        ("gate", "updated"),
        ("gate", "closed"),
        ("gate", "opened"),
    ]
    journal.close(Deadline.after(5))


def test_the_log_says_how_long_it_took_and_who_is_told(
    tmp_path: Path, reporter: Callable[..., IncidentReporter]
) -> None:
    journal = StoredJournal(tmp_path)
    one = reporter(journal)
    with capture_logs() as logs:
        one.start()
        for incident in (OPENED, CLOSED):
            one.report(IncidentReport(incident, CAMERA, SAMPLE))
        one.stop(Deadline.after(10))
    opened, closed = logs
    assert (opened["log_level"], opened["sinks"]) == ("warning", ["police", "siren"])
    assert "duration_s" not in opened
    assert (closed["log_level"], closed["duration_s"]) == ("info", 12.0)
    journal.close(Deadline.after(5))


def test_an_exercise_is_marked_and_stays_out_of_the_journal(
    tmp_path: Path, reporter: Callable[..., IncidentReporter], sent: list[Alert]
) -> None:
    journal = StoredJournal(tmp_path)
    one = reporter(journal)
    one.start()
    one.report(IncidentReport(OPENED, CAMERA, SAMPLE, exercise=True))
    one.stop(Deadline.after(10))
    assert [(a.exercise, a.sequence) for a in sent] == [(True, 0), (True, 1)]
    assert [a.phase for a in sent] == [AlertPhase.OPENED, AlertPhase.CLOSED]
    assert kept(journal) == []
    journal.close(Deadline.after(5))


def test_one_message_that_cannot_be_sent_does_not_silence_the_next(
    tmp_path: Path, reporter: Callable[..., IncidentReporter], sent: list[Alert]
) -> None:
    journal = StoredJournal(tmp_path)
    one = reporter(journal, fail_first=OSError("the outbox is gone"))
    one.start()
    for _ in range(2):
        one.report(IncidentReport(replace(OPENED, id=uuid7()), CAMERA))
    one.stop(Deadline.after(10))
    assert len(sent) == 1
    journal.close(Deadline.after(5))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_report_over_which_the_thread_died_is_sent_by_the_next(
    tmp_path: Path, reporter: Callable[..., IncidentReporter], sent: list[Alert]
) -> None:
    journal = StoredJournal(tmp_path)
    one = reporter(journal, fail_first=SystemExit())
    one.start()
    one.report(IncidentReport(OPENED, CAMERA))
    one.thread.join(10)
    assert (one.thread.is_alive(), sent) == (False, [])
    one.report(IncidentReport(CLOSED, CAMERA))
    one.thread.renew()
    one.stop(Deadline.after(10))
    assert [alert.phase.value for alert in sent] == ["opened", "closed"]
    journal.close(Deadline.after(5))


def test_an_alarm_goes_out_even_where_the_journal_cannot_be_written(
    tmp_path: Path,
    reporter: Callable[..., IncidentReporter],
    sent: list[Alert],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    journal = StoredJournal(tmp_path)
    journal.store.write(lambda database: database.execute("DROP TABLE incidents"))
    monkeypatch.setattr(journal, "_bound", lambda: None)
    one = reporter(journal)
    one.start()
    for incident in (OPENED, CLOSED):
        one.report(IncidentReport(incident, CAMERA, SAMPLE))
    one.stop(Deadline.after(10))
    assert [(a.phase.value, a.sequence) for a in sent] == [("opened", 0), ("closed", 1)]
    journal.close(Deadline.after(5))
