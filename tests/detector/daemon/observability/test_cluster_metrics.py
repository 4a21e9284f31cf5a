"""What the coordinator says of the cluster is shown by each box, and found by Prometheus."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from detector.daemon.observability import cluster_metrics
from detector.daemon.observability.cluster_file import (
    CLUSTER,
    TARGETS,
    ClusterFile,
    write_cluster,
)
from detector.daemon.observability.cluster_metrics import ClusterMetrics

SUMMARY: dict[str, Any] = {
    "boxes": {"works": 2, "draining": 0, "dead": 1},
    "unassigned": 3,
    "head_room": False,
    "load": 0.9,
    "targets": {"b": "10.0.0.2:8780", "a": "10.0.0.1:8780"},
}


@pytest.fixture
def registry(tmp_path: Path) -> CollectorRegistry:
    made = CollectorRegistry()
    made.register(ClusterMetrics(ClusterFile(tmp_path / CLUSTER).read))
    return made


def test_a_box_shows_its_cluster(registry: CollectorRegistry, tmp_path: Path) -> None:
    write_cluster(tmp_path, "a", SUMMARY)
    value = registry.get_sample_value
    assert value("jikimi_cluster_box", {"box": "a"}) == 1
    assert value("jikimi_cluster_connected") == 1
    assert value("jikimi_cluster_boxes", {"state": "dead"}) == 1
    assert value("jikimi_cluster_cameras_unassigned") == 3
    assert value("jikimi_cluster_head_room") == 0
    assert value("jikimi_cluster_load_without_one") == 0.9


def test_prometheus_finds_every_box_by_name(tmp_path: Path) -> None:
    write_cluster(tmp_path, "a", SUMMARY)
    assert json.loads((tmp_path / TARGETS).read_text()) == [
        {"targets": ["10.0.0.1:8780"], "labels": {"box": "a", "instance": "a"}},
        {"targets": ["10.0.0.2:8780"], "labels": {"box": "b", "instance": "b"}},
    ]


def test_a_box_that_is_cut_off_says_so_and_nothing_of_the_others(
    registry: CollectorRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_cluster(tmp_path, "a", SUMMARY)
    monkeypatch.setattr(cluster_metrics, "CUT_OFF_AFTER_S", -1)
    assert {family.name for family in registry.collect()} == {
        "jikimi_cluster_box",
        "jikimi_cluster_connected",
    }
    assert registry.get_sample_value("jikimi_cluster_connected") == 0


@pytest.mark.parametrize("content", [None, "", "{", "[]", '{"at_s": "x"}', '{"at_s": 1}'])
def test_a_box_by_itself_or_a_damaged_file_shows_nothing(
    registry: CollectorRegistry, tmp_path: Path, content: str | None
) -> None:
    if content is not None:
        (tmp_path / CLUSTER).write_text(content)
    assert list(registry.collect()) == []
