"""The thresholds of one camera's labels: what they stand on, and where it is shown."""

from __future__ import annotations

from collections.abc import Iterable

from structlog import get_logger

from detector.console.monitor import Threshold
from detector.daemon.observability.metrics import DetectorMetrics, LearntThreshold
from detector.incidents.judge import CameraJudge

LOG_STEP = 0.03
"""A threshold that has moved so far since it was last logged is logged again."""

log = get_logger()


def thresholds_of(judge: CameraJudge, labels: Iterable[str]) -> dict[str, LearntThreshold]:
    """By label; for who holds the judge's lock."""
    found: dict[str, LearntThreshold] = {}
    for label in labels:
        learner = judge.calibrators.get(label)
        found[label] = {
            "open_threshold": round(judge.rules(label).open_threshold, 3),
            "learning": learner is not None,
            "hours": round(learner.hours, 1) if learner else 0.0,
            "share": round(learner.share, 3) if learner else 0.0,
            "false_alarms_per_day": round(learner.expected_per_day, 3) if learner else 0.0,
        }
    return found


def for_console(found: dict[str, LearntThreshold]) -> dict[str, Threshold]:
    """As the console's pages take them."""
    return {
        label: Threshold(
            own["open_threshold"],
            own["learning"],
            own["hours"],
            own["share"],
            own["false_alarms_per_day"],
        )
        for label, own in found.items()
    }


class ShownThresholds:
    """Brings metrics up to date, and logs what has moved by `LOG_STEP`."""

    def __init__(self, camera: str, metrics: DetectorMetrics, first: dict[str, float]) -> None:
        """`first`: the opening thresholds by label that need not be logged."""
        self._camera = camera
        self._metrics = metrics
        self._logged = first

    def show(self, found: dict[str, LearntThreshold]) -> None:
        """What `thresholds_of` gives now."""
        for label, learnt in found.items():
            self._metrics.show_calibration(self._camera, label, learnt)
            threshold = learnt["open_threshold"]
            if abs(threshold - self._logged[label]) >= LOG_STEP:
                log.info(
                    "threshold learnt",
                    camera=self._camera,
                    label=label,
                    open_threshold=threshold,
                    before=round(self._logged[label], 3),
                    hours=learnt["hours"],
                )
                self._logged[label] = threshold
