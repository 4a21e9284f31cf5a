"""What one camera's probabilities amount to: smoothed scores and incidents, label by label.

The daemon, `jikimi score` and the evaluation all judge through this one class. With calibrators
its opening thresholds follow what the camera normally shows. With a second look it says when to
look (`due`), takes the answers (`looked`), and goes by what both stages say together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from config.settings import DetectionSettings
from detector.incidents.calibration import Calibrator, Learnt
from detector.incidents.second_look import (
    DEADLINE_S,
    LOOK_EVERY_S,
    Arming,
    FusedJudgement,
    SecondLookRules,
)
from detector.incidents.smoothing import Smoother, elapsed
from detector.incidents.tracker import CLOSE_BELOW, IncidentRules, IncidentTracker
from detector.types import Incident, Score

ALARMED_EVERY_S = 1.0
"""Between two looks while an incident is open: for its end there is more time than for an alarm."""

ALARMED_URGENCY = 0.5
"""Half of the budget is left to alarms that are still to be raised."""


@dataclass(frozen=True, slots=True)
class Due:
    """A look that is due: the score it is asked for at, and how close to an alarm that is, 0 … 1.

    `alarmed`: an incident is open already. `mirrored`: the window is to be shown mirrored.
    """

    score: Score
    urgency: float
    alarmed: bool
    mirrored: bool


def _closeness(smoothed: float, rules: SecondLookRules) -> float:
    """Where between candidate and what opens by the first stage alone: 0 … 1."""
    reach = rules.alone - rules.candidate
    return min(max((smoothed - rules.candidate) / reach, 0.0), 1.0) if reach > 0 else 1.0


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

    `calibrators`: by label, those whose opening threshold is learnt. `second_look`: by label, the
    rules of those that are looked at a second time; whoever gives it asks for what is `due`.
    """

    def __init__(
        self,
        camera: str,
        rules: Mapping[str, IncidentRules],
        calibrators: Mapping[str, Calibrator] | None = None,
        second_look: Mapping[str, SecondLookRules] | None = None,
    ) -> None:
        self._camera = camera
        self._labels = tuple(rules)
        self._smoothers = {label: Smoother() for label in rules}
        self._trackers = {
            label: IncidentTracker(camera, label, rule) for label, rule in rules.items()
        }
        self._second_look = second_look or {}
        self._fused = {label: FusedJudgement(own) for label, own in self._second_look.items()}
        self._newest: dict[str, Score] = {}
        self._asked_s: dict[str, float] = {}
        self._alone_s: dict[str, float] = {}
        self._passed_over_s: dict[str, float] = {}
        self._arming = Arming()
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
        changes: list[Incident] = []
        for label, probability in zip(self._labels, probabilities, strict=True):
            smoothed = self._smoothers[label].smooth(at_s, probability)
            self._newest[label] = Score(self._camera, at_s, utc, label, probability, smoothed)
            changes += self._follow(label)
            if label in self._fused:
                self._arming.saw(at_s, probability)
        self._adopt()
        return self.scores(), changes

    def scores(self) -> list[Score]:
        """The newest score of each label."""
        return list(self._newest.values())

    def due(self, *, at_hand: bool, allowed: Callable[[float], bool] = lambda _: True) -> list[Due]:
        """Looks that are due at the newest scores; each counts as asked for.

        `at_hand`: whether there are pictures of the last second. Without them nothing is asked for
        until the first stage alone would have opened `DEADLINE_S` ago: then the answer is that
        there is none. `allowed`: whether a look of that urgency may be had. One that may not is
        passed over, not asked for: as its urgency grows to an alarm's it is due at once.
        """
        found = []
        for label, fused in self._fused.items():
            score, rules = self._newest[label], self._second_look[label]
            alarmed = self._trackers[label].open_incident is not None
            urgency = ALARMED_URGENCY if alarmed else _closeness(score.smoothed, rules)
            if not (at_hand or self._waited(score, rules)) or score.smoothed < rules.candidate:
                continue
            if at_hand:
                self._alone_s.pop(label, None)
            if self._rests(score, alarmed=alarmed):
                continue
            if not alarmed and self._passed_over(score, urgency, allowed):
                continue
            if fused.due(score.at_s, score.smoothed):
                self._asked_s[label] = score.at_s
                found.append(Due(score, urgency, alarmed, fused.mirrored))
        return found

    def looked(self, label: str, at_s: float, logit: float | None) -> list[Incident]:
        """The second stage's answer to the look asked for at `at_s`; None: there is none.

        Returns incidents that changed with it; none of a label that was not asked for here.
        """
        fused = self._fused.get(label)
        if fused is None or label not in self._newest:
            return []
        fused.looked(at_s, logit)
        changes = self._follow(label)
        self._adopt()
        return changes

    @property
    def armed(self) -> bool:
        """Whether pictures are to be kept for a second look."""
        if any(self._trackers[label].open_incident for label in self._fused):
            return True
        newest = next(iter(self._newest.values()), None)
        return newest is not None and self._arming.holds(newest.at_s)

    @property
    def calibrators(self) -> Mapping[str, Calibrator]:
        """By label, what is learnt."""
        return self._calibrators

    def rules(self, label: str) -> IncidentRules:
        """The rules in force for `label`."""
        return self._trackers[label].rules

    def _rests(self, score: Score, *, alarmed: bool) -> bool:
        """Whether a look was asked for so lately that another need not be."""
        asked_s = self._asked_s.get(score.label)
        pause_s = ALARMED_EVERY_S if alarmed else LOOK_EVERY_S
        return asked_s is not None and 0 <= elapsed(asked_s, score.at_s) < pause_s

    def _passed_over(self, score: Score, urgency: float, allowed: Callable[[float], bool]) -> bool:
        """Whether a look may not be had for what is no alarm yet; asked each `LOOK_EVERY_S`."""
        if urgency >= 1:
            return False
        before_s = self._passed_over_s.get(score.label)
        if before_s is None or not 0 <= elapsed(before_s, score.at_s) < LOOK_EVERY_S:
            if allowed(urgency):
                return False
            self._passed_over_s[score.label] = score.at_s
        return True

    def _waited(self, score: Score, rules: SecondLookRules) -> bool:
        """Whether the first stage would have opened long enough ago; asked at every score."""
        if score.smoothed < rules.alone:
            self._alone_s.pop(score.label, None)
            return False
        since_s = self._alone_s.setdefault(score.label, score.at_s)
        return not 0 <= elapsed(since_s, score.at_s) < DEADLINE_S

    def _follow(self, label: str) -> list[Incident]:
        """The newest score into tracker and calibration, as both stages see it now."""
        score = self._newest[label]
        if fused := self._fused.get(label):
            verdict = fused.verdict(score.at_s, score.smoothed)
            score = replace(score, fused=verdict.probability, verified=verdict.verified)
            self._newest[label] = score
        incident = self._noted(self._trackers[label].follow(score))
        learner = self._calibrators.get(label)
        if learner and learner.learn(score.at_s, score.decisive):
            self._moved.add(label)
        return [incident] if incident else []

    def _adopt(self) -> None:
        """Bring moved thresholds into force; where an incident is open, once it has closed."""
        for label in tuple(self._moved):
            if self._trackers[label].adopt(self._calibrators[label].rules):
                self._moved.discard(label)

    def quiet(self, now_s: float) -> list[Incident]:
        """Nothing was scored until `now_s`: incidents that have gone stale, closed."""
        found = [tracker.quiet(now_s) for tracker in self._trackers.values()]
        return [incident for one in found if (incident := self._noted(one))]

    def close(self) -> list[Incident]:
        """The camera is no longer watched: whatever is open, closed."""
        found = [tracker.close() for tracker in self._trackers.values()]
        return [incident for one in found if (incident := self._noted(one))]

    def judged(self, label: str, incident: UUID, *, is_false: bool) -> bool:
        """An operator has judged an incident of `label`; whether anything is learnt from it."""
        learner = self._calibrators.get(label)
        return learner is not None and learner.judge(incident, is_false=is_false)

    def _noted(self, incident: Incident | None) -> Incident | None:
        """`incident`, which its calibrator now knows."""
        if incident and (learner := self._calibrators.get(incident.label)):
            learner.alarmed(incident.id, incident.peak)
        return incident

    def open_incidents(self) -> list[Incident]:
        """Incidents under way."""
        return [i for tracker in self._trackers.values() if (i := tracker.open_incident)]
