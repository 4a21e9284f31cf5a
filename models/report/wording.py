"""How figures are put in words and tables of text: for the terminal, and for the page.

A figure that could not be measured is written as a dash, never as 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from models.statistics import share

DASH = "–"


def number(value: Any, unit: str = "") -> str:
    """A figure as it is read: three digits behind the point below 10, a dash for None."""
    if value is None:
        return DASH
    if isinstance(value, float):
        value = f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"
    return f"{value} {unit}" if unit else str(value)


def span(interval: Sequence[float] | None) -> str:
    """`(0.812 to 0.934)`, or nothing where there is no interval."""
    return f"({interval[0]:.3f} to {interval[1]:.3f})" if interval else ""


def summary(metrics: Mapping[str, Any]) -> str:
    """The figures for a terminal: a classification report, then events and false alarms."""
    lines = []
    for level in ("clip", "frame"):
        lines += [classification_report(metrics, level), ""]
    event, normal = metrics["event"], metrics["normal"]
    f1, recall, precision = (number(event[key]) for key in ("f1", "recall", "precision"))
    median, late = number(event["median_delay_s"], "s"), number(event["p95_delay_s"], "s")
    rate, most = (number(normal[key]) for key in ("false_incidents_per_hour", "upper_95_per_hour"))
    lines += [
        f"events   f1 {f1}  recall {recall}  precision {precision}",
        f"         {event['found']} of {event['fights']} found, {event['false_incidents']} false",
        f"         {event['fights_left_out']} not played: no normal footage of their scene",
        f"delay    median {median}  95 % within {late}",
        f"normal   {rate} false incidents an hour (at most {most}, 95 %)",
        f"         {normal['false_incidents']} in {number(normal['hours'])} h",
    ]
    for name in metrics["skipped"]:
        lines.append(f"skipped  {name}")
    for name in ("labels", "clip.auc", "event.f1", "normal.false_incidents_per_hour"):
        if why := metrics["reasons"].get(name):
            lines.append(f"note     {name}: {why}")
    return "\n".join(lines)


def classification_report(metrics: Mapping[str, Any], level: str) -> str:
    """Precision, recall, F1 and support of both classes as a table of text."""
    figures, label = metrics[level], metrics["label"]
    width = max(len(label), len("not " + label), len(level)) + 2
    lines = [f"{level:<{width}}{'precision':>10}{'recall':>10}{'f1':>10}{'support':>10}"]
    for name, row in class_rows(figures, label):
        cells = "".join(f"{number(value):>10}" for value in row[:3])
        lines.append(f"{name:<{width}}{cells}{row[3]:>10}")
    lines.append(
        f"{'':<{width}}auc {number(figures['auc'])} {span(figures['auc_interval'])}  "
        f"average precision {number(figures['average_precision'])}  "
        f"accuracy {number(figures['accuracy'])}"
    )
    return "\n".join(lines)


def class_rows(figures: Mapping[str, Any], label: str) -> list[tuple[str, tuple[Any, ...]]]:
    """Precision, recall, F1 and support of the label, and of what is not."""
    cells = figures["confusion"]
    tp, fp, tn, fn = (cells[key] for key in ("tp", "fp", "tn", "fn"))
    return [
        (f"not {label}", _class_row(tn, fn, fp)),
        (label, _class_row(tp, fp, fn)),
    ]


def _class_row(right: int, wrongly: int, missed: int) -> tuple[Any, ...]:
    """Precision, recall, F1 and support; None for a class that is not there."""
    support = right + missed
    if not support:
        return None, None, None, 0
    f1 = share(2 * right, 2 * right + wrongly + missed)
    return share(right, right + wrongly), share(right, support), f1, support
