"""The dashboards are well-formed, and name only what there is."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any

import dashboards
import pytest
import yaml

from detector.daemon.observability.metrics_page import example
from servers.prometheus import DEPLOY, exposed, named

PROVISIONING = DEPLOY / "grafana/provisioning"
KINDS = {"stat", "timeseries", "heatmap", "state-timeline", "status-history", "bargauge", "table"}
COLUMNS = 24


@pytest.fixture(params=dashboards.FILES, ids=lambda path: path.stem)
def path(request: pytest.FixtureRequest) -> Path:
    found: Path = request.param
    return found


@pytest.fixture
def board(path: Path) -> dict[str, Any]:
    return dashboards.load(path)


def recorded() -> set[str]:
    text = (DEPLOY / "prometheus/rules/recording.yml").read_text()
    return {rule["record"] for group in yaml.safe_load(text)["groups"] for rule in group["rules"]}


def test_both_dashboards_are_there() -> None:
    assert [path.stem for path in dashboards.FILES] == ["jikimi-detections", "jikimi-health"]


def test_the_file_is_named_after_its_uid_and_written_as_grafana_exports_it(
    path: Path, board: dict[str, Any]
) -> None:
    assert board["uid"] == path.stem
    assert board["schemaVersion"] >= 39
    assert "id" not in board  # Grafana's own number: a provisioned file must not claim one
    assert path.read_text() == json.dumps(board, indent=2, ensure_ascii=False) + "\n"


def test_every_panel_can_be_told_apart_and_understood(board: dict[str, Any]) -> None:
    ids = [panel["id"] for panel in board["panels"]]
    titles = [panel["title"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    assert len(set(titles)) == len(titles)
    for panel in dashboards.panels(board):
        assert panel["type"] in KINDS, panel["title"]
        assert len(panel["description"]) > 20, panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        references = [target["refId"] for target in panel["targets"]]
        assert len(set(references)) == len(references) > 0, panel["title"]


def test_no_panel_covers_another_or_leaves_the_grid(board: dict[str, Any]) -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in board["panels"]:
        grid = panel["gridPos"]
        assert grid["x"] + grid["w"] <= COLUMNS
        across = range(grid["x"], grid["x"] + grid["w"])
        for cell in itertools.product(across, range(grid["y"], grid["y"] + grid["h"])):
            assert taken.setdefault(cell, panel["title"]) == panel["title"], cell


def test_every_query_goes_to_the_chosen_data_source(board: dict[str, Any]) -> None:
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    for panel in dashboards.panels(board):
        assert all(source["datasource"] == chosen for source in (panel, *panel["targets"]))
    asking = [v for v in board["templating"]["list"] if v["type"] == "query"]
    asking += [a for a in board["annotations"]["list"] if "expr" in a]
    assert len(asking) >= 4
    assert all(one["datasource"] == chosen for one in asking)
    names = [variable["name"] for variable in board["templating"]["list"]]
    assert names[:4] == ["datasource", "box", "site", "camera"]


def test_every_query_of_a_box_is_of_the_chosen_ones(board: dict[str, Any]) -> None:
    """Alerts and what the coordinator says are of all boxes."""
    series = re.compile(r"\b(?:jikimi_(?!cluster_)|process_|instance_camera)[\w:]+(\{[^}]*\})?")
    for expression in dashboards.expressions(board):
        if "ALERTS" not in expression:
            for selector in series.findall(expression):
                assert 'instance=~"$box"' in selector, expression


def test_only_metrics_that_exist_are_named(board: dict[str, Any]) -> None:
    known = recorded() | exposed(example())
    for expression in dashboards.expressions(board):
        assert named(expression) <= known, expression


def test_every_metric_of_the_daemon_is_shown_or_alerted_on_and_documented() -> None:
    used: set[str] = set()
    for path in dashboards.FILES:
        for expression in dashboards.expressions(dashboards.load(path)):
            used |= named(expression)
    for path in (DEPLOY / "prometheus/rules").iterdir():
        used |= named(path.read_text())
    page = (DEPLOY / "METRICS.md").read_text()
    for metric in example().collect():
        samples = {sample.name for sample in metric.samples}
        assert samples & used, metric.name
        name = f"{metric.name}_total" if metric.type == "counter" else metric.name
        assert f"| `{name}` |" in page


def test_gauges_that_move_are_read_over_time(board: dict[str, Any]) -> None:
    """What a gauge was between two reloads of the page would else be missed."""
    moving = (
        "incidents_open",
        "camera_state",
        "outbox_depth",
        "outbox_oldest",
        "sink_failing",
        "outbox_awaiting",
    )
    for panel in dashboards.panels(board):
        for target in panel["targets"]:
            for name in moving:
                for place in target["expr"].split(f"jikimi_{name}")[:-1]:
                    assert place.endswith(("_over_time(", ":")), target["expr"]


def test_provisioning_finds_the_data_source_and_asks_as_often_as_prometheus_does() -> None:
    text = (PROVISIONING / "datasources/prometheus.yml").read_text()
    [source] = yaml.safe_load(text)["datasources"]
    prometheus = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())
    assert source["type"] == "prometheus"
    assert source["jsonData"]["timeInterval"] == prometheus["global"]["scrape_interval"]
    [provider] = yaml.safe_load((PROVISIONING / "dashboards/jikimi.yml").read_text())["providers"]
    assert provider["type"] == "file"
