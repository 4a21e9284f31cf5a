"""Cameras on this machine (USB, CSI), read by OpenCV: pictures come decoded, one at a time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from config.errors import StreamError
from config.urls import StreamUrl
from detector.capture.errors import StalledError
from detector.capture.frames import ArrayFrame
from detector.capture.streams import Arrival, Wanted
from detector.motion.greys import grey_size
from detector.types import FrameHandle, Grey


@dataclass(frozen=True, slots=True, eq=False)
class ArrayPicture:
    """A picture that came decoded: [h, w, 3] BGR or [h, w] grey, uint8."""

    array: NDArray[np.uint8]
    pts_s: float | None
    arrived_s: float

    @property
    def width(self) -> int:
        """Pixels."""
        return int(self.array.shape[1])

    @property
    def height(self) -> int:
        """Pixels."""
        return int(self.array.shape[0])

    @property
    def handle(self) -> FrameHandle:
        """The picture by reference."""
        return ArrayFrame(self.array)

    def grey(self) -> Grey:
        """The small grey picture, area-averaged."""
        height, width = self.array.shape[:2]
        small = cv2.resize(self.array, grey_size(width, height), interpolation=cv2.INTER_AREA)
        if small.ndim == 3:
            small = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY)
        return np.asarray(small, np.uint8)


class DeviceStream:
    """One open local camera; `url.url` is its path, /dev/video0."""

    codec = None
    template = None
    decode_errors = 0
    keeps_unread = False

    def __init__(self, url: StreamUrl) -> None:
        """Open the device; raises StreamError."""
        self._url = url
        if not Path(url.url).exists():
            raise StreamError(f"{url}: no such device; check that the camera is plugged in")
        self._capture = cv2.VideoCapture(url.url, cv2.CAP_V4L2)
        if not self._capture.isOpened():
            raise StreamError(
                f"{url}: cannot be opened as a camera; check that nothing else uses it, and "
                "that the user is in the group video"
            )
        # One buffer: an old picture is worth nothing.
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        self._picture: ArrayPicture | None = None

    def receive(self) -> Arrival | None:
        """Wait for the next picture; OpenCV gives up by itself after 10 s."""
        came, array = self._capture.read()
        now_s = time.monotonic()
        if not came:
            raise StalledError(f"{self._url}: gives no picture any more; check its cable")
        self._picture = ArrayPicture(np.asarray(array, np.uint8), None, now_s)
        return Arrival(now_s, array.nbytes, fresh=True)

    def pictures(self, wanted: Wanted | None = None) -> Iterator[ArrayPicture]:
        """The newest picture, once."""
        if self._picture:
            picture = self._picture
            self._picture = None
            yield picture

    def close(self) -> None:
        """Give the device back."""
        self._capture.release()
