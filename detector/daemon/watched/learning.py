"""What one camera learns of itself: shown, kept for the next start, judged by people, forgotten."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from uuid import UUID

from structlog import get_logger

from config.errors import ControlError
from config.settings import CameraSettings
from detector.daemon.calibration_store import CalibrationStore
from detector.daemon.observability.metrics import DetectorMetrics, LearntThreshold
from detector.daemon.watched.thresholds import ShownThresholds, thresholds_of
from detector.incidents.judge import CameraJudge, calibrators_for
from detector.incidents.tracker import IncidentRules
from detector.journal.records import Verdict

SHOW_EVERY_S = 60.0
"""How often metrics follow what was learnt; thresholds move every ten minutes at most."""

log = get_logger()


class Learning:
    """The calibrators of one camera's judge. Safe from any thread."""

    def __init__(
        self,
        camera: CameraSettings,
        judge: CameraJudge,
        lock: threading.Lock,
        shipped: Mapping[str, IncidentRules],
        store: CalibrationStore,
        metrics: DetectorMetrics,
    ) -> None:
        """`lock`: the judge's. `shipped`: by label the weights' own rules, to begin from."""
        self._camera = camera
        self._judge = judge
        self._lock = lock
        self._shipped = shipped
        self._store = store
        self._metrics = metrics
        opens_at = {label: judge.rules(label).open_threshold for label in shipped}
        self._shown = ShownThresholds(camera.name, metrics, opens_at)
        self._shown_s = 0.0

    def tick(self, now_s: float) -> None:
        """Show how it stands, where that is due by `now_s` (monotonic)."""
        if now_s - self._shown_s >= SHOW_EVERY_S:
            self._shown_s = now_s
            self._show()

    def thresholds(self) -> dict[str, LearntThreshold]:
        """By label, what is in force, and what it stands on."""
        with self._lock:
            return thresholds_of(self._judge, self._shipped)

    def save(self) -> None:
        """Have the store write what has been learnt."""
        with self._lock:
            learnt = {label: c.learnt() for label, c in self._judge.calibrators.items()}
        if learnt:
            self._store.save(self._camera, learnt)

    def recalibrate(self) -> None:
        """Forget what has been learnt; raises ControlError where nothing is."""
        with self._lock:
            if not self._judge.calibrators:
                raise ControlError(
                    f"camera {self._camera.name} learns nothing, for its open_threshold is stated; "
                    "take that out of the configuration to have it learnt"
                )
            self._judge.calibrate(calibrators_for(self._shipped, self._camera.detection))
        log.info("calibration begins anew", camera=self._camera.name)
        self._show()
        self.save()

    def judged(self, label: str, incident: UUID, verdict: Verdict) -> bool:
        """Count what an operator found an incident to be; whether its threshold learns from it.

        A false alarm is evidence for a higher one. What was real is none, nor what people have
        played: it was found as it should be.
        """
        if label in self._shipped:
            self._metrics.judged.labels(self._camera.name, label, verdict.value).inc()
        is_false = verdict is Verdict.FALSE_ALARM
        with self._lock:
            learns = self._judge.judged(label, incident, is_false=is_false)
        if learns:
            self._show()
            self.save()
        return learns

    def _show(self) -> None:
        self._shown.show(self.thresholds())
