"""Windows of clips: as often as the daemon asks, only where it moves, computed once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from detector.inference.second_look.video_engine import Seen
from models.data.clips import Clip
from models.data.windows import EVERY_S, look_at_clip


class Brightness:
    """Stands for a video network: how bright a window is, whole, left and right; and how many."""

    side = 32
    numbers = 3
    classes = 2

    def __init__(self) -> None:
        self.shown = 0

    def look(self, window: Any) -> Seen:
        assert window.shape[1:] == (32, 32, 3)
        self.shown += 1
        left, right = window[:, :, :16].mean(), window[:, :, 16:].mean()
        seen = np.array([window.mean(), left, right], np.float32)
        return Seen(seen, seen[:2])


@pytest.fixture
def clip(draw: Any, tmp_path: Path) -> Clip:
    draw(tmp_path / "moving.mp4", "violence", 0, seconds=4)
    return Clip("f", tmp_path / "moving.mp4", "violence", "a", "city")


def test_a_moving_clip_is_looked_at_from_its_first_whole_second(clip: Clip, tmp_path: Path) -> None:
    engine: Any = Brightness()
    found = look_at_clip(clip, engine, "network", tmp_path)
    np.testing.assert_allclose(found.times_s, [0.875, 1.875, 2.875, 3.875], atol=0.06)
    assert (np.diff(found.times_s) >= EVERY_S - 1e-6).all()
    assert found.embeddings.shape == (4, 3)
    assert (found.embeddings > 40).all()  # a drawn clip, and not black
    np.testing.assert_allclose(found.mirrored, found.embeddings[:, [0, 2, 1]], rtol=1e-6)
    assert not np.allclose(found.mirrored, found.embeddings)


def test_a_long_clip_is_looked_at_less_often(draw: Any, tmp_path: Path) -> None:
    draw(tmp_path / "long.mp4", "violence", 0, seconds=8)
    clip = Clip("l", tmp_path / "long.mp4", "violence", "a", "city")
    engine: Any = Brightness()
    for most in (1, 2, 4):
        assert len(look_at_clip(clip, engine, "network", tmp_path, most).times_s) == most
    times_s = look_at_clip(clip, engine, "network", tmp_path, 2).times_s
    assert 3.9 < times_s[1] - times_s[0] < 4.2


def test_a_clip_is_looked_at_once(clip: Clip, tmp_path: Path) -> None:
    engine: Any = Brightness()
    first = look_at_clip(clip, engine, "network", tmp_path)
    again = look_at_clip(clip, engine, "network", tmp_path)
    assert engine.shown == 2 * len(first.times_s) == 8  # each mirrored, too
    np.testing.assert_array_equal(first.embeddings, again.embeddings)
    look_at_clip(clip, engine, "another", tmp_path)
    assert engine.shown == 16


def test_where_nothing_moves_nothing_is_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "still.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 25, (320, 180))
    for _ in range(50):
        writer.write(np.full((180, 320, 3), 90, np.uint8))
    writer.release()
    engine: Any = Brightness()
    found = look_at_clip(Clip("s", path, "normal", "a", "city"), engine, "network", tmp_path)
    assert engine.shown == 0
    assert found.embeddings.shape == (0, 3)
    assert found.mirrored.shape == (0, 3)
