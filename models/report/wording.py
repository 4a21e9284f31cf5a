"""How figures are put in words and tables of text: for the terminal, and for the page.

A figure that could not be measured is written as a dash, never as 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from models.evaluation.result import Evaluation
from models.statistics import Classification, Interval, share

DASH = "–"

LEARNT_SHOWN = 3
"""Clips that a warning names; metrics.json has all."""


def number(value: float | str | None, unit: str = "") -> str:
    """A figure as it is read: three digits behind the point below 10, a dash for None."""
    if value is None:
        return DASH
    if isinstance(value, float):
        value = f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"
    return f"{value} {unit}" if unit else str(value)


def span(interval: Interval | None) -> str:
    """`(0.812 to 0.934)`, or nothing where there is no interval."""
    return f"({interval[0]:.3f} to {interval[1]:.3f})" if interval else ""


def summary(evaluation: Evaluation) -> str:
    """The figures for a terminal: a classification report, then events and false alarms."""
    event, normal = evaluation.event, evaluation.normal
    warning = learnt_warning(evaluation.learnt_clips, evaluation.clips)
    lines = [
        *([f"WARNING: {warning}", ""] if warning else []),
        *classification_report("clip", evaluation.clip, evaluation.label),
        "",
        *classification_report("frame", evaluation.frame, evaluation.label),
        "",
        (
            f"events   f1 {number(event.f1)}  recall {number(event.recall)}  "
            f"precision {number(event.precision)}"
        ),
        f"         {event.found} of {event.fights} found, {event.false_incidents} false",
        f"         {event.fights_left_out} not played: no normal footage of their scene",
        (
            f"delay    median {number(event.median_delay_s, 's')}  "
            f"95 % within {number(event.p95_delay_s, 's')}"
        ),
        (
            f"normal   {number(normal.false_incidents_per_hour)} false incidents an hour "
            f"(at most {number(normal.upper_95_per_hour)}, 95 %)"
        ),
        f"         {normal.false_incidents} in {number(normal.hours)} h",
        *(f"skipped  {name}" for name in evaluation.skipped),
    ]
    noted = ("labels", "clip.auc", "event.f1", "normal.false_incidents_per_hour")
    reasons = evaluation.reasons
    lines += [f"note     {name}: {reasons[name]}" for name in noted if name in reasons]
    return "\n".join(lines)


def learnt_warning(learnt: Sequence[str], clips: int) -> str:
    """What figures on clips that the weights were fitted on are worth; empty without such."""
    if not learnt:
        return ""
    shown = ", ".join(learnt[:LEARNT_SHOWN]) + (", …" if len(learnt) > LEARNT_SHOWN else "")
    return (
        f"the weights were fitted on {len(learnt)} of these {clips} clips ({shown}). The figures "
        "are too good and say nothing of another camera. Leave those clips out, or score each by "
        "a model that has not seen it: jikimi train … --cross-validate, then jikimi evaluate … "
        "--fold-models RUN"
    )


def classification_report(level: str, figures: Classification, label: str) -> list[str]:
    """Precision, recall, F1 and support of both classes as lines of text."""
    width = max(len(label), len("not " + label), len(level)) + 2
    lines = [f"{level:<{width}}{'precision':>10}{'recall':>10}{'f1':>10}{'support':>10}"]
    for row in class_rows(figures, label):
        cells = "".join(f"{number(value):>10}" for value in (row.precision, row.recall, row.f1))
        lines.append(f"{row.name:<{width}}{cells}{row.support:>10}")
    lines.append(
        f"{'':<{width}}auc {number(figures.auc)} {span(figures.auc_interval)}  "
        f"average precision {number(figures.average_precision)}  "
        f"accuracy {number(figures.accuracy)}"
    )
    return lines


@dataclass(frozen=True, slots=True)
class ClassRow:
    """One class of a classification report; None for a class that is not there."""

    name: str
    precision: float | None
    recall: float | None
    f1: float | None
    support: int


def class_rows(figures: Classification, label: str) -> list[ClassRow]:
    """What is not the label, and the label."""
    counted = figures.confusion
    return [
        _class_row(f"not {label}", counted.tn, counted.fn, counted.fp),
        _class_row(label, counted.tp, counted.fp, counted.fn),
    ]


def _class_row(name: str, right: int, wrongly: int, missed: int) -> ClassRow:
    support = right + missed
    if not support:
        return ClassRow(name, None, None, None, 0)
    f1 = share(2 * right, 2 * right + wrongly + missed)
    return ClassRow(name, share(right, right + wrongly), share(right, support), f1, support)
