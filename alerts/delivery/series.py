"""What the metrics show of each sink's queue and state, read at every scrape.

It goes by the sink's name, so that it holds for whichever worker delivers to it by then.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from alerts.clock import SteadyClock
from alerts.metrics import AlertMetrics
from alerts.sinks.certificates import first_end_s, tls_files
from alerts.storage.confirming import Confirmations
from alerts.storage.outbox import Outbox
from config.settings import SinkSettings


class SinkSeries:
    """The series in `metrics` of every sink that is configured."""

    def __init__(
        self,
        metrics: AlertMetrics,
        outbox: Outbox,
        confirmations: Confirmations,
        clock: SteadyClock,
    ) -> None:
        self._metrics = metrics
        self._outbox = outbox
        self._confirmations = confirmations
        self._clock = clock

    def add(self, settings: SinkSettings, failing: Callable[[], bool]) -> None:
        """Show this sink, anew where it is shown; `failing`: whether nothing gets through now."""
        name = settings.name
        self._metrics.add_sink(
            name,
            partial(self._depth, name),
            partial(self._confirmations.count, name),
            partial(self._oldest_age_s, name),
            failing,
        )
        if files := tls_files(settings.options):
            self._metrics.show_expiry(name, partial(first_end_s, files))

    def remove(self, name: str) -> None:
        """Show it no longer."""
        self._metrics.remove_sink(name)

    def _depth(self, name: str) -> int:
        return self._outbox.waiting(name).depth

    def _oldest_age_s(self, name: str) -> float:
        oldest_at = self._outbox.waiting(name).oldest_at
        return 0.0 if oldest_at is None else self._clock.now() - oldest_at
