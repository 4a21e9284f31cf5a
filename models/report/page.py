"""The report as one page of HTML: no scripts, nothing from outside, light and dark.

Written for the engineer who must decide whether to trust the alarms: what was measured, on
what, how sure the figures are, what went wrong, and what could not be told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from models.evaluation.events import GRACE_S
from models.evaluation.streams import JOINS, SEGMENT_S
from models.report.markup import folded, framed, paragraph, table
from models.report.wording import DASH, class_rows, number, span
from models.statistics import DECISION, ROUNDS

Metrics = Mapping[str, Any]

CAPTIONS = {
    "roc": "How many fights are found (up) at how many false calls (across), at every threshold.",
    "precision_recall": "How many of the calls are right (up) when so many fights are found.",
    "reliability": "Scores are probabilities where the line keeps to the diagonal.",
    "clip_scores": "Mean score of a clip. The two heaps should not overlap.",
    "view_scores": "Score of each view, eight a second; still views score 0.",
    "delays": "Seconds from the beginning of a fight to the incident.",
}


def page(metrics: Metrics, pictures: Mapping[str, str]) -> str:
    """The page; `pictures`: data URIs by the names of `models.report.plots`."""
    parts = [
        "<h1>How good the alarms are</h1>",
        _opening(metrics),
        _tiles(metrics),
        _what_was_measured(metrics),
        _levels(metrics),
        _pictures(pictures),
        _events(metrics),
        _groups("Per data set", metrics["by_dataset"]),
        _groups("Per lighting", metrics["by_lighting"]),
        _across(metrics),
        _by_label(metrics),
        _prototype(metrics),
        _scenes(metrics),
        _fights(metrics),
        _false_alarms(metrics),
        _gaps(metrics),
        _facts(metrics),
    ]
    return framed("Jikimi: how good the alarms are", "\n".join(part for part in parts if part))


def _opening(metrics: Metrics) -> str:
    model = metrics["model"]
    labels = ", ".join(f"{count} {name}" for name, count in metrics["labels"].items())
    judged = (
        f"{model['models']} models of one training run, each judging only scenes that it has "
        "not learnt from"
        if model["models"] > 1
        else "one set of weights; if it has learnt from these clips, the figures flatter it"
    )
    return paragraph(
        f"{metrics['clips']} clips of {metrics['scenes']} scenes ({labels}) were judged by "
        f"{model['name']} ({judged}). Jikimi {metrics['jikimi']}, {metrics['created']}.",
        "dim",
    )


def _tiles(metrics: Metrics) -> str:
    clip, event, normal = metrics["clip"], metrics["event"], metrics["normal"]
    tiles = [
        (
            "fights found",
            _percent(event["recall"]),
            f"{event['found']} of {event['fights']} played",
        ),
        ("F1 of incidents", number(event["f1"]), span(event["f1_interval"])),
        (
            "seconds to the alarm",
            number(event["median_delay_s"]),
            f"median; 95 % within {number(event['p95_delay_s'], 's')}",
        ),
        (
            "false incidents an hour",
            number(normal["false_incidents_per_hour"]),
            (
                f"in {number(normal['hours'])} h of normal footage; the true rate may be up to "
                f"{number(normal['upper_95_per_hour'])} (95 %)"
            ),
        ),
        ("ranking of clips (AUC)", number(clip["auc"]), span(clip["auc_interval"])),
        ("clips called rightly", _percent(clip["accuracy"]), f"of {clip['n']}"),
    ]
    inner = "".join(
        f'<div class="tile">{escape(name)}<b>{escape(value)}</b>'
        f'<span class="dim">{escape(note)}</span></div>'
        for name, value, note in tiles
    )
    return f'<div class="tiles">{inner}</div>'


def _what_was_measured(metrics: Metrics) -> str:
    event, label = metrics["event"], metrics["label"]
    half_s = 2 * SEGMENT_S
    left_out = (
        f" {event['fights_left_out']} further clips of {label} took no part, for their scenes have "
        "no normal footage."
        if event["fights_left_out"]
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


def _levels(metrics: Metrics) -> str:
    head = ["", "AUC", "95 %", "average precision", "accuracy", "recall", "specificity", "F1", "n"]
    keys = ("average_precision", "accuracy", "recall", "specificity", "f1", "n")
    rows = [
        [name, number(f["auc"]), span(f["auc_interval"]), *(number(f[key]) for key in keys)]
        for name, f in (("clips", metrics["clip"]), ("views", metrics["frame"]))
    ]
    parts = ["<h2>Clips and views</h2>", table(head, rows)]
    for name, f in (("Clips", metrics["clip"]), ("Views", metrics["frame"])):
        classes = [
            [cls, *(number(value) for value in row)] for cls, row in class_rows(f, metrics["label"])
        ]
        cells = f["confusion"]
        parts += [
            f"<h3>{name}: classification report</h3>",
            table(["", "precision", "recall", "F1", "support"], classes),
            paragraph(
                f"Found {cells['tp']}, missed {cells['fn']}; wrongly called {cells['fp']}, "
                f"rightly left {cells['tn']}.",
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


def _events(metrics: Metrics) -> str:
    variants = [("one threshold for all cameras", metrics["event"], metrics["normal"])]
    if metrics["event_calibrated"]:
        variants.append(
            ("calibrated per camera", metrics["event_calibrated"], metrics["normal_calibrated"])
        )
    return "<h2>Incidents</h2>" + _incidents(variants)


def _incidents(rows: Sequence[tuple[str, Metrics, Metrics]]) -> str:
    """Fights found and false alarms of each row, in two tables: one would not fit a page."""
    return (
        "<h3>Fights, and what was raised beside them</h3>"
        + table(["", *EVENT_HEAD], [[name, *_event_cells(event)] for name, event, _ in rows])
        + "<h3>False incidents in normal footage</h3>"
        + table(["", *NORMAL_HEAD], [[name, *_normal_cells(normal)] for name, _, normal in rows])
    )


EVENT_HEAD = ("F1", "95 %", "recall", "precision", "found", "false", "median delay", "95 % within")
NORMAL_HEAD = ("an hour", "at most (95 %)", "incidents", "hours", "clips")


def _event_cells(event: Metrics) -> list[str]:
    found = f"{event['found']} of {event['fights']}" if event["fights"] else DASH
    return [
        number(event["f1"]),
        span(event["f1_interval"]),
        number(event["recall"]),
        number(event["precision"]),
        found,
        number(event["false_incidents"]) if event["fights"] else DASH,
        number(event["median_delay_s"], "s") if event["median_delay_s"] is not None else DASH,
        number(event["p95_delay_s"], "s") if event["p95_delay_s"] is not None else DASH,
    ]


def _normal_cells(normal: Metrics) -> list[str]:
    keys = ("false_incidents_per_hour", "upper_95_per_hour", "false_incidents", "hours", "clips")
    return [number(normal[key]) for key in keys]


def _groups(title: str, groups: Metrics, told: str = "") -> str:
    if not groups:
        return ""
    head = ["", "clips", "AUC", "95 %", "accuracy", "recall", "specificity"]
    keys = ("accuracy", "recall", "specificity")
    clips = [
        [
            name,
            number(own["clip"]["n"]),
            number(own["clip"]["auc"]),
            span(own["clip"]["auc_interval"]),
            *(number(own["clip"][key]) for key in keys),
        ]
        for name, own in groups.items()
    ]
    rows = [(name, own["event"], own["normal"]) for name, own in groups.items()]
    note = paragraph(told, "dim") if told else ""
    return f"<h2>{escape(title)}</h2>" + note + table(head, clips) + _incidents(rows)


def _across(metrics: Metrics) -> str:
    if not metrics["across"]:
        return ""
    return _groups("Trained without the set", metrics["across"], ACROSS)


ACROSS = "Each set judged by a model that was trained without it: what to expect of a new city."


def _by_label(metrics: Metrics) -> str:
    return _groups(
        "Further labels",
        {name: own for name, own in metrics["by_label"].items() if own is not None},
    )


def _prototype(metrics: Metrics) -> str:
    given = metrics.get("prototype")
    if not given:
        return ""
    rows = [
        [
            f"{name.replace('_', ' ')}, {level}",
            *(number(figures.get(key)) for key in PROTOTYPE_KEYS),
        ]
        for name, levels in given.items()
        if isinstance(levels, Mapping)
        for level, figures in levels.items()
        if isinstance(figures, Mapping)
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


def _scenes(metrics: Metrics) -> str:
    head = ["", "clips", "AUC", "recall", "specificity", "found", "false", "false an hour", "hours"]
    rows = []
    for name, own in metrics["by_scene"].items():
        clip, event, normal = own["clip"], own["event"], own["normal"]
        found = f"{event['found']} of {event['fights']}" if event["fights"] else DASH
        rows.append(
            [
                name,
                number(clip["n"]),
                *(number(clip[key]) for key in ("auc", "recall", "specificity")),
                found,
                number(event["false_incidents"]) if event["fights"] else DASH,
                number(normal["false_incidents_per_hour"]),
                number(normal["hours"]),
            ]
        )
    return "<h2>Per scene</h2>" + folded(f"{len(rows)} scenes", table(head, rows))


def _fights(metrics: Metrics) -> str:
    events = metrics["events"]
    if not events:
        return ""
    missed = [event for event in events if event["delay_s"] is None]
    found = [event for event in events if event["delay_s"] is not None]
    head = ["clip", "scene", "data set", "lighting", "alarm after"]
    rows = [
        [
            event["clip"],
            event["scene"],
            event["dataset"],
            event["lighting"] or DASH,
            "missed" if event["delay_s"] is None else number(event["delay_s"], "s"),
        ]
        for event in [*missed, *found]
    ]
    title = f"{len(missed)} missed, {len(found)} found"
    return "<h2>The fights</h2>" + folded(title, table(head, rows, "text"))


def _false_alarms(metrics: Metrics) -> str:
    alarms = metrics["false_alarms"]
    head = ["clip", "scene", "played as", "second"]
    rows = [
        [alarm["clip"], alarm["scene"], alarm["kind"], number(alarm["at_s"])] for alarm in alarms
    ]
    return "<h2>False alarms</h2>" + (
        folded(f"{len(rows)} false incidents", table(head, rows, "text"))
        if rows
        else paragraph("None.")
    )


def _gaps(metrics: Metrics) -> str:
    parts = ["<h2>What could not be told, and why</h2>"]
    if metrics["skipped"]:
        names = "".join(f"<li><code>{escape(name)}</code></li>" for name in metrics["skipped"])
        parts.append(f"<p>Not readable as video, left out:</p><ul>{names}</ul>")
    by_reason: dict[str, list[str]] = {}
    for path, why in metrics["reasons"].items():
        by_reason.setdefault(why, []).append(path)
    items = "".join(
        f"<li>{escape(why)}<br>{_paths(paths)}</li>" for why, paths in by_reason.items()
    )
    return "".join(parts) + f"<ul>{items}</ul>"


def _paths(paths: Sequence[str]) -> str:
    listed = ", ".join(f"<code>{escape(path)}</code>" for path in paths)
    inner = f'<span class="dim">{listed}</span>'
    return inner if len(paths) <= 4 else folded(f"{len(paths)} figures", inner)


def _facts(metrics: Metrics) -> str:
    model = metrics["model"]
    rows = [
        ["model", f"{model['name']}, {model['created']}"],
        ["labels it knows", ", ".join(model["labels"])],
        ["network (SHA-256)", model["network_sha256"]],
        ["heads (SHA-256)", ", ".join(model["head_sha256"])],
        *(
            [
                f"rules for {name}",
                (
                    f"opens at {rules['open_threshold']}, closes at {rules['close_threshold']}, "
                    f"lasts {rules['min_duration_s']} s, merges within {rules['merge_gap_s']} s"
                ),
            ]
            for name, rules in metrics["thresholds"].items()
        ),
    ]
    return "<h2>What was judged</h2>" + table(["", ""], rows, "text")


def _percent(value: float | None) -> str:
    return DASH if value is None else f"{100 * value:.0f} %"
