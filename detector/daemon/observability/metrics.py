"""The detector's figures for Prometheus: what each means stands in its help text.

Every series of a camera exists with 0 from the moment the camera is added, so that rates
and alerts work from the first event, and is gone when the camera is removed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from alerts.metrics import AlertMetrics
from detector.capture.idle.gate import Wake
from detector.types import CameraState, Score

AGE_BUCKETS_S = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0)
"""Finest round the promise that 99 % of samples are scored within 300 ms."""

INFERENCE_BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5)
BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64)
SCORE_BUCKETS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)
DROP_REASONS = ("missed", "late", "warming", "superseded", "stale", "failed")
PARTS = ("inference", "supervisor")
"""What the daemon cannot do without: beyond 10 s without progress it is not alive."""


class DetectorMetrics:
    """All collectors of the detector, in one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def make(kind: Any, name: str, text: str, labels: Iterable[str] = (), **more: Any) -> Any:
            return kind(f"jikimi_{name}", text, labels, registry=registry, **more)

        self.build = make(
            Gauge, "build_info", "Version and weights; always 1", ["version", "weights", "engine"]
        )
        self.progress_age = make(
            Gauge,
            "progress_age_seconds",
            "Time since a part of the daemon last made progress; over 10 s it is stuck",
            ["part"],
        )
        self.disk_free = make(
            Gauge, "state_disk_free_bytes", "Space left where the state directory lies"
        )
        for part in PARTS:
            self.progress_age.labels(part)
        self.camera_state = make(
            Gauge,
            "camera_state",
            "1 for the state a camera is in, 0 for the others",
            ["camera", "site", "state"],
        )
        self.camera_lost = make(
            Gauge, "camera_lost", "1 while a camera is lost beyond its grace time", ["camera"]
        )
        self.connects = make(
            Counter, "camera_connects_total", "Attempts to open a camera's stream", ["camera"]
        )
        self.packets = make(Counter, "packets_received_total", "Video packets received", ["camera"])
        self.bytes = make(Counter, "received_bytes_total", "Video bytes received", ["camera"])
        self.frames = make(Counter, "frames_received_total", "Frames decoded", ["camera"])
        self.decode_errors = make(
            Counter, "decode_errors_total", "Packets the decoder refused", ["camera"]
        )
        self.due = make(
            Counter, "samples_due_total", "Samples due: 8 for each second live", ["camera"]
        )
        self.scored = make(
            Counter, "samples_scored_total", "Samples scored, still pictures included", ["camera"]
        )
        self.dropped = make(
            Counter,
            "samples_dropped_total",
            "Samples due but not scored, by reason",
            ["camera", "reason"],
        )
        self.overloaded = make(
            Gauge, "overloaded", "1 while more views come than can be scored; cameras share alike"
        )
        self.asleep = make(
            Counter,
            "asleep_seconds_total",
            "Seconds of stream received and not decoded, for nothing moved",
            ["camera"],
        )
        self.wakes = make(
            Counter, "wakes_total", "Times a sleeping camera woke, by reason", ["camera", "reason"]
        )
        self.catch_up = make(
            Counter,
            "catch_up_seconds_total",
            "CPU seconds spent on waking, going through the packets kept",
            ["camera"],
        )
        self.age = make(
            Histogram,
            "sample_age_seconds",
            "Time from a sample's packet to its score",
            ["camera"],
            buckets=AGE_BUCKETS_S,
        )
        self.batch = make(Histogram, "batch_size", "Views in one inference", buckets=BATCH_BUCKETS)
        self.inference = make(
            Histogram, "inference_seconds", "Time of one inference", buckets=INFERENCE_BUCKETS_S
        )
        self.score = make(
            Histogram,
            "score",
            "Smoothed probability of each scored sample",
            ["camera", "label"],
            buckets=SCORE_BUCKETS,
        )
        self.incidents = make(Counter, "incidents_total", "Incidents opened", ["camera", "label"])
        self.incidents_open = make(
            Gauge, "incidents_open", "Incidents under way", ["camera", "label"]
        )
        self.open_threshold = make(
            Gauge,
            "open_threshold",
            "Smoothed probability from which an incident opens",
            ["camera", "label"],
        )
        self.learning = make(
            Gauge,
            "calibration_learning",
            "1 where the opening threshold is learnt, 0 where it is stated",
            ["camera", "label"],
        )
        self.learnt_hours = make(
            Gauge,
            "calibration_hours",
            "Watched hours that the opening threshold is learnt from, the last two weeks at most",
            ["camera", "label"],
        )
        self.learnt_share = make(
            Gauge,
            "calibration_share",
            "How much of the opening threshold is the camera's own: 0 all shipped, 1 all learnt",
            ["camera", "label"],
        )
        self.expected_false_alarms = make(
            Gauge,
            "calibration_false_alarms_per_day",
            "False incidents a day to be expected at the learnt threshold; an estimate",
            ["camera", "label"],
        )
        self.exercises = make(Counter, "exercises_total", "Exercises (drills) sent", ["camera"])

    def add_camera(self, camera: str, site: str, labels: Iterable[str]) -> None:
        """Create every series of `camera` with 0."""
        for state in CameraState:
            self.camera_state.labels(camera, site, state.value)
        for metric in self._by_camera():
            metric.labels(camera)
        for reason in DROP_REASONS:
            self.dropped.labels(camera, reason)
        for why in Wake:
            if why is not Wake.UNSUITABLE:  # such a camera never sleeps
                self.wakes.labels(camera, why.value)
        for label in labels:
            for metric in self._by_label():
                metric.labels(camera, label)

    def remove_camera(self, camera: str) -> None:
        """Drop every series of `camera`."""
        by_camera = (
            *self._by_camera(),
            *self._by_label(),
            self.dropped,
            self.wakes,
            self.camera_state,
        )
        for metric in by_camera:
            metric.remove_by_labels({"camera": camera})

    def show_state(self, camera: str, site: str, state: CameraState) -> None:
        """`camera` is in `state` now."""
        for other in CameraState:
            self.camera_state.labels(camera, site, other.value).set(other is state)

    def show_calibration(self, camera: str, label: str, learnt: Mapping[str, float]) -> None:
        """What `camera` has learnt of `label`, as its status tells it."""
        for metric, key in (
            (self.open_threshold, "open_threshold"),
            (self.learning, "learning"),
            (self.learnt_hours, "hours"),
            (self.learnt_share, "share"),
            (self.expected_false_alarms, "false_alarms_per_day"),
        ):
            metric.labels(camera, label).set(learnt[key])

    def observe_score(self, score: Score) -> None:
        """One smoothed score."""
        self.score.labels(score.camera, score.label).observe(score.smoothed)

    def _by_camera(self) -> tuple[Any, ...]:
        return (
            self.camera_lost,
            self.connects,
            self.packets,
            self.bytes,
            self.frames,
            self.decode_errors,
            self.due,
            self.scored,
            self.asleep,
            self.catch_up,
            self.age,
            self.exercises,
        )

    def _by_label(self) -> tuple[Any, ...]:
        return (
            self.score,
            self.incidents,
            self.incidents_open,
            self.open_threshold,
            self.learning,
            self.learnt_hours,
            self.learnt_share,
            self.expected_false_alarms,
        )


class WorkerMetrics:
    """What the inference worker reports, in Prometheus' terms (`WorkerObserver`)."""

    def __init__(self, metrics: DetectorMetrics) -> None:
        self._metrics = metrics

    def dropped(self, camera: str, reason: str) -> None:
        """A due sample will not be scored."""
        self._metrics.dropped.labels(camera, reason).inc()

    def scored(self, camera: str, age_s: float) -> None:
        """A sample has been scored `age_s` after its packet arrived."""
        self._metrics.scored.labels(camera).inc()
        self._metrics.age.labels(camera).observe(age_s)

    def batch(self, size: int, seconds: float) -> None:
        """The engine took `seconds` for `size` views."""
        self._metrics.batch.observe(size)
        self._metrics.inference.observe(seconds)

    def overloaded(self, overloaded: bool) -> None:
        """More views come than can be scored, or no longer."""
        self._metrics.overloaded.set(overloaded)


class CaptureMetrics:
    """What one camera's reader reports, in Prometheus' terms (`CaptureObserver`).

    The series are looked up once: by their labels, twice a packet, that took a tenth of what a
    sleeping camera costs beyond receiving.
    """

    def __init__(self, metrics: DetectorMetrics, camera: str) -> None:
        self._metrics = metrics
        self._packets = metrics.packets.labels(camera)
        self._bytes = metrics.bytes.labels(camera)
        self._frames = metrics.frames.labels(camera)
        self._due = metrics.due.labels(camera)
        self._asleep = metrics.asleep.labels(camera)

    def connecting(self, camera: str) -> None:
        """An attempt to open the stream begins."""
        self._metrics.connects.labels(camera).inc()

    def packet(self, camera: str, size: int) -> None:
        """`size` bytes of video have been received."""
        self._packets.inc()
        self._bytes.inc(size)

    def frames(self, camera: str, count: int) -> None:
        """`count` frames have been received."""
        self._frames.inc(count)

    def decode_errors(self, camera: str, count: int) -> None:
        """The decoder refused `count` packets."""
        self._metrics.decode_errors.labels(camera).inc(count)

    def due(self, camera: str, count: int) -> None:
        """`count` samples have fallen due."""
        self._due.inc(count)

    def missed(self, camera: str, reason: str, count: int) -> None:
        """`count` due samples were not taken."""
        self._metrics.dropped.labels(camera, reason).inc(count)

    def slept(self, camera: str, seconds: float) -> None:
        """`seconds` of stream were received and not decoded."""
        self._asleep.inc(seconds)

    def woke(self, camera: str, why: str, catch_up_s: float) -> None:
        """Decoding goes on; going through what was kept took `catch_up_s`."""
        self._metrics.wakes.labels(camera, why).inc()
        self._metrics.catch_up.labels(camera).inc(catch_up_s)


DOCUMENT_HEAD = """\
# Metrics

What `/metrics` tells of Jikimi, beside Prometheus' own figures of the process. Written by
`make metrics`; a histogram has the usual `_bucket`, `_count` and `_sum`.

"""


def describe(registry: CollectorRegistry) -> str:
    """A Markdown table of the `jikimi_` collectors in `registry`: name, type, labels, meaning.

    Labels are those of the series that exist; one with several values shows them.
    """
    rows = ["| name | type | labels | meaning |", "|---|---|---|---|"]
    for metric in sorted(registry.collect(), key=lambda metric: metric.name):
        if metric.name.startswith("jikimi_"):
            name = f"{metric.name}_total" if metric.type == "counter" else metric.name
            values: dict[str, list[str]] = {}
            for sample in metric.samples:
                for label, value in sample.labels.items():
                    if label != "le" and value not in values.setdefault(label, []):
                        values[label].append(value)
            labels = ", ".join(
                f"{label} ({', '.join(seen)})" if len(seen) > 1 else label
                for label, seen in values.items()
            )
            rows.append(f"| `{name}` | {metric.type} | {labels} | {metric.documentation} |")
    return "\n".join(rows) + "\n"


def example() -> CollectorRegistry:
    """One of each series that the daemon can show."""
    registry = CollectorRegistry()
    metrics = DetectorMetrics(registry)
    metrics.build.labels("", "", "")
    metrics.add_camera("gate", "default", ["violence"])
    alerts = AlertMetrics(registry)
    alerts.add_sink("police", lambda: 0.0, lambda: 0.0, lambda: False)
    alerts.show_expiry("police", lambda: 0.0)
    return registry


def document() -> str:
    """The page `deploy/METRICS.md`."""
    return DOCUMENT_HEAD + describe(example())


if __name__ == "__main__":
    sys.stdout.write(document())
