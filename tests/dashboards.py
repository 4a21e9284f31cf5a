"""Grafana's dashboards without Grafana: variables filled in, queries asked of Prometheus."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from servers.prometheus import DEPLOY, SCRAPE_S, Prometheus, Series

FOLDER = DEPLOY / "grafana/dashboards"
FILES = sorted(FOLDER.glob("*.json"))
MIN_STEP_S = 5
STEPS = 100


@dataclass(frozen=True)
class Period:
    """The time a dashboard shows, in Unix time."""

    start_s: float
    end_s: float

    @property
    def step_s(self) -> float:
        """What Grafana would call `$__interval`."""
        return max(MIN_STEP_S, math.ceil((self.end_s - self.start_s) / STEPS))


def load(path: Path) -> dict[str, Any]:
    """The dashboard in a file."""
    board: dict[str, Any] = json.loads(path.read_text())
    return board


def panels(board: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The panels that ask something, rows left out."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def expressions(board: Mapping[str, Any]) -> Iterator[str]:
    """Every expression of panels, variables and annotations, as it stands in the file."""
    for panel in panels(board):
        for target in panel["targets"]:
            yield target["expr"]
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["query"]["query"]
    for annotation in board["annotations"]["list"]:
        if "expr" in annotation:
            yield annotation["expr"]


def fill(expression: str, values: Mapping[str, list[str]], period: Period) -> str:
    """`expression` with Grafana's variables in it replaced, as Grafana does it."""
    windows = {
        "__range": period.end_s - period.start_s,
        "__rate_interval": max(period.step_s + SCRAPE_S, 4 * SCRAPE_S),
        "__interval": period.step_s,
    }
    for name, seconds in windows.items():
        expression = expression.replace(f"${name}", f"{math.ceil(seconds)}s")
    for name, chosen in values.items():
        expression = re.sub(rf"\${name}\b", f"({'|'.join(chosen)})", expression)
    assert "$" not in expression, expression
    return expression


def variables(
    board: Mapping[str, Any], prometheus: Prometheus, period: Period
) -> dict[str, list[str]]:
    """The values of each variable with "All" chosen, each within those before it."""
    values: dict[str, list[str]] = {}
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            query = fill(variable["query"]["query"], values, period)
            match = re.fullmatch(r"label_values\((.+), (\w+)\)", query)
            assert match, query
            values[variable["name"]] = prometheus.label_values(match[2], match[1])
    return values


def answer(
    target: Mapping[str, Any],
    values: Mapping[str, list[str]],
    period: Period,
    prometheus: Prometheus,
) -> list[Series]:
    """What Prometheus says to one query of a panel; series without a number left out."""
    query = fill(target["expr"], values, period)
    if target.get("instant"):
        found = prometheus.instant(query, period.end_s)
    else:
        found = prometheus.range(query, period.start_s, period.end_s, period.step_s)
    return [one for one in found if any(math.isfinite(value) for _, value in one.values)]
