"""One camera that is watched: its reports in order, none after it is gone."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from alerting import wait_for
from prometheus_client import CollectorRegistry, generate_latest
from uuid_utils.compat import uuid7

from alerts.deadline import Deadline
from alerts.liveness import LiveThread
from alerts.message import Alert, AlertPhase
from config.errors import ControlError
from config.settings import CameraSettings, DetectionSettings
from config.urls import StreamUrl
from detector.capture.idle.sleep import SleepCallbacks
from detector.capture.reader import StateChange
from detector.daemon.alerting import IncidentReport
from detector.daemon.calibration_store import CalibrationStore
from detector.daemon.observability.metrics import DetectorMetrics, WorkerMetrics
from detector.daemon.watched.camera import CameraCallbacks, WatchedCamera
from detector.inference.weights import Classifier
from detector.inference.worker import InferenceWorker, SampledView, ScoredView
from detector.journal.records import Verdict
from detector.types import Box, CameraState, MotionView, Phase, Sample

START = datetime(2026, 1, 1, tzinfo=UTC)


class Street:
    """A watched camera that is fed scores by hand, and what it reports."""

    def __init__(
        self,
        classifier: Classifier,
        folder: Path,
        detection: DetectionSettings = DetectionSettings(merge_gap_s=2),  # noqa: B008 - frozen
    ) -> None:
        self.registry = CollectorRegistry()
        metrics = DetectorMetrics(self.registry)
        self.reports: list[IncidentReport] = []
        self.now = START
        self.now_s = 1000.0
        worker = InferenceWorker(
            classifier.engine, classifier.head, lambda _: None, WorkerMetrics(metrics)
        )
        camera = CameraSettings(
            name="gate",
            url=StreamUrl.parse("pattern://calm"),
            site="harbour",
            detection=detection,
        )
        self.notices: list[Alert] = []
        self.shown: list[CameraState] = []
        callbacks = CameraCallbacks(
            self.reports.append,
            self.notices.append,
            lambda _camera, state, _since: self.shown.append(state),
        )
        self.store = CalibrationStore(folder, classifier.sidecar)
        self.camera = WatchedCamera(camera, classifier, worker, metrics, callbacks, self.store)

    def scores(self, probability: float, count: int) -> None:
        """`count` scored views, an eighth of a second apart."""
        for _ in range(count):
            self.now += timedelta(seconds=1 / 8)
            self.now_s += 1 / 8
            pixels = np.zeros((96, 96, 3), np.float32)
            view = MotionView("gate", self.now, pixels, Box(0, 0, 1, 1), moving=True)
            sample = Sample("gate", self.now, self.now_s, 0.0, np.zeros((90, 160), np.uint8))
            row = np.array([probability], np.float32)
            self.camera.on_scored(ScoredView(SampledView(sample, view), row))

    def phases(self) -> list[Phase]:
        """What was reported, updates left out."""
        found = [report.incident.phase for report in self.reports]
        return [phase for phase in found if phase is not Phase.UPDATED]

    def metric(self, line: str) -> bool:
        return line in generate_latest(self.registry).decode()


@pytest.fixture
def street(classifier: Classifier, tmp_path: Path) -> Street:
    return Street(classifier, tmp_path)


def test_a_fight_is_reported_counted_and_closed_when_scores_stop_coming(street: Street) -> None:
    street.scores(0.95, 16)
    assert street.phases() == [Phase.OPENED]
    assert street.metric('jikimi_incidents_open{camera="gate",label="violence"} 1.0')
    street.camera.tick(street.now_s + 3, street.now)
    assert street.phases() == [Phase.OPENED, Phase.CLOSED]
    assert street.reports[-1].reason == "camera connecting"
    assert street.metric('jikimi_incidents_open{camera="gate",label="violence"} 0.0')
    assert street.metric('jikimi_incidents_total{camera="gate",label="violence"} 1.0')


def test_a_stopped_camera_closes_its_incident_and_hears_no_late_scores(street: Street) -> None:
    street.scores(0.95, 16)
    street.camera.request_stop("camera removed")
    street.camera.remove_metrics()
    street.scores(0.95, 16)
    assert street.phases() == [Phase.OPENED, Phase.CLOSED]
    assert street.reports[-1].reason == "camera removed"
    assert not street.metric('camera="gate"')


@pytest.mark.slow
def test_reports_of_one_incident_stay_in_order_though_two_threads_bring_them(
    street: Street,
) -> None:
    """The supervisor closes while the inference thread scores: never an update after a close."""
    running = threading.Event()
    running.set()

    def supervise() -> None:
        while running.is_set():
            street.camera.tick(street.now_s + 3, street.now)

    supervisor = threading.Thread(target=supervise)
    supervisor.start()
    street.scores(0.95, 3000)
    running.clear()
    supervisor.join()
    ended: set[object] = set()
    for report in street.reports:
        assert report.incident.id not in ended
        if report.incident.phase is Phase.CLOSED:
            ended.add(report.incident.id)
    assert ended


def test_what_a_reader_left_behind_counts_goes_nowhere(street: Street) -> None:
    observer = street.camera._observer
    enter = street.camera._reader._on_state
    street.camera.request_stop("camera removed")
    street.camera.remove_metrics()
    observer.connecting("gate")
    observer.packet("gate", 1000)
    observer.missed("gate", "missed", 1)
    observer.decode_errors("gate", 1)
    observer.woke("gate", "packets", 0.1)
    enter(StateChange("gate", CameraState.OFFLINE, START, "it hung"))
    street.camera._on_rest(1.0, START)
    assert not street.metric('camera="gate"')


def test_a_reader_that_hangs_is_left_behind_and_another_reads_on(street: Street) -> None:
    street.camera.start()
    wait_for(lambda: street.camera.state is CameraState.LIVE)
    first = street.camera.thread
    hung = threading.Event()
    stream = street.camera._reader
    stream._on_sample = lambda _: hung.wait(20) or None  # as a driver that never comes back
    assert first.replace
    first.replace()
    second = street.camera.thread
    assert second is not first
    assert second.name == first.name == "capture-gate"
    wait_for(lambda: street.camera.state is CameraState.LIVE)
    wait_for(lambda: street.camera._newest is not None)
    hung.set()
    first.join(10)
    assert not first.is_alive()
    assert second.is_alive()
    street.camera.request_stop("monitor stopped")
    street.camera.join(Deadline.after(10))
    assert not second.is_alive()


# --- what its connection gives


class LeftReader:
    """A reader that says what it is told to, also when it was left behind."""

    def __init__(self, *callbacks: Any, on_sleep: SleepCallbacks, ring: None) -> None:
        _, self._on_sample, self._on_state, _ = callbacks
        self._on_sleep = on_sleep
        self.thread = LiveThread("capture-gate", lambda: None)

    def start(self) -> None: ...
    def request_stop(self) -> None: ...
    def stop(self, wait_s: float) -> None: ...

    def enters(self, state: CameraState, reason: str = "") -> None:
        self._on_state(StateChange("gate", state, START, reason))

    def samples(self, count: int) -> None:
        for _ in range(count):
            self._on_sample(Sample("gate", START, 0.0, 0.0, np.zeros((90, 160), np.uint8)))

    def rests(self) -> None:
        self._on_sleep.on_rest(1.0, START)


@pytest.fixture
def left(monkeypatch: pytest.MonkeyPatch, classifier: Classifier, tmp_path: Path) -> Street:
    monkeypatch.setattr("detector.daemon.watched.camera.CameraReader", LeftReader)
    return Street(classifier, tmp_path)


def supervise(street: Street, from_s: float, seconds: float, *, scored_hz: int) -> None:
    """What the supervisor does every half second, seconds after now."""
    began_s = time.monotonic() + from_s
    for tick in range(round(2 * seconds)):
        street.scores(0.1, scored_hz // 2)
        street.camera.tick(began_s + tick / 2, START)


def test_a_camera_that_sends_what_is_never_scored_is_not_live(left: Street) -> None:
    reader: LeftReader = left.camera._reader
    reader.enters(CameraState.LIVE)
    assert left.camera.status()["state"] == "live"
    supervise(left, 0, 5, scored_hz=0)
    reader.samples(5)
    supervise(left, 5, 7, scored_hz=0)
    shown = left.camera.status()
    assert shown["state"] == "unwatched"
    assert "pictures a second come whole, and at least 4 are needed" in shown["reason"]
    assert left.metric('camera_state{camera="gate",site="harbour",state="unwatched"} 1.0')
    assert left.metric('camera_state{camera="gate",site="harbour",state="live"} 0.0')
    reader.enters(CameraState.OFFLINE, "broken off")
    reader.enters(CameraState.LIVE)
    assert left.camera.status()["state"] == "unwatched"  # a connection alone shows nothing
    supervise(left, 12, 12, scored_hz=8)
    assert left.camera.status()["state"] == "live"
    assert left.camera.status()["reason"] == ""


def test_what_is_lost_is_told_once_with_the_reason(left: Street) -> None:
    left.camera._reader.enters(CameraState.LIVE)
    supervise(left, 0, 700, scored_hz=2)
    [lost] = left.notices
    assert lost.phase is AlertPhase.CAMERA_LOST
    assert "4 are needed" in lost.reason
    assert left.camera.status()["lost"]


def test_a_reader_left_behind_brings_no_series_back(left: Street) -> None:
    reader: LeftReader = left.camera._reader
    reader.enters(CameraState.LIVE)
    left.camera.request_stop("camera removed")
    left.camera.remove_metrics()
    shown = len(left.shown)
    reader.enters(CameraState.OFFLINE, "broken off")
    reader.samples(1)
    reader.rests()
    assert not left.metric('camera="gate"')
    assert len(left.shown) == shown


# --- what the camera learns


def bustle(street: Street, hours: float, probability: float) -> None:
    """A camera on which something scores `probability` for 5 s of each minute, else nothing."""
    for _ in range(round(hours * 60)):
        street.scores(probability, 40)
        street.scores(0.1, 440)


def status(street: Street) -> dict[str, Any]:
    found: dict[str, Any] = street.camera.status()["calibration"]["violence"]
    return found


@pytest.mark.slow
def test_what_is_learnt_shows_in_status_and_metrics(street: Street) -> None:
    assert status(street) == {
        "open_threshold": 0.7,
        "learning": True,
        "hours": 0.0,
        "share": 0.0,
        "false_alarms_per_day": 1.0,
    }
    bustle(street, 1, 0.75)
    street.camera.tick(1e6, street.now)
    learnt = status(street)
    assert learnt["hours"] == pytest.approx(1, abs=0.2)
    assert learnt["share"] == pytest.approx(1 / 25, abs=0.01)
    assert 0.7 < learnt["open_threshold"] < 0.76
    assert learnt["false_alarms_per_day"] > 1
    at = '{camera="gate",label="violence"}'
    assert street.metric(f"jikimi_calibration_seconds{at} {learnt['hours'] * 3600:.1f}")
    assert street.metric(f"jikimi_open_threshold{at} {learnt['open_threshold']}")
    assert street.metric(f"jikimi_calibration_share{at} {learnt['share']}")
    assert street.metric(f"jikimi_calibration_learning{at} 1.0")


@pytest.mark.slow
def test_the_next_daemon_goes_on_from_the_threshold_that_was_in_force(
    street: Street, classifier: Classifier, tmp_path: Path
) -> None:
    bustle(street, 1, 0.75)
    street.camera.request_stop("monitor stopped")
    street.camera.learning.save()
    street.store.write()
    again = Street(classifier, tmp_path)
    assert status(again)["open_threshold"] == status(street)["open_threshold"] > 0.7
    assert status(again)["hours"] == pytest.approx(1, abs=0.1)


@pytest.mark.slow
def test_a_camera_that_was_turned_starts_from_the_weights_again_for_good(
    street: Street, classifier: Classifier, tmp_path: Path
) -> None:
    bustle(street, 1, 0.75)
    street.camera.learning.save()
    street.store.write()
    assert status(Street(classifier, tmp_path))["hours"] > 0
    street.camera.learning.recalibrate()
    street.store.write()
    assert status(street)["open_threshold"] == 0.7
    assert street.metric('jikimi_calibration_seconds{camera="gate",label="violence"} 0.0')
    assert status(Street(classifier, tmp_path))["hours"] == 0


def test_a_stated_threshold_is_nobody_elses_business(
    classifier: Classifier, tmp_path: Path
) -> None:
    street = Street(classifier, tmp_path, DetectionSettings(open_threshold=0.8))
    bustle(street, 0.5, 0.75)
    street.camera.tick(1e6, street.now)
    assert status(street)["open_threshold"] == 0.8
    assert not status(street)["learning"]
    assert street.metric('jikimi_calibration_learning{camera="gate",label="violence"} 0.0')
    with pytest.raises(ControlError, match="open_threshold is stated"):
        street.camera.learning.recalibrate()
    street.camera.learning.save()
    street.store.write()
    assert not any(tmp_path.iterdir())


def test_an_exercise_teaches_nothing(street: Street) -> None:
    for _ in range(50):
        street.camera.drill("violence", START)
    street.scores(0.1, 8 * 700)
    assert status(street)["open_threshold"] <= 0.7


@pytest.mark.slow
def test_a_verdict_is_counted_and_its_camera_learns_from_it_over_a_restart(
    street: Street, classifier: Classifier, tmp_path: Path
) -> None:
    street.scores(0.95, 40)
    street.scores(0.1, 8 * 3600)
    [key] = {report.incident.id for report in street.reports}
    before = status(street)["false_alarms_per_day"]
    assert street.camera.learning.judged("violence", key, Verdict.FALSE_ALARM)
    false = status(street)["false_alarms_per_day"]
    assert false > before + 0.5
    counted = 'jikimi_incidents_judged_total{camera="gate",label="violence",verdict='
    assert street.metric(f'{counted}"false-alarm"}} 1.0')
    assert street.metric(f'{counted}"real"}} 0.0')
    street.store.write()
    again = Street(classifier, tmp_path)
    assert status(again)["false_alarms_per_day"] == false
    for verdict in (Verdict.EXERCISE, Verdict.REAL):
        assert again.camera.learning.judged("violence", key, verdict)
        assert status(again)["false_alarms_per_day"] <= before
    assert again.camera.learning.judged("violence", key, Verdict.FALSE_ALARM)
    assert status(again)["false_alarms_per_day"] == false
    assert not again.camera.learning.judged("violence", uuid7(), Verdict.FALSE_ALARM)


def test_where_the_threshold_is_stated_a_verdict_is_counted_and_teaches_nothing(
    classifier: Classifier, tmp_path: Path
) -> None:
    street = Street(classifier, tmp_path, DetectionSettings(open_threshold=0.8))
    street.scores(0.95, 40)
    [key] = {report.incident.id for report in street.reports}
    assert not street.camera.learning.judged("violence", key, Verdict.REAL)
    assert street.metric(
        'jikimi_incidents_judged_total{camera="gate",label="violence",verdict="real"} 1.0'
    )
