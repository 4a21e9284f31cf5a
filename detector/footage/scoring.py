"""The daemon's own pipeline over a recorded file, at full speed: for `jikimi score`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from config.settings import DetectionSettings
from detector.footage.recording import EPOCH, recorded_samples, recorded_seconds
from detector.incidents.judge import CameraJudge, rules_for
from detector.incidents.smoothing import NEEDED_HZ
from detector.inference.weights import Classifier
from detector.motion.view import MotionTracker
from detector.types import Box, Incident, MotionView, Sample

CHUNK = 32
"""Views embedded at once; the head still sees them one by one, in order."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One scored view: seconds into the file, the highest of the labels' values, the crop."""

    at_s: float
    probability: float
    smoothed: float
    box: Box | None


@dataclass(frozen=True, slots=True)
class FileIncident:
    """One incident in a file: from the instant it opened to its last high score."""

    label: str
    start_s: float
    end_s: float
    peak: float


@dataclass(frozen=True, slots=True)
class FileScore:
    """What the daemon would have made of a file; `unseen`: why nothing of it was looked at."""

    video: str
    duration_s: float
    moments: list[Moment]
    incidents: list[FileIncident]
    unseen: str = ""

    def as_json(self) -> dict[str, object]:
        """The documented object of `jikimi score --json`."""
        return {
            "video": self.video,
            "duration_s": round(self.duration_s, 3),
            "scores": [[round(m.at_s, 3), round(m.probability, 4)] for m in self.moments],
            "incidents": [
                {
                    "start_s": round(e.start_s, 3),
                    "end_s": round(e.end_s, 3),
                    "peak": round(e.peak, 4),
                    "label": e.label,
                }
                for e in self.incidents
            ],
        }


def score_file(
    path: Path,
    classifier: Classifier,
    detection: DetectionSettings | None = None,
    progress: Callable[[float], None] | None = None,
) -> FileScore:
    """Score `path` as a camera with the settings `detection` (the usual ones) would be.

    `progress` hears how many seconds of it are done. Raises StreamError where the file cannot
    be read as video.
    """
    detection = detection or DetectionSettings()
    rules = {label: rules_for(rule, detection) for label, rule in classifier.rules().items()}
    judge = CameraJudge(path.name, rules)
    motion = MotionTracker(detection.watch, detection.ignore)
    seen = _Seen()
    samples = seen.through(recorded_samples(path))
    views = (view for s in samples if (view := motion.view_of(s)) is not None)
    raised: dict[UUID, Incident] = {}
    moments: list[Moment] = []
    for view, values in _probabilities(views, classifier):
        scores, changes = judge.judge(_seconds(view.utc), view.utc, values.tolist())
        raised.update({incident.id: incident for incident in changes})
        moments.append(
            Moment(
                at_s=_seconds(view.utc),
                probability=max(score.probability for score in scores),
                smoothed=max(score.smoothed for score in scores),
                box=view.box if view.moving else None,
            )
        )
        if progress:
            progress(moments[-1].at_s)
    raised.update({incident.id: incident for incident in judge.close()})
    incidents = [
        FileIncident(i.label, _seconds(i.opened_at), _seconds(i.closed_at or i.opened_at), i.peak)
        for i in raised.values()
    ]
    unseen = "" if moments else seen.why_nothing()
    # a raw .h264 states no length
    duration_s = recorded_seconds(path) or (moments[-1].at_s if moments else 0.0)
    return FileScore(str(path), duration_s, moments, incidents, unseen)


class _Seen:
    """Counts the samples of a file."""

    def __init__(self) -> None:
        self._count = 0
        self._last_s = 0.0

    def through(self, samples: Iterable[Sample]) -> Iterator[Sample]:
        for sample in samples:
            self._count += 1
            self._last_s = sample.pts_s
            yield sample

    def why_nothing(self) -> str:
        a_second = (self._count - 1) / self._last_s if self._last_s else 0.0
        if self._count > 1 and a_second < NEEDED_HZ:
            return (
                f"it holds {a_second:.1f} pictures a second, and at least {NEEDED_HZ:g} are needed "
                "to see a fight"
            )
        return "it is shorter than the half second that a motion view takes"


def _probabilities(
    views: Iterable[MotionView], classifier: Classifier
) -> Iterator[tuple[MotionView, NDArray[np.float32]]]:
    """Each view with its probabilities [labels], embedded in chunks."""
    state = classifier.head.new_state()
    waiting = iter(views)
    while chunk := list(islice(waiting, CHUNK)):
        moving = [view.pixels for view in chunk if view.moving]
        embeddings = iter(classifier.engine.embed(np.stack(moving)) if moving else ())
        for view in chunk:
            if view.moving:
                yield view, classifier.head(next(embeddings)[None], [state])[0]
            else:
                yield view, classifier.head.rest(state)


def _seconds(utc: datetime) -> float:
    return (utc - EPOCH).total_seconds()
