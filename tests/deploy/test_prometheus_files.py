"""What `deploy/prometheus` and `deploy/alertmanager` hold is right by their own tools."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from detector.daemon.observability.metrics_page import example
from servers.prometheus import DEPLOY, exposed, named, needs

HERE = Path(__file__).parent
RUNBOOK = DEPLOY / "prometheus/RUNBOOK.md"
RULE_TESTS = HERE / "rules.test.yml"


def rules(file: str) -> list[dict[str, Any]]:
    groups = yaml.safe_load((DEPLOY / "prometheus/rules" / file).read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


ALERTS = rules("alerts.yml")


def run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_takes_configuration_rules_and_targets() -> None:
    needs("promtool")
    run("promtool", "check", "config", str(DEPLOY / "prometheus/prometheus.yml"))


@pytest.mark.slow
def test_rules_do_what_they_say() -> None:
    needs("promtool")
    run("promtool", "test", "rules", str(RULE_TESTS))


def test_alertmanager_takes_its_configuration() -> None:
    needs("amtool")
    run("amtool", "check-config", str(DEPLOY / "alertmanager/alertmanager.yml"))


def test_every_target_file_of_one_folder_is_in_the_other() -> None:
    hosts = {"targets": ("127.0.0.1", "127.0.0.1"), "targets-compose": ("jikimi", "alertmanager")}
    for folder, (jikimi, alertmanager) in hosts.items():
        found = {
            path.name: yaml.safe_load(path.read_text())
            for path in (DEPLOY / "prometheus" / folder).iterdir()
        }
        assert found == {
            "jikimi.yml": [{"targets": [f"{jikimi}:8780"]}],
            "alertmanager.yml": [{"targets": [f"{alertmanager}:9093"]}],
        }


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: str(alert["alert"]))
def test_every_alert_says_what_is_wrong_and_what_to_do(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in {"critical", "warning"}
    assert {"summary", "description", "runbook"} == alert["annotations"].keys()
    anchor = alert["annotations"]["runbook"].removeprefix("RUNBOOK.md#")
    headings = re.findall(r"(?m)^## (\w+)\n\n\S", RUNBOOK.read_text())
    assert anchor == alert["alert"].lower()
    assert alert["alert"] in headings


def test_every_alert_has_a_rule_test_that_sees_it_fire_and_the_runbook_knows_no_other() -> None:
    tested = {
        case["alertname"]
        for test in yaml.safe_load(RULE_TESTS.read_text())["tests"]
        for case in test.get("alert_rule_test", [])
        if case.get("exp_alerts")
    }
    names = {alert["alert"] for alert in ALERTS}
    assert tested == names
    assert set(re.findall(r"(?m)^## (\w+)", RUNBOOK.read_text())) == names


def test_inhibition_names_alerts_that_exist() -> None:
    config = yaml.safe_load((DEPLOY / "alertmanager/alertmanager.yml").read_text())
    names = [alert["alert"] for alert in ALERTS]
    for rule in config["inhibit_rules"]:
        for matcher in rule["source_matchers"] + rule["target_matchers"]:
            pattern = re.fullmatch(r'alertname=~?"(.+)"', matcher)
            assert pattern, matcher
            for part in pattern[1].split("|"):
                assert any(re.fullmatch(part, name) for name in names), part


def test_rules_name_only_metrics_that_the_daemon_has() -> None:
    recorded = {rule["record"] for rule in rules("recording.yml")}
    known = recorded | exposed(example())
    for rule in rules("recording.yml") + ALERTS:
        assert named(rule["expr"]) <= known, rule
