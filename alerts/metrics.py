"""Prometheus metrics of the sinks. Every series exists at 0 as soon as its sink is known."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

RESULTS = ("delivered", "late", "expired", "failed", "cooldown", "silenced")
"""What can become of an alert at a sink; `failed` counts attempts, the others are final."""

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class AlertMetrics:
    """The collectors, registered with `registry`; one instance a registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.depth = Gauge(
            "jikimi_outbox_depth",
            "Alerts waiting to be acknowledged by the sink",
            ["sink"],
            registry=registry,
        )
        self.oldest_age = Gauge(
            "jikimi_outbox_oldest_age_seconds",
            "Age of the oldest alert that waits for the sink, 0 where none does",
            ["sink"],
            registry=registry,
        )
        self.failing = Gauge(
            "jikimi_sink_failing",
            "1 while a sink's last attempt failed or it knows the other side to be away",
            ["sink"],
            registry=registry,
        )
        self.certificate_expiry = Gauge(
            "jikimi_certificate_expiry_timestamp_seconds",
            "When the first certificate in a sink's TLS files ends, in Unix time; not the broker's",
            ["sink"],
            registry=registry,
        )
        self.deliveries = Counter(
            "jikimi_deliveries",
            "Alerts by sink and result; failed counts attempts that will be repeated",
            ["sink", "result"],
            registry=registry,
        )
        self.seconds = Histogram(
            "jikimi_delivery_seconds",
            "Time of one attempt to deliver, acknowledgement included",
            ["sink"],
            buckets=SECONDS,
            registry=registry,
        )

    def add_sink(
        self,
        sink: str,
        depth: Callable[[], float],
        oldest_age_s: Callable[[], float],
        failing: Callable[[], bool],
    ) -> None:
        """Create every series of `sink`; the callables are read at each scrape."""
        self.depth.labels(sink).set_function(depth)
        self.oldest_age.labels(sink).set_function(oldest_age_s)
        self.failing.labels(sink).set_function(failing)
        self.certificate_expiry.remove_by_labels({"sink": sink})  # it may have had some before
        self.seconds.labels(sink)
        for result in RESULTS:
            self.deliveries.labels(sink, result)

    def show_expiry(self, sink: str, ends_s: Callable[[], float]) -> None:
        """Show when the certificates of `sink` end: Unix time, NaN where that is not known."""
        self.certificate_expiry.labels(sink).set_function(ends_s)

    def remove_sink(self, sink: str) -> None:
        """Forget `sink`: it is no longer configured."""
        for collector in (self.depth, self.oldest_age, self.seconds, self.failing):
            collector.remove(sink)
        self.certificate_expiry.remove_by_labels({"sink": sink})
        for result in RESULTS:
            self.deliveries.remove(sink, result)

    def count(self, sink: str, result: str) -> None:
        """One alert more with this result (one of `RESULTS`)."""
        self.deliveries.labels(sink, result).inc()
