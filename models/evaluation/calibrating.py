"""What calibration per camera is worth, on footage of which no camera has more than minutes.

The daemon's own tally and threshold (`detector.incidents.calibration`) on the normal streams of
each data set, taken together as one camera that shows them all: learnt on half of its scenes,
measured on the other half. No camera here was watched for a day, so nothing vouches for the
shipped threshold before evidence comes (`prior_hours` 0), and budgets that this footage
can measure are several an hour; one a week is an extrapolation and says so. Plays nothing by
itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from detector.incidents.calibration import (
    LEVELS,
    REACH,
    Evidence,
    Tally,
    level_for,
    log_odds,
    probability_of,
)
from detector.incidents.tracker import IncidentRules
from models.evaluation.events import Kind, Play, RulesFor, fixed_rules, stands_on
from models.evaluation.measuring import Measured
from models.statistics import Interval, Reasons, poisson_upper, share

BUDGETS_PER_HOUR = (120.0, 60.0, 30.0, 10.0)
PER_HOUR = 15.0
"""The budget of the figures by event: its F1 is nearest to that of one threshold for all."""

ONE_A_WEEK = 1 / (7 * 24)
UNBOUND = 4.0
"""Log-odds: no reach at all, to see what a budget would ask for."""

LEAST_HOURS = 0.5
"""Of normal footage in a set; sets of minutes miss their budgets by a factor of 4."""

SPLITS = 50
ROUNDS = 200
MIXED_IN = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Counted:
    """A play as the tally counts it: seconds, and incidents opened at each level, [64]."""

    scene: str
    kind: Kind
    hours: float
    openings: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Realised:
    """What opening at one level comes to on some scenes."""

    false_incidents: float
    hours: float
    fights: int
    fights_reached: int
    controls: int
    controls_quiet: int


@dataclass(frozen=True, slots=True)
class Budget:
    """What a budget of false incidents comes to on scenes that nothing was learnt from.

    `threshold`: mean of `SPLITS` halvings, without reach. `realised_per_hour`: what the other half
    raised, with its 95 % Poisson interval. `fights_reached`: the share that reached the
    threshold. `threshold_with_fights`: with a tenth of the fights among what is learnt from.
    """

    threshold: float
    threshold_within_reach: float
    realised_per_hour: float | None
    realised_interval: Interval | None
    fights_reached: float | None
    fights_reached_within_reach: float | None
    threshold_with_fights: float


@dataclass(frozen=True, slots=True)
class OneAWeek:
    """The threshold that one false incident a week would ask for, 95 % by resampling scenes."""

    threshold: float
    interval: Interval
    method: str


@dataclass(frozen=True, slots=True)
class Shares:
    """Fights that reached a threshold, and controls that did not."""

    recall: float | None
    specificity: float | None


@dataclass(frozen=True, slots=True)
class SetCalibration:
    """What calibration comes to on one data set; `budgets` by false incidents an hour.

    `fixed`: one threshold for all; `learnt`: for `PER_HOUR`, within reach and without.
    """

    hours: float
    scenes: int
    shipped: Realised | None
    budgets: dict[str, Budget] | None
    one_a_week: OneAWeek | None
    fixed: Shares
    learnt: Shares
    learnt_without_reach: Shares


def thresholds_by_scene(
    plays: Sequence[Play], shipped: Mapping[str, IncidentRules], per_hour: float = PER_HOUR
) -> dict[str, dict[str, float]]:
    """Opening threshold for each label of each scene, learnt from other scenes of its set.

    Within the reach that the daemon has. A set of less than `LEAST_HOURS` has none, and is judged
    at the shipped one.
    """
    thresholds: dict[str, dict[str, float]] = {}
    for label, usual in shipped.items():
        for own in _by_dataset(plays).values():
            rules = _rules_of(own, label, usual)
            counted = [_count(play, label, rules) for play in own]
            if sum(c.hours for c in _normal(counted)) < LEAST_HOURS:
                continue
            halves = _halves([c.scene for c in counted])
            for scene in {c.scene for c in counted}:
                other = halves[0] if scene in halves[1] else halves[1]
                evidence = _evidence(_normal(counted), other)
                level = level_for(evidence, log_odds(rules.open_threshold), per_hour, 0.0)
                thresholds.setdefault(scene, {})[label] = probability_of(level)
    return thresholds


def judge_by_scene(measured: Measured) -> RulesFor:
    """Each scene's rules, at the threshold that was learnt from other scenes of its set."""
    thresholds = thresholds_by_scene(measured.plays, measured.scored[0].classifier.rules())

    def rules_for(play: Play) -> Mapping[str, IncidentRules]:
        learnt = thresholds.get(play.scored.clip.scene, {})
        return {
            label: own.opening_at(learnt.get(label, own.open_threshold))
            for label, own in fixed_rules(play).items()
        }

    return rules_for


def demonstration(
    measured: Measured, label: str, seed: int = 0
) -> tuple[dict[str, SetCalibration], Reasons]:
    """For each data set, what budgets come to on scenes that nothing was learnt from."""
    usual = measured.scored[0].classifier.rules()[label]
    sets: dict[str, SetCalibration] = {}
    reasons: Reasons = {}
    by_dataset = _by_dataset(measured.plays)
    for name, plays in tqdm(by_dataset.items(), desc="budgets", unit="set", disable=None):
        rules = _rules_of(plays, label, usual)
        sets[name] = _of_set([_count(play, label, rules) for play in plays], rules, seed)
        if sets[name].budgets is None:
            reasons[name] = (
                f"its normal footage is less than {LEAST_HOURS:g} h or of a single scene: too "
                "little to learn from a half and measure on the other"
            )
    return sets, reasons


def _of_set(counted: Sequence[Counted], rules: IncidentRules, seed: int) -> SetCalibration:
    normal = _normal(counted)
    scenes = sorted({c.scene for c in normal})
    hours = sum(c.hours for c in normal)
    enough = len(scenes) > 1 and hours >= LEAST_HOURS
    budgets = {
        f"{budget:g}": _budget(counted, scenes, rules, budget, seed)
        for budget in (BUDGETS_PER_HOUR if enough else ())
    }
    level = log_odds(rules.open_threshold)
    return SetCalibration(
        hours=hours,
        scenes=len(scenes),
        shipped=_realised(counted, set(scenes), level) if enough else None,
        budgets=budgets or None,
        one_a_week=_week(normal, scenes, rules, seed) if enough else None,
        **_compared(counted, rules),
    )


def _budget(
    counted: Sequence[Counted],
    scenes: Sequence[str],
    rules: IncidentRules,
    per_hour: float,
    seed: int,
) -> Budget:
    rng = np.random.default_rng(seed)
    shipped = log_odds(rules.open_threshold)
    normal = _normal(counted)
    fights = [c for c in counted if c.kind is Kind.STREAM]
    levels, mixed, within, false, hours, found, found_within = [], [], [], 0.0, 0.0, 0.0, 0.0
    for _ in range(SPLITS):
        order = rng.permutation(list(scenes))
        halves = (set(order[: len(order) // 2]), set(order[len(order) // 2 :]))
        for learn, test in (halves, halves[::-1]):
            evidence = _evidence(normal, learn)
            level = level_for(evidence, shipped, per_hour, 0.0, UNBOUND)
            bound = level_for(evidence, shipped, per_hour, 0.0, REACH)
            among = [c for c in fights if c.scene in learn and rng.random() < MIXED_IN]
            fought = _evidence([*normal, *among], learn)
            levels.append(level)
            within.append(bound)
            mixed.append(level_for(fought, shipped, per_hour, 0.0, UNBOUND))
            realised = _realised(counted, test, level)
            false += realised.false_incidents
            hours += realised.hours
            found += realised.fights_reached
            found_within += _realised(counted, test, bound).fights_reached
    false, found, found_within = false / SPLITS, found / SPLITS, found_within / SPLITS
    watched = hours / SPLITS
    return Budget(
        threshold=probability_of(float(np.mean(levels))),
        threshold_within_reach=probability_of(float(np.mean(within))),
        realised_per_hour=share(false, watched),
        realised_interval=_poisson_interval(round(false), watched),
        fights_reached=share(found, len(fights)),
        fights_reached_within_reach=share(found_within, len(fights)),
        threshold_with_fights=probability_of(float(np.mean(mixed))),
    )


def _poisson_interval(events: int, hours: float) -> Interval | None:
    """95 % interval of a rate of which `events` were counted (Garwood 1936)."""
    if not hours:
        return None
    low = poisson_upper(events - 1, 0.025) if events else 0.0
    return low / hours, poisson_upper(events, 0.975) / hours


def _week(
    normal: Sequence[Counted], scenes: Sequence[str], rules: IncidentRules, seed: int
) -> OneAWeek:
    """The threshold for one a week: an extrapolation by the fitted tail, and its uncertainty."""
    rng = np.random.default_rng(seed)
    shipped = log_odds(rules.open_threshold)
    by_scene = {scene: [c for c in normal if c.scene == scene] for scene in scenes}
    drawn = []
    for _ in range(ROUNDS):
        again = [c for scene in rng.choice(list(scenes), len(scenes)) for c in by_scene[scene]]
        drawn.append(level_for(_evidence(again), shipped, ONE_A_WEEK, 0.0, UNBOUND))
    level = level_for(_evidence(normal), shipped, ONE_A_WEEK, 0.0, UNBOUND)
    low, high = (probability_of(float(q)) for q in np.quantile(drawn, (0.025, 0.975)))
    return OneAWeek(
        threshold=probability_of(level),
        interval=(low, high),
        method="extrapolated: normal tail of log-odds, bootstrap over scenes",
    )


def _compared(counted: Sequence[Counted], rules: IncidentRules) -> dict[str, Shares]:
    """Recall of fights and specificity on controls: at the fixed threshold, at learnt ones.

    `fixed`, `learnt` for `PER_HOUR` within reach, and `learnt_without_reach`.
    """
    halves = _halves([c.scene for c in counted])
    shipped = log_odds(rules.open_threshold)
    parts: dict[str, list[Realised]] = {}
    for learn, test in (halves, halves[::-1]):
        evidence = _evidence(_normal(counted), learn)
        for kind, level in (
            ("fixed", shipped),
            ("learnt", level_for(evidence, shipped, PER_HOUR, 0.0)),
            ("learnt_without_reach", level_for(evidence, shipped, PER_HOUR, 0.0, UNBOUND)),
        ):
            parts.setdefault(kind, []).append(_realised(counted, test, level))

    return {
        kind: Shares(
            recall=share(sum(p.fights_reached for p in own), sum(p.fights for p in own)),
            specificity=share(sum(p.controls_quiet for p in own), sum(p.controls for p in own)),
        )
        for kind, own in parts.items()
    }


def _realised(counted: Sequence[Counted], scenes: Collection[str], level: float) -> Realised:
    """What opening at `level` comes to on `scenes`."""
    inside = [c for c in counted if c.scene in scenes]
    normal = _normal(inside)
    controls = [c for c in inside if c.kind is Kind.CONTROL]
    fights = [c for c in inside if c.kind is Kind.STREAM]

    def opened(own: Counted) -> float:
        return float(own.openings[np.abs(LEVELS - level).argmin()])

    return Realised(
        false_incidents=sum(opened(c) for c in normal),
        hours=sum(c.hours for c in normal),
        fights=len(fights),
        fights_reached=sum(bool(opened(c)) for c in fights),
        controls=len(controls),
        controls_quiet=sum(not opened(c) for c in controls),
    )


def _count(play: Play, label: str, rules: IncidentRules) -> Counted:
    """What incidents stand on in one play, through the daemon's tally; of a stream the fight."""
    tally = Tally(rules.close_threshold / rules.open_threshold)
    begin, end = 0.0, float("inf")
    if play.kind is Kind.STREAM:
        begin, end = play.events[0].start_s, play.events[0].end_s + 2.0
    times = play.scored.times_s.tolist()
    for at_s, value in zip(times, stands_on(play, label), strict=True):
        if begin <= at_s <= end:
            tally.count(at_s, value)
    tally.finish()
    return Counted(
        play.scored.clip.scene,
        play.kind,
        max(tally.evidence().hours, len(times) / 8 / 3600) if play.kind is not Kind.STREAM else 0.0,
        tally.days[0].openings,
    )


def _rules_of(plays: Sequence[Play], label: str, usual: IncidentRules) -> IncidentRules:
    """A label's rules in a set: those of its second look, where there is one."""
    looks = (play.looks for play in plays if play.looks)
    return next((own.rules.incident for own in looks if own.label == label), usual)


def _normal(counted: Sequence[Counted]) -> list[Counted]:
    """The streams without a fight; clips as they are only of scenes that have none."""
    streamed = {c.scene for c in counted if c.kind is Kind.CONTROL}
    return [
        c
        for c in counted
        if c.kind is Kind.CONTROL or (c.kind is Kind.NORMAL and c.scene not in streamed)
    ]


def _evidence(counted: Sequence[Counted], scenes: Collection[str] | None = None) -> Evidence:
    """What these plays, as one camera's, say together."""
    kept = [c for c in counted if scenes is None or c.scene in scenes]
    hours = sum(c.hours for c in kept)
    if not hours:
        return Evidence(0.0, np.zeros(len(LEVELS)))
    rates = np.sum([c.openings for c in kept], axis=0) / hours
    return Evidence(hours, np.maximum.accumulate(rates[::-1])[::-1])


def _halves(scenes: Collection[str]) -> tuple[set[str], set[str]]:
    """Two halves that hang on the scenes' names alone."""
    ordered = sorted(set(scenes), key=lambda scene: hashlib.sha256(scene.encode()).digest())
    return set(ordered[::2]), set(ordered[1::2])


def _by_dataset(plays: Sequence[Play]) -> dict[str, list[Play]]:
    found: dict[str, list[Play]] = {}
    for play in plays:
        if play.kind is not Kind.RECORDING:
            found.setdefault(play.scored.clip.dataset, []).append(play)
    return dict(sorted(found.items()))
