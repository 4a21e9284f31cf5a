"""People hear of a lost camera once, and once of its return; what shows nothing is not watched."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.urls import StreamUrl
from detector.daemon.watched.loss import WINDOW_S, LossTracker, Notice, SampleCounts
from detector.types import CameraState

GRACE_S = 300.0
AWAY = [state for state in CameraState if state is not CameraState.LIVE]
LIVE, OFFLINE = CameraState.LIVE, CameraState.OFFLINE
TICK_S = 0.5


class Supervised:
    """A camera that a supervisor looks at every half second; `told`: when, and what."""

    def __init__(self, grace_s: float = GRACE_S) -> None:
        self.tracker = LossTracker(grace_s, 0)
        self.told: list[tuple[float, Notice]] = []
        self.now_s = 0.0
        self._scored = 0.0

    def goes(self, state: CameraState, until_s: float, scored_hz: float | None = None) -> None:
        """In `state` until then, with so many samples scored a second: 8 where it is live."""
        hz = (8.0 if state is LIVE else 0.0) if scored_hz is None else scored_hz
        self.tracker.enter(state, self.now_s)
        while self.now_s < until_s:
            self.now_s += TICK_S
            self._scored += TICK_S * hz
            if notice := self.tracker.tick(self.now_s, int(self._scored)):
                self.told.append((self.now_s, notice))


def test_lost_is_told_once_and_back_once() -> None:
    camera = Supervised()
    camera.goes(LIVE, 1000)
    assert camera.told == []
    camera.goes(CameraState.STALLED, 1010)
    camera.goes(CameraState.CONNECTING, 1020)  # still the same absence
    camera.goes(OFFLINE, 5000)
    assert camera.told == [(1000 + GRACE_S, Notice.LOST)]
    assert camera.tracker.lost
    camera.goes(LIVE, 9000)
    (_, (back_s, back)) = camera.told
    assert back is Notice.BACK
    assert 5005 < back_s <= 5010
    assert not camera.tracker.lost


def test_a_camera_that_drops_out_for_a_minute_every_hour_is_nobodys_business() -> None:
    camera = Supervised()
    for hour in range(5):
        camera.goes(LIVE, 3600 * hour + 3540)
        camera.goes(AWAY[hour], 3600 * hour + 3600)
    assert camera.told == []


def test_a_camera_that_shows_a_second_of_every_minute_is_lost_once() -> None:
    """Each time it is live, and is watched no more than one that is away."""
    camera = Supervised()
    camera.goes(LIVE, 1000)
    for minute in range(60):
        camera.goes(OFFLINE, 1000 + 60 * minute + 59)
        camera.goes(LIVE, 1000 + 60 * minute + 60)
    [(lost_s, lost)] = camera.told
    assert lost is Notice.LOST
    assert lost_s == pytest.approx(1000 + GRACE_S, abs=60)


def test_one_that_breaks_off_and_comes_back_at_once_is_watched() -> None:
    camera = Supervised()
    for ten in range(200):
        camera.goes(LIVE, 10 * ten + 9)
        camera.goes(OFFLINE, 10 * ten + 10)
    assert camera.told == []
    assert not camera.tracker.unwatched


def test_a_camera_that_comes_and_goes_for_hours_is_not_told_each_time() -> None:
    camera = Supervised()
    for cycle in range(40):  # 20 s of every 6 minutes
        camera.goes(OFFLINE, 360 * cycle + 340)
        camera.goes(LIVE, 360 * cycle + 360)
    assert 1 < len(camera.told) < 7
    assert camera.tracker.lost


@pytest.mark.parametrize("hz", [0.0, 1.0, 3.0])
def test_pictures_of_which_hardly_any_is_scored_are_not_watching(hz: float) -> None:
    camera = Supervised()
    camera.goes(LIVE, WINDOW_S + 1, hz)
    assert camera.tracker.unwatched
    camera.goes(OFFLINE, 30)
    camera.goes(LIVE, 35, hz)
    assert camera.tracker.unwatched  # a new connection alone shows nothing
    camera.goes(LIVE, 1000, hz)
    assert camera.told == [(GRACE_S + TICK_S, Notice.LOST)] or camera.told == [
        (GRACE_S, Notice.LOST)
    ]
    camera.goes(LIVE, 1020)
    assert not camera.tracker.unwatched
    assert [what for _, what in camera.told] == [Notice.LOST, Notice.BACK]


def test_four_pictures_a_second_are_enough() -> None:
    camera = Supervised()
    camera.goes(LIVE, 1000, 4)
    assert camera.told == []
    assert not camera.tracker.unwatched


def test_a_lost_camera_that_shows_single_pictures_is_not_back() -> None:
    camera = Supervised()
    camera.goes(OFFLINE, 400)
    for minute in range(60):
        camera.goes(LIVE, 400 + minute * 60 + 4)
        camera.goes(CameraState.STALLED, 400 + minute * 60 + 60)
    assert camera.told == [(GRACE_S, Notice.LOST)]


def test_a_camera_absent_from_the_start_is_lost_after_the_grace_time() -> None:
    camera = Supervised()
    camera.goes(CameraState.UNAUTHORISED, 1000)
    assert camera.told == [(GRACE_S, Notice.LOST)]


def test_a_grace_time_shorter_than_connecting_and_warming_up_tells_nothing_false() -> None:
    camera = Supervised(1.0)
    camera.goes(CameraState.CONNECTING, 0.5)
    camera.goes(LIVE, 1.5, 4)
    camera.goes(LIVE, 100)
    assert camera.told == []


def test_without_a_grace_time_a_lost_camera_is_told_at_once_and_back_once_watched() -> None:
    camera = Supervised(0)
    camera.goes(OFFLINE, 1)
    assert camera.told == [(TICK_S, Notice.LOST)]
    camera.goes(LIVE, 10)
    assert [what for _, what in camera.told] == [Notice.LOST, Notice.BACK]


steps = st.lists(
    st.tuples(st.floats(0.5, 400), st.sampled_from(list(CameraState)), st.floats(0, 8)),
    max_size=20,
)


@given(st.floats(0, 600), steps)
def test_lost_and_back_alternate_whatever_happens(
    grace_s: float, story: list[tuple[float, CameraState, float]]
) -> None:
    camera = Supervised(grace_s)
    for step_s, state, hz in story:
        camera.goes(state, camera.now_s + step_s, hz)
    notices = [notice for _, notice in camera.told]
    assert notices == [Notice.LOST, Notice.BACK] * (len(notices) // 2) + (
        [Notice.LOST] if len(notices) % 2 else []
    )
    assert camera.tracker.lost == bool(len(notices) % 2)


@pytest.mark.parametrize(
    ("taken_hz", "late_share", "words"),
    [
        (1, 0, "only 1.0 pictures a second come whole, and at least 4 are needed"),
        (0, 0, "only 0.0 pictures a second"),
        (8, 0.9, "in bursts, too late to be scored; use its RTSP stream"),
        (8, 0.1, "hardly one is scored"),
    ],
)
def test_why_a_camera_is_not_watched_is_said_in_the_operators_words(
    taken_hz: float, late_share: float, words: str
) -> None:
    counts = SampleCounts()
    for tick in range(60):
        counts.taken = int(tick * TICK_S * taken_hz)
        counts.late = int(counts.taken * late_share)
        counts.tick(tick * TICK_S)
    assert words in counts.why(StreamUrl.parse("rtsp://u:secret@192.0.2.1/x"))
    assert "secret" not in counts.why(StreamUrl.parse("rtsp://u:secret@192.0.2.1/x"))
