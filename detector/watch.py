"""What one camera's probabilities amount to: smoothed scores and incidents, label by label.

The daemon, `jikimi score` and the evaluation all judge through this one class.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from config.settings import DetectionSettings
from detector.incidents import IncidentRules, IncidentTracker
from detector.smoothing import Smoother
from detector.types import Incident, Score


def rules_for(shipped: IncidentRules, stated: DetectionSettings) -> IncidentRules:
    """The weights' own rules with what the operator stated laid over them.

    A close threshold is kept below an opening threshold that was stated alone.
    """
    open_threshold = _first(stated.open_threshold, shipped.open_threshold)
    close_threshold = _first(
        stated.close_threshold, min(shipped.close_threshold, open_threshold * 0.8)
    )
    return IncidentRules(
        open_threshold=open_threshold,
        close_threshold=close_threshold,
        min_duration_s=_first(stated.min_duration_s, shipped.min_duration_s),
        merge_gap_s=_first(stated.merge_gap_s, shipped.merge_gap_s),
    )


def _first(stated: float | None, shipped: float) -> float:
    return shipped if stated is None else stated


class CameraWatch:
    """The judgement over one camera: a smoother and an incident tracker for each label."""

    def __init__(self, camera: str, rules: Mapping[str, IncidentRules]) -> None:
        self._camera = camera
        self._labels = tuple(rules)
        self._smoothers = {label: Smoother() for label in rules}
        self._trackers = {
            label: IncidentTracker(camera, label, rule) for label, rule in rules.items()
        }

    def push(
        self, utc: datetime, probabilities: Sequence[float]
    ) -> tuple[list[Score], list[Incident]]:
        """Take one probability a label, in the labels' order; scores, and incidents' news."""
        scores, news = [], []
        for label, probability in zip(self._labels, probabilities, strict=True):
            smoothed = self._smoothers[label].push(utc, probability)
            score = Score(self._camera, utc, label, probability, smoothed)
            scores.append(score)
            if incident := self._trackers[label].push(score):
                news.append(incident)
        return scores, news

    def quiet(self, utc: datetime) -> list[Incident]:
        """Nothing was scored until `utc`: incidents that have gone stale, closed."""
        return [i for tracker in self._trackers.values() if (i := tracker.quiet(utc))]

    def close(self) -> list[Incident]:
        """The camera is no longer watched: whatever is open, closed."""
        return [i for tracker in self._trackers.values() if (i := tracker.close())]

    def open_incidents(self) -> list[Incident]:
        """Incidents under way."""
        return [i for tracker in self._trackers.values() if (i := tracker.open_incident)]
