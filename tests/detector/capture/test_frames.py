"""A part of a picture in colour, from whatever a decoder or a camera gives."""

from __future__ import annotations

import av
import cv2
import numpy as np
import pytest

from detector.capture.frames import ArrayFrame, AvFrame
from detector.motion.orientation import Orientation
from detector.types import Square

SQUARE = Square(101, 33, 180)


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    """A soft random picture in colour: with colour at half size it is nearly the same."""
    rng = np.random.default_rng(5)
    coarse = rng.integers(40, 216, (9, 16, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(coarse, (640, 360), interpolation=cv2.INTER_CUBIC))


@pytest.mark.parametrize("form", ["yuv420p", "yuvj420p", "nv12", "yuv422p", "rgb24"])
def test_a_decoded_frame_shows_what_the_picture_does(picture: np.ndarray, form: str) -> None:
    frame = av.VideoFrame.from_ndarray(picture, format="bgr24").reformat(format=form)
    found = AvFrame(frame).rgb_square(SQUARE, 112).astype(int)
    expected = ArrayFrame(picture).rgb_square(SQUARE, 112).astype(int)
    assert found.shape == (112, 112, 3)
    assert np.abs(found - expected).mean() < 3
    assert np.abs(found - expected).max() < 16


def test_an_odd_picture_is_cut_to_its_last_pixel(picture: np.ndarray) -> None:
    odd = np.ascontiguousarray(picture[:355, :633])
    frame = av.VideoFrame.from_ndarray(odd, format="bgr24").reformat(format="yuv420p")
    square = Square(633 - 150, 355 - 150, 150)
    found = AvFrame(frame).rgb_square(square, 112).astype(int)
    assert np.abs(found - ArrayFrame(odd).rgb_square(square, 112)).mean() < 3


def test_a_grey_picture_is_grey_in_colour(picture: np.ndarray) -> None:
    grey = np.ascontiguousarray(picture[:, :, 1])
    found = ArrayFrame(grey).rgb_square(SQUARE, 200)
    assert found.shape == (200, 200, 3)
    assert (found[..., 0] == found[..., 2]).all()


@pytest.mark.parametrize(
    "turn", [Orientation(transposed=True, top_down=True), Orientation(False, True, True)]
)
def test_the_square_of_a_picture_stored_turned_is_upright(
    picture: np.ndarray, turn: Orientation
) -> None:
    upright = turn.upright(picture)
    frame = av.VideoFrame.from_ndarray(picture, format="bgr24").reformat(format="yuv420p")
    stored = AvFrame(frame, turn)
    assert stored.size == (upright.shape[1], upright.shape[0])
    found = stored.rgb_square(SQUARE, 112).astype(int)
    assert np.abs(found - ArrayFrame(upright).rgb_square(SQUARE, 112)).mean() < 3
