"""Eight greys a second from any stream, and from any picture the same small grey."""

from __future__ import annotations

from collections.abc import Iterable

import av
import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.motion.greys import GREY_SIDE, GreyScaler, SampleClock, grey_size, plane
from detector.types import SAMPLE_RATE_HZ

PERIOD_S = 1 / SAMPLE_RATE_HZ


def sampled(times: Iterable[float], clock: SampleClock | None = None) -> list[tuple[float, int]]:
    """The frames that are taken, with the ticks that each stands for."""
    clock = clock or SampleClock()
    return [(t, ticks) for t in times if (ticks := clock.ticks(t))]


def stream(fps: float, seconds: float, start_s: float = 0.0) -> list[float]:
    """Time stamps as a container gives them, rounded to a 90 kHz time base."""
    return [round((start_s + i / fps) * 90_000) / 90_000 for i in range(round(seconds * fps))]


@pytest.mark.parametrize("fps", [8, 10, 12.5, 15, 20, 24, 25, 29.97, 30, 50, 60])
def test_eight_a_second_whatever_the_frame_rate(fps: float) -> None:
    taken = sampled(stream(fps, 60))
    assert abs(len(taken) - 480) <= 1
    assert {ticks for _, ticks in taken} == {1}
    gaps = np.diff([t for t, _ in taken])
    assert gaps.min() > PERIOD_S - 1 / fps - 0.001
    assert gaps.max() < PERIOD_S + 1 / fps + 0.001


@pytest.mark.parametrize("fps", [1, 2, 5, 7])
def test_a_slow_stream_gives_every_frame_and_owns_up_to_the_missing_ticks(fps: float) -> None:
    times = stream(fps, 60)
    taken = sampled(times)
    assert [t for t, _ in taken] == times
    assert abs(sum(ticks for _, ticks in taken) - 480) <= SAMPLE_RATE_HZ / fps


@given(st.lists(st.floats(0.001, 3), min_size=1, max_size=200), st.floats(-100, 1e6))
def test_each_tick_is_accounted_for_once(steps: list[float], start_s: float) -> None:
    times = [start_s, *(start_s + np.cumsum(steps)).tolist()]
    taken = sampled(times)
    elapsed_s = times[-1] - times[0]
    assert abs(sum(ticks for _, ticks in taken) - (elapsed_s / PERIOD_S + 1)) <= 1.01
    assert taken[0] == (start_s, 1)


def test_a_gap_is_one_sample_for_all_its_ticks() -> None:
    clock = SampleClock()
    sampled(stream(25, 1), clock)
    [(at_s, ticks)] = sampled([11.0], clock)
    assert at_s == 11.0
    assert ticks == 81
    assert len(sampled(stream(25, 1, start_s=11.04), clock)) == 8


@pytest.mark.parametrize("back_s", [1, 3600])
def test_a_stream_that_starts_over_is_sampled_from_its_first_frame(back_s: float) -> None:
    clock = SampleClock()
    sampled(stream(25, 2, start_s=5000), clock)
    again = sampled(stream(25, 1, start_s=5002 - back_s), clock)
    assert again[0] == (5002 - back_s, 1)
    assert len(again) == 8


def test_a_small_step_back_repeats_no_sample() -> None:
    clock = SampleClock()
    sampled(stream(25, 2), clock)
    assert sampled([1.96, 1.93, 1.9], clock) == []


@given(st.integers(1, 8000), st.integers(1, 8000))
def test_a_grey_is_even_small_and_keeps_the_aspect(width: int, height: int) -> None:
    grey_width, grey_height = grey_size(width, height)
    scale = min(1.0, GREY_SIDE / max(width, height))
    for small, side in ((grey_width, width), (grey_height, height)):
        assert small % 2 == 0
        assert 2 <= small <= GREY_SIDE
        assert small <= max(2, side + 1)
        assert abs(small - side * scale) <= max(1, 2 - side * scale)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((1920, 1080), (320, 180)),
        ((640, 360), (320, 180)),
        ((1080, 1920), (180, 320)),
        ((704, 576), (320, 262)),
        ((320, 240), (320, 240)),
        ((160, 120), (160, 120)),
        ((1, 1), (2, 2)),
    ],
)
def test_common_sizes(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert grey_size(*size) == expected


def frame(width: int, height: int, seed: int = 1) -> av.VideoFrame:
    """A decoded picture with detail at several scales; its luma is plane 0."""
    rng = np.random.default_rng(seed)
    luma = np.zeros((height, width))
    for cells in (3, 9, 40):
        coarse = rng.integers(0, 70, (cells, cells), dtype=np.uint8)
        luma += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    made = av.VideoFrame(width, height, "yuvj420p")
    for target, values in zip(made.planes, (luma, luma[::2, ::2], luma[::2, ::2]), strict=True):
        rows = np.zeros((target.height, target.line_size), np.uint8)
        rows[: values.shape[0], : values.shape[1]] = np.clip(values, 0, 255)
        target.update(rows.tobytes())
    return made


@pytest.mark.parametrize(
    "size", [(1920, 1080), (1280, 720), (640, 360), (704, 576), (360, 640), (1000, 562), (322, 242)]
)
def test_the_grey_is_the_area_average_of_the_picture(size: tuple[int, int]) -> None:
    picture = frame(*size)
    grey = GreyScaler()(picture)
    width, height = grey_size(*size)
    assert (grey.shape, grey.dtype) == ((height, width), np.uint8)
    expected = cv2.resize(plane(picture), (width, height), interpolation=cv2.INTER_AREA)
    difference = np.abs(grey.astype(float) - expected)
    assert difference.mean() < 1
    assert difference.max() <= 6


def test_a_scaler_follows_a_stream_that_changes_its_size() -> None:
    scaler = GreyScaler()
    for size in ((1280, 720), (640, 480), (48, 64), (1280, 720)):
        picture = frame(*size)
        np.testing.assert_array_equal(scaler(picture), GreyScaler()(picture))


def test_a_grey_does_not_change_with_later_frames() -> None:
    scaler = GreyScaler()
    first = scaler(frame(640, 360))
    kept = first.copy()
    scaler(frame(640, 360, seed=2))
    np.testing.assert_array_equal(first, kept)
