"""Thresholds learnt from normal days: bounds, budgets, blending, and what must not move them."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from uuid_utils.compat import uuid7

from config.settings import DetectionSettings
from detector.incidents import calibration
from detector.incidents.calibration import (
    BLOCK_S,
    BLOCKS_PER_HOUR,
    DAY_H,
    DAYS,
    KEPT_ALARMS,
    LEVELS,
    PRIOR_HOURS,
    REACH,
    Alarm,
    Calibrator,
    Day,
    Evidence,
    Learnt,
    Tally,
    expected_per_hour,
    level_for,
    log_odds,
    probability_of,
)
from detector.incidents.judge import CameraJudge, calibrators_for
from detector.incidents.tracker import IncidentRules
from detector.types import Phase

START = datetime(2026, 1, 1, tzinfo=UTC)
RULES = IncidentRules(open_threshold=0.6, close_threshold=0.42, min_duration_s=0, merge_gap_s=10)
SHIPPED = log_odds(0.6)
ONE_A_DAY = 1 / DAY_H

Peaks = NDArray[np.float64]


def busy_days(days: float, mean: float, spread: float, seed: int = 1) -> Peaks:
    """Log-odds of the highest score of each 10 s of a place where something happens half the day.

    By night it is still; neighbouring moments resemble each other.
    """
    rng = np.random.default_rng(seed)
    count = round(days * DAY_H * BLOCKS_PER_HOUR)
    noise = rng.normal(size=count)
    for i in range(1, count):
        noise[i] = 0.7 * noise[i - 1] + math.sqrt(1 - 0.49) * noise[i]
    hour = np.arange(count) / BLOCKS_PER_HOUR % DAY_H
    return np.where((hour > 8) & (hour < 20), mean + spread * noise, -9.0)


def tally_of(peaks: Peaks) -> Tally:
    """What is counted on a camera whose highest score of each 10 s is known: one score each."""
    tally = Tally(closing=0.7)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calibration, "MAX_GAP_S", BLOCK_S)
        for i, level in enumerate(peaks.tolist()):
            tally.count(BLOCK_S * i, probability_of(level))
    tally.finish()
    return tally


def still(hours: float) -> Learnt:
    """What a camera has learnt on which nothing moved for `hours`."""
    whole, part = divmod(hours, DAY_H)
    return Learnt((*(Day(DAY_H) for _ in range(int(whole))), Day(part)), SHIPPED)


def go_on(learner: Calibrator, minutes: float, value: float = 0.0) -> None:
    """Further scores, a second apart."""
    for i in range(round(60 * minutes)):
        learner.learn(i, value)


def learnt(peaks: Peaks, per_hour: float = ONE_A_DAY) -> float:
    return level_for(tally_of(peaks).evidence(), SHIPPED, per_hour)


def a_day_of(mean: float, *, seed: int = 1) -> Peaks:
    return busy_days(1, mean, 0.5, seed)


curves = arrays.arrays(np.float64, len(LEVELS), elements=st.floats(0, 180)).map(
    lambda rates: np.sort(rates)[::-1].copy()
)
evidence = st.builds(Evidence, st.floats(0, DAYS * DAY_H), curves)
budgets = st.floats(0.001, 120)


@given(evidence, budgets, st.floats(-2, 2))
def test_a_threshold_stays_within_reach_of_the_shipped_one(
    known: Evidence, per_hour: float, shipped: float
) -> None:
    level = level_for(known, shipped, per_hour)
    assert shipped - REACH - 1e-9 <= level <= shipped + REACH + 1e-9


@given(evidence, budgets, budgets)
def test_who_allows_more_false_alarms_gets_no_higher_threshold(
    known: Evidence, one: float, other: float
) -> None:
    strict, lax = sorted((one, other))
    assert level_for(known, SHIPPED, strict) >= level_for(known, SHIPPED, lax) - 1e-9


@given(evidence, st.floats(-3, 3), st.floats(-3, 3))
def test_a_higher_threshold_is_never_expected_to_raise_more(
    known: Evidence, one: float, other: float
) -> None:
    low, high = sorted((one, other))
    assert known.false_per_hour(low) >= known.false_per_hour(high) - 1e-9


@given(evidence, budgets)
def test_the_budget_is_met_wherever_it_can_be(known: Evidence, per_hour: float) -> None:
    level = level_for(known, SHIPPED, per_hour)
    expected = expected_per_hour(known, level, SHIPPED, per_hour)
    if level < SHIPPED + REACH - 1e-6:
        assert expected <= per_hour * 1.01 + 0.02
    if SHIPPED - REACH + 1e-6 < level < SHIPPED + REACH - 1e-6:
        assert expected == pytest.approx(per_hour, rel=0.05, abs=0.05)


@given(curves, budgets)
def test_without_evidence_the_shipped_threshold_holds_and_it_fades_as_evidence_grows(
    rates: NDArray[np.float64], per_hour: float
) -> None:
    assert level_for(Evidence(0.0, rates), SHIPPED, per_hour) == pytest.approx(SHIPPED)
    quiet = np.zeros(len(LEVELS))
    levels = [level_for(Evidence(h, quiet), SHIPPED, per_hour) for h in (0, 1, 8, 24, 336)]
    assert levels == sorted(levels, reverse=True)
    assert levels[1] > SHIPPED - 0.02
    assert levels[-1] == pytest.approx(SHIPPED - REACH, abs=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("mean", [-1.6, -1.3])
def test_the_budget_holds_on_later_days(mean: float) -> None:
    """Learnt in three days, tried on fourteen others; the tail is extrapolated, so to a factor."""
    level = learnt(busy_days(3, mean, 0.5))
    later = tally_of(busy_days(14, mean, 0.5, seed=2)).evidence()
    realised = np.interp(level, LEVELS, later.rates) * DAY_H
    assert abs(level - SHIPPED) < REACH - 0.01
    assert realised <= 2.0


def test_a_busy_camera_asks_for_more_than_a_calm_one() -> None:
    calm, busy = learnt(busy_days(2, -2.5, 0.4)), learnt(busy_days(2, -0.8, 0.5))
    assert calm < SHIPPED - 0.2
    assert busy > SHIPPED + 0.3


# --- what must not move it


@pytest.mark.parametrize("hours", [1, 12, 24])
def test_a_fight_of_a_minute_while_it_learns_moves_next_to_nothing(hours: int) -> None:
    peaks = busy_days(hours / DAY_H + 0.4, -1.2, 0.5)
    fought = peaks.copy()
    fought[-100:-94] = 3.0
    assert abs(learnt(fought) - learnt(peaks)) < 0.1  # 0.6 would become 0.62


@pytest.mark.slow
def test_three_fights_a_day_move_next_to_nothing() -> None:
    peaks = busy_days(14, -1.2, 0.5)
    fought = peaks.copy()
    rng = np.random.default_rng(0)
    for day in range(14):
        for begin in rng.integers(0, DAY_H * BLOCKS_PER_HOUR - 6, 3):
            at = int(day * DAY_H * BLOCKS_PER_HOUR + begin)
            fought[at : at + 6] = 3.0
    assert abs(learnt(fought) - learnt(peaks)) < 0.1


@pytest.mark.slow
@pytest.mark.parametrize("odd", [2, 6])
@pytest.mark.parametrize("kind", ["rain", "stuck"])
def test_a_day_of_rain_or_of_a_stuck_camera_is_left_out(kind: str, odd: int) -> None:
    days = [a_day_of(-1.2, seed=seed) for seed in range(7)]
    as_ever = learnt(np.concatenate(days))
    days[odd] = np.full_like(days[odd], -9.0) if kind == "stuck" else days[odd] + 1.0
    assert abs(learnt(np.concatenate(days)) - as_ever) < 0.12


def test_headlights_that_a_tail_would_not_foretell_are_counted() -> None:
    """Eight high scores a day, on a camera where else nothing happens: no fights, a nuisance."""
    peaks = np.full(round(3 * DAY_H * BLOCKS_PER_HOUR), -9.0)
    peaks[::1080] = 0.8
    assert learnt(peaks) > 0.8


# --- counting


@pytest.mark.slow
def test_what_is_counted_is_what_would_have_opened() -> None:
    """The tally's 64 thresholds against the daemon's own tracker at some of them."""
    rng = np.random.default_rng(5)
    peaks = np.repeat(rng.normal(0, 1.2, 100), 3)  # half a minute each
    rates = tally_of(peaks).days[0].openings
    for index in (25, 30, 35, 40):
        opens = probability_of(float(LEVELS[index]))
        judge = CameraJudge("gate", {"violence": IncidentRules(opens, 0.7 * opens, 0, 10)})
        opened, at_s = 0, 0.0
        for level in peaks.tolist():
            for _ in range(10 * 8):
                at_s += 1 / 8
                _, changes = judge.judge(at_s, START, [probability_of(level)])
                opened += sum(i.phase is Phase.OPENED for i in changes)
        assert rates[index] == pytest.approx(opened, abs=2, rel=0.1)


def test_time_not_watched_does_not_count() -> None:
    tally = Tally(closing=0.7)
    for hours in (0, 5):
        for i in range(81):
            tally.count(3600 * hours + i / 8, 0.0)
    assert tally.evidence().hours == pytest.approx(20 / 3600)


@pytest.mark.slow
def test_two_weeks_are_remembered_and_no_more() -> None:
    tally = tally_of(np.full(round(20 * DAY_H * BLOCKS_PER_HOUR), -9.0))
    assert len(tally.days) == DAYS
    assert (DAYS - 1) * DAY_H < tally.evidence().hours <= DAYS * DAY_H + 0.1


def test_an_instant_before_the_last_one_neither_stops_nor_fools_the_count() -> None:
    tally = Tally(closing=0.7)
    for base in (0, -3600):
        for i in range(8 * 60):
            tally.count(base + i / 8, 0.3)
    assert tally.evidence().hours == pytest.approx(120 / 3600, rel=0.02)


# --- a camera's judgement


def play(judge: CameraJudge, hours: float, *, high: float, begin_h: float = 0) -> int:
    """How many incidents open on a camera that shows `high` for 3 s twice a minute."""
    opened = 0
    for i in range(round(hours * 3600 * 8)):
        value = high if i % 240 < 24 else 0.05
        _, changes = judge.judge(3600 * begin_h + i / 8, START, [value])
        opened += sum(incident.phase is Phase.OPENED for incident in changes)
    return opened


@pytest.mark.slow
def test_a_camera_whose_normal_scores_are_high_opens_fewer_incidents_once_it_has_learnt() -> None:
    stated = DetectionSettings()
    judge = CameraJudge("gate", {"violence": RULES}, calibrators_for({"violence": RULES}, stated))
    first = play(judge, 0.2, high=0.64)
    play(judge, 1.5, high=0.64, begin_h=1)
    after = play(judge, 0.2, high=0.64, begin_h=3)
    assert first > 15
    assert after == 0
    rules = judge.rules("violence")
    assert 0.64 < rules.open_threshold < 0.7
    assert rules.close_threshold / rules.open_threshold == pytest.approx(0.7)


def test_a_threshold_never_changes_while_an_incident_is_open() -> None:
    learner = Calibrator(RULES, 1.0, still(40))
    judge = CameraJudge("gate", {"violence": RULES}, {"violence": learner})
    for i in range(8 * 60 * 30):  # half an hour of one incident
        judge.judge(i / 8, START, [0.9])
    assert judge.open_incidents()
    assert judge.rules("violence").open_threshold == pytest.approx(0.6)
    assert learner.rules.open_threshold < 0.59
    assert judge.quiet(3600)
    judge.judge(3600, START, [0.0])
    assert judge.rules("violence") == learner.rules


@settings(deadline=None, max_examples=25)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.floats(0.05, 0.95))
def test_thresholds_move_in_small_steps(values: list[float], shipped: float) -> None:
    rules = IncidentRules(shipped, 0.7 * shipped, 0, 10)
    learner = Calibrator(rules, 1.0)
    before = log_odds(shipped)
    for i in range(3000):
        learner.learn(i, values[i // 40 % len(values)])
        now = log_odds(learner.rules.open_threshold)
        assert abs(now - before) <= 0.0500001
        before = now


def test_a_stated_close_threshold_stays_where_it_is_but_below_the_open_one() -> None:
    stated = DetectionSettings(close_threshold=0.5)
    start = calibrators_for({"violence": RULES}, stated)["violence"]
    assert start.rules.close_threshold == pytest.approx(0.48)  # 0.8 of 0.6
    known = {"violence": still(300)}
    learner = calibrators_for({"violence": RULES}, stated, known)["violence"]
    go_on(learner, 130)
    assert learner.rules.close_threshold < learner.rules.open_threshold < 0.5
    wide = calibrators_for({"violence": RULES}, DetectionSettings(close_threshold=0.2))
    assert wide["violence"].rules.close_threshold == 0.2


def test_a_camera_goes_on_from_what_it_had_learnt() -> None:
    learner = Calibrator(RULES, 1.0, still(100))
    go_on(learner, 25)
    again = Calibrator(RULES, 1.0, learner.learnt())
    assert again.rules == learner.rules != RULES
    assert again.hours == pytest.approx(100.4, abs=0.1)
    assert again.share == pytest.approx(again.hours / (again.hours + PRIOR_HOURS))
    kept = learner.learnt()
    go_on(learner, 60)
    assert sum(day.hours for day in kept.days) == pytest.approx(100.4, abs=0.1)


def test_days_of_nothing_are_no_evidence() -> None:
    assert Tally(0.7, [Day()]).evidence().hours == 0


def judged_day(hours: float, opened: int, peak: float = 0.8) -> Day:
    """So many incidents of one peak were opened, and nothing else ever moved."""
    at = log_odds(peak)
    return Day(hours, opened * (at >= LEVELS), {uuid7(): Alarm(at) for _ in range(opened)})


def level_of(learner: Calibrator) -> float:
    """Where the threshold is going."""
    return level_for(learner._evidence, SHIPPED, ONE_A_DAY)


@pytest.mark.parametrize("opened", [4, 7], ids=["as rare as fights", "more than fights"])
def test_false_alarms_count_in_full_and_real_ones_not_at_all(opened: int) -> None:
    day = judged_day(20, opened)
    learner = Calibrator(RULES, 1.0, Learnt((day,), SHIPPED))
    unjudged = level_of(learner)
    for key in day.alarms:
        assert learner.judge(key, is_false=True)
    false = level_of(learner)
    assert false > unjudged + 0.02
    assert learner.expected_per_day > 2
    go_on(learner, 60)
    assert learner.rules.open_threshold > RULES.open_threshold
    for key in day.alarms:
        assert learner.judge(key, is_false=False)  # he has looked once more
    nothing = Calibrator(RULES, 1.0, Learnt((Day(20),), SHIPPED))
    assert level_of(learner) == pytest.approx(level_of(nothing), abs=0.02)
    assert level_of(learner) <= unjudged
    for key in day.alarms:
        learner.judge(key, is_false=True)
    assert level_of(learner) == pytest.approx(false, abs=0.05)


def test_one_false_alarm_among_many_days_is_not_trimmed_away() -> None:
    quiet = [Day(DAY_H) for _ in range(9)]
    day = judged_day(DAY_H, 1, 0.9)
    learner = Calibrator(RULES, 1.0, Learnt((*quiet, day), SHIPPED))
    before = learner._evidence.false_per_hour(SHIPPED)
    learner.judge(next(iter(day.alarms)), is_false=True)
    assert learner._evidence.false_per_hour(SHIPPED) == pytest.approx(1 / (10 * DAY_H))
    assert before < 1 / (10 * DAY_H)
    assert learner._evidence.false_per_hour(log_odds(0.92)) < 1 / (10 * DAY_H)


def test_a_verdict_that_comes_days_later_over_a_restart_counts_until_the_day_is_forgotten() -> None:
    day = judged_day(DAY_H, 6)
    key = next(iter(day.alarms))
    learner = Calibrator(RULES, 1.0, Learnt((day, *(Day(DAY_H) for _ in range(5))), SHIPPED))
    learner.judge(key, is_false=True)
    again = Calibrator(RULES, 1.0, learner.learnt())
    assert again.expected_per_day == pytest.approx(learner.expected_per_day)
    assert again.judge(key, is_false=False)
    assert again.expected_per_day < learner.expected_per_day
    days = (*again.learnt().days, *(Day(DAY_H) for _ in range(DAYS)))[-DAYS:]
    assert not Calibrator(RULES, 1.0, Learnt(days, SHIPPED)).judge(key, is_false=True)
    assert not learner.judge(uuid7(), is_false=True)


def test_an_incident_is_known_by_its_peak_from_its_opening_on() -> None:
    calibrators = {"violence": Calibrator(RULES, 1.0)}
    judge = CameraJudge("gate", {"violence": RULES}, calibrators)
    opened = []
    for eighth, value in enumerate([*[0.7] * 20, *[0.9] * 40, *[0.0] * 160]):
        opened += judge.judge(eighth / 8, START, [value])[1]
    [key] = {incident.id for incident in opened}
    assert judge.judged("violence", key, is_false=True)
    assert not judge.judged("fire", key, is_false=True)
    [alarm] = calibrators["violence"].learnt().days[-1].alarms.values()
    assert alarm == Alarm(log_odds(opened[-1].peak), True)
    assert opened[-1].phase is Phase.CLOSED


def test_incidents_that_are_remembered_are_bounded_and_those_judged_go_last() -> None:
    tally = Tally(0.7, [judged_day(1.0, 0)])
    first = uuid7()
    tally.alarmed(first, 1.0)
    tally.judge(first, is_false=True)
    for _ in range(KEPT_ALARMS + 5):
        tally.alarmed(uuid7(), 1.0)
    assert len(tally.days[-1].alarms) == KEPT_ALARMS
    assert first in tally.days[-1].alarms
