"""From scores to incidents: one fight is one incident, opened, updated, closed.

Two thresholds (hysteresis) keep a score that wavers from opening twice; a fight that
flares up again within the merge gap is the same one. Pure logic, one tracker a camera and
label; time comes in with each score, in monotonic seconds: the wall clock only dates what opens.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from uuid_utils.compat import uuid7

from detector.incidents.smoothing import WINDOW_S, elapsed
from detector.types import Incident, Phase, Score

UPDATE_INTERVAL_S = 5.0
"""An open incident is reported again this often, so that sinks with a minimum duration act."""

PEAK_STEP = 0.05
"""A peak this much above the last reported one is news at once (but not within a second)."""

PEAK_INTERVAL_S = 1.0

CLOSE_BELOW = 0.8
"""A close threshold that was not chosen together with the open one stays below that share of it."""


@dataclass(frozen=True, slots=True)
class IncidentRules:
    """When an incident opens and closes; thresholds on what it stands on, seconds."""

    open_threshold: float
    close_threshold: float
    min_duration_s: float
    merge_gap_s: float

    def opening_at(self, open_threshold: float) -> IncidentRules:
        """The same at another opening threshold; the closing one keeps its share of it."""
        close_threshold = self.close_threshold / self.open_threshold * open_threshold
        return replace(self, open_threshold=open_threshold, close_threshold=close_threshold)


class IncidentTracker:
    """Follows one label on one camera."""

    def __init__(
        self, camera: str, label: str, rules: IncidentRules, new_id: Callable[[], UUID] = uuid7
    ) -> None:
        self._camera = camera
        self._label = label
        self._rules = rules
        self._new_id = new_id
        self._above_since_s: float | None = None
        self._last_above_s: float | None = None
        self._opened_s = 0.0
        self._reported_s = 0.0
        self._reported_peak = 0.0
        self._reported_verified: bool | None = None
        self._open: Incident | None = None

    @property
    def open_incident(self) -> Incident | None:
        """The incident under way, if any."""
        return self._open

    @property
    def rules(self) -> IncidentRules:
        """The rules in force."""
        return self._rules

    def adopt(self, rules: IncidentRules) -> bool:
        """Go by `rules` from now on; False, and nothing changes, while an incident is open."""
        if self._open is None:
            self._rules = rules
        return self._open is None

    def follow(self, score: Score) -> Incident | None:
        """Take one score; the incident if it has opened, changed or closed with it.

        `opened_at` is the instant of the decision, not of the first high score: what
        delays are measured against is what an operator sees.
        """
        high = score.decisive >= self._rules.close_threshold
        over = self._over(score.at_s, high)
        if self._open is not None and over:
            return self.close()
        if not high or over:
            self._above_since_s = None
        if high:
            self._last_above_s = score.at_s
        if self._open is not None:
            return self._carry_on(self._open, score)
        if high and self._above_since_s is None and score.decisive >= self._rules.open_threshold:
            self._above_since_s = score.at_s
        if (
            self._above_since_s is None
            or score.decisive < self._rules.open_threshold
            or elapsed(self._above_since_s, score.at_s) < self._rules.min_duration_s
        ):
            return None
        self._opened_s = score.at_s
        self._open = Incident(
            self._new_id(),
            self._camera,
            self._label,
            opened_at=score.utc,
            closed_at=None,
            peak=score.decisive,
            phase=Phase.OPENED,
            verified=score.verified,
        )
        return self._report(self._open, score.at_s)

    def quiet(self, now_s: float) -> Incident | None:
        """No score until `now_s` (camera lost, or nothing due): closes what has gone stale."""
        return self.close() if self._over(now_s, high=False) else None

    def close(self) -> Incident | None:
        """Close the open incident, as of its last high score; None where there is none.

        It is dated by when it opened: a clock set back meanwhile must not end it before that.
        """
        if self._open is None:
            return None
        last_s = self._opened_s if self._last_above_s is None else self._last_above_s
        duration_s = max(0.0, elapsed(self._opened_s, last_s))
        closed = replace(
            self._open,
            closed_at=self._open.opened_at + timedelta(seconds=duration_s),
            phase=Phase.CLOSED,
            duration_s=duration_s,
        )
        self._open = None
        self._above_since_s = None
        self._last_above_s = None
        return closed

    def _carry_on(self, incident: Incident, score: Score) -> Incident | None:
        verified = score.verified and score.decisive >= self._rules.open_threshold
        self._open = replace(
            incident,
            peak=max(incident.peak, score.decisive),
            phase=Phase.UPDATED,
            duration_s=max(0.0, elapsed(self._opened_s, score.at_s)),
            verified=incident.verified or verified,
        )
        age_s = elapsed(self._reported_s, score.at_s)
        risen = self._open.peak - self._reported_peak >= PEAK_STEP
        news = risen or self._open.verified is not self._reported_verified
        if age_s >= UPDATE_INTERVAL_S or (news and age_s >= PEAK_INTERVAL_S):
            return self._report(self._open, score.at_s)
        return None

    def _over(self, at_s: float, high: bool) -> bool:
        """Whether the last high score lies so far back that what comes is another incident.

        A high score belongs to the one before it while the two share a smoothing window,
        however short the merge gap: with a gap of 0 every score would be a fight of its own.
        """
        if self._last_above_s is None:
            return False
        silence_s = elapsed(self._last_above_s, at_s)
        gap_s = self._rules.merge_gap_s
        return silence_s > max(gap_s, WINDOW_S) if high else silence_s >= gap_s

    def _report(self, incident: Incident, at_s: float) -> Incident:
        self._reported_s = at_s
        self._reported_peak = incident.peak
        self._reported_verified = incident.verified
        return incident
