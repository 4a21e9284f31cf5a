"""How well each stage ranks clips, and both together: first alone, second alone, fused.

Each clip by the models of a run that have not learnt from it, and only footage that the video
network has not seen: that is left out here, by set and by content, not by whoever calls. Both
stages are ranked on the same clips.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from config.errors import ConfigError
from detector.inference.second_look.head import probability
from models.data.clips import Clip
from models.data.digests import clip_digests
from models.data.embeddings import cache_dir
from models.evaluation.scoring import ClassifierFor
from models.statistics import Interval, auc_interval, roc_auc
from models.training.recipe import FOLDS, fold_of
from models.training.second_look import Windows, load_windows
from models.weights.second_look import NAME, SecondLook, read_second_look

SecondLookFor = Callable[[Clip], SecondLook]
"""The second look that may judge a clip."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """AUC over clips, with its 95 % interval by scenes; None where there is only one class."""

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
class SecondLookFigures:
    """What a second look adds.

    `by_dataset`: within each set that shows the label. `other_cameras`: such a set's clips of the
    label against the normal clips of all other sets. Left out, and counted: `seen`, clips by set
    that the video network has seen; `learnt`, those that the very head was fitted on;
    `not_looked_at`, those in which nothing moves for a second, or that are untrimmed.
    """

    by_dataset: dict[str, StageFigures]
    other_cameras: dict[str, StageFigures]
    network: str
    seen: dict[str, int]
    learnt: int
    not_looked_at: int


@dataclass(frozen=True, slots=True, eq=False)
class _Scored:
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


def second_look_figures(
    clips: Sequence[Clip], classifier_for: ClassifierFor, look_for: SecondLookFor
) -> SecondLookFigures:
    """The figures of both stages on those of `clips` that the video network has not seen."""
    look = look_for(clips[0])
    digests = clip_digests(clips)
    unseen = look.weights.seen.unseen(clips, digests)
    new = [clip for clip in unseen if digests.get(clip) not in look_for(clip).fitted]
    whole = [clip for clip in new if not clip.untrimmed]
    first = {fold_of(clip): own for clip in whole if (own := classifier_for(clip))}
    windows = load_windows(whole, look.weights, first, cache_dir()) if whole else []
    scored = [_scored(own, look_for(own.clip)) for own in windows]
    by_dataset, other_cameras = {}, {}
    for dataset in sorted({own.clip.dataset for own in scored if own.clip.label == look.label}):
        shown = [s for s in scored if s.clip.dataset == dataset and s.clip.label == look.label]
        rest = [s for s in scored if s.clip.label != look.label]  # falls and thefts count as normal
        by_dataset[dataset] = _stages(shown, [s for s in rest if s.clip.dataset == dataset])
        other_cameras[dataset] = _stages(shown, [s for s in rest if s.clip.dataset != dataset])
    seen = Counter(clip.dataset for clip in set(clips) - set(unseen))
    return SecondLookFigures(
        by_dataset=by_dataset,
        other_cameras=other_cameras,
        network=look.weights.name,
        seen=dict(sorted(seen.items())),
        learnt=len(unseen) - len(new),
        not_looked_at=len(new) - len(scored),
    )


def _scored(own: Windows, look: SecondLook) -> _Scored:
    """A clip's mean over its windows, of each stage."""
    logits = look.head.logits(own.embeddings)
    return _Scored(
        own.clip,
        float(own.smoothed.mean()),
        float(probability(logits.mean())),
        float(look.head.fused(own.smoothed, logits).mean()),
    )


def _stages(shown: Sequence[_Scored], rest: Sequence[_Scored]) -> StageFigures:
    both = [*shown, *rest]
    positive = np.arange(len(both)) < len(shown)
    scenes = [f"{own.clip.dataset}/{own.clip.scene}" for own in both]

    def ranking(scores: Sequence[float]) -> Ranking:
        values: NDArray[np.float64] = np.array(scores, np.float64)
        return Ranking(roc_auc(values, positive), auc_interval(values, positive, scenes))

    return StageFigures(
        first=ranking([own.first for own in both]),
        second=ranking([own.second for own in both]),
        fused=ranking([own.fused for own in both]),
        clips=len(both),
        positives=len(shown),
        scenes=len(set(scenes)),
    )


def stages_of(figures: StageFigures) -> dict[str, Ranking]:
    """The three rankings by name, in their order."""
    found = {field.name: getattr(figures, field.name) for field in fields(figures)}
    return {name: own for name, own in found.items() if isinstance(own, Ranking)}
