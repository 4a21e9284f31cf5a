"""What the second look is asked on a clip or a stream, and what its video network answers.

Asked when the daemon would ask, by the first stage's scores, of windows cut as the daemon cuts
them. A stream plays pieces of clips to and fro, so its pictures are named first, and their squares
cut afterwards in one pass over each clip. Answers are kept on disk by what a window shows: other
thresholds, heads or folds then look at little that is new.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detector.footage.recording import recorded_samples
from detector.incidents.second_look import Arming, LookSchedule
from detector.incidents.smoothing import Smoother
from detector.inference.engine import Floats
from detector.inference.second_look.video_engine import VideoEngine
from detector.motion.view import MotionTracker
from detector.motion.window import LastSecond, WindowTracker
from detector.types import MotionView, Sample, Square
from models.data.atomic_file import written_whole
from models.data.clips import Clip
from models.weights.video_sidecar import VideoWeights

Place = tuple[str, int]
"""A picture: its clip's name, and its number in it."""


LooksAt = Mapping[int, Floats]
"""The embedding [d] of each view that is looked at, by its number."""


@dataclass(frozen=True, slots=True, eq=False)
class NamedPicture:
    """A picture that has yet to be decoded, in the place of a `FrameHandle`."""

    place: Place
    size: tuple[int, int]

    def bgr(self, max_side: int) -> NDArray[np.uint8]:
        """Not to be had."""
        raise NotImplementedError

    def rgb_square(self, square: Square, side: int) -> NDArray[np.uint8]:
        """Not to be had: see `cut_windows`."""
        raise NotImplementedError


class Looker:
    """A video network that looks at clips and streams; `cache`: where answers are kept."""

    def __init__(self, video: VideoWeights, candidate: float, cache: Path) -> None:
        """`candidate`: smoothed probability of the first stage from which on it looks."""
        self._engine = VideoEngine(video.network)
        self._candidate = candidate
        self._kept = cache / "looks" / video.sha256[:16]

    def at_clip(self, clip: Clip, probabilities: Floats) -> LooksAt:
        """The looks at one clip by the first stage's probabilities, one a view; StreamError."""
        if probabilities.max(initial=0) < self._candidate:  # nor is a smoothed one above it
            return {}
        tracker = MotionTracker()
        pictures = ((sample, tracker.view_of(sample)) for sample in recorded_samples(clip.path))
        windows = asked(pictures, probabilities, self._candidate)
        return {view: self._embedding(own.pixels(self._engine.side)) for view, own in windows}

    def at_stream(
        self,
        pictures: Iterable[tuple[Sample, MotionView | None]],
        clips: Mapping[str, Clip],
        probabilities: Floats,
    ) -> LooksAt:
        """The same of a stream of named pictures; `clips`: by their names."""
        windows = dict(asked(pictures, probabilities, self._candidate))
        cut = cut_windows(windows, clips, self._engine.side)
        return {view: self._embedding(pixels) for view, pixels in cut}

    def _embedding(self, pixels: NDArray[np.uint8]) -> Floats:
        kept = self._kept / f"{hashlib.sha256(pixels.tobytes()).hexdigest()[:24]}.npy"
        if kept.is_file():
            return np.asarray(np.load(kept), np.float32)
        found = self._engine.look(pixels).embedding
        with written_whole(kept) as file:
            np.save(file, found)
        return found


def asked(
    pictures: Iterable[tuple[Sample, MotionView | None]],
    probabilities: Floats,
    candidate: float,
) -> Iterator[tuple[int, LastSecond]]:
    """The windows that the daemon would look at, by the number of their newest view.

    `probabilities`: the first stage's, one a view.
    """
    window, arming = WindowTracker(), Arming()
    smoother, schedule = Smoother(), LookSchedule(candidate)
    number, newest_s = 0, 0.0
    for sample, view in pictures:
        if not arming.holds(newest_s):
            window.forget()
        window.add(sample, view)
        if view is None:
            continue
        newest_s, probability = sample.pts_s, float(probabilities[number])
        found = window.last_second() if arming.holds(newest_s) else None
        arming.saw(newest_s, probability)
        smoothed = smoother.smooth(newest_s, probability)
        if found is not None and schedule.due(newest_s, smoothed):
            yield number, replace(found, mirrored=schedule.mirrored)
        number += 1


def cut_windows(
    windows: Mapping[int, LastSecond], clips: Mapping[str, Clip], side: int
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """The pixels of windows of named pictures, decoding each clip once; raises StreamError."""
    wanted: dict[str, dict[int, set[Square]]] = defaultdict(lambda: defaultdict(set))
    for window in windows.values():
        for name, index in _places(window):
            wanted[name][index].add(window.square)
    cuts: dict[tuple[Place, Square], NDArray[np.uint8]] = {}
    for name, squares in wanted.items():
        for index, sample in enumerate(recorded_samples(clips[name].path)):
            assert sample.frame is not None
            for square in squares.get(index, ()):
                cuts[(name, index), square] = sample.frame.rgb_square(square, side)
            if index == max(squares):
                break
    for view, window in windows.items():
        yield view, window.shown([cuts[place, window.square] for place in _places(window)])


def _places(window: LastSecond) -> list[Place]:
    return [frame.place for frame in window.frames if isinstance(frame, NamedPicture)]
