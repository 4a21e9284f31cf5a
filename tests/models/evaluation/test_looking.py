"""A stream is looked at as a clip is, and when the daemon would look."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from detector.footage.recording import recorded_samples
from detector.inference.engine import Floats
from detector.motion.view import MotionTracker
from engines import MeanEngine
from models.data.clips import Clip
from models.evaluation.looking import asked, cut_windows
from models.evaluation.streams import Script, StreamEmbedder, footage_of

CANDIDATE = 0.3
SIDE = 32


@pytest.fixture
def clip(draw: Any, tmp_path: Path) -> Clip:
    draw(tmp_path / "fight.mp4", "violence", 0, seconds=3)
    return Clip("fight.mp4", tmp_path / "fight.mp4", "violence", "yard", "city")


def looked_at(clip: Clip, probabilities: Floats) -> dict[int, NDArray[np.uint8]]:
    """The windows of a clip by the number of the view."""
    tracker = MotionTracker()
    pictures = ((sample, tracker.view_of(sample)) for sample in recorded_samples(clip.path))
    return {view: own.pixels(SIDE) for view, own in asked(pictures, probabilities, CANDIDATE)}


def test_looks_follow_the_first_stage(clip: Clip) -> None:
    always = looked_at(clip, np.full(40, 0.9, np.float32))
    assert next(iter(always)) == 7  # pictures are kept from the first high view on, as a camera's
    assert set(np.diff(list(always))) <= {4, 5}  # half a second, at pictures 0.12 or 0.16 s apart
    assert len(always) >= 3
    late = np.concatenate([np.zeros(10, np.float32), np.ones(30, np.float32)])
    assert min(looked_at(clip, late)) > 10
    assert not looked_at(clip, np.full(40, 0.2, np.float32))


def test_every_second_window_is_mirrored(clip: Clip) -> None:
    tracker = MotionTracker()
    pictures = ((sample, tracker.view_of(sample)) for sample in recorded_samples(clip.path))
    windows = asked(pictures, np.full(40, 0.9, np.float32), CANDIDATE)
    assert [own.mirrored for _, own in windows][:3] == [False, True, False]


def test_a_stream_that_plays_a_clip_is_looked_at_as_the_clip_is(clip: Clip) -> None:
    played = footage_of(clip, 60.0)
    places = tuple((clip.name, index) for index in range(len(played.greys)))
    script = Script(clip, False, places, played.times_s, 0.0, float(played.times_s[-1]))
    embedder = StreamEmbedder(MeanEngine())
    embedder(script, {clip.name: played})
    scores = np.full(40, 0.9, np.float32)
    windows = dict(asked(embedder.pictures(script, {clip.name: played}), scores, CANDIDATE))
    found = dict(cut_windows(windows, {clip.name: clip}, SIDE))
    expected = looked_at(clip, scores)
    assert list(found) == list(expected)
    for view, pixels in expected.items():
        np.testing.assert_array_equal(found[view], pixels)
