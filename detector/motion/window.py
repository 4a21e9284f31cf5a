"""The window: the last second of a camera in colour, cropped to where it moves.

What the second look sees. The motion view says what moves, not what it is; a window shows the
people themselves, but only them: of the whole picture a video network ranks fights worse (AUC
0.717 against 0.853 in the city). This module is the only implementation, for daemon, `jikimi
score`, training and evaluation; it knows no network and no clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detector.motion.view import MAX_GAP_S
from detector.types import Box, FrameHandle, MotionView, Sample, Square

WINDOW_RECIPE: Final[dict[str, str | int]] = {"name": "motion-square8", "version": 1}
"""Written beside the weights of a video network, as `VIEW_RECIPE` is.

Raise the version whenever a pixel of a window changes."""

FRAMES = 8
"""Samples of a window: a second at 8 Hz. The video network was trained on 16; it costs half of that
and its logits correlate 0.99."""

MARGIN = 1.3
"""Side of the square, in sides of the motion box: people reach out of what moves of them."""


@dataclass(frozen=True, slots=True, eq=False)
class LastSecond:
    """A second of pictures by reference, and where in them it moved: cut only when asked.

    `at_s`: stream time of the newest. `frames`: `FRAMES` of one size, in order. `mirrored`: shown
    with left and right exchanged.
    """

    at_s: float
    frames: tuple[FrameHandle, ...]
    square: Square
    mirrored: bool = False

    def pixels(self, side: int) -> NDArray[np.uint8]:
        """The window, [8, side, side, 3] uint8 RGB; the same square of every picture."""
        return self.shown([frame.rgb_square(self.square, side) for frame in self.frames])

    def shown(self, squares: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
        """The window of the squares that are cut of its pictures, [side, side, 3] each."""
        window = np.stack(squares)
        return np.ascontiguousarray(window[:, :, ::-1]) if self.mirrored else window


class WindowTracker:
    """Keeps the last second of one camera's samples and motion boxes. Not thread-safe."""

    def __init__(self) -> None:
        self._kept: deque[tuple[float, FrameHandle, Box | None]] = deque(maxlen=FRAMES)

    def forget(self) -> None:
        """Start anew."""
        self._kept.clear()

    def add(self, sample: Sample, view: MotionView | None) -> None:
        """The next sample, and the view that was made of it.

        A sample without a frame, a picture of another size, a gap, or time that runs
        backwards starts anew, as with views.
        """
        if self._kept:
            last_s, last, _ = self._kept[-1]
            if (
                sample.frame is None
                or sample.frame.size != last.size
                or not 0 < sample.pts_s - last_s <= MAX_GAP_S
            ):
                self._kept.clear()
        if sample.frame is not None:
            box = view.box if view is not None and view.moving else None
            self._kept.append((sample.pts_s, sample.frame, box))

    def last_second(self) -> LastSecond | None:
        """The second up to the newest sample; None while it is shorter or nothing moves in it."""
        boxes = [box for _, _, box in self._kept if box is not None]
        if len(self._kept) < FRAMES or not boxes:
            return None
        at_s, newest, _ = self._kept[-1]
        frames = tuple(frame for _, frame, _ in self._kept)
        return LastSecond(at_s, frames, square_around(boxes, *newest.size))


def square_around(boxes: list[Box], width: int, height: int) -> Square:
    """The square that a window is cut to, inside a picture of that size.

    Its middle and side are the medians of the boxes', the side `MARGIN` times that.
    """
    # Not NumPy's median: of eight numbers that takes 40 µs, eight times a second and camera.
    across = median(box.left + box.width / 2 for box in boxes) * width
    down = median(box.top + box.height / 2 for box in boxes) * height
    widest = max(
        median(box.width for box in boxes) * width,
        median(box.height for box in boxes) * height,
    )
    side = min(round(widest * MARGIN), width, height)
    left = min(max(round(across - side / 2), 0), width - side)
    top = min(max(round(down - side / 2), 0), height - side)
    return Square(left, top, side)
