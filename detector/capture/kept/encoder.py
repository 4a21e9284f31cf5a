"""Samples of a camera that gives pictures, as H.264: of the rendered and the local cameras.

Eight pictures a second, a key frame a second. It takes the place of what a network camera does
itself, so that clips are made of packets whatever the camera is.
"""

from __future__ import annotations

import io
from fractions import Fraction
from typing import Any, Final

import av
import cv2
import numpy as np
from av.container import OutputContainer
from av.packet import Packet
from av.video.stream import VideoStream
from numpy.typing import NDArray

from detector.types import SAMPLE_RATE_HZ, FrameHandle

ENCODER = "libx264"

LONGEST_SIDE = 1280
"""As the picture of an alarm."""

TIME_BASE = Fraction(1, 90_000)

OPTIONS: Final = {"preset": "ultrafast", "tune": "zerolatency", "crf": "26", "threads": "1"}
"""640×360 that moves all over takes 4 ms a picture; without look-ahead each comes out at once."""


class SampleEncoder:
    """Encodes the pictures of one connection; for one thread."""

    def __init__(self) -> None:
        self.template: VideoStream | None = None
        """What the packets are of; another one where the picture's size has changed."""
        self._size = (0, 0)

    def encode(self, frame: FrameHandle, at_s: float) -> list[Packet[Any]]:
        """The packets of the picture that was taken at `at_s`; none without an encoder."""
        if ENCODER not in av.codecs_available:
            return []
        picture = frame.bgr(LONGEST_SIDE)
        height, width = (side // 2 * 2 for side in picture.shape[:2])
        if self.template is None or self._size != (width, height):
            self.template = _encoding_stream(width, height)
            self._size = width, height
        return self._encoded(self.template, picture[:height, :width], at_s)

    def _encoded(
        self, stream: VideoStream, picture: NDArray[np.uint8], at_s: float
    ) -> list[Packet[Any]]:
        planes = cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420)
        frame = av.VideoFrame.from_ndarray(np.asarray(planes, np.uint8), format="yuv420p")
        frame.time_base = TIME_BASE
        frame.pts = round(at_s / TIME_BASE)
        return stream.encode(frame)


def _encoding_stream(width: int, height: int) -> VideoStream:
    container = av.open(io.BytesIO(), "w", format="mp4")  # nothing is written to it
    assert isinstance(container, OutputContainer)
    rate = round(SAMPLE_RATE_HZ)
    stream = container.add_stream(ENCODER, rate=rate, width=width, height=height)
    assert isinstance(stream, VideoStream)
    stream.codec_context.time_base = TIME_BASE
    stream.options = {**OPTIONS, "g": str(rate)}
    return stream
