"""Pictures stored lying down or mirrored become upright as a player shows them."""

from __future__ import annotations

import itertools
from pathlib import Path

import av
import numpy as np
import pytest

from detector.motion.greys import GreyScaler
from detector.motion.orientation import AS_STORED, Orientation, orientation_of
from footage import PHONE, show_turned, write_video

SCENE = np.kron(np.arange(0, 240, 40).reshape(2, 3), np.ones((40, 40))).astype(np.uint8)
"""Six fields, brighter from left to right, the lower ones brightest: [80, 120]."""

MATRICES = [(a, 0, 0, d) for a, d in itertools.product((1, -1), repeat=2)]
MATRICES += [(0, b, c, 0) for b, c in itertools.product((1, -1), repeat=2)]


def frame_of(path: Path) -> av.VideoFrame:
    with av.open(str(path)) as container:
        return next(container.decode(video=0))


@pytest.mark.parametrize("matrix", MATRICES)
def test_every_turn_and_mirror_is_undone(tmp_path: Path, matrix: tuple[int, int, int, int]) -> None:
    picture = np.repeat(SCENE[:, :, None], 3, axis=2)
    path = write_video(tmp_path / "stored.mp4", [picture] * 3, quality=1)
    frame = frame_of(show_turned(path, matrix))
    a, b, c, d = matrix
    places = [(x, y) for x in (-1, 0, 1) for y in (-1, 1)]  # of the fields, around the middle
    shown = {
        (a * x + c * y, b * x + d * y): SCENE[20 + 20 * (y + 1), 60 + 40 * x] for x, y in places
    }
    grey = GreyScaler()(frame)
    assert grey.shape == ((120, 80) if b else (80, 120))
    across, down = (20, 40) if b else (40, 20)
    for (x, y), level in shown.items():
        found = grey[grey.shape[0] // 2 + down * y, grey.shape[1] // 2 + across * x]
        assert abs(int(found) - int(level)) < 8


def test_a_phones_video_is_turned_a_quarter_to_the_right(tmp_path: Path) -> None:
    picture = np.zeros((96, 160, 3), np.uint8)
    picture[:32, :32] = 255  # top left where it is stored, top right where it is shown
    path = write_video(tmp_path / "phone.mp4", [picture] * 3, quality=1)
    orientation = orientation_of(frame_of(show_turned(path, PHONE)))
    assert orientation == Orientation(transposed=True, left_right=True)
    assert orientation.shown_size(160, 96) == (96, 160)
    assert orientation.upright(picture)[16, 80].max() == 255
    assert not orientation.upright(picture)[80:].any()


def test_an_upright_picture_is_not_copied(tmp_path: Path) -> None:
    path = write_video(tmp_path / "plain.mp4", [np.zeros((96, 160, 3), np.uint8)] * 3)
    assert orientation_of(frame_of(path)) == AS_STORED
    assert AS_STORED.upright(SCENE) is SCENE
