"""A rough picture of a dashboard, for a person to judge what Grafana would show.

Panels in their grid, with what their queries gave; colours and shapes only roughly Grafana's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from dashboards import Period, panels
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from servers.prometheus import Series

UNIT_PX = (58, 30)
DPI = 72
MARGIN_PX = 8
TITLE_PX = 20
MAX_ROWS = 24
Answers = Sequence[list[Series]]


def draw(
    board: Mapping[str, Any], answers: Mapping[int, Answers], period: Period, path: Path
) -> None:
    """Write a picture of `board`, with the answers to each panel's targets, to `path` (PNG)."""
    rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels(board))
    width, height = 24 * UNIT_PX[0], rows * UNIT_PX[1]
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor="#f0f0f2")
    for panel in board["panels"]:
        grid = panel["gridPos"]
        if panel["type"] == "row":
            y = 1 - (grid["y"] + 0.7) * UNIT_PX[1] / height
            figure.text(10 / width, y, panel["title"], fontsize=11, weight="bold")
            continue
        left, top = grid["x"] * UNIT_PX[0], grid["y"] * UNIT_PX[1]
        wide, high = grid["w"] * UNIT_PX[0], grid["h"] * UNIT_PX[1]
        edge = MARGIN_PX / 2
        frame = figure.add_axes(
            (
                (left + edge) / width,
                1 - (top + high - edge) / height,
                (wide - 2 * edge) / width,
                (high - 2 * edge) / height,
            )
        )
        frame.set(xticks=[], yticks=[], facecolor="white")
        for spine in frame.spines.values():
            spine.set_color("#d0d0d0")
        figure.text((left + 10) / width, 1 - (top + 17) / height, panel["title"], fontsize=9)
        pad = 12 if panel["type"] in {"stat", "table"} else 62
        axes = figure.add_axes(
            (
                (left + pad) / width,
                1 - (top + high - 26) / height,
                (wide - pad - 14) / width,
                max(high - TITLE_PX - 34, 12) / height,
            )
        )
        axes.tick_params(labelsize=7)
        DRAWERS[panel["type"]](axes, panel, answers[panel["id"]], period)
    figure.savefig(path, dpi=DPI)


def _stat(axes: Axes, panel: dict[str, Any], answers: Answers, _period: Period) -> None:
    axes.axis("off")
    shown = [series for found in answers for series in found]
    for index, series in enumerate(shown):
        value = series.values[-1][1]
        name = _name(panel["targets"][0], series)
        text = name if panel["options"].get("textMode") == "name" else _text(panel, value)
        x = (index + 0.5) / len(shown)
        size = 20 if len(text) < 9 else 8
        axes.text(
            x, 0.6, text, ha="center", va="center", fontsize=size, color=_colour(panel, value)
        )
        if len(shown) > 1:
            axes.text(x, 0.1, name, ha="center", fontsize=7)


def _timeseries(axes: Axes, panel: dict[str, Any], answers: Answers, period: Period) -> None:
    custom = panel["fieldConfig"]["defaults"]["custom"]
    lines = [
        (_name(target, series), series)
        for target, found in zip(panel["targets"], answers, strict=True)
        for series in found
    ]
    below: dict[float, float] = {}
    for index, (name, series) in enumerate(lines):
        times, values = zip(*series.values, strict=True)
        dashed = "threshold of" in name
        colour = "red" if dashed else _override(panel, name) or f"C{index % 10}"
        if custom["stacking"]["mode"] == "normal":
            bottoms = [below.get(t, 0.0) for t in times]
            width = 0.9 * period.step_s if custom["drawStyle"] == "bars" else period.step_s
            axes.bar(times, values, width, bottoms, label=name, color=colour)
            below.update({t: b + v for t, b, v in zip(times, bottoms, values, strict=True)})
        else:
            axes.plot(
                times,
                values,
                "--" if dashed else "-",
                lw=1.2,
                label="_" * dashed + name,
                color=colour,
            )
    if "thresholdsStyle" in custom:
        for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"][1:]:
            if step["value"] <= axes.get_ylim()[1] or "axisSoftMax" in custom:
                axes.axhline(step["value"], color=step["color"], ls=":", lw=1)
    if "min" in panel["fieldConfig"]["defaults"]:
        top = max(axes.get_ylim()[1], custom.get("axisSoftMax", 0))
        axes.set_ylim(panel["fieldConfig"]["defaults"]["min"], top)
    if lines:
        axes.legend(fontsize=6.5, loc="upper left", framealpha=0.6, ncols=2)
    axes.yaxis.set_major_formatter(lambda value, _: _text(panel, value))
    _time_axis(axes, period)


def _heatmap(axes: Axes, panel: dict[str, Any], answers: Answers, period: Period) -> None:
    by_bound = sorted(
        (float(series.labels["le"]), dict(series.values)) for found in answers for series in found
    )
    times = sorted({t for _, values in by_bound for t in values})
    cumulative = np.array([[values.get(t, 0.0) for t in times] for _, values in by_bound])
    counts = np.diff(cumulative, axis=0, prepend=0).clip(0)
    labels = [f"≤ {_text(panel, bound)}" if np.isfinite(bound) else "more" for bound, _ in by_bound]
    axes.pcolormesh(
        times, range(len(by_bound)), np.ma.masked_less(counts, 0.01), cmap="Oranges",
        norm=LogNorm(0.1, max(counts.max(), 1)), shading="nearest",
    )  # fmt: skip
    axes.set_yticks(range(len(by_bound)), labels)
    _time_axis(axes, period)


def _timeline(axes: Axes, panel: dict[str, Any], answers: Answers, period: Period) -> None:
    shown = [series for found in answers for series in found]
    for row, series in enumerate(shown):
        for time_s, value in series.values:
            colour: Any = _colour(panel, value)
            if panel["type"] == "status-history":
                colour = mpl.colormaps["YlOrRd"](value)
            axes.barh(row, period.step_s, 0.8, time_s - period.step_s, color=colour)
    names = [_name(panel["targets"][0], series) for series in shown]
    axes.set_yticks(range(len(shown)), names)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    _time_axis(axes, period)


def _bargauge(axes: Axes, panel: dict[str, Any], answers: Answers, _period: Period) -> None:
    shown = [series for found in answers for series in found]
    values = [series.values[-1][1] for series in shown]
    names = [_name(panel["targets"][0], series) for series in shown]
    bars = axes.barh(range(len(shown)), values, color=[_colour(panel, value) for value in values])
    axes.bar_label(bars, [_text(panel, value) for value in values], fontsize=7, padding=2)
    axes.set_yticks(range(len(shown)), names)
    axes.set_xticks([])
    axes.set_xlim(0, (max(values, default=0) or 1) * 1.2)
    axes.set_ylim(max(len(shown), 4) - 0.4, -0.6)


def _table(axes: Axes, panel: dict[str, Any], answers: Answers, _period: Period) -> None:
    axes.axis("off")
    columns, rows = _cells(panel, answers)
    for sort in panel["options"].get("sortBy", []):
        if sort["displayName"] in columns:
            place = columns.index(sort["displayName"])
            known = [row for row in rows if row[place] != ""]
            known.sort(key=lambda row: row[place], reverse=sort["desc"])
            rows = known + [row for row in rows if row[place] == ""]
    units = [_unit(panel, column) for column in columns]
    shown = [
        [
            cell if isinstance(cell, str) else _text(panel, cell, unit)
            for cell, unit in zip(row, units, strict=True)
        ]
        for row in rows[:MAX_ROWS]
    ]
    count = len(rows) + 1
    high = min(0.12, 1 / min(count, MAX_ROWS))
    for y, row in enumerate([columns, *shown]):
        for x, cell in enumerate(row):
            weight = "bold" if y == 0 else "normal"
            axes.text(x / len(columns), 1 - y * high, cell, fontsize=7, weight=weight, va="top")


def _cells(panel: dict[str, Any], answers: Answers) -> tuple[list[str], list[list[Any]]]:
    """Column names and rows, after the panel's transformations (those that we use)."""
    steps = {step["id"]: step["options"] for step in panel["transformations"]}
    if matrix := steps.get("groupingToMatrix"):
        found = answers[0]
        columns = sorted({series.labels[matrix["columnField"]] for series in found})
        names = sorted({series.labels[matrix["rowField"]] for series in found})
        value = {
            (s.labels[matrix["rowField"]], s.labels[matrix["columnField"]]): s.values[-1][1]
            for s in found
        }
        rows: list[list[Any]] = [[n, *(value.get((n, c), 0.0) for c in columns)] for n in names]
        return [matrix["rowField"], *columns], rows
    organise = steps["organize"]
    merged: dict[tuple[tuple[str, str], ...], dict[str, Any]] = {}
    for letter, found in zip("ABCDEFGH", answers, strict=False):
        for series in found:
            row = merged.setdefault(tuple(sorted(series.labels.items())), dict(series.labels))
            row["Value" if len(answers) == 1 else f"Value #{letter}"] = series.values[-1][1]
    keys = [key for key in organise["indexByName"] if key not in organise["excludeByName"]]
    columns = [organise["renameByName"].get(key, key) for key in keys]
    return columns, [[row.get(key, "") for key in keys] for row in merged.values()]


def _unit(panel: dict[str, Any], name: str) -> str | None:
    return next((e["value"] for e in _properties(panel, name) if e["id"] == "unit"), None)


def _name(target: Mapping[str, Any], series: Series) -> str:
    legend = str(target["legendFormat"])
    if legend == "__auto":
        return ", ".join(series.labels.values())
    return re.sub(r"\{\{(\w+)\}\}", lambda match: series.labels.get(match[1], ""), legend)


def _text(panel: dict[str, Any], value: float, unit: str | None = None) -> str:
    defaults = panel["fieldConfig"]["defaults"]
    for mapping in defaults["mappings"]:
        if found := mapping["options"].get(f"{value:g}"):
            return str(found["text"])
    if not np.isfinite(value):
        return "–"
    unit = unit or defaults["unit"]
    if unit == "percentunit":
        return f"{value:.0%}" if value >= 0.1 or value == 0 else f"{value:.1%}"
    if unit == "s":
        return _seconds(value)
    scaled, prefix = value, ""
    for factor, name in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if abs(value) >= factor:
            scaled, prefix = value / factor, name
            break
    ending = {"bytes": "B", "bps": "b/s"}.get(unit, "")
    return f"{scaled:.3g}{prefix}{ending}"


def _seconds(value: float) -> str:
    for unit_s, name in ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        if abs(value) >= unit_s:
            return f"{value / unit_s:.3g} {name}"
    return f"{value * 1000:.3g} ms" if value else "0 s"


def _colour(panel: dict[str, Any], value: float) -> str:
    defaults = panel["fieldConfig"]["defaults"]
    if defaults["color"]["mode"] == "fixed":
        return str(defaults["color"]["fixedColor"])
    for mapping in defaults["mappings"]:
        if (found := mapping["options"].get(f"{value:g}")) and "color" in found:
            return str(found["color"])
    colour = "green"
    for step in defaults["thresholds"]["steps"]:
        if step["value"] is None or value >= step["value"]:
            colour = step["color"]
    return colour


def _properties(panel: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return [
        entry
        for override in panel["fieldConfig"]["overrides"]
        if override["matcher"] == {"id": "byName", "options": name}
        for entry in override["properties"]
    ]


def _override(panel: dict[str, Any], name: str) -> str | None:
    colours = [entry for entry in _properties(panel, name) if entry["id"] == "color"]
    return str(colours[0]["value"]["fixedColor"]) if colours else None


def _time_axis(axes: Axes, period: Period) -> None:
    axes.set_xlim(period.start_s, period.end_s)
    ticks = np.linspace(period.start_s, period.end_s, 5)
    axes.set_xticks(ticks, [f"−{(period.end_s - tick) / 60:.1f} min" for tick in ticks])


DRAWERS: dict[str, Callable[[Axes, dict[str, Any], Answers, Period], None]] = {
    "stat": _stat,
    "timeseries": _timeseries,
    "heatmap": _heatmap,
    "state-timeline": _timeline,
    "status-history": _timeline,
    "bargauge": _bargauge,
    "table": _table,
}
