"""What both stages say together: when a camera is looked at a second time, and what follows.

The first stage's smoothed probability names candidates, the second stage gives each a logit;
their weighted sum is the probability that an incident stands on. Where a look is not to be had,
the first stage decides alone, by a stricter threshold. One camera and label each; pure logic:
time comes in with each call, in monotonic seconds.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from detector.incidents.calibration import log_odds, probability_of
from detector.incidents.smoothing import WINDOW_S, elapsed
from detector.incidents.tracker import IncidentRules

LOOK_EVERY_S = 0.5
"""Between two looks at one camera, while it is a candidate."""

MEAN_S = 2.1
"""Looks of so long are averaged, five at most: false incidents on ordinary footage fell by a
quarter against the last look alone, and F1 stayed. Over 3.1 s an eighth fewer still, but 47 of
surv_fight's fights found instead of 53, and 95 % of vioperu's 0.5 s later."""

ARMING = 0.15
"""Of a single view: from this probability on a camera's pictures are kept for a look, for as long
as the view counts. Eight make a window. Kept always, the fights found are the same; from 0.2 on
looks begin 0.4 s later."""

FRESH_S = 1.5
"""A look older than this says nothing of now."""

DEADLINE_S = 0.6
"""Without an answer for so long the first stage decides."""

EXTREME = 1e-4
"""Probabilities beyond it and 1 minus it count as it: the first stage's 0 has no logit."""


@dataclass(frozen=True, slots=True)
class Fusion:
    """The weights of both stages' logits in the fused one, and what is added."""

    first: float
    second: float
    intercept: float

    def probability(self, smoothed: float, logit: float) -> float:
        """Of the first stage's smoothed probability and the second stage's logit."""
        return probability_of(
            self.first * log_odds(min(max(smoothed, EXTREME), 1 - EXTREME))
            + self.second * logit
            + self.intercept
        )


@dataclass(frozen=True, slots=True)
class SecondLookRules:
    """When to look, and what opens an incident.

    `candidate`: smoothed probability of the first stage from which on it is looked at.
    `alone`: the one at which the first stage opens where a look is not to be had.
    `incident`: thresholds on the fused probability.
    """

    candidate: float
    alone: float
    incident: IncidentRules
    fusion: Fusion


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an incident stands on: a probability (0…1), and whether the second look gave it."""

    probability: float
    verified: bool


NOTHING = Verdict(0.0, verified=True)


class Arming:
    """Whether one camera's pictures are to be kept for a look. Not thread-safe."""

    def __init__(self) -> None:
        self._since_s: float | None = None

    def saw(self, at_s: float, probability: float) -> None:
        """A view at `at_s` of this probability, not smoothed."""
        if probability >= ARMING:
            self._since_s = at_s

    def holds(self, at_s: float) -> bool:
        """Whether one has been high enough that counts at `at_s`."""
        return self._since_s is not None and 0 <= elapsed(self._since_s, at_s) <= WINDOW_S


class LookSchedule:
    """When to look at one camera for one label. Not thread-safe.

    `mirrored`: whether the look that was asked for last shows its window mirrored, as every second
    one does: two looks that say the same of a fight and err apart, for the price of one.
    """

    def __init__(self, candidate: float) -> None:
        self._candidate = candidate
        self.asked_s: float | None = None
        self.mirrored = True

    def due(self, at_s: float, smoothed: float) -> bool:
        """Whether to look at the second up to `at_s`; if so, it counts as asked for."""
        if smoothed < self._candidate:
            return False
        if self.asked_s is not None and 0 <= elapsed(self.asked_s, at_s) < LOOK_EVERY_S:
            return False
        self.asked_s = at_s
        self.mirrored = not self.mirrored
        return True


class FusedJudgement:
    """Follows the looks at one camera for one label. Not thread-safe."""

    def __init__(self, rules: SecondLookRules) -> None:
        self._rules = rules
        self._schedule = LookSchedule(rules.candidate)
        self._waiting_since_s: float | None = None
        self._failed = False
        self._looks: deque[tuple[float, float]] = deque()

    def due(self, at_s: float, smoothed: float) -> bool:
        """Whether to look at the second up to `at_s`; if so, it counts as asked for."""
        before_s = self._schedule.asked_s
        if not self._schedule.due(at_s, smoothed):
            return False
        if before_s is None or elapsed(before_s, at_s) > FRESH_S:
            self._failed = False  # another candidate: what failed then is past
        if self._waiting_since_s is None:
            self._waiting_since_s = at_s
        return True

    @property
    def mirrored(self) -> bool:
        """Whether the look that was asked for last shows its window mirrored."""
        return self._schedule.mirrored

    def looked(self, at_s: float, logit: float | None) -> None:
        """The answer to the look that was asked for at `at_s`; None: there is none to be had."""
        self._waiting_since_s = None
        self._failed = logit is None
        if logit is not None:
            self._looks.append((at_s, logit))

    def verdict(self, at_s: float, smoothed: float) -> Verdict:
        """What an incident stands on at `at_s`, by the first stage's smoothed probability then."""
        while self._looks and not 0 <= elapsed(self._looks[0][0], at_s) <= MEAN_S:
            self._looks.popleft()
        if self._looks and elapsed(self._looks[-1][0], at_s) <= FRESH_S:
            mean = sum(logit for _, logit in self._looks) / len(self._looks)
            return Verdict(self._rules.fusion.probability(smoothed, mean), verified=True)
        if smoothed < self._rules.candidate or not self._missed(at_s):
            return NOTHING
        return Verdict(self._alone(smoothed), verified=False)

    def _missed(self, at_s: float) -> bool:
        """Whether a look was asked for and there is no answer to wait for."""
        since_s = self._waiting_since_s
        return self._failed or (since_s is not None and elapsed(since_s, at_s) >= DEADLINE_S)

    def _alone(self, smoothed: float) -> float:
        """The first stage's probability, shifted so that it opens at its own threshold."""
        opens = self._rules.incident.open_threshold
        return probability_of(log_odds(smoothed) - log_odds(self._rules.alone) + log_odds(opens))
