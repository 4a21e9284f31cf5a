"""What the metrics have counted of one camera, for its page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from prometheus_client import Counter, Histogram

from detector.console.monitor import CameraFigures, ScoreBin, Threshold
from detector.daemon.observability.metrics import WAKE_REASONS, DetectorMetrics


class CameraCounters:
    """One camera's series, looked up once: asked for later, those of a removed one came back."""

    def __init__(self, metrics: DetectorMetrics, camera: str, labels: Iterable[str]) -> None:
        self._connects = metrics.connects.labels(camera)
        self._frames = metrics.frames.labels(camera)
        self._decode_errors = metrics.decode_errors.labels(camera)
        self._due = metrics.due.labels(camera)
        self._scored = metrics.scored.labels(camera)
        self._asleep = metrics.asleep.labels(camera)
        self._wakes = [metrics.wakes.labels(camera, why) for why in WAKE_REASONS]
        self._scores = {label: metrics.score.labels(camera, label) for label in labels}

    def read(self, thresholds: Mapping[str, Threshold]) -> CameraFigures:
        """How they stand; `thresholds` are taken over."""
        return CameraFigures(
            connects=round(_value(self._connects)),
            frames=round(_value(self._frames)),
            decode_errors=round(_value(self._decode_errors)),
            samples_due=round(_value(self._due)),
            samples_scored=round(_value(self._scored)),
            asleep_s=_value(self._asleep),
            wakes=round(sum(map(_value, self._wakes))),
            scores={label: _bins(score) for label, score in self._scores.items()},
            thresholds=thresholds,
        )


def _value(counter: Counter) -> float:
    return next(
        sample.value
        for metric in counter.collect()
        for sample in metric.samples
        if sample.name.endswith("_total")
    )


def _bins(histogram: Histogram) -> tuple[ScoreBin, ...]:
    """What lies in each bucket alone; a metric's buckets hold all those below them, too."""
    found: list[ScoreBin] = []
    above, below = 0.0, 0
    for metric in histogram.collect():
        for sample in metric.samples:
            if sample.name.endswith("_bucket") and sample.labels["le"] != "+Inf":
                at_most, count = float(sample.labels["le"]), round(sample.value)
                found.append(ScoreBin(above, at_most, count - below))
                above, below = at_most, count
    return tuple(found)
