"""What one camera's probabilities amount to: smoothed scores and incidents, label by label.

The daemon, `jikimi score` and the evaluation all judge through this one class. With calibrators
its opening thresholds follow what the camera normally shows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from config.settings import DetectionSettings
from detector.incidents.calibration import Calibrator, Learnt
from detector.incidents.smoothing import Smoother
from detector.incidents.tracker import CLOSE_BELOW, IncidentRules, IncidentTracker
from detector.types import Incident, Score


def rules_for(shipped: IncidentRules, stated: DetectionSettings) -> IncidentRules:
    """The weights' own rules with what the operator stated laid over them.

    A close threshold is kept below an opening threshold that was stated alone.
    """
    open_threshold = _first(stated.open_threshold, shipped.open_threshold)
    close_threshold = _first(
        stated.close_threshold, min(shipped.close_threshold, open_threshold * CLOSE_BELOW)
    )
    return IncidentRules(
        open_threshold=open_threshold,
        close_threshold=close_threshold,
        min_duration_s=_first(stated.min_duration_s, shipped.min_duration_s),
        merge_gap_s=_first(stated.merge_gap_s, shipped.merge_gap_s),
    )


def _first(stated: float | None, shipped: float) -> float:
    return shipped if stated is None else stated


def calibrators_for(
    shipped: Mapping[str, IncidentRules],
    stated: DetectionSettings,
    learnt: Mapping[str, Learnt] | None = None,
) -> dict[str, Calibrator]:
    """A calibrator a label, going on from what was learnt; none where a threshold is stated."""
    if stated.open_threshold is not None:
        return {}
    return {
        label: Calibrator(
            rules_for(rules, stated),
            stated.false_alarms_per_day,
            learnt.get(label) if learnt else None,
            close_stated=stated.close_threshold is not None,
        )
        for label, rules in shipped.items()
    }


class CameraJudge:
    """The judgement over one camera: a smoother and an incident tracker for each label.

    `calibrators`: by label, those whose opening threshold is learnt.
    """

    def __init__(
        self,
        camera: str,
        rules: Mapping[str, IncidentRules],
        calibrators: Mapping[str, Calibrator] | None = None,
    ) -> None:
        self._camera = camera
        self._labels = tuple(rules)
        self._smoothers = {label: Smoother() for label in rules}
        self._trackers = {
            label: IncidentTracker(camera, label, rule) for label, rule in rules.items()
        }
        self._calibrators: Mapping[str, Calibrator] = {}
        self._moved: set[str] = set()
        self.calibrate(calibrators or {})

    def calibrate(self, calibrators: Mapping[str, Calibrator]) -> None:
        """Learn with `calibrators` from now on."""
        self._calibrators = calibrators
        self._moved = set(calibrators)
        self._adopt()

    def judge(
        self, at_s: float, utc: datetime, probabilities: Sequence[float]
    ) -> tuple[list[Score], list[Incident]]:
        """Take one probability a label, in the labels' order; scores, and changed incidents.

        Judged by `at_s` (monotonic seconds), dated by `utc`.
        """
        scores, changes = [], []
        for label, probability in zip(self._labels, probabilities, strict=True):
            smoothed = self._smoothers[label].smooth(at_s, probability)
            score = Score(self._camera, at_s, utc, label, probability, smoothed)
            scores.append(score)
            if incident := self._trackers[label].follow(score):
                changes.append(incident)
            if (learner := self._calibrators.get(label)) and learner.learn(at_s, smoothed):
                self._moved.add(label)
        self._adopt()
        return scores, changes

    @property
    def calibrators(self) -> Mapping[str, Calibrator]:
        """By label, what is learnt."""
        return self._calibrators

    def rules(self, label: str) -> IncidentRules:
        """The rules in force for `label`."""
        return self._trackers[label].rules

    def _adopt(self) -> None:
        """Bring moved thresholds into force; where an incident is open, once it has closed."""
        for label in tuple(self._moved):
            if self._trackers[label].adopt(self._calibrators[label].rules):
                self._moved.discard(label)

    def quiet(self, now_s: float) -> list[Incident]:
        """Nothing was scored until `now_s`: incidents that have gone stale, closed."""
        return [i for tracker in self._trackers.values() if (i := tracker.quiet(now_s))]

    def close(self) -> list[Incident]:
        """The camera is no longer watched: whatever is open, closed."""
        return [i for tracker in self._trackers.values() if (i := tracker.close())]

    def open_incidents(self) -> list[Incident]:
        """Incidents under way."""
        return [i for tracker in self._trackers.values() if (i := tracker.open_incident)]
