"""The long lists at the end of a report: scenes, fights, false alarms, gaps, what was judged."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from models.evaluation.result import Evaluation
from models.report.markup import folded, paragraph, table
from models.report.wording import DASH, number


def prototype(evaluation: Evaluation) -> str:
    given = evaluation.prototype
    if not given:
        return ""
    rows = [
        [
            f"{name.replace('_', ' ')}, {level}",
            *(number(figures.get(key)) for key in PROTOTYPE_KEYS),
        ]
        for name, levels in given.items()
        for level, figures in levels.items()
    ]
    told = paragraph(
        "The prototype scored single colour pictures, and let pictures of one video stand on "
        "both sides of its split: a still picture tells which camera it is, so the figure is "
        "high and says nothing of a new camera. Split by camera, the same method shows what it "
        "can do."
    )
    head = ["", "AUC", "accuracy", "recall", "specificity", "F1"]
    return "<h2>The prototype's method</h2>" + told + table(head, rows)


PROTOTYPE_KEYS = ("auc", "accuracy", "recall", "specificity", "f1")


def scenes(evaluation: Evaluation) -> str:
    head = ["", "clips", "AUC", "recall", "specificity", "found", "false", "false an hour", "hours"]
    rows = []
    for name, own in evaluation.by_scene.items():
        clip, event, normal = own.clip, own.event, own.normal
        found = f"{event.found} of {event.fights}" if event.fights else DASH
        rows.append(
            [
                name,
                number(clip.n),
                number(clip.auc),
                number(clip.recall),
                number(clip.specificity),
                found,
                number(event.false_incidents) if event.fights else DASH,
                number(normal.false_incidents_per_hour),
                number(normal.hours),
            ]
        )
    return "<h2>Per scene</h2>" + folded(f"{len(rows)} scenes", table(head, rows))


def fights(evaluation: Evaluation) -> str:
    events = evaluation.events
    if not events:
        return ""
    missed = [event for event in events if event.delay_s is None]
    found = [event for event in events if event.delay_s is not None]
    head = ["clip", "scene", "data set", "lighting", "alarm after"]
    rows = [
        [
            event.clip,
            event.scene,
            event.dataset,
            event.lighting or DASH,
            "missed" if event.delay_s is None else number(event.delay_s, "s"),
        ]
        for event in [*missed, *found]
    ]
    title = f"{len(missed)} missed, {len(found)} found"
    return "<h2>The fights</h2>" + folded(title, table(head, rows, "text"))


def false_alarms(evaluation: Evaluation) -> str:
    alarms = evaluation.false_alarms
    head = ["clip", "scene", "played as", "second"]
    rows = [[alarm.clip, alarm.scene, alarm.kind, number(alarm.at_s)] for alarm in alarms]
    return "<h2>False alarms</h2>" + (
        folded(f"{len(rows)} false incidents", table(head, rows, "text"))
        if rows
        else paragraph("None.")
    )


def gaps(evaluation: Evaluation) -> str:
    parts = ["<h2>What could not be told, and why</h2>"]
    if evaluation.skipped:
        names = "".join(f"<li><code>{escape(name)}</code></li>" for name in evaluation.skipped)
        parts.append(f"<p>Not readable as video, left out:</p><ul>{names}</ul>")
    by_reason: dict[str, list[str]] = {}
    for path, why in evaluation.reasons.items():
        by_reason.setdefault(why, []).append(path)
    items = "".join(
        f"<li>{escape(why)}<br>{_paths(paths)}</li>" for why, paths in by_reason.items()
    )
    return "".join(parts) + f"<ul>{items}</ul>"


def _paths(paths: Sequence[str]) -> str:
    listed = ", ".join(f"<code>{escape(path)}</code>" for path in paths)
    inner = f'<span class="dim">{listed}</span>'
    return inner if len(paths) <= 4 else folded(f"{len(paths)} figures", inner)


def facts(evaluation: Evaluation) -> str:
    model = evaluation.model
    rows = [
        ["model", f"{model.name}, {model.created}"],
        ["labels it knows", ", ".join(model.labels)],
        ["network (SHA-256)", model.network_sha256],
        ["heads (SHA-256)", ", ".join(model.head_sha256)],
        *(
            [
                f"rules for {name}",
                (
                    f"opens at {rules.open_threshold}, closes at {rules.close_threshold}, "
                    f"lasts {rules.min_duration_s} s, merges within {rules.merge_gap_s} s"
                ),
            ]
            for name, rules in evaluation.thresholds.items()
        ),
    ]
    return "<h2>What was judged</h2>" + table(["", ""], rows, "text")
