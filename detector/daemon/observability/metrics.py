"""The detector's Prometheus metrics; the help text of each says what it means.

Every series of a camera exists with 0 from the moment the camera is added, so that rates
and alerting rules work from the first event, and is gone when the camera is removed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypedDict

from prometheus_client import (
    CollectorRegistry,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

from alerts.metric_families import MetricFamilies
from detector.capture.idle.gate import Wake
from detector.journal.records import Verdict
from detector.types import CameraState, Score

AGE_BUCKETS_S = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0)
"""Finest round the promise that 99 % of samples are scored within 300 ms."""

INFERENCE_BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5)
BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64)
SCORE_BUCKETS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)
STATES = tuple(state.value for state in CameraState)
LOOK_BUCKETS_S = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 1.0)
LOOK_AGE_BUCKETS_S = (0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 1.0)
LEFT_OUT_REASONS = ("superseded", "late", "budget", "failed")
DROP_REASONS = ("missed", "late", "warming", "superseded", "stale", "failed")
WAKE_REASONS = tuple(why.value for why in Wake if why is not Wake.UNSUITABLE)
"""A camera whose stream is unsuitable never sleeps."""

SCORED_BY = ("serve", "local")

PARTS = ("inference", "reporter", "supervisor")
"""What the daemon cannot do without: beyond 10 s without progress it is not alive."""


class LearntThreshold(TypedDict):
    """A label's threshold in force and, where it is learnt, from how much."""

    open_threshold: float
    learning: bool
    hours: float
    share: float
    false_alarms_per_day: float


class DetectorMetrics:
    """All metrics of the detector, in one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._families = declare = MetricFamilies(registry)
        self.cameras: set[str] = set()
        """Those that have series. What is still under way of another would bring its own back."""

        self.build = declare.gauge(
            "build_info", "Version and weights; always 1", ["version", "weights", "engine"]
        )
        self.progress_age = declare.gauge(
            "progress_age_seconds",
            "Time since a part of the daemon last made progress; over 10 s it is stuck",
            ["part"],
        )
        for part in PARTS:
            self.progress_age.labels(part)
        self.disk_free = declare.gauge(
            "state_disk_free_bytes", "Free space on the disk of the state directory"
        )
        self.overloaded = declare.gauge(
            "overloaded",
            "1 while more views come than can be scored; cameras are then scored less often",
        )
        self.batch = declare.histogram(
            "batch_size", "Views in one inference", buckets=BATCH_BUCKETS
        )
        self.inference = declare.histogram(
            "inference_seconds", "Time of one inference", buckets=INFERENCE_BUCKETS_S
        )
        self.served = declare.counter(
            "engine_views_total",
            "With engine: serve, views scored by the GPU box (serve) or by this box (local)",
            ["by"],
        )
        for by in SCORED_BY:
            self.served.labels(by)
        self.serve_failing = declare.gauge(
            "engine_serve_failing",
            "1 while the GPU box of engine: serve scores nothing: this box's own engine does",
        )

        self.look = declare.histogram(
            "second_look_seconds",
            "Processor time of one second look",
            buckets=LOOK_BUCKETS_S,
        )
        self.look_age = declare.histogram(
            "second_look_age_seconds",
            "Time from a picture's packet to what the second look says of it",
            buckets=LOOK_AGE_BUCKETS_S,
        )
        self.look_failing = declare.gauge(
            "second_look_failing",
            "1 while nobody looks a second time though it is switched on: alarms are not verified",
        )
        self.looks = declare.counter(
            "second_looks_total", "Second looks at what may be a fight", ["camera"]
        )
        self.left_out = declare.counter(
            "second_looks_left_out_total",
            "Second looks that were due and not had, by reason; superseded: by a newer one",
            ["camera", "reason"],
            reason=LEFT_OUT_REASONS,
        )

        self.camera_state = declare.gauge(
            "camera_state",
            "1 for the state a camera is in, 0 for the others",
            ["camera", "site", "state"],
            state=STATES,
        )
        self.camera_lost = declare.gauge(
            "camera_lost", "1 while a camera is lost beyond its grace time", ["camera"]
        )
        self.connects = declare.counter(
            "camera_connects_total", "Attempts to open a camera's stream", ["camera"]
        )
        self.packets = declare.counter(
            "packets_received_total", "Video packets received", ["camera"]
        )
        self.bytes = declare.counter("received_bytes_total", "Video bytes received", ["camera"])
        self.frames = declare.counter(
            "frames_received_total",
            "Frames received, decoded or not: those of a sleeping camera are counted, too",
            ["camera"],
        )
        self.decode_errors = declare.counter(
            "decode_errors_total", "Packets the decoder refused", ["camera"]
        )
        self.asleep = declare.counter(
            "asleep_seconds_total",
            "Seconds of stream received but not decoded, because nothing moved",
            ["camera"],
        )
        self.wakes = declare.counter(
            "wakes_total",
            "Times a sleeping camera woke, by reason",
            ["camera", "reason"],
            reason=WAKE_REASONS,
        )
        self.catch_up = declare.counter(
            "catch_up_seconds_total",
            "CPU seconds that waking cameras spent on the packets kept while asleep",
            ["camera"],
        )

        self.due = declare.counter(
            "samples_due_total", "Samples due: 8 for each second live", ["camera"]
        )
        self.scored = declare.counter(
            "samples_scored_total", "Samples scored, still pictures included", ["camera"]
        )
        self.dropped = declare.counter(
            "samples_dropped_total",
            "Samples due but not scored, by reason",
            ["camera", "reason"],
            reason=DROP_REASONS,
        )
        self.age = declare.histogram(
            "sample_age_seconds",
            "Time from a sample's packet to its score",
            ["camera"],
            buckets=AGE_BUCKETS_S,
        )
        self.exercises = declare.counter("exercises_total", "Drills sent", ["camera"])

        self.score = declare.histogram(
            "score",
            "Smoothed probability of each scored sample",
            ["camera", "label"],
            buckets=SCORE_BUCKETS,
        )
        self.incidents = declare.counter("incidents_total", "Incidents opened", ["camera", "label"])
        self.judged = declare.counter(
            "incidents_judged_total",
            "Verdicts of operators on incidents; one that is changed counts again",
            ["camera", "label", "verdict"],
            verdict=tuple(verdict.value for verdict in Verdict),
        )
        self.incidents_open = declare.gauge(
            "incidents_open", "Incidents now open", ["camera", "label"]
        )
        self.open_threshold = declare.gauge(
            "open_threshold",
            "Probability from which an incident opens",
            ["camera", "label"],
        )
        self.learning = declare.gauge(
            "calibration_learning",
            "1 where the opening threshold is learnt, 0 where it is stated",
            ["camera", "label"],
        )
        self.learnt_seconds = declare.gauge(
            "calibration_seconds",
            "Watched time that the opening threshold is learnt from, the last two weeks at most",
            ["camera", "label"],
        )
        self.learnt_share = declare.gauge(
            "calibration_share",
            "How much of the opening threshold is the camera's own: 0 all shipped, 1 all learnt",
            ["camera", "label"],
        )
        self.expected_false_alarms = declare.gauge(
            "calibration_false_alarms_per_day",
            "False incidents a day to be expected at the learnt threshold; an estimate",
            ["camera", "label"],
        )

    def add_camera(self, camera: str, site: str, labels: Iterable[str]) -> None:
        """Create every series of `camera` with 0."""
        self._families.create("camera", camera, site=(site,), label=tuple(labels))
        self.cameras.add(camera)

    def remove_camera(self, camera: str) -> None:
        """Remove every series of `camera`."""
        self.cameras.discard(camera)
        self._families.remove("camera", camera)

    def show_state(self, camera: str, site: str, state: CameraState) -> None:
        """`camera` is in `state` now."""
        for other in CameraState:
            self.camera_state.labels(camera, site, other.value).set(other is state)

    def show_calibration(self, camera: str, label: str, learnt: LearntThreshold) -> None:
        """What `camera` has learnt of `label`."""
        self.open_threshold.labels(camera, label).set(learnt["open_threshold"])
        self.learning.labels(camera, label).set(learnt["learning"])
        self.learnt_seconds.labels(camera, label).set(round(learnt["hours"] * 3600))
        self.learnt_share.labels(camera, label).set(learnt["share"])
        self.expected_false_alarms.labels(camera, label).set(learnt["false_alarms_per_day"])

    def observe_score(self, score: Score) -> None:
        """One smoothed score."""
        self.score.labels(score.camera, score.label).observe(score.smoothed)


class WorkerMetrics:
    """What the inference worker reports, in Prometheus' terms (`WorkerObserver`)."""

    def __init__(self, metrics: DetectorMetrics) -> None:
        self._metrics = metrics

    def dropped(self, camera: str, reason: str) -> None:
        """A due sample will not be scored."""
        if camera in self._metrics.cameras:
            self._metrics.dropped.labels(camera, reason).inc()

    def scored(self, camera: str, age_s: float) -> None:
        """A sample has been scored `age_s` after its packet arrived."""
        if camera in self._metrics.cameras:
            self._metrics.scored.labels(camera).inc()
            self._metrics.age.labels(camera).observe(age_s)

    def batch(self, size: int, seconds: float) -> None:
        """The engine took `seconds` for `size` views."""
        self._metrics.batch.observe(size)
        self._metrics.inference.observe(seconds)

    def overloaded(self, overloaded: bool) -> None:
        """More views come than can be scored, or no longer."""
        self._metrics.overloaded.set(overloaded)


class ServeMetrics:
    """What `engine: serve` reports, in Prometheus' terms (`ServeObserver`)."""

    def __init__(self, metrics: DetectorMetrics) -> None:
        self._metrics = metrics

    def embedded(self, by: str, views: int) -> None:
        """So many views were embedded by the GPU box (`serve`) or by this box (`local`)."""
        self._metrics.served.labels(by).inc(views)

    def failing(self, failing: bool) -> None:
        """The GPU box embeds nothing, or does again."""
        self._metrics.serve_failing.set(failing)


class LookMetrics:
    """What the second look reports, in Prometheus' terms (`LookObserver`)."""

    def __init__(self, metrics: DetectorMetrics) -> None:
        self._metrics = metrics

    def looked(self, camera: str, cpu_s: float, age_s: float) -> None:
        """A look took `cpu_s` of a core and ended `age_s` after its newest picture arrived."""
        if camera in self._metrics.cameras:
            self._metrics.looks.labels(camera).inc()
        self._metrics.look.observe(cpu_s)
        self._metrics.look_age.observe(age_s)

    def not_looked(self, camera: str, reason: str) -> None:
        """A look that was due is not had."""
        if camera in self._metrics.cameras:
            self._metrics.left_out.labels(camera, reason).inc()

    def failing(self, failing: bool) -> None:
        """No candidate is looked at, or they are again."""
        self._metrics.look_failing.set(failing)


class CaptureMetrics:
    """What one camera's reader reports, in Prometheus' terms (`CaptureObserver`).

    The series are looked up once: by their labels, twice a packet, that took a tenth of what a
    sleeping camera costs beyond receiving; and a reader left behind would bring those of a camera
    that was removed back.
    """

    def __init__(self, metrics: DetectorMetrics, camera: str) -> None:
        self._connects = metrics.connects.labels(camera)
        self._packets = metrics.packets.labels(camera)
        self._bytes = metrics.bytes.labels(camera)
        self._frames = metrics.frames.labels(camera)
        self._due = metrics.due.labels(camera)
        self._asleep = metrics.asleep.labels(camera)
        self._decode_errors = metrics.decode_errors.labels(camera)
        self._dropped = {why: metrics.dropped.labels(camera, why) for why in DROP_REASONS}
        self._wakes = {why: metrics.wakes.labels(camera, why) for why in WAKE_REASONS}
        self._catch_up = metrics.catch_up.labels(camera)

    def connecting(self, camera: str) -> None:
        """An attempt to open the stream begins."""
        self._connects.inc()

    def packet(self, camera: str, size: int) -> None:
        """`size` bytes of video have been received."""
        self._packets.inc()
        self._bytes.inc(size)

    def frames(self, camera: str, count: int) -> None:
        """`count` frames have been received."""
        self._frames.inc(count)

    def decode_errors(self, camera: str, count: int) -> None:
        """The decoder refused `count` packets."""
        self._decode_errors.inc(count)

    def due(self, camera: str, count: int) -> None:
        """`count` samples have fallen due."""
        self._due.inc(count)

    def missed(self, camera: str, reason: str, count: int) -> None:
        """`count` due samples were not taken."""
        self._dropped[reason].inc(count)

    def slept(self, camera: str, seconds: float) -> None:
        """`seconds` of stream were received and not decoded."""
        self._asleep.inc(seconds)

    def woke(self, camera: str, why: str, catch_up_s: float) -> None:
        """Decoding goes on; going through what was kept took `catch_up_s`."""
        self._wakes[why].inc()
        self._catch_up.inc(catch_up_s)


def process_registry() -> CollectorRegistry:
    """A registry that tells of this process, too."""
    disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    return registry
