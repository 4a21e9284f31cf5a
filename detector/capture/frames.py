"""Decoded frames kept by reference, converted only when a picture of them is wanted."""

from __future__ import annotations

from dataclasses import dataclass

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from detector.motion.greys import fitted_size
from detector.motion.orientation import Orientation, orientation_of


@dataclass(frozen=True, slots=True)
class AvFrame:
    """A frame of libavcodec: holding it keeps one of the decoder's buffers alive.

    `orientation`: how it is stored, where it does not say so itself.
    """

    frame: av.VideoFrame
    orientation: Orientation | None = None

    def bgr(self, max_side: int) -> NDArray[np.uint8]:
        """The picture as [h, w, 3] uint8 BGR, upright, longer side at most `max_side` pixels."""
        width, height = fitted_size(self.frame.width, self.frame.height, max_side)
        picture = self.frame.reformat(width, height, format="bgr24").to_ndarray()
        orientation = self.orientation or orientation_of(self.frame)
        return orientation.upright(picture.astype(np.uint8, copy=False))


@dataclass(frozen=True, slots=True)
class ArrayFrame:
    """A picture that is an array already: [h, w, 3] BGR or [h, w] grey, uint8."""

    picture: NDArray[np.uint8]

    def bgr(self, max_side: int) -> NDArray[np.uint8]:
        """The picture as [h, w, 3] uint8 BGR, longer side at most `max_side` pixels."""
        height, width = self.picture.shape[:2]
        picture = cv2.resize(
            self.picture, fitted_size(width, height, max_side), interpolation=cv2.INTER_AREA
        )
        if picture.ndim == 2:
            picture = cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR)
        return np.asarray(picture, np.uint8)
