"""The report as one page of HTML: no scripts, nothing from outside, light and dark.

Written for the engineer who must decide whether to trust the alarms: what was measured, on
what, how sure the figures are, what went wrong, and what could not be told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from models.evaluation.events import GRACE_S, EventFigures, NormalFigures
from models.evaluation.result import Evaluation, GroupFigures
from models.evaluation.streams import JOINS, SEGMENT_S
from models.report.appendix import facts, false_alarms, fights, gaps, prototype, scenes
from models.report.markup import framed, paragraph, table
from models.report.second_look import second_look_section
from models.report.wording import (
    DASH,
    class_rows,
    learnt_warning,
    number,
    span,
)
from models.statistics import DECISION, ROUNDS

CAPTIONS = {
    "roc": "How many fights are found (up) at how many false calls (across), at every threshold.",
    "precision_recall": "How many of the calls are right (up) when so many fights are found.",
    "reliability": "Scores are probabilities where the line keeps to the diagonal.",
    "clip_scores": "Mean score of a clip. The two heaps should not overlap.",
    "view_scores": "Score of each view, eight a second; still views score 0.",
    "delays": "Seconds from the beginning of a fight to the incident.",
}


def page(evaluation: Evaluation, pictures: Mapping[str, str]) -> str:
    """The page; `pictures`: data URIs by the names of `models.report.plots`."""
    parts = [
        "<h1>How good the alarms are</h1>",
        _opening(evaluation),
        _warning(evaluation),
        _tiles(evaluation),
        _what_was_measured(evaluation),
        _levels(evaluation),
        _pictures(pictures),
        _events(evaluation),
        _groups("Per data set", evaluation.by_dataset),
        _groups("Per lighting", evaluation.by_lighting),
        _across(evaluation),
        _by_label(evaluation),
        second_look_section(evaluation),
        prototype(evaluation),
        scenes(evaluation),
        fights(evaluation),
        false_alarms(evaluation),
        gaps(evaluation),
        facts(evaluation),
    ]
    return framed("Jikimi: how good the alarms are", "\n".join(part for part in parts if part))


def _opening(evaluation: Evaluation) -> str:
    model = evaluation.model
    labels = ", ".join(f"{count} {name}" for name, count in evaluation.labels.items())
    judged = (
        f"{model.models} models of one training run, each judging only scenes that it has "
        "not learnt from"
        if model.models > 1
        else "one set of weights; if it has learnt from these clips, the figures flatter it"
    )
    return paragraph(
        f"{evaluation.clips} clips of {evaluation.scenes} scenes ({labels}) were judged by "
        f"{model.name} ({judged}). Jikimi {evaluation.jikimi}, {evaluation.created}.",
        "dim",
    )


def _warning(evaluation: Evaluation) -> str:
    warning = learnt_warning(evaluation.learnt_clips, evaluation.clips)
    return paragraph(f"Warning: {warning}.", "warning") if warning else ""


def _tiles(evaluation: Evaluation) -> str:
    clip, event, normal = evaluation.clip, evaluation.event, evaluation.normal
    tiles = [
        (
            "fights found",
            _percent(event.recall),
            f"{event.found} of {event.fights} played",
        ),
        ("F1 of incidents", number(event.f1), span(event.f1_interval)),
        (
            "seconds to the alarm",
            number(event.median_delay_s),
            f"median; 95 % within {number(event.p95_delay_s, 's')}",
        ),
        (
            "false incidents an hour",
            number(normal.false_incidents_per_hour),
            (
                f"in {number(normal.hours)} h of normal footage; the true rate may be up to "
                f"{number(normal.upper_95_per_hour)} (95 %)"
            ),
        ),
        ("ranking of clips (AUC)", number(clip.auc), span(clip.auc_interval)),
        ("clips called rightly", _percent(clip.accuracy), f"of {clip.n}"),
    ]
    inner = "".join(
        f'<div class="tile">{escape(name)}<b>{escape(value)}</b>'
        f'<span class="dim">{escape(note)}</span></div>'
        for name, value, note in tiles
    )
    return f'<div class="tiles">{inner}</div>'


def _what_was_measured(evaluation: Evaluation) -> str:
    event, label = evaluation.event, evaluation.label
    half_s = 2 * SEGMENT_S
    left_out = (
        f" {event.fights_left_out} further clips of {label} took no part, for their scenes have "
        "no normal footage."
        if event.fights_left_out
        else ""
    )
    said = {
        "Clips": (
            f"each is called {label} where the mean score of its views is {DECISION} or more. "
            "AUC is the chance that a clip of it is scored above one without: 0.5 is a coin, "
            "1 is perfect."
        ),
        "Incidents": (
            f"each clip of {label} is played between {half_s:.0f} s of normal footage of the "
            "same scene on either side (short clips to and fro), through the daemon's own "
            f"smoothing and rules. An incident that opens from its start to {GRACE_S:.0f} s "
            "after its end is a hit, one a fight; every other one is false. For each such "
            f"stream there is a control of the same length with as many cuts ({JOINS}) and "
            f"nothing but normal footage, so that a cut earns nothing.{left_out}"
        ),
        "Normal footage": (
            "every normal clip is played alone; each incident is false. The upper bound is the "
            "highest rate that would still give so few in the hours watched."
        ),
        "Intervals": (
            "hold 95 % of what other cameras might have given, by drawing the scenes anew "
            f"{ROUNDS} times."
        ),
    }
    items = "".join(f"<li><b>{name}</b>: {escape(text)}</li>" for name, text in said.items())
    return f"<h2>What was measured</h2><ul>{items}</ul>"


def _levels(evaluation: Evaluation) -> str:
    head = ["", "AUC", "95 %", "average precision", "accuracy", "recall", "specificity", "F1", "n"]
    rows = [
        [
            name,
            number(level.auc),
            span(level.auc_interval),
            number(level.average_precision),
            number(level.accuracy),
            number(level.recall),
            number(level.specificity),
            number(level.f1),
            number(level.n),
        ]
        for name, level in (("clips", evaluation.clip), ("views", evaluation.frame))
    ]
    parts = ["<h2>Clips and views</h2>", table(head, rows)]
    for name, level in (("Clips", evaluation.clip), ("Views", evaluation.frame)):
        classes = [
            [
                row.name,
                number(row.precision),
                number(row.recall),
                number(row.f1),
                number(row.support),
            ]
            for row in class_rows(level, evaluation.label)
        ]
        counted = level.confusion
        parts += [
            f"<h3>{name}: classification report</h3>",
            table(["", "precision", "recall", "F1", "support"], classes),
            paragraph(
                f"Found {counted.tp}, missed {counted.fn}; wrongly called {counted.fp}, "
                f"rightly left {counted.tn}.",
                "dim",
            ),
        ]
    return "".join(parts)


def _pictures(pictures: Mapping[str, str]) -> str:
    if not pictures:
        return paragraph("No pictures: matplotlib was not installed.", "dim")
    inner = "".join(
        f'<figure><img src="{uri}" alt="{escape(CAPTIONS[name])}">'
        f"<figcaption>{escape(CAPTIONS[name])}</figcaption></figure>"
        for name, uri in pictures.items()
    )
    return f'<div class="pictures">{inner}</div>'


def _events(evaluation: Evaluation) -> str:
    variants = [("one threshold for all cameras", evaluation.event, evaluation.normal)]
    if evaluation.event_calibrated and evaluation.normal_calibrated:
        calibrated = (evaluation.event_calibrated, evaluation.normal_calibrated)
        variants.append(("calibrated per camera", *calibrated))
    return "<h2>Incidents</h2>" + _incidents(variants)


def _incidents(rows: Sequence[tuple[str, EventFigures, NormalFigures]]) -> str:
    """Fights found and false alarms of each row, in two tables: one would not fit a page."""
    return (
        "<h3>Fights, and what was raised beside them</h3>"
        + table(["", *EVENT_HEAD], [[name, *_event_cells(event)] for name, event, _ in rows])
        + "<h3>False incidents in normal footage</h3>"
        + table(["", *NORMAL_HEAD], [[name, *_normal_cells(normal)] for name, _, normal in rows])
    )


EVENT_HEAD = ("F1", "95 %", "recall", "precision", "found", "false", "median delay", "95 % within")
NORMAL_HEAD = ("an hour", "at most (95 %)", "incidents", "hours", "clips")


def _event_cells(event: EventFigures) -> list[str]:
    found = f"{event.found} of {event.fights}" if event.fights else DASH
    return [
        number(event.f1),
        span(event.f1_interval),
        number(event.recall),
        number(event.precision),
        found,
        number(event.false_incidents) if event.fights else DASH,
        number(event.median_delay_s, "s") if event.median_delay_s is not None else DASH,
        number(event.p95_delay_s, "s") if event.p95_delay_s is not None else DASH,
    ]


def _normal_cells(normal: NormalFigures) -> list[str]:
    return [
        number(normal.false_incidents_per_hour),
        number(normal.upper_95_per_hour),
        number(normal.false_incidents),
        number(normal.hours),
        number(normal.clips),
    ]


def _groups(title: str, groups: Mapping[str, GroupFigures], told: str = "") -> str:
    if not groups:
        return ""
    head = ["", "clips", "AUC", "95 %", "accuracy", "recall", "specificity"]
    clips = [
        [
            name,
            number(own.clip.n),
            number(own.clip.auc),
            span(own.clip.auc_interval),
            number(own.clip.accuracy),
            number(own.clip.recall),
            number(own.clip.specificity),
        ]
        for name, own in groups.items()
    ]
    rows = [(name, own.event, own.normal) for name, own in groups.items()]
    note = paragraph(told, "dim") if told else ""
    return f"<h2>{escape(title)}</h2>" + note + table(head, clips) + _incidents(rows)


def _across(evaluation: Evaluation) -> str:
    if not evaluation.across:
        return ""
    return _groups("Trained without the set", evaluation.across, ACROSS)


ACROSS = "Each set judged by a model that was trained without it: what to expect of a new city."


def _by_label(evaluation: Evaluation) -> str:
    return _groups("Further labels", evaluation.by_label)


def _percent(value: float | None) -> str:
    return DASH if value is None else f"{100 * value:.0f} %"
