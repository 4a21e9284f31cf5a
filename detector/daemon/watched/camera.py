"""One camera that is watched: its reader, its motion views, its judgement, its notices.

Nothing here reaches another camera, so one that misbehaves harms none.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypedDict
from uuid import UUID

from structlog import get_logger
from uuid_utils.compat import uuid7

from alerts.deadline import Deadline
from alerts.liveness import LiveThread
from alerts.message import Alert
from config.settings import CameraSettings
from detector.capture.idle.sleep import SleepCallbacks
from detector.capture.reader import CameraReader
from detector.console.monitor import CameraFigures, Picture
from detector.daemon.alerting import IncidentReport
from detector.daemon.calibration_store import CalibrationStore
from detector.daemon.observability.camera_figures import CameraCounters
from detector.daemon.observability.metrics import CaptureMetrics, DetectorMetrics, LearntThreshold
from detector.daemon.operators.pictures import LatestPicture
from detector.daemon.watched.learning import Learning
from detector.daemon.watched.second_look import CameraSecondLook
from detector.daemon.watched.state import SeenState
from detector.daemon.watched.thresholds import for_console
from detector.evidence.recorder import CameraEvidence
from detector.incidents.judge import CameraJudge, calibrators_for, rules_for
from detector.inference.second_look.worker import Looked, SecondLookWorker
from detector.inference.weights import Classifier
from detector.inference.worker import InferenceWorker, SampledView, ScoredView
from detector.motion.view import MotionTracker
from detector.types import Box, CameraState, Grey, Incident, Phase, Sample

LATE_S = 1.0
"""A sample that late is worth nothing, as in `capture.backlog`: it stems from a burst."""

log = get_logger()


@dataclass(frozen=True, slots=True)
class CameraCallbacks:
    """Where a camera sends what it finds."""

    report: Callable[[IncidentReport], None]
    notify: Callable[[Alert], object]
    show_state: Callable[[CameraSettings, CameraState, datetime], None]


class CameraStatus(TypedDict):
    """One camera in the answer to `status` and in /healthz."""

    name: str
    site: str
    url: str
    state: str
    reason: str
    since: str
    lost: bool
    scores: dict[str, float]
    open_incidents: list[str]
    calibration: dict[str, LearntThreshold]


class WatchedCamera:
    """Watches one camera from start to stop."""

    def __init__(
        self,
        camera: CameraSettings,
        classifier: Classifier,
        worker: InferenceWorker,
        metrics: DetectorMetrics,
        callbacks: CameraCallbacks,
        store: CalibrationStore,
        second_look: SecondLookWorker | None = None,
        evidence: CameraEvidence | None = None,
    ) -> None:
        self.camera = camera
        self.evidence = evidence
        self._worker = worker
        self._metrics = metrics
        self._callbacks = callbacks
        self._labels = labels = classifier.sidecar.labels
        metrics.add_camera(camera.name, camera.site, labels)
        self._observer = CaptureMetrics(metrics, camera.name)
        self._counters = CameraCounters(metrics, camera.name, labels)
        self._weights_look_twice = second_look is not None
        looker = second_look if camera.detection.second_look else None
        looks = looker.rules if looker else {}
        shipped = classifier.rules() | {label: look.incident for label, look in looks.items()}
        rules = {label: rules_for(rule, camera.detection) for label, rule in shipped.items()}
        calibrators = calibrators_for(shipped, camera.detection, store.load(camera))
        self._judge = CameraJudge(camera.name, rules, calibrators, looks)
        # The inference thread pushes scores, the supervisor closes what has gone quiet: under
        # the lock until it is reported, for changes of one incident must stay in order.
        self._judge_lock = threading.Lock()
        self._second_look = CameraSecondLook(camera.name, looker, self._judge) if looker else None
        self.learning = Learning(camera, self._judge, self._judge_lock, shipped, store, metrics)
        self._stopped = False
        self._state = SeenState(camera, metrics, callbacks.notify, callbacks.show_state)
        self._newest: Sample | None = None
        self._picture = LatestPicture(evidence.ring if evidence else None)
        self._box: Box | None = None
        self._scores: dict[str, float] = {}
        self._last_look: Grey | None = None
        self._motion = MotionTracker(camera.detection.watch, camera.detection.ignore)
        self._reader = self._new_reader()

    def start(self) -> None:
        """Start watching."""
        self._worker.add(self.camera.name)
        self._state.start()
        self._reader.start()

    @property
    def thread(self) -> LiveThread:
        """Its reader's thread."""
        return self._reader.thread

    def request_stop(self, reason: str) -> None:
        """Stop watching: an open incident is closed with `reason`; does not wait for the reader."""
        self._reader.request_stop()
        self._worker.remove(self.camera.name)
        if self._second_look:
            self._second_look.request_stop()
        with self._judge_lock:
            self._stopped = True
            self._state.stop()
            for incident in self._judge.close():
                self._report(incident, None, reason)

    def join(self, deadline: Deadline) -> None:
        """Wait for the reader to end; one that hangs is left behind at `deadline`."""
        self._reader.stop(deadline.left_s())

    def remove_metrics(self) -> None:
        """Drop this camera's metrics, once it is stopped."""
        self._metrics.remove_camera(self.camera.name)

    def on_scored(self, scored: ScoredView) -> None:
        """Judge one scored view (called by the inference worker)."""
        sampled = scored.sampled
        with self._judge_lock:
            if self._stopped:
                return
            if not self._worker.overloaded:
                self._state.counts.scored += 1
            sample = sampled.sample
            self._box = sampled.view.box if sampled.view.moving else None
            self._take_scores(sample.at_s, sample.utc, scored.probabilities.tolist(), sampled)

    def on_looked(self, looked: Looked) -> None:
        """Take the second look's answer (called by its thread)."""
        with self._judge_lock:
            if self._second_look and not self._stopped:
                for incident in self._second_look.answered(looked):
                    self._report(incident, looked.candidate.sampled, None)

    def tick(self, now_s: float, utc: datetime) -> None:
        """Do what is due by `now_s` (monotonic): notices, quiet incidents, calibration shown."""
        self._state.tick(now_s, utc)
        state = self.state
        reason = None if state is CameraState.LIVE else f"camera {state.value}"
        with self._judge_lock:
            for incident in self._judge.quiet(now_s):
                self._report(incident, None, reason)
        self._picture.forget(now_s)
        self.learning.tick(now_s)

    def drill(self, label: str, utc: datetime) -> UUID:
        """Send a marked exercise, its beginning and its end, through the sinks; its incident id."""
        begun = Incident(uuid7(), self.camera.name, label, utc, None, 1.0, Phase.OPENED)
        self._metrics.exercises.labels(self.camera.name).inc()
        self._callbacks.report(IncidentReport(begun, self.camera, self._newest, exercise=True))
        return begun.id

    @property
    def state(self) -> CameraState:
        """What the camera is doing."""
        return self._state.seen.state

    @property
    def alarmed(self) -> bool:
        """Whether an incident is open; without the lock, for the worker asks under its own."""
        return bool(self._judge.open_incidents())

    def status(self) -> CameraStatus:
        """The camera as `jikimi status` and /healthz show it; holds no secret."""
        with self._judge_lock:
            incidents = [str(incident.id) for incident in self._judge.open_incidents()]
        seen = self._state.seen
        return {
            "name": self.camera.name,
            "site": self.camera.site,
            "url": self.camera.url.redacted,
            "state": seen.state.value,
            "reason": seen.reason,
            "since": seen.utc.isoformat(timespec="seconds"),
            "lost": self._state.lost,
            "scores": {label: round(score, 3) for label, score in self._scores.items()},
            "open_incidents": incidents,
            "calibration": self.learning.thresholds(),
        }

    @property
    def asleep(self) -> bool:
        """Whether it is received and not decoded, for nothing moves."""
        return self._reader.asleep

    @property
    def box(self) -> Box | None:
        """Where something moves in the newest view; None where nothing does, or none comes."""
        return self._box if self.state is CameraState.LIVE else None

    def picture(self, max_side: int) -> Picture | None:
        """The newest there is as a JPEG; None before the first."""
        return self._picture.jpeg(self._newest, max_side, time.monotonic())

    def pictured(self) -> tuple[int, datetime] | None:
        """Number and time of what `picture` gives now."""
        return self._picture.which(self._newest, time.monotonic())

    def figures(self) -> CameraFigures:
        """What has been counted, and what its thresholds stand on."""
        return self._counters.read(for_console(self.learning.thresholds()))

    def _new_reader(self) -> CameraReader:
        camera = self.camera
        gated = camera.capture.activity_gate
        reader = CameraReader(
            camera,
            self._on_sample,
            self._state.enter,
            self._observer,
            on_sleep=SleepCallbacks(self._on_rest, self._on_past, self._on_look) if gated else None,
            ring=self.evidence.ring if self.evidence else None,
        )
        reader.thread.renew = reader.thread.replace = self._read_anew
        return reader

    def _read_anew(self) -> None:
        """The reader has died, or hangs: leave it behind, whatever it held, and start another."""
        self._reader.request_stop()
        self._motion = MotionTracker(self.camera.detection.watch, self.camera.detection.ignore)
        if self._second_look:
            self._second_look.read_anew()
        self._reader = self._new_reader()
        self._reader.start()

    def _on_sample(self, sample: Sample) -> bool | None:
        if self._stopped:
            return None
        self._newest = sample
        self._state.counts.taken += 1
        self._state.counts.late += sample.lag_s > LATE_S
        view = self._motion.view_of(sample)
        second = self._second_look.last_second(sample, view) if self._second_look else None
        if view is None:
            self._observer.missed(sample.camera, "warming", 1)
            return None
        self._worker.offer(SampledView(sample, view, second))
        if self._worker.overloaded and sample.lag_s <= LATE_S:
            with self._judge_lock:  # that not all can be scored is told of the box, not of it
                self._state.counts.scored += 1
        return view.moving

    def _on_rest(self, at_s: float, utc: datetime) -> None:
        """A sample of the sleeping camera: watched, and nothing moves."""
        with self._judge_lock:
            if not self._stopped:
                self._state.counts.scored += 1
                self._metrics.scored.labels(self.camera.name).inc()
                self._box = None
                self._take_scores(at_s, utc, [0.0] * len(self._labels), None)

    def _on_past(self, sample: Sample) -> None:
        self._motion.view_of(sample)

    def _on_look(self, grey: Grey) -> bool:
        last = self._last_look
        self._last_look = grey
        return last is not None and self._motion.differs(last, grey)

    def _take_scores(
        self, at_s: float, utc: datetime, probabilities: list[float], sampled: SampledView | None
    ) -> None:
        """Smooth, open and close incidents, tell the metrics; under the lock."""
        scores, changes = self._judge.judge(at_s, utc, probabilities)
        for incident in changes:
            self._report(incident, sampled, None)
        for score in scores:
            self._metrics.observe_score(score)
        if self.evidence:
            sample, box = (sampled.sample, sampled.view.box) if sampled else (None, None)
            self.evidence.scored(at_s, scores, sample, box)
        self._scores = {score.label: score.smoothed for score in scores}
        if self._second_look:
            for incident in self._second_look.ask(sampled):
                self._report(incident, sampled, None)

    def _report(self, incident: Incident, sampled: SampledView | None, reason: str | None) -> None:
        if not self._weights_look_twice:  # "not verified" would be said of every alarm
            incident = replace(incident, verified=None)
        if incident.phase is Phase.OPENED:
            self._metrics.incidents.labels(incident.camera, incident.label).inc()
        open_now = incident.phase is not Phase.CLOSED
        self._metrics.incidents_open.labels(incident.camera, incident.label).set(open_now)
        sample, box = (sampled.sample, sampled.view.box) if sampled else (self._newest, None)
        if self.evidence:
            self.evidence.changed(incident, sample, reason, time.monotonic())
        self._callbacks.report(IncidentReport(incident, self.camera, sample, box, reason))
