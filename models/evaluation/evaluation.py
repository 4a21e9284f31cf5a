"""Measures a classifier on a manifest: the `Evaluation` that `jikimi evaluate` writes and shows.

Scores every clip, plays fights and normal times through the daemon's own judgement, and
takes the figures of the whole, of each data set, scene and lighting. What a manifest cannot
support is None, and `reasons` says why under the figure's dotted path. Draws and prints
nothing: see `models.report.report`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version

from tqdm import tqdm

from config.errors import StreamError
from detector.incidents.tracker import IncidentRules
from detector.inference.weights import Classifier
from models.data.clips import NORMAL, Clip
from models.evaluation.calibrating import SetCalibration, demonstration
from models.evaluation.events import (
    EventFigures,
    NormalFigures,
    Outcome,
    RulesFor,
    fixed_rules,
    outcomes,
)
from models.evaluation.label_figures import group_figures, label_figures
from models.evaluation.lighting import LIGHTINGS, lighting_of
from models.evaluation.measuring import Measured, measure, no_second_look
from models.evaluation.result import (
    AcrossFigures,
    Evaluation,
    FalseAlarm,
    GroupFigures,
    LabelFigures,
    PlayedEvent,
    SceneClips,
    SceneEvents,
    SceneFigures,
    SceneNormal,
    Weights,
    rounded,
)
from models.evaluation.scoring import ClassifierFor, network_of
from models.evaluation.second_look import SecondLookFor, opinions, rank_clips, second_look_figures
from models.statistics import (
    Reasons,
    nested_reasons,
)
from models.weights.sidecar import SHIPPED_LABEL

Calibrate = Callable[[Measured], RulesFor]
"""Rules per camera, learnt from what its scene normally shows."""


@dataclass(frozen=True, slots=True)
class Calibrated:
    """Figures with rules per camera, and what calibration comes to; None where not asked for."""

    event: EventFigures | None = None
    normal: NormalFigures | None = None
    sets: dict[str, SetCalibration] | None = None


def assess(
    clips: Sequence[Clip],
    classifier_for: ClassifierFor,
    across: ClassifierFor | None = None,
    calibrate: Calibrate | None = None,
    look_for: SecondLookFor | None = None,
) -> Evaluation:
    """Everything measured on `clips`.

    `look_for`: gives each clip a second look; clips and incidents then are judged by both stages,
    but where the video network has seen a clip, which the first stage judges alone.

    `across`: gives each clip a classifier that does not know its data set; reported for each
    set that there is one for. `calibrate`: gives the rules behind the figures named calibrated.
    Raises ConfigError where no clip can be read.
    """
    opinion_for = opinions(clips, classifier_for, look_for) if look_for else no_second_look
    measured = measure(clips, classifier_for, opinion_for)
    ranked = rank_clips(clips, classifier_for, look_for) if look_for else []
    if look_for:
        fused = {own.clip: own.fused for own in ranked}
        measured = replace(measured, fused={look_for(clips[0]).label: fused})
    read = {scored.clip for scored in measured.scored}
    label = SHIPPED_LABEL if SHIPPED_LABEL in measured.labels else measured.labels[0]
    light = _lightings([scored.clip for scored in measured.scored])
    found = outcomes(measured.plays, measured.labels, fixed_rules)
    whole, reasons = label_figures(measured, found[label], label)
    grouped: dict[str, dict[str, GroupFigures]] = {}
    for name, groups in _groups(measured, light).items():
        grouped[name] = {}
        for group, own in groups.items():
            grouped[name][group], own_reasons = group_figures(measured, found[label], label, own)
            reasons |= nested_reasons(own_reasons, f"{name}.{group}")
    by_scene = {
        scene: _scene(group_figures(measured, found[label], label, own)[0])
        for scene, own in _by(measured, lambda clip: clip.scene).items()
    }
    reasons["by_scene"] = "a figure is null where its scene has not both labels, or no normal clip"
    calibrated, own_reasons = _calibrated(measured, label, calibrate)
    reasons |= own_reasons
    by_label: dict[str, LabelFigures] = {}
    for other in measured.labels:
        if other != label:
            by_label[other], own_reasons = label_figures(measured, found[other], other)
            reasons |= nested_reasons(own_reasons, f"by_label.{other}")
    sets: dict[str, AcrossFigures] = {}
    if across:
        sets, own_reasons = _across(clips, across, label, calibrate)
        reasons |= nested_reasons(own_reasons, "across")
    else:
        reasons["across"] = "needs models that were trained without a set: --fold-models RUN"
    look_figures = second_look_figures(clips, measured, look_for, ranked) if look_for else None
    evaluation = Evaluation(
        clip=whole.clip,
        event=whole.event,
        normal=whole.normal,
        frame=whole.frame,
        reliability=whole.reliability,
        curves=whole.curves,
        histograms=whole.histograms,
        by_dataset=grouped["by_dataset"],
        by_lighting=grouped["by_lighting"],
        by_scene=by_scene,
        event_calibrated=calibrated.event,
        normal_calibrated=calibrated.normal,
        calibration=calibrated.sets,
        by_label=by_label,
        across=sets,
        events=_played_events(found[label], light),
        false_alarms=_false_alarms(found[label]),
        skipped=[clip.name for clip in clips if clip not in read],
        reasons=reasons | _label_reasons(clips, measured.labels),
        label=label,
        labels=dict(_label_counts(clips).most_common()),
        model=_weights(measured),
        thresholds=_thresholds(measured),
        second_look=look_figures,
        clips=len(clips),
        scenes=len({clip.scene for clip in clips}),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        jikimi=version("jikimi"),
    )
    return rounded(evaluation)


def _scene(figures: GroupFigures) -> SceneFigures:
    clip, event, normal = figures.clip, figures.event, figures.normal
    return SceneFigures(
        SceneClips(clip.auc, clip.recall, clip.specificity, clip.n, clip.positives),
        SceneEvents(
            event.recall, event.median_delay_s, event.fights, event.found, event.false_incidents
        ),
        SceneNormal(normal.false_incidents_per_hour, normal.hours, normal.false_incidents),
    )


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


def _calibrated(
    measured: Measured, label: str, calibrate: Calibrate | None
) -> tuple[Calibrated, Reasons]:
    if calibrate is None:
        names = ("event_calibrated", "normal_calibrated", "calibration")
        return Calibrated(), dict.fromkeys(names, "calibration per camera was not asked for")
    found = outcomes(measured.plays, measured.labels, calibrate(measured))[label]
    group, reasons = group_figures(
        measured, found, label, {scored.clip for scored in measured.scored}
    )
    reasons = {
        name.replace(".", "_calibrated.", 1): why
        for name, why in reasons.items()
        if not name.startswith("clip.")
    }
    sets, own_reasons = demonstration(measured, label)
    return (
        Calibrated(group.event, group.normal, sets),
        reasons | nested_reasons(own_reasons, "calibration"),
    )


def _across(
    clips: Sequence[Clip], classifier_for: ClassifierFor, label: str, calibrate: Calibrate | None
) -> tuple[dict[str, AcrossFigures], Reasons]:
    """Each set by the model that was trained without it."""
    sets: dict[str, AcrossFigures] = {}
    reasons: Reasons = {}
    for name in sorted({clip.dataset for clip in clips if classifier_for(clip)}):
        measured = measure([clip for clip in clips if clip.dataset == name], classifier_for)
        found = outcomes(measured.plays, measured.labels, fixed_rules)[label]
        group, group_reasons = group_figures(
            measured, found, label, {s.clip for s in measured.scored}
        )
        calibrated, own_reasons = _calibrated(measured, label, calibrate)
        reasons |= nested_reasons(group_reasons | own_reasons, name)
        sets[name] = AcrossFigures(
            clip=group.clip,
            event=group.event,
            normal=group.normal,
            event_calibrated=calibrated.event,
            normal_calibrated=calibrated.normal,
            calibration=calibrated.sets,
        )
    return sets, reasons


def _played_events(found: Sequence[Outcome], light: Mapping[Clip, str]) -> list[PlayedEvent]:
    return [
        PlayedEvent(
            clip=clip.name,
            scene=clip.scene,
            dataset=clip.dataset,
            lighting=light.get(clip),
            kind=outcome.play.kind,
            start_s=fight.start_s,
            end_s=fight.end_s,
            delay_s=fight.delay_s,
        )
        for outcome in found
        for clip in [outcome.play.scored.clip]
        for fight in outcome.fights
    ]


def _false_alarms(found: Sequence[Outcome]) -> list[FalseAlarm]:
    return [
        FalseAlarm(clip.name, clip.scene, clip.dataset, outcome.play.kind, at_s)
        for outcome in found
        for clip in [outcome.play.scored.clip]
        for at_s in outcome.false_s
    ]


def _label_reasons(clips: Sequence[Clip], labels: Sequence[str]) -> Reasons:
    """What the weights cannot know of the manifest's labels, and the reverse."""
    given = set(_label_counts(clips))
    reasons: Reasons = {}
    if unknown := sorted(given - set(labels) - {NORMAL}):
        reasons["labels"] = (
            f"the weights know {', '.join(labels)}; {', '.join(unknown)} counts as normal "
            "(if it means the same, write it so in the manifest)"
        )
    return reasons


def _label_counts(clips: Sequence[Clip]) -> Counter[str]:
    return Counter(label for clip in clips for label in (clip.labels or {NORMAL}))


def _classifiers(measured: Measured) -> list[Classifier]:
    return list({id(own.classifier): own.classifier for own in measured.scored}.values())


def _weights(measured: Measured) -> Weights:
    classifiers = _classifiers(measured)
    first = classifiers[0]
    return Weights(
        name=first.sidecar.name,
        created=first.sidecar.created,
        labels=list(measured.labels),
        network_sha256=network_of(first),
        head_sha256=sorted({own.sidecar.head.sha256 for own in classifiers}),
        models=len(classifiers),
    )


def _thresholds(measured: Measured) -> dict[str, IncidentRules]:
    told = _classifiers(measured)[0].sidecar.incident
    return {name: IncidentRules(**rules.model_dump()) for name, rules in told.items()}
