"""Every series of a camera is there from the start, and gone with it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.samples import Sample as Series

from detector.daemon.observability.metrics import (
    DROP_REASONS,
    CaptureMetrics,
    DetectorMetrics,
    LookMetrics,
    WorkerMetrics,
)
from detector.types import CameraState, Score


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def metrics(registry: CollectorRegistry) -> DetectorMetrics:
    return DetectorMetrics(registry)


def series(registry: CollectorRegistry, camera: str) -> Iterator[Series]:
    for metric in registry.collect():
        for sample in metric.samples:
            if sample.labels.get("camera") == camera and not sample.name.endswith("_created"):
                yield sample


def families_with(registry: CollectorRegistry, label: str) -> list[MetricWrapperBase]:
    found = set(registry._collector_to_names)
    return [one for one in found if isinstance(one, MetricWrapperBase) and label in one._labelnames]


def test_every_series_of_a_camera_starts_at_zero(
    registry: CollectorRegistry, metrics: DetectorMetrics
) -> None:
    metrics.add_camera("gate", "harbour", ["violence", "fire"])
    found = list(series(registry, "gate"))
    assert {sample.value for sample in found} == {0.0}
    # a family that is given a camera at run time only would be missing from the first scrape
    with_camera = {family._name for family in families_with(registry, "camera")}
    names = {sample.name.removesuffix("_total") for sample in found}
    for name in with_camera:
        assert names & {name, f"{name}_count"}, name
    dropped = [s for s in found if s.name == "jikimi_samples_dropped_total"]
    reasons = {sample.labels["reason"] for sample in dropped}
    assert reasons == set(DROP_REASONS)
    assert {s.labels["state"] for s in found if "state" in s.labels} == set(CameraState)
    for label in ("violence", "fire"):
        assert {"jikimi_score_count", "jikimi_incidents_total", "jikimi_incidents_open"} <= {
            s.name for s in found if s.labels.get("label") == label
        }


def test_a_removed_camera_leaves_no_series_and_the_others_theirs(
    registry: CollectorRegistry, metrics: DetectorMetrics
) -> None:
    for camera in ("gate", "yard"):
        metrics.add_camera(camera, "harbour", ["violence"])
    kept = len(list(series(registry, "yard")))
    metrics.remove_camera("gate")
    assert list(series(registry, "gate")) == []
    assert len(list(series(registry, "yard"))) == kept
    metrics.add_camera("gate", "harbour", ["violence"])
    assert len(list(series(registry, "gate"))) == kept


def test_no_family_keeps_a_series_of_a_removed_camera(
    registry: CollectorRegistry, metrics: DetectorMetrics
) -> None:
    families = families_with(registry, "camera")
    for family in families:  # with values that `add_camera` does not know, too
        family.labels(**(dict.fromkeys(family._labelnames, "new") | {"camera": "gate"}))
    assert families
    metrics.remove_camera("gate")
    assert list(series(registry, "gate")) == []


def test_what_was_under_way_of_a_removed_camera_brings_none_of_its_series_back(
    registry: CollectorRegistry, metrics: DetectorMetrics
) -> None:
    metrics.add_camera("gate", "harbour", ["violence"])
    metrics.remove_camera("gate")
    worker, looks = WorkerMetrics(metrics), LookMetrics(metrics)
    worker.dropped("gate", "stale")
    worker.scored("gate", 0.25)
    looks.looked("gate", 0.1, 0.3)
    looks.not_looked("gate", "late")
    assert list(series(registry, "gate")) == []


def test_a_camera_is_in_one_state(registry: CollectorRegistry, metrics: DetectorMetrics) -> None:
    metrics.add_camera("gate", "harbour", [])
    for state in CameraState:
        metrics.show_state("gate", "harbour", state)
        states = {
            s.labels["state"]: s.value
            for s in series(registry, "gate")
            if s.name == "jikimi_camera_state"
        }
        assert [name for name, value in states.items() if value] == [state]


def test_reports_end_up_in_their_series(
    registry: CollectorRegistry, metrics: DetectorMetrics
) -> None:
    metrics.add_camera("gate", "harbour", ["violence"])
    capture, worker = CaptureMetrics(metrics, "gate"), WorkerMetrics(metrics)
    capture.connecting("gate")
    capture.packet("gate", 1500)
    capture.packet("gate", 500)
    capture.frames("gate", 1)
    capture.decode_errors("gate", 2)
    capture.due("gate", 3)
    capture.missed("gate", "missed", 2)
    worker.dropped("gate", "stale")
    worker.scored("gate", 0.25)
    worker.batch(3, 0.004)
    metrics.observe_score(Score("gate", 0.0, datetime.now(UTC), "violence", 0.4, 0.35))

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(f"jikimi_{name}", labels)

    gate = {"camera": "gate"}
    assert value("camera_connects_total", **gate) == 1
    assert value("packets_received_total", **gate) == 2
    assert value("received_bytes_total", **gate) == 2000
    assert value("frames_received_total", **gate) == 1
    assert value("decode_errors_total", **gate) == 2
    assert value("samples_due_total", **gate) == 3
    assert value("samples_dropped_total", **gate, reason="missed") == 2
    assert value("samples_dropped_total", **gate, reason="stale") == 1
    assert value("samples_scored_total", **gate) == 1
    assert value("sample_age_seconds_bucket", **gate, le="0.2") == 0
    assert value("sample_age_seconds_bucket", **gate, le="0.3") == 1
    assert value("batch_size_sum") == 3
    assert value("inference_seconds_sum") == 0.004
    assert value("score_bucket", **gate, label="violence", le="0.3") == 0
    assert value("score_bucket", **gate, label="violence", le="0.4") == 1
