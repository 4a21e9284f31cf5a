"""The rendered demo cameras: real bodies, the same picture for the same time, a live pace."""

import itertools
import threading
from datetime import UTC, datetime, timedelta
from typing import get_args

import numpy as np
import pytest

from config.errors import StreamError
from detector.capture.demo import bodies as fig
from detector.capture.demo import stream as pattern
from detector.capture.demo.choreography import BRAWL_END_S, BRAWL_START_S, SceneName, figures
from detector.capture.demo.stream import PatternPicture, PatternStream, render
from detector.capture.demo.yard import HEIGHT, WIDTH, project
from detector.capture.streams import Arrival
from detector.incidents.smoothing import Smoother
from detector.incidents.tracker import IncidentTracker
from detector.inference.weights import load_classifier
from detector.motion.greys import SampleClock
from detector.motion.view import MotionTracker
from detector.types import Incident, Phase, Sample, Score

SCENES = get_args(SceneName)
BONES = [
    (fig.PELVIS, fig.NECK),
    *((fig.SHOULDER[k], fig.ELBOW[k]) for k in (0, 1)),
    *((fig.ELBOW[k], fig.HAND[k]) for k in (0, 1)),
    *((fig.HIP[k], fig.KNEE[k]) for k in (0, 1)),
    *((fig.KNEE[k], fig.ANKLE[k]) for k in (0, 1)),
]


def _seen(joints: fig.Floats) -> bool:
    x = project(joints)[0][..., 0]
    return bool(x.max() > -10 and x.min() < WIDTH + 10)


def _fastest(figure: fig.Figure, start_s: float, end_s: float) -> float:
    """Speed of the fastest hand, m/s."""
    rows = slice(int(start_s * fig.POSES_HZ), int(end_s * fig.POSES_HZ))
    steps = np.diff(figure.joints[rows][:, fig.HAND], axis=0)
    return float(np.linalg.norm(steps, axis=-1).max() * fig.POSES_HZ)


@pytest.mark.slow
@pytest.mark.parametrize("scene", SCENES)
def test_a_picture_depends_on_its_time_only(scene: SceneName) -> None:
    times = (0.0, 3.0, 24.0, 24.04, 59.96, 60.0, 84.0)
    first = [render(scene, t) for t in times]
    figures.cache_clear()
    again = [render(scene, t) for t in reversed(times)][::-1]
    for one, other in zip(first, again, strict=True):
        assert one.shape == (360, 640, 3)
        assert one.dtype == np.uint8
        assert np.array_equal(one, other)
    for one, other in itertools.pairwise(first):
        assert not np.array_equal(one, other)


@pytest.mark.slow
def test_each_minute_has_a_brawl_of_its_own() -> None:
    first, second = (figures("scuffle", cycle)[-1].joints for cycle in (0, 1))
    rows = slice(int(BRAWL_START_S * fig.POSES_HZ), int(BRAWL_END_S * fig.POSES_HZ))
    assert np.abs(first[rows] - second[rows]).max() > 0.5


@pytest.mark.parametrize("scene", SCENES)
def test_bones_do_not_stretch(scene: SceneName) -> None:
    for figure in figures(scene, 0):
        for start, end in BONES:
            length = np.linalg.norm(figure.joints[:, start] - figure.joints[:, end], axis=-1)
            assert np.ptp(length) < 0.001


def test_a_walker_stands_on_one_foot_while_the_other_swings() -> None:
    walker = next(
        figure for figure in figures("calm", 0) if np.ptp(figure.joints[:, fig.PELVIS, 0]) > 10
    )
    pace = np.linalg.norm(np.diff(walker.joints[:, fig.PELVIS], axis=0), axis=-1) * fig.POSES_HZ
    walking = np.flatnonzero(pace > 1.0)
    ankles = np.diff(walker.joints[:, fig.ANKLE], axis=0)
    slower = np.linalg.norm(ankles, axis=-1).min(axis=1) * fig.POSES_HZ
    assert len(walking) > 5 * fig.POSES_HZ
    assert np.median(slower[walking]) < 0.1
    assert 1.0 < np.median(pace[walking]) < 1.6


@pytest.mark.slow
@pytest.mark.parametrize("scene", SCENES)
def test_nobody_jumps_when_the_scene_starts_over(scene: SceneName) -> None:
    for cycle in range(4):
        ends = [f for f in figures(scene, cycle) if _seen(f.joints[-1])]
        starts = [f for f in figures(scene, cycle + 1) if _seen(f.joints[0])]
        assert len(ends) == len(starts) == 2
        for before, after in zip(ends, starts, strict=True):
            assert before.look == after.look
            assert np.abs(before.joints[-1] - after.joints[0]).max() < 0.01


@pytest.mark.slow
def test_only_the_brawl_is_violent() -> None:
    for cycle in range(3):
        *others, left, right = figures("scuffle", cycle)
        for figure in (*others, *figures("calm", cycle)):
            assert _fastest(figure, 0, fig.CYCLE_S) < 4
        for brawler in (left, right):
            assert _fastest(brawler, 0, BRAWL_START_S - 0.5) < 4
            assert _fastest(brawler, BRAWL_START_S, BRAWL_END_S) > 7
            assert _fastest(brawler, BRAWL_END_S + 1.5, fig.CYCLE_S) < 4


@pytest.mark.slow
def test_the_brawl_is_in_the_picture_and_as_large_as_on_a_camera() -> None:
    for cycle in range(3):
        for brawler in figures("scuffle", cycle)[-2:]:
            rows = slice(int(BRAWL_START_S * fig.POSES_HZ), int(BRAWL_END_S * fig.POSES_HZ))
            pixels = project(brawler.joints[rows])[0]
            inside = (pixels >= 0) & (pixels < [WIDTH, HEIGHT])
            assert inside.mean() > 0.99
            tall = np.ptp(pixels[..., 1], axis=1) / HEIGHT
            assert 0.25 < np.median(tall) < 0.6


def test_a_stream_gives_pictures_as_they_come() -> None:
    stream = PatternStream("calm")
    pts = []
    for _ in range(3):
        arrival = stream.receive()
        assert arrival is not None
        (picture,) = stream.pictures()
        assert list(stream.pictures()) == []
        assert picture.arrived_s == arrival.at_s
        pts.append(picture.pts_s)
    stream.close()
    assert pts == sorted(set(pts))
    assert np.allclose(np.array(pts) * 25, np.round(np.array(pts) * 25))
    grey = picture.grey()
    assert (grey.shape, grey.dtype) == ((180, 320), np.uint8)
    assert np.array_equal(picture.handle.bgr(640), render("calm", picture.pts_s))


def test_a_late_reader_misses_pictures_instead_of_lagging(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 100.0
    monkeypatch.setattr(pattern.time, "monotonic", lambda: now_s)
    stream = PatternStream("scuffle")
    stream.receive()
    now_s += 20.0
    stream.receive()
    (picture,) = stream.pictures()
    assert picture.pts_s == 20.0


def test_closing_ends_a_waiting_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    # With time standing still the second picture never comes.
    monkeypatch.setattr(pattern.time, "monotonic", lambda: 100.0)
    monkeypatch.setattr(pattern, "FRAME_RATE_HZ", 0.01)
    stream = PatternStream("calm")
    stream.receive()
    got: list[Arrival | None] = []
    reader = threading.Thread(target=lambda: got.append(stream.receive()), daemon=True)
    reader.start()
    stream.close()
    reader.join(timeout=10)
    assert got == [None]
    stream.close()


def test_an_unknown_scene_is_named_with_the_known_ones() -> None:
    with pytest.raises(StreamError, match=r"pattern://riot.*pattern://calm, pattern://scuffle"):
        PatternStream("riot")


def _incidents(scene: SceneName, start_s: float, end_s: float) -> list[Incident]:
    """What the shipped weights, and nothing else, make of a stretch of `scene`."""
    classifier = load_classifier()
    tracker, smoother, clock = MotionTracker(), Smoother(), SampleClock()
    follower = IncidentTracker(scene, "violence", classifier.rules()["violence"])
    reports = []
    for number in range(int(start_s * 25), int(end_s * 25)):
        pts_s = number / 25
        if not clock.ticks(pts_s):
            continue
        utc = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=pts_s)
        grey = PatternPicture(scene, pts_s, pts_s).grey()
        view = tracker.view_of(Sample(scene, utc, pts_s, pts_s, grey))
        if view is None:
            continue
        probability = 0.0
        if view.moving:
            embedding = classifier.engine.embed(view.pixels[None])
            probability = float(classifier.head(embedding, [None])[0, 0])
        smoothed = smoother.smooth(pts_s, probability)
        reports.append(follower.follow(Score(scene, pts_s, utc, "violence", probability, smoothed)))
    return [report for report in reports if report]


@pytest.mark.slow
def test_the_shipped_weights_see_the_brawl_and_nothing_in_the_calm() -> None:
    for minute in (0, 60):
        opened, *later = _incidents("scuffle", minute, minute + 60)
        seconds = (opened.opened_at - datetime(2026, 1, 1, tzinfo=UTC)).total_seconds() - minute
        assert BRAWL_START_S < seconds < BRAWL_START_S + 4
        assert {report.id for report in later} == {opened.id}
        assert later[-1].phase is Phase.CLOSED
        assert _incidents("calm", minute, minute + 60) == []
