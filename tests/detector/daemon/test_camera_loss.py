"""People hear of a lost camera once, and once of its return."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from detector.daemon.camera_loss import BACK_AFTER_S, LossTracker, Notice
from detector.types import CameraState

GRACE_S = 300.0
AWAY = [state for state in CameraState if state is not CameraState.LIVE]
TICK_S = 0.5


def told(tracker: LossTracker, start_s: float, end_s: float) -> list[tuple[float, Notice]]:
    """What is told between two instants, by a supervisor that looks every half second."""
    found = []
    for i in range(round((end_s - start_s) / TICK_S) + 1):
        now_s = start_s + i * TICK_S
        if notice := tracker.tick(now_s):
            found.append((now_s, notice))
    return found


def test_an_hour_of_flapping_tells_nobody_anything() -> None:
    tracker = LossTracker(GRACE_S, 0)
    for second in range(3600):
        tracker.enter(CameraState.LIVE if second % 60 == 0 else AWAY[second % len(AWAY)], second)
        assert tracker.tick(second) is None
        assert not tracker.lost


def test_lost_is_told_once_and_back_once() -> None:
    tracker = LossTracker(GRACE_S, 0)
    tracker.enter(CameraState.LIVE, 1)
    assert told(tracker, 1, 1000) == []
    tracker.enter(CameraState.STALLED, 1000)
    tracker.enter(CameraState.CONNECTING, 1010)  # still the same absence
    tracker.enter(CameraState.OFFLINE, 1020)
    assert told(tracker, 1000, 5000) == [(1000 + GRACE_S, Notice.LOST)]
    assert tracker.lost
    tracker.enter(CameraState.LIVE, 5000)
    assert told(tracker, 5000, 9000) == [(5000 + BACK_AFTER_S, Notice.BACK)]
    assert not tracker.lost


def test_a_lost_camera_that_shows_single_pictures_is_not_back() -> None:
    tracker = LossTracker(GRACE_S, 0)
    assert told(tracker, 0, 400) == [(GRACE_S, Notice.LOST)]
    for minute in range(60):
        start_s = 400 + minute * 60
        tracker.enter(CameraState.LIVE, start_s)
        assert told(tracker, start_s, start_s + BACK_AFTER_S - 1) == []
        tracker.enter(CameraState.STALLED, start_s + BACK_AFTER_S - 1)
        assert told(tracker, start_s + BACK_AFTER_S - 1, start_s + 60) == []
    assert tracker.lost


def test_a_camera_absent_from_the_start_is_lost_after_the_grace_time() -> None:
    tracker = LossTracker(GRACE_S, 50)
    tracker.enter(CameraState.UNAUTHORISED, 51)
    assert told(tracker, 50, 1000) == [(50 + GRACE_S, Notice.LOST)]


def test_without_a_grace_time_both_are_told_at_once() -> None:
    tracker = LossTracker(0, 0)
    assert tracker.tick(0) is Notice.LOST
    tracker.enter(CameraState.LIVE, 1)
    assert tracker.tick(1) is Notice.BACK


steps = st.lists(st.tuples(st.floats(0, 400), st.sampled_from(list(CameraState))), max_size=60)


@given(st.floats(0, 600), steps)
def test_lost_and_back_alternate_whatever_happens(
    grace_s: float, story: list[tuple[float, CameraState]]
) -> None:
    tracker, now_s, found = LossTracker(grace_s, 0), 0.0, []
    for step_s, state in story:
        now_s += step_s
        found.append(tracker.tick(now_s))
        tracker.enter(state, now_s)
    notices = [notice for notice in found if notice]
    assert notices == [Notice.LOST, Notice.BACK] * (len(notices) // 2) + (
        [Notice.LOST] if len(notices) % 2 else []
    )
    assert tracker.lost == bool(len(notices) % 2)
