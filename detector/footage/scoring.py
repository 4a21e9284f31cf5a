"""The daemon's own pipeline over a recorded file, at full speed: for `jikimi score`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
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
from detector.inference.second_look.looking import logit_of
from detector.inference.second_look.weights import SecondLook
from detector.inference.weights import Classifier
from detector.motion.view import MotionTracker
from detector.motion.window import WindowTracker
from detector.types import Box, Incident, MotionView, Sample, Score

CHUNK = 16
"""Views embedded at once; the head still sees them one by one, in order. Their pictures are kept
meanwhile: 50 MB at 1080p."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One scored view: seconds into the file, the highest of the labels' values, the crop.

    `fused`: of what both stages say together; None where nobody looks a second time.
    """

    at_s: float
    probability: float
    smoothed: float
    box: Box | None
    fused: float | None = None


@dataclass(frozen=True, slots=True)
class FileIncident:
    """One incident in a file: from the instant it opened to its last high score.

    `verified`: whether the second look has found it, too.
    """

    label: str
    start_s: float
    end_s: float
    peak: float
    verified: bool = False


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
                    "verified": e.verified,
                }
                for e in self.incidents
            ],
        }


def score_file(
    path: Path,
    classifier: Classifier,
    detection: DetectionSettings | None = None,
    progress: Callable[[float], None] | None = None,
    second_look: SecondLook | None = None,
) -> FileScore:
    """Score `path` as a camera with the settings `detection` (the usual ones) would be.

    `progress` hears how many seconds of it are done. `second_look`: as `load_second_look` gives it;
    without it motion alone decides. Each of its looks is waited for. Raises StreamError where the
    file cannot be read as video.
    """
    detection = detection or DetectionSettings()
    look = second_look if detection.second_look else None
    shipped = classifier.rules() | ({look.label: look.rules.incident} if look else {})
    judge = CameraJudge(
        path.name,
        {label: rules_for(rule, detection) for label, rule in shipped.items()},
        second_look={look.label: look.rules} if look else {},
    )
    motion = MotionTracker(detection.watch, detection.ignore)
    window = WindowTracker()
    seen = _Seen()
    pairs = ((sample, motion.view_of(sample)) for sample in seen.through(recorded_samples(path)))
    raised: dict[UUID, Incident] = {}
    moments: list[Moment] = []
    for sample, view, values in _probabilities(pairs, classifier):
        armed = judge.armed
        if not armed:
            window.forget()
        window.add(sample, view)
        if view is None or values is None:
            continue
        at_s = _seconds(view.utc)
        scores, changes = judge.judge(at_s, view.utc, values.tolist())
        second = window.last_second() if armed else None
        if look:
            for due in judge.due(at_hand=second is not None):
                logit = None
                if second:
                    logit = logit_of(look, replace(second, mirrored=due.mirrored))
                changes += judge.looked(look.label, due.score.at_s, logit)
            scores = judge.scores()
        raised.update({incident.id: incident for incident in changes})
        moments.append(_moment(at_s, scores, view))
        if progress:
            progress(at_s)
    raised.update({incident.id: incident for incident in judge.close()})
    unseen = "" if moments else seen.why_nothing()
    # a raw .h264 states no length
    duration_s = recorded_seconds(path) or (moments[-1].at_s if moments else 0.0)
    return FileScore(str(path), duration_s, moments, [*map(_incident, raised.values())], unseen)


def _moment(at_s: float, scores: list[Score], view: MotionView) -> Moment:
    return Moment(
        at_s=at_s,
        probability=max(score.probability for score in scores),
        smoothed=max(score.smoothed for score in scores),
        box=view.box if view.moving else None,
        fused=max((score.fused for score in scores if score.fused is not None), default=None),
    )


def _incident(incident: Incident) -> FileIncident:
    return FileIncident(
        incident.label,
        _seconds(incident.opened_at),
        _seconds(incident.closed_at or incident.opened_at),
        incident.peak,
        bool(incident.verified),
    )


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
    pairs: Iterable[tuple[Sample, MotionView | None]], classifier: Classifier
) -> Iterator[tuple[Sample, MotionView | None, NDArray[np.float32] | None]]:
    """Each sample, its view and that one's probabilities [labels], embedded in chunks."""
    state = classifier.head.new_state()
    waiting = iter(pairs)
    while chunk := list(islice(waiting, CHUNK)):
        moving = [view.pixels for _, view in chunk if view and view.moving]
        embeddings = iter(classifier.engine.embed(np.stack(moving)) if moving else ())
        for sample, view in chunk:
            if view is None:
                yield sample, None, None
            elif view.moving:
                yield sample, view, classifier.head(next(embeddings)[None], [state])[0]
            else:
                yield sample, view, classifier.head.rest(state)


def _seconds(utc: datetime) -> float:
    return (utc - EPOCH).total_seconds()
