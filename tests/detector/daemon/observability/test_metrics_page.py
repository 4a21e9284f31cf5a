"""The list of metrics that operators read."""

from __future__ import annotations

from pathlib import Path

from prometheus_client import CollectorRegistry

from detector.daemon.observability.metrics import DROP_REASONS, DetectorMetrics
from detector.daemon.observability.metrics_page import describe, document

PAGE = Path(__file__).parents[4] / "deploy/METRICS.md"


def test_the_table_names_labels_and_meanings() -> None:
    registry = CollectorRegistry()
    DetectorMetrics(registry).add_camera("gate", "harbour", ["violence"])
    table = describe(registry)
    assert "| `jikimi_incidents_total` | counter | camera, label | Incidents opened |" in table, (
        table
    )
    assert f"reason ({', '.join(DROP_REASONS)})" in table


def test_the_page_beside_the_dashboards_is_up_to_date() -> None:
    assert PAGE.read_text() == document(), "run: make metrics"
