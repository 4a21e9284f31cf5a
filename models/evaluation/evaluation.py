"""Measures a classifier on a manifest: everything that `jikimi evaluate` puts in metrics.json.

Scores every clip, plays fights and normal times through the daemon's own judgement, and
takes the figures of the whole, of each data set, scene and lighting. What a manifest cannot
support is None, and `reasons` says why under the figure's dotted path. Draws and prints
nothing: see `models.report.report`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from config.errors import StreamError
from detector.inference.weights import Classifier
from models.data.clips import NORMAL, Clip
from models.evaluation.calibrating import demonstration
from models.evaluation.events import (
    JudgeFor,
    Kind,
    Outcome,
    event_figures,
    fixed_rules,
    normal_figures,
    outcomes,
)
from models.evaluation.judging import Judge, ScoredClip, network_of
from models.evaluation.lighting import LIGHTINGS, lighting_of
from models.evaluation.measuring import Measured, measure
from models.statistics import (
    Figures,
    Flags,
    Values,
    classification,
    nested_reasons,
    pr_curve,
    reliability,
    roc_curve,
    thinned,
)
from models.weights.sidecar import SHIPPED_LABEL

HISTOGRAM_BINS = 20

LEAST = {
    "clip": ("auc", "recall", "specificity", "n", "positives"),
    "event": ("recall", "median_delay_s", "fights", "found", "false_incidents"),
    "normal": ("false_incidents_per_hour", "hours", "false_incidents"),
}
"""What is told of each scene: most are too small for more."""


Level = tuple[Values, Flags, NDArray[Any]]
"""Scores, whether each is of the label, and its scene: [n] of clips or of views."""

Calibrate = Callable[[Measured], JudgeFor]
"""Rules per camera, learnt from what its scene normally shows."""


def assess(
    clips: Sequence[Clip],
    judge: Judge,
    across: Judge | None = None,
    calibrate: Calibrate | None = None,
) -> dict[str, Any]:
    """Everything measured on `clips`, as metrics.json has it.

    `across`: judges each clip without knowing its data set; reported for each set that it
    has a classifier for. `calibrate`: gives the rules behind the figures named calibrated.
    Raises ConfigError where no clip can be read.
    """
    measured = measure(clips, judge)
    read = {scored.clip for scored in measured.scored}
    label = SHIPPED_LABEL if SHIPPED_LABEL in measured.labels else measured.labels[0]
    light = _lightings([scored.clip for scored in measured.scored])
    found = outcomes(measured.plays, measured.labels, fixed_rules)
    values, reasons = _whole(measured, found[label], label)
    for name, groups in _groups(measured, light).items():
        values[name] = {}
        for group, own in groups.items():
            part = _section(measured, found[label], label, own)
            values[name][group] = part.values
            reasons |= nested_reasons(part.reasons, f"{name}.{group}")
    values["by_scene"] = {
        scene: _least(_section(measured, found[label], label, own).values)
        for scene, own in _by(measured, lambda clip: clip.scene).items()
    }
    reasons["by_scene"] = "a figure is null where its scene has not both labels, or no normal clip"
    values |= _calibrated(measured, label, calibrate, reasons)
    values["by_label"] = {}
    for other in measured.labels:
        if other != label:
            values["by_label"][other], own_reasons = _whole(measured, found[other], other)
            reasons |= nested_reasons(own_reasons, f"by_label.{other}")
    values["across"] = {}
    if across:
        values["across"], own_reasons = _across(clips, across, label, calibrate)
        reasons |= nested_reasons(own_reasons, "across")
    else:
        reasons["across"] = "needs models that were trained without a set: --fold-models RUN"
    values |= _lists(found[label], light)
    values["skipped"] = [clip.name for clip in clips if clip not in read]
    values["reasons"] = reasons | _label_reasons(clips, measured.labels)
    values |= _facts(clips, measured, label)
    rounded: dict[str, Any] = _rounded(values)
    return rounded


def _whole(
    measured: Measured, found: Sequence[Outcome], label: str
) -> tuple[dict[str, Any], dict[str, str]]:
    """Clip, frame, event and normal figures, reliability, curves and histograms of a label."""
    section = _section(measured, found, label, {scored.clip for scored in measured.scored})
    levels = {
        "clip": _clip_level(measured.scored, label),
        "frame": _frame_level(measured.scored, label),
    }
    frame = classification(*levels["frame"], label)
    values: dict[str, Any] = {**section.values, "frame": frame.values}
    reasons = section.reasons | nested_reasons(frame.reasons, "frame")
    values["reliability"] = {
        name: reliability(level[0], level[1]) for name, level in levels.items()
    }
    values["curves"], values["histograms"] = {}, {}
    for name, (scores, positive, _) in levels.items():
        values["histograms"][name] = _histogram(scores, positive)
        both = positive.any() and not positive.all()
        values["curves"][name] = (
            {"roc": thinned(roc_curve(scores, positive)), "pr": thinned(pr_curve(scores, positive))}
            if both
            else None
        )
        if not both:
            reasons[f"curves.{name}"] = reasons.get(f"{name}.auc", "one label only")
    return values, reasons


def _section(measured: Measured, found: Sequence[Outcome], label: str, own: set[Clip]) -> Figures:
    """Clip, event and normal figures of some clips."""
    level = _clip_level([scored for scored in measured.scored if scored.clip in own], label)
    taken = [outcome for outcome in found if outcome.play.scored.clip in own]
    left_out = sum(clip in own and clip.label == label for clip in measured.left_out)
    parts = {
        "clip": classification(*level, label),
        "event": event_figures(_concerning(taken, label), label, left_out),
        "normal": normal_figures(taken),
    }
    reasons: dict[str, str] = {}
    for name, part in parts.items():
        reasons |= nested_reasons(part.reasons, name)
    return Figures({name: part.values for name, part in parts.items()}, reasons)


def _concerning(found: Iterable[Outcome], label: str) -> list[Outcome]:
    """Without the streams and controls that were made for another label's clips."""
    return [
        outcome
        for outcome in found
        if outcome.play.kind not in (Kind.STREAM, Kind.CONTROL)
        or outcome.play.scored.clip.label == label
    ]


def _clip_level(scored: Sequence[ScoredClip], label: str) -> Level:
    """Mean probability of each clip, whether it shows the label, its scene.

    Untrimmed recordings have no one label, and are left out.
    """
    taken = [own for own in scored if label in own.judge.head.labels and not _spans(own)]
    means = [float(_column(own, label).mean()) if len(own.times_s) else 0.0 for own in taken]
    return (
        np.array(means, np.float64),
        np.array([own.clip.label == label for own in taken], np.bool_),
        np.array([own.clip.scene for own in taken]),
    )


def _frame_level(scored: Sequence[ScoredClip], label: str) -> Level:
    """Probability of each view, whether the label is happening then, its scene."""
    scores, positive = [np.zeros(0)], [np.zeros(0, np.bool_)]
    names = [own.clip.scene for own in scored]
    for own in scored:
        happening = np.full(len(own.times_s), own.clip.label == label)
        for event in own.clip.events:
            if event.label == label:
                happening |= (own.times_s >= event.start_s) & (own.times_s <= event.end_s)
        scores.append(_column(own, label))
        positive.append(happening)
    numbers = np.unique(names, return_inverse=True)[1]  # names a view would take a gigabyte
    scenes = np.repeat(numbers, [len(own.times_s) for own in scored])
    return np.concatenate(scores), np.concatenate(positive), scenes


def _spans(scored: ScoredClip) -> bool:
    return any(event.label in scored.judge.head.labels for event in scored.clip.events)


def _column(scored: ScoredClip, label: str) -> Values:
    column = scored.judge.head.labels.index(label)
    return scored.probabilities[:, column].astype(np.float64)


def _histogram(scores: Values, positive: Flags) -> dict[str, list[int]]:
    """How many of either class fall into each of 20 equal bins of the score."""
    edges = np.linspace(0, 1, HISTOGRAM_BINS + 1)
    return {
        "positive": np.histogram(scores[positive], edges)[0].tolist(),
        "negative": np.histogram(scores[~positive], edges)[0].tolist(),
    }


def _lightings(clips: Sequence[Clip]) -> dict[Clip, str]:
    found = {}
    for clip in tqdm(clips, desc="lighting", unit="clip", disable=None):
        try:
            found[clip] = lighting_of(clip.path)
        except StreamError:  # gone since it was embedded
            continue
    return found


def _by(measured: Measured, key: Callable[[Clip], str | None]) -> dict[str, set[Clip]]:
    groups: dict[str, set[Clip]] = {}
    for scored in measured.scored:
        if (name := key(scored.clip)) is not None:
            groups.setdefault(name, set()).add(scored.clip)
    return groups


def _groups(measured: Measured, light: Mapping[Clip, str]) -> dict[str, dict[str, set[Clip]]]:
    by_light = _by(measured, light.get)
    return {
        "by_dataset": _by(measured, lambda clip: clip.dataset),
        "by_lighting": {name: by_light[name] for name in LIGHTINGS if name in by_light},
    }


def _least(section: Mapping[str, Any]) -> dict[str, Any]:
    return {name: {key: section[name][key] for key in keys} for name, keys in LEAST.items()}


def _calibrated(
    measured: Measured, label: str, calibrate: Calibrate | None, reasons: dict[str, str]
) -> dict[str, Any]:
    """Figures with rules per camera, what calibration comes to; reasons go into `reasons`."""
    if calibrate is None:
        why = "calibration per camera was not asked for"
        names = ("event_calibrated", "normal_calibrated", "calibration")
        reasons |= dict.fromkeys(names, why)
        return dict.fromkeys(names)
    found = outcomes(measured.plays, measured.labels, calibrate(measured))[label]
    own = {scored.clip for scored in measured.scored}
    section = _section(measured, found, label, own)
    reasons |= {
        name.replace(".", "_calibrated.", 1): why
        for name, why in section.reasons.items()
        if not name.startswith("clip.")
    }
    shown = demonstration(measured, label)
    reasons |= nested_reasons(shown.reasons, "calibration")
    figures = {f"{name}_calibrated": section.values[name] for name in ("event", "normal")}
    return {**figures, "calibration": shown.values}


def _across(
    clips: Sequence[Clip], judge: Judge, label: str, calibrate: Calibrate | None
) -> tuple[dict[str, Any], dict[str, str]]:
    """Each set by the model that was trained without it."""
    values: dict[str, Any] = {}
    reasons: dict[str, str] = {}
    for name in sorted({clip.dataset for clip in clips if judge(clip)}):
        measured = measure([clip for clip in clips if clip.dataset == name], judge)
        found = outcomes(measured.plays, measured.labels, fixed_rules)[label]
        section = _section(measured, found, label, {own.clip for own in measured.scored})
        own_reasons = dict(section.reasons)
        values[name] = section.values | _calibrated(measured, label, calibrate, own_reasons)
        reasons |= nested_reasons(own_reasons, name)
    return values, reasons


def _lists(found: Sequence[Outcome], light: Mapping[Clip, str]) -> dict[str, Any]:
    """Every fight that was played, and every false incident, by name."""
    events, alarms = [], []
    for outcome in found:
        clip, kind = outcome.play.scored.clip, outcome.play.kind
        where = {"clip": clip.name, "scene": clip.scene, "dataset": clip.dataset}
        for fight in outcome.fights:
            facts = {"start_s": fight.start_s, "end_s": fight.end_s, "delay_s": fight.delay_s}
            events.append({**where, "lighting": light.get(clip), "kind": kind.value, **facts})
        alarms += [{**where, "kind": kind.value, "at_s": at_s} for at_s in outcome.false_s]
    return {"events": events, "false_alarms": alarms}


def _label_reasons(clips: Sequence[Clip], labels: Sequence[str]) -> dict[str, str]:
    """What the weights cannot know of the manifest's labels, and the reverse."""
    given = {label for clip in clips for label in (clip.labels or {NORMAL})}
    reasons = {}
    if unknown := sorted(given - set(labels) - {NORMAL}):
        reasons["labels"] = (
            f"the weights know {', '.join(labels)}; {', '.join(unknown)} counts as normal "
            "(if it means the same, write it so in the manifest)"
        )
    return reasons


def _facts(clips: Sequence[Clip], measured: Measured, label: str) -> dict[str, Any]:
    judges = {id(own.judge): own.judge for own in measured.scored}.values()
    first: Classifier = next(iter(judges))
    counted = Counter(name for clip in clips for name in (clip.labels or {NORMAL}))
    return {
        "label": label,
        "labels": dict(counted.most_common()),
        "model": {
            "name": first.sidecar.name,
            "created": first.sidecar.created,
            "labels": list(measured.labels),
            "network_sha256": network_of(first),
            "head_sha256": sorted({judge.sidecar.head.sha256 for judge in judges}),
            "models": len(judges),
        },
        "thresholds": {name: rules.model_dump() for name, rules in first.sidecar.incident.items()},
        "clips": len(clips),
        "scenes": len({clip.scene for clip in clips}),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "jikimi": version("jikimi"),
    }


def _rounded(value: Any) -> Any:
    """Floats to four digits: more than any of these figures can claim."""
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, Mapping):
        return {key: _rounded(own) for key, own in value.items()}
    return [_rounded(own) for own in value] if isinstance(value, list | tuple) else value
