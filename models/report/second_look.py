"""The second look in words and tables: how each stage ranks, and what incidents come of both."""

from __future__ import annotations

from models.evaluation.result import Evaluation
from models.evaluation.second_look import (
    OperatingPoint,
    SecondLookFigures,
    StageFigures,
    stages_of,
)
from models.report.markup import paragraph, table
from models.report.wording import number, span

STAGES = ("first stage", "second", "fused")


def second_look_lines(figures: SecondLookFigures) -> list[str]:
    """For the terminal: rankings, incidents, and what was left out."""
    return [
        "",
        f"second look ({figures.network}), AUC over clips by stage",
        *(
            f"{name}: "
            + ", ".join(
                f"{stage} {number(ranking.auc)} {span(ranking.auc_interval)}".rstrip()
                for stage, ranking in stages_of(own).items()
            )
            for name, own in _rankings(figures).items()
        ),
        *(_line(stage, own) for stage, points in figures.incidents.items() for own in points),
        _left_out(figures),
    ]


def second_look_section(evaluation: Evaluation) -> str:
    """For the page; empty where there is none."""
    figures = evaluation.second_look
    if not figures:
        return ""
    head = ["", *(f"{stage}{what}" for stage in STAGES for what in (", AUC", ", 95 %")), "clips"]
    rows = [
        [
            name,
            *(
                cell
                for ranking in stages_of(own).values()
                for cell in (number(ranking.auc), span(ranking.auc_interval))
            ),
            number(own.clips),
        ]
        for name, own in _rankings(figures).items()
    ]
    told = (
        f"The first stage alone, the video network {figures.network} alone, and both fused, on the "
        f"same clips, each by models that have not learnt from it; against other cameras each "
        f"scene's normal clips weigh one together. {_left_out(figures).capitalize()}."
    )
    return (
        "<h2>The second look</h2>"
        + paragraph(told, "dim")
        + table(head, rows)
        + _incidents(figures)
    )


def _incidents(figures: SecondLookFigures) -> str:
    sets = sorted(
        {name for points in figures.incidents.values() for p in points for name in p.normal}
    )
    looks = ", ".join(f"{name} {number(rate)}" for name, rate in figures.looks_per_hour.items())
    head = ["stage", "opens at", "F1", "recall", "precision", "delay", "95 %"]
    rows = [
        [
            stage,
            number(own.open_threshold),
            number(own.event.f1),
            number(own.event.recall),
            number(own.event.precision),
            number(own.event.median_delay_s),
            number(own.event.p95_delay_s),
            *(_false(own, name) for name in sets),
        ]
        for stage, of_stage in figures.incidents.items()
        for own in of_stage
    ]
    told = (
        "Incidents on the same footage: fights in streams, and false incidents an hour of normal "
        f"footage by set (their number). Looks an hour of it: {looks or 'none'}."
    )
    return paragraph(told, "dim") + table([*head, *sets], rows) if rows else ""


def _false(point: OperatingPoint, dataset: str) -> str:
    own = point.normal.get(dataset)
    return (
        f"{number(own.false_incidents_per_hour)} ({own.false_incidents})" if own else number(None)
    )


def _line(stage: str, own: OperatingPoint) -> str:
    event = own.event
    false = sum(normal.false_incidents for normal in own.normal.values())
    hours = sum(normal.hours for normal in own.normal.values())
    return (
        f"{stage} at {number(own.open_threshold)}: f1 {number(event.f1)}, "
        f"{event.found} of {event.fights} found, {event.false_incidents} false, "
        f"delay {number(event.median_delay_s, 's')}; "
        f"normal footage {false} false in {number(hours)} h"
    )


def _rankings(figures: SecondLookFigures) -> dict[str, StageFigures]:
    """Its rankings under the names of what is ranked."""
    other = {f"{name} against other cameras": own for name, own in figures.other_cameras.items()}
    return {**figures.by_dataset, **other}


def _left_out(figures: SecondLookFigures) -> str:
    """Which clips stand in none of its figures, and why."""
    seen = ", ".join(f"{count} of {name}" for name, count in figures.seen.items()) or "none"
    return (
        f"left out: clips that its network has seen ({seen}), that its head has learnt from "
        f"({figures.learnt}), and without a window ({figures.not_looked_at})"
    )
