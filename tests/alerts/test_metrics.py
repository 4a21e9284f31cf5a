"""Every series of a sink is there from the start, and gone with it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.samples import Sample as Series

from alerts.metrics import RESULTS, AlertMetrics


@pytest.fixture
def metrics(prometheus: CollectorRegistry) -> AlertMetrics:
    return AlertMetrics(prometheus)


def add(metrics: AlertMetrics, sink: str) -> None:
    metrics.add_sink(sink, lambda: 0.0, lambda: 0.0, lambda: 0.0, lambda: False)


def series(registry: CollectorRegistry, sink: str) -> Iterator[Series]:
    for metric in registry.collect():
        for sample in metric.samples:
            if sample.labels.get("sink") == sink and not sample.name.endswith("_created"):
                yield sample


def test_every_series_of_a_sink_starts_at_zero_and_certificates_show_only_where_there_are_some(
    prometheus: CollectorRegistry, metrics: AlertMetrics
) -> None:
    add(metrics, "police")
    found = list(series(prometheus, "police"))
    assert {one.value for one in found} == {0.0}
    assert {one.name for one in found if not one.name.endswith(("_bucket", "_sum"))} == {
        "jikimi_outbox_awaiting_confirmation",
        "jikimi_outbox_depth",
        "jikimi_outbox_oldest_age_seconds",
        "jikimi_sink_failing",
        "jikimi_deliveries_total",
        "jikimi_delivery_seconds_count",
    }
    assert {one.labels["result"] for one in found if "result" in one.labels} == set(RESULTS)


def test_a_sink_set_up_anew_without_certificates_shows_none(
    prometheus: CollectorRegistry, metrics: AlertMetrics
) -> None:
    add(metrics, "police")
    metrics.show_expiry("police", lambda: 7.0)
    assert 7.0 in {one.value for one in series(prometheus, "police")}
    add(metrics, "police")
    assert 7.0 not in {one.value for one in series(prometheus, "police")}


def test_no_family_keeps_a_series_of_a_removed_sink(
    prometheus: CollectorRegistry, metrics: AlertMetrics
) -> None:
    for sink in ("police", "siren"):
        add(metrics, sink)
    kept = len(list(series(prometheus, "siren")))
    for family in set(prometheus._collector_to_names):
        if isinstance(family, MetricWrapperBase) and "sink" in family._labelnames:
            family.labels(**(dict.fromkeys(family._labelnames, "new") | {"sink": "police"}))
    metrics.remove_sink("police")
    assert list(series(prometheus, "police")) == []
    assert len(list(series(prometheus, "siren"))) == kept
