"""Which frames of a stream are looked at, and how they become small grey pictures.

Shared by the live capture, `jikimi score` and the training data, so that the network
sees the same greys everywhere.
"""

from __future__ import annotations

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from detector.motion.orientation import Orientation, orientation_of
from detector.types import SAMPLE_RATE_HZ, Grey

GREY_SIDE = 320
"""Longer side of a grey, pixels."""

GRACE_S = 0.0005
"""Containers round their time stamps to a time base."""


class SampleClock:
    """Picks the frames nearest after each tick of `SAMPLE_RATE_HZ` of stream time."""

    def __init__(self) -> None:
        self._next_s: float | None = None

    def ticks(self, pts_s: float) -> int:
        """Ticks that have passed by the frame at `pts_s`: 0, do not sample it; 1, sample it.

        More than 1 means that frames were missing: one sample for several ticks. Time that
        jumps backwards (a restarted stream) starts the clock anew.
        """
        period_s = 1 / SAMPLE_RATE_HZ
        if self._next_s is None or pts_s < self._next_s - 2 * period_s:
            self._next_s = pts_s
        passed = int((pts_s + GRACE_S - self._next_s) // period_s) + 1
        if passed <= 0:
            return 0
        self._next_s += passed * period_s
        return passed

    def due_within(self, pts_s: float, span_s: float) -> bool:
        """Whether a tick falls into the `span_s` before `pts_s`, now or later."""
        if self._next_s is None:
            return True
        return (pts_s + GRACE_S - self._next_s) % (1 / SAMPLE_RATE_HZ) <= span_s + 2 * GRACE_S


def fitted_size(width: int, height: int, max_side: int) -> tuple[int, int]:
    """Size (width, height) of a picture brought to `max_side` at most: even, at least 2.

    Never enlarged, but for the one row or column that makes a small odd side even.
    """
    scale = min(1.0, max_side / max(width, height))
    return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)


def grey_size(width: int, height: int) -> tuple[int, int]:
    """Size (width, height) of the grey for a picture."""
    return fitted_size(width, height, GREY_SIDE)


class GreyScaler:
    """Turns decoded frames into greys in one swscale step, reusing its context."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def __call__(self, frame: av.VideoFrame, orientation: Orientation | None = None) -> Grey:
        """The grey of `frame`, upright: [h, w] uint8, area-averaged.

        `orientation`: how the frame is stored, where it does not say so itself.
        """
        width, height = grey_size(frame.width, frame.height)
        # One thread: libswscale's own pool costs 0.11 ms instead of 0.08 at 640×360, and idles.
        small = self._reformatter.reformat(
            frame, width, height, format="gray8", interpolation=Interpolation.AREA, threads=1
        )
        return (orientation or orientation_of(frame)).upright(plane(small))


def plane(frame: av.VideoFrame) -> NDArray[np.uint8]:
    """A copy of the first plane of an 8-bit frame, [h, w] uint8, without its row padding."""
    first = frame.planes[0]
    rows = np.frombuffer(memoryview(first), np.uint8).reshape(-1, first.line_size)
    return np.array(rows[: frame.height, : frame.width])
