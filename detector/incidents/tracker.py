"""From smoothed scores to incidents: one fight is one incident, opened, updated, closed.

Two thresholds (hysteresis) keep a score that wavers from opening twice; a fight that
flares up again within the merge gap is the same one. Pure logic, one tracker a camera and
label; time comes in with each score.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from uuid_utils.compat import uuid7

from detector.incidents.smoothing import WINDOW_S
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
    """When an incident opens and closes; thresholds on the smoothed probability, seconds."""

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
        self._above_since: datetime | None = None
        self._last_above: datetime | None = None
        self._reported_at: datetime | None = None
        self._reported_peak = 0.0
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
        self._survive_clock_set_back(score.utc)
        high = score.smoothed >= self._rules.close_threshold
        over = self._over(score.utc, high)
        if self._open is not None and over:
            return self.close()
        if not high or over:
            self._above_since = None
        if high:
            self._last_above = score.utc
        if self._open is not None:
            return self._carry_on(self._open, score)
        if high and self._above_since is None and score.smoothed >= self._rules.open_threshold:
            self._above_since = score.utc
        if (
            self._above_since is None
            or score.smoothed < self._rules.open_threshold
            or score.utc - self._above_since < timedelta(seconds=self._rules.min_duration_s)
        ):
            return None
        self._open = Incident(
            self._new_id(),
            self._camera,
            self._label,
            opened_at=score.utc,
            closed_at=None,
            peak=score.smoothed,
            phase=Phase.OPENED,
        )
        return self._report(self._open, score.utc)

    def quiet(self, utc: datetime) -> Incident | None:
        """No score until `utc` (camera lost, or nothing due): closes what has gone stale."""
        self._survive_clock_set_back(utc)
        return self.close() if self._over(utc, high=False) else None

    def close(self) -> Incident | None:
        """Close the open incident, as of its last high score; None where there is none."""
        if self._open is None:
            return None
        opened_at = self._open.opened_at
        # A clock set back during the incident must not end it before it began.
        closed_at = max(self._last_above or opened_at, opened_at)
        closed = replace(self._open, closed_at=closed_at, phase=Phase.CLOSED)
        self._open = None
        self._above_since = None
        self._last_above = None
        return closed

    def _carry_on(self, incident: Incident, score: Score) -> Incident | None:
        self._open = replace(incident, peak=max(incident.peak, score.smoothed), phase=Phase.UPDATED)
        assert self._reported_at is not None
        age_s = (score.utc - self._reported_at).total_seconds()
        risen = self._open.peak - self._reported_peak >= PEAK_STEP
        if age_s >= UPDATE_INTERVAL_S or (risen and age_s >= PEAK_INTERVAL_S):
            return self._report(self._open, score.utc)
        return None

    def _over(self, utc: datetime, high: bool) -> bool:
        """Whether the last high score lies so far back that what comes is another incident.

        A high score belongs to the one before it while the two share a smoothing window,
        however short the merge gap: with a gap of 0 every score would be a fight of its own.
        """
        if self._last_above is None:
            return False
        silence_s = (utc - self._last_above).total_seconds()
        gap_s = self._rules.merge_gap_s
        return silence_s > max(gap_s, WINDOW_S) if high else silence_s >= gap_s

    def _survive_clock_set_back(self, utc: datetime) -> None:
        """A remembered instant in the future would hold an incident open until it has come."""
        if self._last_above is not None:
            self._last_above = min(self._last_above, utc)
        if self._above_since is not None:
            self._above_since = min(self._above_since, utc)
        if self._reported_at is not None:
            self._reported_at = min(self._reported_at, utc)

    def _report(self, incident: Incident, utc: datetime) -> Incident:
        self._reported_at = utc
        self._reported_peak = incident.peak
        return incident
