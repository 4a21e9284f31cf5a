"""One fight is one incident, whatever the scores and the clock do."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.incidents.tracker import (
    PEAK_INTERVAL_S,
    UPDATE_INTERVAL_S,
    IncidentRules,
    IncidentTracker,
)
from detector.types import Incident, Phase, Score

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
STEP_S = 0.125
RULES = IncidentRules(open_threshold=0.7, close_threshold=0.4, min_duration_s=0.5, merge_gap_s=5.0)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def tracker(rules: IncidentRules = RULES) -> IncidentTracker:
    return IncidentTracker("gate", "violence", rules)


def score(seconds: float, smoothed: float, off_s: float = 0.0) -> Score:
    """At a monotonic instant; the wall clock is off by `off_s`."""
    return Score("gate", seconds, at(seconds + off_s), "violence", smoothed, smoothed)


def play(
    values: Iterable[float],
    by: IncidentTracker | None = None,
    start_s: float = 0.0,
    off_s: float = 0.0,
) -> list[Incident]:
    """The changes of scores eight times a second."""
    by = by or tracker()
    pushed = (by.follow(score(start_s + i * STEP_S, v, off_s)) for i, v in enumerate(values))
    return [incident for incident in pushed if incident]


def phases(changes: Iterable[Incident]) -> list[Phase]:
    return [incident.phase for incident in changes]


thresholds = st.tuples(st.floats(0.05, 1), st.floats(0.05, 1)).map(sorted)
rules = st.builds(
    lambda pair, duration, gap: IncidentRules(pair[1], pair[0], duration, gap),
    thresholds,
    st.floats(0, 3),
    st.one_of(st.just(0.0), st.floats(0, 20)),
)
# Runs of steady values make fights and pauses; single floats alone would make none.
runs = st.lists(st.tuples(st.floats(0, 1), st.integers(1, 40)), max_size=12).map(
    lambda parts: [value for value, count in parts for _ in range(count)]
)
moments = st.lists(
    st.tuples(
        st.one_of(st.just(STEP_S), st.floats(0, 7200)),
        st.floats(0, 1),
        st.sampled_from(["push", "push", "push", "quiet"]),
        st.one_of(st.just(0.0), st.floats(-2e9, 1e9)),
    ),
    max_size=120,
)


@given(rules, moments)
def test_opened_once_then_updated_then_closed_once(
    stated: IncidentRules, story: list[tuple[float, float, str, float]]
) -> None:
    """Through gaps, clocks set forward and back, and lost cameras."""
    by, now_s, changes = tracker(stated), 0.0, []
    for step_s, value, what, off_s in story:
        now_s += step_s
        happened = by.quiet(now_s) if what == "quiet" else by.follow(score(now_s, value, off_s))
        if happened:
            changes.append(happened)
    if last := by.close():
        changes.append(last)
    assert by.open_incident is None
    assert by.close() is None

    under_way: Incident | None = None
    ids = []
    for incident in changes:
        if under_way is None:
            assert incident.phase is Phase.OPENED
            ids.append(incident.id)
        else:
            assert incident.phase in {Phase.UPDATED, Phase.CLOSED}
            assert incident.id == under_way.id
            assert incident.opened_at == under_way.opened_at
            assert incident.peak >= under_way.peak
        closed = incident.phase is Phase.CLOSED
        assert (incident.closed_at is not None) == closed
        if incident.closed_at:
            assert incident.closed_at - incident.opened_at == timedelta(seconds=incident.duration_s)
            assert incident.duration_s >= 0
        under_way = None if closed else incident
    assert under_way is None
    assert len(set(ids)) == len(ids)
    assert all(key.version == 7 for key in ids)


@given(rules, runs)
def test_opens_only_at_the_opening_threshold_and_after_the_minimum_duration(
    stated: IncidentRules, values: list[float]
) -> None:
    by = tracker(stated)
    for i, value in enumerate(values):
        changes = by.follow(score(i * STEP_S, value))
        if not changes or changes.phase is not Phase.OPENED:
            continue
        assert value >= stated.open_threshold
        assert changes.peak == value
        assert changes.opened_at == at(i * STEP_S)
        high = i
        while high and values[high - 1] >= stated.close_threshold:
            high -= 1
        assert timedelta(seconds=(i - high) * STEP_S) >= timedelta(seconds=stated.min_duration_s)


@given(runs)
def test_the_peak_is_the_highest_score_of_the_incident(values: list[float]) -> None:
    by = tracker()
    highest = 0.0
    for i, value in enumerate(values):
        changes = by.follow(score(i * STEP_S, value))
        if changes and changes.phase is Phase.OPENED:
            highest = 0.0
        highest = max(highest, value)
        if by.open_incident:
            assert by.open_incident.peak == highest


@given(runs, st.integers(1, 8))
def test_scores_below_the_opening_threshold_never_open(values: list[float], times: int) -> None:
    assert play([min(value, 0.699) for value in values] * times) == []


@given(st.lists(st.tuples(st.integers(8, 40), st.integers(1, 39)), min_size=1, max_size=6))
def test_a_fight_that_flares_up_within_the_merge_gap_is_one_incident(
    bouts: list[tuple[int, int]],
) -> None:
    values = [v for high, low in bouts for v in [0.9] * high + [0.1] * low] + [0.1] * 40
    found = phases(play(values))
    assert found.count(Phase.OPENED) == found.count(Phase.CLOSED) == 1


def test_a_fight_after_the_merge_gap_is_another_incident() -> None:
    changes = play([0.9] * 8 + [0.1] * 41 + [0.9] * 8 + [0.1] * 41)
    opened, closed, again, _ = (n for n in changes if n.phase is not Phase.UPDATED)
    assert phases([opened, closed, again]) == [Phase.OPENED, Phase.CLOSED, Phase.OPENED]
    assert opened.id == closed.id != again.id
    assert closed.closed_at == at(7 * STEP_S)


def test_what_was_high_and_is_middling_when_its_time_is_up_opens_only_when_high_again() -> None:
    changes = play([0.9] + [0.5] * 20 + [0.8] + [0.5] * 20)
    assert phases(changes)[0] is Phase.OPENED
    assert changes[0].opened_at == at(21 * STEP_S)
    assert changes[0].peak == 0.8


def test_a_score_that_wavers_between_the_thresholds_opens_once() -> None:
    found = phases(play([0.75, 0.45] * 200))
    assert found.count(Phase.OPENED) == 1
    assert Phase.CLOSED not in found


@given(st.floats(0, 0.2), st.floats(0, 1))
def test_without_a_merge_gap_a_steady_fight_is_still_one_incident(
    gap_s: float, duration_s: float
) -> None:
    stated = IncidentRules(0.7, 0.4, duration_s, gap_s)
    found = phases(play([0.9] * 100 + [0.1] * 10, tracker(stated)))
    assert found.count(Phase.OPENED) == found.count(Phase.CLOSED) == 1


def test_the_minimum_duration_is_not_made_of_a_gap_without_scores() -> None:
    by = tracker()
    assert by.follow(score(0, 0.9)) is None
    assert by.follow(score(600, 0.9)) is None
    assert by.follow(score(600 + RULES.min_duration_s, 0.9))


def test_a_fight_after_a_camera_was_away_is_another_incident() -> None:
    by = tracker()
    [opened] = play([0.9] * 8, by)
    changes = play([0.9] * 8, by, start_s=3600)
    assert phases(changes) == [Phase.CLOSED, Phase.OPENED]
    assert changes[0].closed_at == at(7 * STEP_S)
    assert changes[1].id != opened.id


@pytest.mark.parametrize("off_s", [3600, -3600, 86_400, -86_400, 1.7e9, -1.7e9])
def test_a_wall_clock_that_is_set_in_mid_incident_changes_nothing_of_it(off_s: float) -> None:
    values = [0.9] * 80 + [0.1] * 48
    by, as_ever = tracker(), play(values)
    changes = play(values[:40], by) + play(values[40:], by, start_s=40 * STEP_S, off_s=off_s)
    assert [(n.phase, n.peak, n.opened_at, n.closed_at, n.duration_s) for n in changes] == [
        (n.phase, n.peak, n.opened_at, n.closed_at, n.duration_s) for n in as_ever
    ]
    assert len({n.id for n in changes}) == 1
    [after, *_] = play([0.9] * 16, by, start_s=20, off_s=off_s)
    assert after.opened_at == at(20 + 4 * STEP_S + off_s)  # by the clock as it is now


def test_quiet_closes_what_has_gone_stale_and_not_before() -> None:
    by = tracker()
    play([0.9] * 8, by)
    assert by.quiet(7 * STEP_S + RULES.merge_gap_s - 0.01) is None
    closed = by.quiet(7 * STEP_S + RULES.merge_gap_s)
    assert closed
    assert closed.closed_at == at(7 * STEP_S)
    assert by.quiet(1000) is None


def test_an_open_incident_is_reported_again_every_few_seconds() -> None:
    seconds = 60
    changes = play([0.9] * round(seconds / STEP_S))
    updates = seconds // round(UPDATE_INTERVAL_S) - 1
    assert phases(changes) == [Phase.OPENED] + [Phase.UPDATED] * updates


def test_a_rising_peak_is_news_but_not_within_a_second() -> None:
    by = tracker()
    changes = play([0.7 + 0.006 * i for i in range(50)], by)
    times = [at(i * STEP_S) for i in range(50)]
    assert len(changes) > 3
    reported = [times[round((n.peak - 0.7) / 0.006)] for n in changes]
    gaps = [(b - a).total_seconds() for a, b in pairwise(reported)]
    assert min(gaps) >= PEAK_INTERVAL_S
    assert max(gaps) < UPDATE_INTERVAL_S
