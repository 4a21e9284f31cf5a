"""Prometheus metrics of the sinks. Every series exists at 0 as soon as its sink is known."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry

from alerts.metric_families import MetricFamilies
from alerts.storage.faults import FILES, LOST

RESULTS = (
    "delivered",
    "late",
    "expired",
    "refused",
    "failed",
    "cooldown",
    "silenced",
    "dismissed",
    "unconfirmed",
)
"""What can become of an alert at a sink; `failed` counts attempts, the others are final."""

DELIVERY_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class AlertMetrics:
    """The metrics of all sinks, registered with `registry`; one instance a registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._families = declare = MetricFamilies(registry)
        self.depth = declare.gauge(
            "outbox_depth", "Alerts waiting to be acknowledged by the sink", ["sink"]
        )
        self.awaiting = declare.gauge(
            "outbox_awaiting_confirmation",
            "Alarms that wait for an operator before the sink is told",
            ["sink"],
        )
        self.oldest_age = declare.gauge(
            "outbox_oldest_age_seconds",
            "Age of the oldest alert that waits for the sink, 0 where none does",
            ["sink"],
        )
        self.failing = declare.gauge(
            "sink_failing",
            "1 while a sink's last attempt failed or it has no connection to its receiver",
            ["sink"],
        )
        self.certificate_expiry = declare.gauge(
            "certificate_expiry_timestamp_seconds",
            "When the first certificate in a sink's TLS files ends, in Unix time; not the broker's",
            ["sink"],
            optional=True,
        )
        self.deliveries = declare.counter(
            "deliveries_total",
            "Alerts by sink and result; failed counts attempts that will be repeated",
            ["sink", "result"],
            result=RESULTS,
        )
        self.seconds = declare.histogram(
            "delivery_seconds",
            "Time of one attempt to deliver, acknowledgement included",
            ["sink"],
            buckets=DELIVERY_BUCKETS_S,
        )

        self.storage_failing = declare.gauge(
            "storage_failing",
            "1 while a file of the state directory cannot be written, or its disk does not answer",
            ["file"],
        )
        self.storage_set_aside = declare.counter(
            "storage_set_aside_total",
            "Files that could not be used since the start, kept under another name",
            ["file"],
        )
        self.storage_lost = declare.counter(
            "storage_lost_total",
            "What was given up because the disk took nothing, or beyond the bound of what is kept",
            ["what"],
        )
        for file in FILES:
            self.storage_failing.labels(file)
            self.storage_set_aside.labels(file)
        for what in LOST:
            self.storage_lost.labels(what)

    def add_sink(
        self,
        sink: str,
        depth: Callable[[], float],
        awaiting: Callable[[], float],
        oldest_age_s: Callable[[], float],
        failing: Callable[[], bool],
    ) -> None:
        """Create every series of `sink`; the callables are read at each scrape."""
        self.certificate_expiry.remove_by_labels({"sink": sink})  # it may have had some before
        self._families.create("sink", sink)
        self.depth.labels(sink).set_function(depth)
        self.awaiting.labels(sink).set_function(awaiting)
        self.oldest_age.labels(sink).set_function(oldest_age_s)
        self.failing.labels(sink).set_function(failing)

    def show_expiry(self, sink: str, ends_s: Callable[[], float]) -> None:
        """Show when the certificates of `sink` end: Unix time, NaN where that is not known."""
        self.certificate_expiry.labels(sink).set_function(ends_s)

    def show_storage(self, file: str, failing: Callable[[], bool]) -> None:
        """Show whether `file` (one of `storage.faults.FILES`) fails, read at each scrape."""
        self.storage_failing.labels(file).set_function(failing)

    def count_set_aside(self, file: str) -> None:
        """One more file was set aside, for it could not be used."""
        self.storage_set_aside.labels(file).inc()

    def count_lost(self, what: str, count: int) -> None:
        """So many of `what` (one of `storage.faults.LOST`) were given up."""
        self.storage_lost.labels(what).inc(count)

    def remove_sink(self, sink: str) -> None:
        """Remove every series of `sink`: it is no longer configured."""
        self._families.remove("sink", sink)

    def count(self, sink: str, result: str) -> None:
        """One alert more with this result (one of `RESULTS`)."""
        self.deliveries.labels(sink, result).inc()
