"""What a camera's normal days look like, and the opening threshold that follows from it.

Rankings travel between sites and thresholds do not, so every camera learns its own. For 64
candidate thresholds the tally counts how many incidents each would have opened: exceedances made
independent by counting runs of them (declustering: Coles 2001, "An Introduction to Statistical
Modeling of Extreme Values", 5.3). Rates too small to count are those of a tail fitted to larger
ones (4.2), a normal one: with theory's exponential excess a tenth of the budget was used.
What operators have judged counts as what it was: a false alarm in full, a fight not at all. Of the
rest nobody says what was a fight: so what is as rare as fights are moves nothing.

One tally serves day and night: a budget is a sum over the day, and for a sum one threshold on the
probability loses the fewest fights (Neyman and Pearson); two tallies would learn half as fast.

Pure logic: time comes in with each score; nothing is read or written here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from statistics import NormalDist
from typing import Final
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from detector.incidents.smoothing import elapsed
from detector.incidents.tracker import CLOSE_BELOW, IncidentRules

LEVELS: Final = np.linspace(-3.0, 3.3, 64)
"""Candidate thresholds, log-odds of the smoothed probability: 0.05 to 0.96 in steps of 0.1."""

BLOCK_S = 10.0
"""Only the highest score of so long is looked at: the shipped merge gap, so that two blocks with
a quiet one between them are two incidents, and 64 trackers cost nothing."""

BLOCKS_PER_HOUR = 3600 / BLOCK_S

MAX_GAP_S = 1.0
"""Scores further apart than this were not watched in between."""

DAY_H = 24.0
DAYS = 14
"""Days of watched time remembered: seasons are followed, and every weekday is in it twice."""

TRIM_SHARE = 1 / 5
"""Of five days or more so many at either end are left out, threshold by threshold: a day of rain
or of a stuck camera is neither noise nor quiet that the next days will have."""

TAIL_PER_HOUR = 2.0
"""The tail starts where incidents are this frequent: three fights a day are 6 % of that."""

TAIL_EVENTS = 10
"""… or, in the first five hours, where so many have been counted."""

FIT_SPAN = 6.0
"""The tail's spread is the distance from where incidents are so many times as frequent to there;
how high those beyond reach has no say, for they may be fights."""

FIT_SHARE = 1 / 2
"""… but from no more than this share of the most there are: lower thresholds open fewer incidents,
longer ones, and say nothing of a tail."""

FIT_LEAST = 1.5
"""Over a shorter span there is no spread to measure."""

SPREAD = 0.7
"""Standard deviation, log-odds, before a camera has shown its own: of normal 10 s blocks
0.5 to 0.85 by set."""

SPREAD_EVENTS = 20
"""Counted incidents that the above weighs as much as."""

EXCESS = 0.35
"""Mean excess, log-odds, over a threshold that the camera has not reached yet: of normal blocks'
upper tenth 0.25 to 0.4."""

FIGHTS = 3.0
"""So many incidents that nobody has judged, and so many more a day, may be real ones: what
is counted beyond is held for false even where the tail would not have foretold it (headlights
through a gate at night)."""

PRIOR_HOURS = 24.0
"""Evidence that the shipped threshold weighs as much as: one whole day, for a night says nothing
of the morning."""

REACH = math.log(2)
"""At most so far from the shipped threshold, log-odds: half or twice its odds. At twice, about
half of the fights found are still found; what a camera raises beyond its budget is shown."""

KEPT_ALARMS = 200
"""Incidents remembered of a day, so that they can be judged later."""

MOVE_EVERY_H = 1 / 6
MOST_MOVE = 0.05
"""How often the threshold in force moves, watched hours, and how far at most, log-odds: from end
to end in five hours, so that one noisy hour cannot."""

Rates = NDArray[np.float64]

_NORMAL = NormalDist()


def log_odds(probability: float) -> float:
    """Log-odds of a probability; 0 and 1 give what floating point still tells from them."""
    inside = min(max(probability, 1e-9), 1 - 1e-9)
    return math.log(inside / (1 - inside))


def probability_of(level: float) -> float:
    """The probability of log-odds."""
    return 1 / (1 + math.exp(-level))


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What has been learnt: hours watched, and incidents an hour at each level.

    `rates`: [64], of those that nobody has judged; `false`: [64], of those that were judged false
    alarms. None is higher than the one before it.
    """

    hours: float
    rates: Rates
    false: Rates = field(default_factory=lambda: np.zeros(len(LEVELS)))

    def false_per_hour(self, level: float) -> float:
        """False incidents an hour that opening at `level` (log-odds) would raise."""
        if not self.hours:
            return 0.0
        counted = float(np.interp(level, LEVELS, self.rates))
        known = float(np.interp(level, LEVELS, self.false))
        beyond = max(0.0, counted - FIGHTS * (1 / self.hours + 1 / DAY_H))
        return min(max(self._tail(level), known + beyond), BLOCKS_PER_HOUR)

    def _tail(self, level: float) -> float:
        """Incidents an hour at `level` by what is frequent enough to be nobody's fight."""
        rates = self.rates + self.false
        rare = max(TAIL_PER_HOUR, TAIL_EVENTS / self.hours, float(rates[-1]))
        most = float(rates[0])
        frequent = min(FIT_SPAN * rare, FIT_SHARE * most)
        if frequent <= FIT_LEAST * rare:  # next to nothing ever happens
            return most * math.exp((float(LEVELS[0]) - level) / EXCESS)
        begin, start = (float(np.interp(-r, -rates, LEVELS)) for r in (frequent, rare))
        if level < start:
            return float(np.interp(level, LEVELS, rates))
        z_begin, z_start = (_NORMAL.inv_cdf(1 - r / BLOCKS_PER_HOUR) for r in (frequent, rare))
        events = (frequent - rare) * self.hours
        shown = (start - begin) / (z_start - z_begin)
        spread = (SPREAD_EVENTS * SPREAD + events * shown) / (SPREAD_EVENTS + events)
        return BLOCKS_PER_HOUR * _NORMAL.cdf(-z_start - (level - start) / spread)


def level_for(
    evidence: Evidence,
    shipped: float,
    per_hour: float,
    prior_hours: float = PRIOR_HOURS,
    reach: float = REACH,
) -> float:
    """The level (log-odds) at which `per_hour` false incidents are expected.

    The shipped level counts as having met the budget for `prior_hours` (a gamma prior of a
    Poisson rate); at most `reach` from it.
    """
    low, high = shipped - reach, shipped + reach
    for _ in range(40):
        level = (low + high) / 2
        if expected_per_hour(evidence, level, shipped, per_hour, prior_hours) > per_hour:
            low = level
        else:
            high = level
    return (low + high) / 2


def expected_per_hour(
    evidence: Evidence,
    level: float,
    shipped: float,
    per_hour: float,
    prior_hours: float = PRIOR_HOURS,
) -> float:
    """False incidents an hour to be expected at `level`: what was learnt, and before it."""
    total = prior_hours + evidence.hours
    if not total:
        return per_hour
    before = prior_hours * per_hour * math.exp((shipped - level) / EXCESS)
    return (before + evidence.hours * evidence.false_per_hour(level)) / total


@dataclass(frozen=True, slots=True)
class Alarm:
    """An incident that was opened: its highest score (log-odds), and whether it was a false alarm.

    `is_false`: as an operator has judged it; None: nobody has.
    """

    peak: float
    is_false: bool | None = None


@dataclass(slots=True)
class Day:
    """24 hours of watched time: how long already, and incidents opened at each level [64].

    `alarms`: those that were opened indeed, `KEPT_ALARMS` at most.
    """

    hours: float = 0.0
    openings: NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(LEVELS), np.int64))
    alarms: dict[UUID, Alarm] = field(default_factory=dict)

    def judged(self, *, is_false: bool) -> NDArray[np.int64]:
        """How many of its alarms were judged so, at each level [64]."""
        peaks = [one.peak for one in self.alarms.values() if one.is_false is is_false]
        counts: NDArray[np.int64] = (np.array(peaks)[:, None] >= LEVELS).sum(0)
        return counts


class Tally:
    """Counts, for one label on one camera, the incidents that each level would have opened.

    `closing`: close threshold as a share of the open one. `days`: what was counted before.
    """

    def __init__(self, closing: float, days: Iterable[Day] = ()) -> None:
        self.days = [*days] or [Day()]
        opens = 1 / (1 + np.exp(-LEVELS))
        self._closes = np.log(closing * opens / (1 - closing * opens))
        self._open = np.zeros(len(LEVELS), np.bool_)
        self._block = 0
        self._peak: float | None = None
        self._last_s: float | None = None

    def count(self, at_s: float, smoothed: float) -> float:
        """Take one smoothed probability at `at_s` (monotonic); the seconds watched up to it."""
        gap_s = 0.0 if self._last_s is None else elapsed(self._last_s, at_s)
        self._last_s = at_s
        block = int(round(at_s, 6) // BLOCK_S)
        if block != self._block:
            self.finish()
            if abs(block - self._block) > 1:
                self._open[:] = False
            self._block = block
        if self._peak is None or smoothed > self._peak:
            self._peak = smoothed
        if not 0 < gap_s <= MAX_GAP_S:
            return 0.0
        self._watched(gap_s)
        return gap_s

    def finish(self) -> None:
        """Count the block under way as it is: the next score is of another time."""
        if self._peak is None:
            return
        level = log_odds(self._peak)
        now = (level >= LEVELS) | (self._open & (level >= self._closes))
        self.days[-1].openings += now & ~self._open
        self._open = now
        self._peak = None

    def evidence(self) -> Evidence:
        """What the days together say."""
        days = [day for day in self.days if day.hours > 0]
        if not days:
            return Evidence(0.0, np.zeros(len(LEVELS)))
        hours = np.array([day.hours for day in days])
        false = np.stack([day.judged(is_false=True) for day in days])
        real = np.stack([day.judged(is_false=False) for day in days])
        openings = np.maximum(np.stack([day.openings for day in days]) - real - false, 0)
        cut = int(len(days) * TRIM_SHARE)
        kept = np.argsort(openings / hours[:, None], axis=0, kind="stable")[cut : len(days) - cut]
        rates = np.take_along_axis(openings, kept, 0).sum(0) / hours[kept].sum(0)
        # An incident that never ends opens once: the higher levels say what goes on in it.
        falling = np.maximum.accumulate(rates[::-1])[::-1]
        # Not trimmed: what was judged is known, and not what a day may have been like.
        return Evidence(float(hours.sum()), falling, false.sum(0) / hours.sum())

    def alarmed(self, key: UUID, peak: float) -> None:
        """An incident has opened or changed; `peak`: its highest score so far, log-odds."""
        day = next((day for day in self.days if key in day.alarms), self.days[-1])
        known = day.alarms.get(key)
        day.alarms[key] = Alarm(peak, known.is_false if known else None)
        if len(day.alarms) > KEPT_ALARMS:
            unjudged = (one for one, alarm in day.alarms.items() if alarm.is_false is None)
            del day.alarms[next(unjudged, next(iter(day.alarms)))]

    def judge(self, key: UUID, *, is_false: bool) -> bool:
        """An operator has judged an incident; whether it is one of those remembered."""
        for day in self.days:
            if known := day.alarms.get(key):
                day.alarms[key] = Alarm(known.peak, is_false)
                return True
        return False

    def _watched(self, seconds: float) -> None:
        if self.days[-1].hours >= DAY_H:
            self.days = [*self.days[1 - DAYS :], Day()]
        self.days[-1].hours += seconds / 3600


@dataclass(frozen=True, slots=True)
class Learnt:
    """What outlives a restart: the days counted, and the threshold in force (log-odds)."""

    days: tuple[Day, ...]
    level: float


class Calibrator:
    """The opening threshold of one label on one camera, as it is learnt.

    `rules`: the weights' own, with what the operator stated laid over them; `close_stated`:
    whether the close threshold is the operator's, which stays where it is.
    `per_day`: the budget, false incidents a day.
    """

    def __init__(
        self,
        rules: IncidentRules,
        per_day: float,
        learnt: Learnt | None = None,
        *,
        close_stated: bool = False,
    ) -> None:
        self._shipped = rules
        self._per_hour = per_day / DAY_H
        self._close_stated = close_stated
        self._start = log_odds(rules.open_threshold)
        closing = rules.close_threshold / rules.open_threshold
        self._tally = Tally(closing, learnt.days if learnt else ())
        level = learnt.level if learnt else self._start
        self._level = min(max(level, self._start - REACH), self._start + REACH)
        self._evidence = self._tally.evidence()
        self._hours_to_move = MOVE_EVERY_H

    def learn(self, at_s: float, smoothed: float) -> bool:
        """Take one smoothed probability at `at_s` (monotonic); whether the threshold has moved."""
        return self._move(self._tally.count(at_s, smoothed))

    def alarmed(self, key: UUID, peak: float) -> None:
        """An incident has opened or changed; `peak`: its highest probability so far."""
        self._tally.alarmed(key, log_odds(peak))

    def judge(self, key: UUID, *, is_false: bool) -> bool:
        """Count an incident as what an operator has found it to be, also after another verdict.

        False where it is not known here: of more than two weeks ago, or of before it was moved.
        The threshold follows in the steps in which it always moves.
        """
        is_known = self._tally.judge(key, is_false=is_false)
        if is_known:
            self._evidence = self._tally.evidence()
        return is_known

    @property
    def rules(self) -> IncidentRules:
        """The rules at the threshold in force; the closing one keeps its share of it."""
        opens = probability_of(self._level)
        if self._close_stated:
            closes = min(self._shipped.close_threshold, CLOSE_BELOW * opens)
            return replace(self._shipped, open_threshold=opens, close_threshold=closes)
        return self._shipped.opening_at(opens)

    @property
    def hours(self) -> float:
        """Hours learnt from, two weeks at most."""
        return self._evidence.hours

    @property
    def share(self) -> float:
        """How much of the threshold is this camera's own: 0 the shipped one alone, 1 none of it."""
        return self.hours / (self.hours + PRIOR_HOURS)

    @property
    def expected_per_day(self) -> float:
        """False incidents a day to be expected at the threshold in force."""
        return DAY_H * expected_per_hour(self._evidence, self._level, self._start, self._per_hour)

    def learnt(self) -> Learnt:
        """What to keep; later scores do not change it."""
        days = tuple(
            Day(day.hours, day.openings.copy(), dict(day.alarms)) for day in self._tally.days
        )
        return Learnt(days, self._level)

    def _move(self, seconds: float) -> bool:
        self._hours_to_move -= seconds / 3600
        if self._hours_to_move > 0:
            return False
        self._hours_to_move = MOVE_EVERY_H
        self._evidence = self._tally.evidence()
        goal = level_for(self._evidence, self._start, self._per_hour)
        level = min(max(goal, self._level - MOST_MOVE), self._level + MOST_MOVE)
        moved = level != self._level
        self._level = level
        return moved
