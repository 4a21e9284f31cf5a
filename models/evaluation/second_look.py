"""How well each stage ranks clips, and both together: first alone, second alone, fused.

Each clip by the models of a run that have not learnt from it, and only footage that the video
network has not seen: that is left out here, by set and by content, not by whoever calls. Both
stages are ranked on the same clips.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from config.errors import ConfigError
from detector.incidents.tracker import IncidentRules
from detector.inference.second_look.head import probability
from detector.inference.weights import shipped_weights
from models.data.clips import Clip
from models.data.digests import clip_digests
from models.data.embeddings import cache_dir
from models.evaluation.events import (
    EventFigures,
    Kind,
    Outcome,
    Play,
    event_figures,
    fixed_rules,
    normal_figures,
    outcomes,
)
from models.evaluation.looking import Looker
from models.evaluation.looks import OpinionFor, SecondOpinion
from models.evaluation.measuring import Measured
from models.evaluation.scoring import ClassifierFor
from models.statistics import (
    FalseRate,
    Interval,
    auc_interval,
    balanced_auc,
    roc_auc,
    scene_shares,
    share,
)
from models.training.recipe import FOLDS, fold_of
from models.training.second_look import Windows, load_windows
from models.weights.second_look import NAME, SecondLook, exported_second_look, read_second_look

FIRST_THRESHOLDS = (0.6, 0.65, 0.7, 0.75, 0.775, 0.8, 0.85)
FUSED_THRESHOLDS = (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97)
"""Opening thresholds at which the figures are shown, beside the weights' own."""

SecondLookFor = Callable[[Clip], SecondLook]
"""The second look that may judge a clip."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """AUC over clips, with its 95 % interval by scenes; None where there is only one class.

    Against other cameras the normal clips of each scene weigh one together.
    """

    auc: float | None
    auc_interval: Interval | None


@dataclass(frozen=True, slots=True)
class StageFigures:
    """The stages on the same `clips`, `positives` of them of the label."""

    first: Ranking
    second: Ranking
    fused: Ranking
    clips: int
    positives: int
    scenes: int


@dataclass(frozen=True, slots=True)
class NormalPoint(FalseRate):
    """False incidents on a set's normal footage; `scenes_alike_per_hour`: mean of its scenes'."""

    scenes: int
    scenes_alike_per_hour: float | None


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """Incidents where they open at one threshold: in streams, and on normal footage by set."""

    open_threshold: float
    event: EventFigures
    normal: dict[str, NormalPoint]


@dataclass(frozen=True, slots=True)
class SecondLookFigures:
    """What a second look adds.

    `by_dataset`: within each set that shows the label. `other_cameras`: such a set's clips of the
    label against the normal clips of all other sets. `incidents`: of the `first` stage alone and
    `fused`, at several thresholds; `looks_per_hour`: at each set's normal footage. Left out, and
    counted: `seen`, clips by set that the video network has seen; `learnt`, those that the very
    head was fitted on; `not_looked_at`, those in which nothing moves for a second, or that are
    untrimmed, which are not ranked.
    """

    by_dataset: dict[str, StageFigures]
    other_cameras: dict[str, StageFigures]
    incidents: dict[str, list[OperatingPoint]]
    looks_per_hour: dict[str, float | None]
    network: str
    seen: dict[str, int]
    learnt: int
    not_looked_at: int


@dataclass(frozen=True, slots=True, eq=False)
class Ranked:
    """A clip's mean over its windows, of each stage: probabilities."""

    clip: Clip
    first: float
    second: float
    fused: float


def fold_second_looks(run: Path) -> SecondLookFor | None:
    """For each clip the second look of `RUN/folds` fitted without its scene; None of a run without.

    Raises ConfigError where only some folds have one.
    """
    paths = [run / "folds" / str(fold) / NAME for fold in range(FOLDS)]
    if not any(path.is_file() for path in paths):
        return None
    looks = [read_second_look(path) for path in paths]
    if len({(look.label, look.weights.sha256) for look in looks}) > 1:
        raise ConfigError(f"{run}: its second looks are of several trainings; train again")
    return lambda clip: looks[fold_of(clip)]


def given_second_look(sidecar: Path | None) -> SecondLookFor | None:
    """The one second look of weights, the shipped ones if None; None of weights without."""
    look = exported_second_look(sidecar or shipped_weights())
    return (lambda _: look) if look else None


def opinions(
    clips: Sequence[Clip], classifier_for: ClassifierFor, look_for: SecondLookFor
) -> OpinionFor:
    """The second look at each of `clips` that the video network has not seen."""
    look = look_for(clips[0])
    looker = Looker(look.weights, look.candidate, cache_dir())
    unseen = set(look.weights.seen.unseen(clips, clip_digests(clips)))

    def opinion_for(clip: Clip) -> SecondOpinion | None:
        classifier = classifier_for(clip)
        if clip not in unseen or classifier is None:
            return None
        own = look_for(clip)
        alone = classifier.rules()[own.label].open_threshold
        return SecondOpinion(own.label, looker, own.head, own.rules(alone))

    return opinion_for


def second_look_figures(
    clips: Sequence[Clip], measured: Measured, look_for: SecondLookFor, ranked: Sequence[Ranked]
) -> SecondLookFigures:
    """The figures of both stages on those of `clips` that the video network has not seen.

    `ranked`: what `rank_clips` makes of them.
    """
    look = look_for(clips[0])
    digests = clip_digests(clips)
    unseen = look.weights.seen.unseen(clips, digests)
    new = {clip for clip in unseen if digests.get(clip) not in look_for(clip).fitted}
    scored = [own for own in ranked if own.clip in new]
    by_dataset, other_cameras = {}, {}
    for dataset in sorted({own.clip.dataset for own in scored if own.clip.label == look.label}):
        shown = [s for s in scored if s.clip.dataset == dataset and s.clip.label == look.label]
        rest = [s for s in scored if s.clip.label != look.label]  # falls and thefts count as normal
        by_dataset[dataset] = _stages(shown, [s for s in rest if s.clip.dataset == dataset])
        others = [s for s in rest if s.clip.dataset != dataset]
        other_cameras[dataset] = _stages(shown, others, scenes_alike=True)
    plays = [play for play in measured.plays if play.looks and play.scored.clip in new]
    seen = Counter(clip.dataset for clip in set(clips) - set(unseen))
    return SecondLookFigures(
        by_dataset=by_dataset,
        other_cameras=other_cameras,
        incidents=_incidents(plays, look.label, look.incident),
        looks_per_hour=_looks_per_hour(plays),
        network=look.weights.name,
        seen=dict(sorted(seen.items())),
        learnt=len(unseen) - len(new),
        not_looked_at=len(new) - len(scored),
    )


def rank_clips(
    clips: Sequence[Clip], classifier_for: ClassifierFor, look_for: SecondLookFor
) -> list[Ranked]:
    """Every trimmed clip that the network has not seen and that something moves in for a second."""
    unseen = look_for(clips[0]).weights.seen.unseen(clips, clip_digests(clips))
    whole = [clip for clip in unseen if not clip.untrimmed]
    first = {fold_of(clip): own for clip in whole if (own := classifier_for(clip))}
    if not whole:
        return []
    look = look_for(whole[0])
    windows = load_windows(whole, look.label, look.weights, first, cache_dir())
    return [_scored(own, look_for(own.clip)) for own in windows]


def _scored(own: Windows, look: SecondLook) -> Ranked:
    logits = look.head.logits(own.in_turn())
    return Ranked(
        own.clip,
        float(own.smoothed.mean()),
        float(probability(logits.mean())),
        float(look.head.fused(own.smoothed, logits).mean()),
    )


def _stages(
    shown: Sequence[Ranked], rest: Sequence[Ranked], *, scenes_alike: bool = False
) -> StageFigures:
    both = [*shown, *rest]
    positive = np.arange(len(both)) < len(shown)
    scenes = np.array([f"{own.clip.dataset}/{own.clip.scene}" for own in both])

    def ranking(scores: Sequence[float]) -> Ranking:
        values: NDArray[np.float64] = np.array(scores, np.float64)
        if not scenes_alike:
            return Ranking(roc_auc(values, positive), auc_interval(values, positive, scenes))
        weights = scene_shares(positive, scenes)
        return Ranking(
            balanced_auc(values, positive, scenes),
            auc_interval(values, positive, scenes, weights=weights),
        )

    return StageFigures(
        first=ranking([own.first for own in both]),
        second=ranking([own.second for own in both]),
        fused=ranking([own.fused for own in both]),
        clips=len(both),
        positives=len(shown),
        scenes=len(set(scenes)),
    )


def _incidents(
    plays: Sequence[Play], label: str, incident: IncidentRules
) -> dict[str, list[OperatingPoint]]:
    """Of the first stage alone and of both, at their own thresholds, above and below."""
    alone = [replace(play, looks=None) for play in plays]
    if not plays:
        return {}
    own = fixed_rules(alone[0])[label]
    first = sorted({*FIRST_THRESHOLDS, own.open_threshold})
    fused = sorted({*FUSED_THRESHOLDS, incident.open_threshold})
    return {
        "first": [_point(alone, label, own.opening_at(at)) for at in first],
        "fused": [_point(plays, label, incident.opening_at(at)) for at in fused],
    }


def _point(plays: Sequence[Play], label: str, rules: IncidentRules) -> OperatingPoint:
    found = outcomes(plays, [label], lambda _: {label: rules})[label]
    normal: dict[str, list[Outcome]] = {}
    for outcome in found:
        if outcome.play.kind in (Kind.NORMAL, Kind.RECORDING):
            normal.setdefault(outcome.play.scored.clip.dataset, []).append(outcome)
    return OperatingPoint(
        open_threshold=rules.open_threshold,
        event=event_figures(found, label, 0)[0],
        normal={name: _normal_point(own) for name, own in sorted(normal.items())},
    )


def _normal_point(found: Sequence[Outcome]) -> NormalPoint:
    by_scene: dict[str, list[Outcome]] = {}
    for outcome in found:
        by_scene.setdefault(outcome.play.scored.clip.scene, []).append(outcome)
    rates = [normal_figures(own)[0].false_incidents_per_hour for own in by_scene.values()]
    known = [rate for rate in rates if rate is not None]
    whole, _ = normal_figures(found)
    return NormalPoint(
        whole.false_incidents_per_hour,
        whole.hours,
        whole.false_incidents,
        whole.upper_95_per_hour,
        scenes=len(by_scene),
        scenes_alike_per_hour=share(sum(known), len(known)),
    )


def _looks_per_hour(plays: Sequence[Play]) -> dict[str, float | None]:
    counted: dict[str, list[float]] = {}
    for play in plays:
        if play.looks and play.kind in (Kind.NORMAL, Kind.RECORDING):
            own = counted.setdefault(play.scored.clip.dataset, [0.0, 0.0])
            own[0] += len(play.looks.logits)
            own[1] += play.seconds / 3600
    return {name: share(*own) for name, own in sorted(counted.items())}


def stages_of(figures: StageFigures) -> dict[str, Ranking]:
    """The three rankings by name, in their order."""
    found = {field.name: getattr(figures, field.name) for field in fields(figures)}
    return {name: own for name, own in found.items() if isinstance(own, Ranking)}
