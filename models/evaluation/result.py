"""What an evaluation comes to, typed: what metrics.json holds, key for key, and the page shows.

A figure that could not be measured is None; `Evaluation.reasons` says why under its dotted path.
Numbers only: measured in `models.evaluation.evaluation`, put in words in `models.report`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, Generic, TypeVar

from detector.incidents.tracker import IncidentRules
from models.evaluation.calibrating import SetCalibration
from models.evaluation.events import EventFigures, Kind, NormalFigures
from models.evaluation.second_look import SecondLookFigures
from models.statistics import Classification, Reasons, Reliability

T = TypeVar("T")

Prototype = Mapping[str, Mapping[str, Mapping[str, int | float | None]]]
"""The prototype's figures by name, of each split and level (clip, frame)."""


@dataclass(frozen=True, slots=True)
class ByLevel(Generic[T]):
    """The same of clips and of views."""

    clip: T
    frame: T


@dataclass(frozen=True, slots=True)
class Curves:
    """ROC (false and true positive rate) and recall with precision: points [n][2]."""

    roc: list[list[float]]
    pr: list[list[float]]


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many of either class fall into each of equal bins of the score."""

    positive: list[int]
    negative: list[int]


@dataclass(frozen=True, slots=True)
class GroupFigures:
    """One label's figures on some of the clips."""

    clip: Classification
    event: EventFigures
    normal: NormalFigures


@dataclass(frozen=True, slots=True)
class LabelFigures(GroupFigures):
    """One label's figures on all clips; a curve is None where one class is missing."""

    frame: Classification
    reliability: ByLevel[Reliability]
    curves: ByLevel[Curves | None]
    histograms: ByLevel[Histogram]


@dataclass(frozen=True, slots=True)
class AcrossFigures(GroupFigures):
    """A data set judged by the model that was trained without it; None: without calibration."""

    event_calibrated: EventFigures | None
    normal_calibrated: NormalFigures | None
    calibration: dict[str, SetCalibration] | None


@dataclass(frozen=True, slots=True)
class SceneClips:
    """A scene's clips."""

    auc: float | None
    recall: float | None
    specificity: float | None
    n: int
    positives: int


@dataclass(frozen=True, slots=True)
class SceneEvents:
    """A scene's incidents against its events."""

    recall: float | None
    median_delay_s: float | None
    fights: int
    found: int
    false_incidents: int


@dataclass(frozen=True, slots=True)
class SceneNormal:
    """A scene's normal footage."""

    false_incidents_per_hour: float | None
    hours: float
    false_incidents: int


@dataclass(frozen=True, slots=True)
class SceneFigures:
    """One scene: most are too small for more."""

    clip: SceneClips
    event: SceneEvents
    normal: SceneNormal


@dataclass(frozen=True, slots=True)
class PlayedEvent:
    """An event that was played, and how late its incident opened; None where none did."""

    clip: str
    scene: str
    dataset: str
    lighting: str | None
    kind: Kind
    start_s: float
    end_s: float
    delay_s: float | None


@dataclass(frozen=True, slots=True)
class FalseAlarm:
    """A false incident: in what it opened, and when."""

    clip: str
    scene: str
    dataset: str
    kind: Kind
    at_s: float


@dataclass(frozen=True, slots=True)
class Weights:
    """What was judged: one set of weights, or the `models` of a run that share a name."""

    name: str
    created: str
    labels: list[str]
    network_sha256: str
    head_sha256: list[str]
    models: int


@dataclass(frozen=True, slots=True)
class Evaluation(LabelFigures):
    """Everything measured on a manifest; its own figures are those of `label`.

    `event_calibrated`, `normal_calibrated`: with rules per camera. `skipped`: clips that could
    not be read. `labels`: how many clips of each label the manifest names. `prototype`: given.
    `learnt_clips`: those that the very weights which scored them were fitted on.
    `second_look`: of a run that has one.
    """

    by_dataset: dict[str, GroupFigures]
    by_lighting: dict[str, GroupFigures]
    by_scene: dict[str, SceneFigures]
    event_calibrated: EventFigures | None
    normal_calibrated: NormalFigures | None
    calibration: dict[str, SetCalibration] | None
    by_label: dict[str, LabelFigures]
    across: dict[str, AcrossFigures]
    events: list[PlayedEvent]
    false_alarms: list[FalseAlarm]
    skipped: list[str]
    reasons: Reasons
    label: str
    labels: dict[str, int]
    model: Weights
    thresholds: dict[str, IncidentRules]
    clips: int
    scenes: int
    created: str
    jikimi: str
    prototype: Prototype | None = None
    learnt_clips: list[str] = field(default_factory=list)
    second_look: SecondLookFigures | None = None


def rounded(value: T) -> T:
    """The value with its floats to four digits: more than any of these figures can claim."""
    found: Any = value
    if isinstance(value, float):
        found = round(value, 4)
    elif is_dataclass(value) and not isinstance(value, type):
        found = replace(value, **{f.name: rounded(getattr(value, f.name)) for f in fields(value)})
    elif isinstance(value, dict):
        found = {key: rounded(own) for key, own in value.items()}
    elif isinstance(value, list | tuple):
        found = type(value)(rounded(own) for own in value)
    return found  # type: ignore[no-any-return]
