"""What came of one sink's attempts."""

from __future__ import annotations

import threading
from collections import Counter
from uuid import UUID

from alerts.delivery.deliveries import ExerciseDeliveries
from alerts.delivery.status import SinkState
from alerts.metrics import AlertMetrics


class Standing:
    """What came of a sink's attempts: its state, its last error, its counts.

    Safe to call from any thread; only the sink's worker changes `state`.
    """

    def __init__(self, sink: str, metrics: AlertMetrics, exercises: ExerciseDeliveries) -> None:
        self.state = SinkState.STARTING
        self.last_error: str | None = None
        self._sink = sink
        self._metrics = metrics
        self._exercises = exercises
        self._mutex = threading.Lock()
        self._counts: Counter[str] = Counter()

    def take_over(self, old: Standing) -> None:
        """Go on counting where `old` stopped."""
        self.last_error = old.last_error
        self._counts = old._counts

    def count(self, result: str) -> None:
        """One alert more with this result (one of `alerts.metrics.RESULTS`)."""
        with self._mutex:
            self._counts[result] += 1
        self._metrics.count(self._sink, result)

    def counts(self) -> dict[str, int]:
        """How many alerts with each result, since start."""
        with self._mutex:
            return dict(self._counts)

    def failing(self, reason: str, alert_id: UUID | None) -> None:
        """An attempt failed, for `reason` (scrubbed): at one alert, or (None) at all of them."""
        self.state = SinkState.FAILING
        self.last_error = reason
        self._exercises.failed(self._sink, reason, alert_id)
