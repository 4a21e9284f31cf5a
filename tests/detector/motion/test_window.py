"""The window: a second of colour pictures, cut to the square in which it moved."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from detector.capture.frames import ArrayFrame
from detector.motion.window import FRAMES, LastSecond, WindowTracker, square_around
from detector.types import Box, MotionView, Sample, Square

NOW = datetime(2026, 1, 1, tzinfo=UTC)
GREY = np.zeros((90, 160), np.uint8)
BLUE = (255, 0, 0)  # as OpenCV orders colours


def sample(number: int, *, size: tuple[int, int] = (160, 90), gap_s: float = 0.0) -> Sample:
    """A picture that grows brighter with its number, blue in the box that moves."""
    picture = np.full((size[1], size[0], 3), 10 * number, np.uint8)
    picture[30:60, 60:90] = BLUE
    at_s = number / 8 + gap_s
    return Sample("gate", NOW, at_s, at_s, GREY, ArrayFrame(picture))


def view(*, moving: bool = True) -> MotionView:
    box = Box(60 / 160, 30 / 90, 30 / 160, 30 / 90)
    return MotionView("gate", NOW, np.zeros((96, 96, 3), np.float32), box, moving)


def after(samples: list[Sample], *, moving: bool = True) -> LastSecond | None:
    tracker = WindowTracker()
    for own in samples:
        tracker.add(own, view(moving=moving))
    return tracker.last_second()


def test_a_window_shows_the_last_second_in_order_and_in_colour() -> None:
    found = after([sample(i) for i in range(FRAMES + 3)])
    assert found is not None
    assert found.at_s == pytest.approx((FRAMES + 2) / 8)
    pixels = found.pixels(112)
    assert pixels.shape == (FRAMES, 112, 112, 3)
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels[:, 56, 56], [(0, 0, 255)] * FRAMES)  # red, green, blue
    corner = pixels[:, 0, 0, 0].tolist()
    assert corner == [10 * i for i in range(3, FRAMES + 3)]


def test_a_mirrored_window_shows_the_same_with_left_and_right_exchanged() -> None:
    found = after([sample(i) for i in range(FRAMES)])
    assert found is not None
    pixels = found.pixels(112)
    mirrored = replace(found, mirrored=True).pixels(112)
    np.testing.assert_array_equal(mirrored, pixels[:, :, ::-1])
    assert not np.array_equal(mirrored, pixels)


def test_there_is_none_of_less_than_a_second_nor_where_nothing_moves() -> None:
    pictures = [sample(i) for i in range(FRAMES)]
    assert after(pictures) is not None
    assert after(pictures[1:]) is None
    assert after(pictures, moving=False) is None


def test_a_gap_and_another_size_start_anew() -> None:
    before = [sample(i) for i in range(FRAMES)]
    assert after([*before, sample(FRAMES, gap_s=2.0)]) is None
    assert after([*before, sample(FRAMES, size=(320, 180))]) is None


def test_a_sample_without_a_picture_starts_anew() -> None:
    bare = Sample("gate", NOW, 1.0, 1.0, GREY)
    assert after([*(sample(i) for i in range(FRAMES)), bare]) is None


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        (Box(0.4, 0.4, 0.1, 0.2), Square(482, 266, 187)),  # a margin around
        (Box(0.0, 0.0, 0.1, 0.2), Square(0, 0, 187)),  # pushed inside
        (Box(0.9, 0.8, 0.1, 0.2), Square(1280 - 187, 720 - 187, 187)),
        (Box(0.2, 0.0, 0.5625, 1.0), Square(256, 0, 720)),  # never larger than the picture
    ],
)
def test_the_square_lies_around_the_box_inside_the_picture(box: Box, expected: Square) -> None:
    assert square_around([box], 1280, 720) == expected


def test_one_box_elsewhere_does_not_move_the_square() -> None:
    steady = [Box(0.4, 0.4, 0.1, 0.2)] * 4
    strayed = [*steady, Box(0.0, 0.0, 0.5, 1.0)]
    assert square_around(strayed, 1280, 720) == square_around(steady, 1280, 720)
