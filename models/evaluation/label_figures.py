"""One label's figures on measured clips: on all of them, or on a data set, lighting or scene.

Takes what `models.evaluation.measuring` scored and `models.evaluation.events` counted; measures
nothing itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.data.clips import Clip
from models.evaluation.events import Kind, Outcome, event_figures, normal_figures
from models.evaluation.measuring import Measured
from models.evaluation.result import ByLevel, Curves, GroupFigures, Histogram, LabelFigures
from models.evaluation.scoring import ScoredClip
from models.statistics import (
    Flags,
    Reasons,
    Values,
    classification,
    nested_reasons,
    pr_curve,
    reliability,
    roc_curve,
    thinned,
)

HISTOGRAM_BINS = 20

Level = tuple[Values, Flags, NDArray[Any]]
"""Scores, whether each is of the label, and its scene: [n] of clips or of views."""


def label_figures(
    measured: Measured, found: Sequence[Outcome], label: str
) -> tuple[LabelFigures, Reasons]:
    """Clip, frame, event and normal figures, reliability, curves and histograms of a label."""
    every = {scored.clip for scored in measured.scored}
    group, reasons = group_figures(measured, found, label, every)
    clips = _clip_level(measured.scored, label, measured.fused.get(label, {}))
    views = _frame_level(measured.scored, label)
    frame, frame_reasons = classification(*views, label)
    reasons |= nested_reasons(frame_reasons, "frame")
    curves = ByLevel(_curves(*clips), _curves(*views))
    for name, own in (("clip", curves.clip), ("frame", curves.frame)):
        if own is None:
            reasons[f"curves.{name}"] = reasons.get(f"{name}.auc", "one label only")
    figures = LabelFigures(
        clip=group.clip,
        event=group.event,
        normal=group.normal,
        frame=frame,
        reliability=ByLevel(reliability(*clips[:2]), reliability(*views[:2])),
        curves=curves,
        histograms=ByLevel(_histogram(*clips), _histogram(*views)),
    )
    return figures, reasons


def group_figures(
    measured: Measured, found: Sequence[Outcome], label: str, own: set[Clip]
) -> tuple[GroupFigures, Reasons]:
    """Clip, event and normal figures of some clips."""
    scored = [scored for scored in measured.scored if scored.clip in own]
    level = _clip_level(scored, label, measured.fused.get(label, {}))
    taken = [outcome for outcome in found if outcome.play.scored.clip in own]
    left_out = sum(clip in own and clip.label == label for clip in measured.left_out)
    clip, clip_reasons = classification(*level, label)
    event, event_reasons = event_figures(_concerning(taken, label), label, left_out)
    normal, normal_reasons = normal_figures(taken)
    reasons = {
        **nested_reasons(clip_reasons, "clip"),
        **nested_reasons(event_reasons, "event"),
        **nested_reasons(normal_reasons, "normal"),
    }
    return GroupFigures(clip, event, normal), reasons


def _concerning(found: Iterable[Outcome], label: str) -> list[Outcome]:
    """Without the streams and controls that were made for another label's clips."""
    return [
        outcome
        for outcome in found
        if outcome.play.kind not in (Kind.STREAM, Kind.CONTROL)
        or outcome.play.scored.clip.label == label
    ]


def _clip_level(scored: Sequence[ScoredClip], label: str, fused: Mapping[Clip, float]) -> Level:
    """Mean probability of each clip (`fused` where it is there), whether it shows the label, scene.

    Untrimmed recordings have no one label, and are left out.
    """
    taken = [own for own in scored if label in own.classifier.head.labels and not _spans(own)]
    means = [float(_column(own, label).mean()) if len(own.times_s) else 0.0 for own in taken]
    means = [fused.get(own.clip, mean) for own, mean in zip(taken, means, strict=True)]
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
    return any(event.label in scored.classifier.head.labels for event in scored.clip.events)


def _column(scored: ScoredClip, label: str) -> Values:
    column = scored.classifier.head.labels.index(label)
    return scored.probabilities[:, column].astype(np.float64)


def _curves(scores: Values, positive: Flags, _: NDArray[Any]) -> Curves | None:
    if positive.all() or not positive.any():
        return None
    return Curves(thinned(roc_curve(scores, positive)), thinned(pr_curve(scores, positive)))


def _histogram(scores: Values, positive: Flags, _: NDArray[Any]) -> Histogram:
    edges = np.linspace(0, 1, HISTOGRAM_BINS + 1)
    return Histogram(
        positive=np.histogram(scores[positive], edges)[0].tolist(),
        negative=np.histogram(scores[~positive], edges)[0].tolist(),
    )
