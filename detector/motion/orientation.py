"""Pictures that are stored lying down or mirrored, and how they are to be shown.

A phone stores a portrait video lying, with a matrix beside it that says how to turn it; some
cameras say the same in their stream. What is scored, shown and learnt from is upright.
"""

from __future__ import annotations

from typing import NamedTuple

import av
import numpy as np
from av.buffer import Buffer
from numpy.typing import NDArray


class Orientation(NamedTuple):
    """How a stored picture becomes upright: rows and columns exchanged first, then mirrored."""

    transposed: bool = False
    top_down: bool = False
    left_right: bool = False

    def shown_size(self, width: int, height: int) -> tuple[int, int]:
        """Size (width, height) of the upright picture of a stored one."""
        return (height, width) if self.transposed else (width, height)

    def upright(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The upright picture of a stored one, [h, w] or [h, w, 3]; the same one if it is."""
        if self == AS_STORED:
            return picture
        if self.transposed:
            picture = picture.swapaxes(0, 1)
        if self.top_down:
            picture = picture[::-1]
        if self.left_right:
            picture = picture[:, ::-1]
        return np.ascontiguousarray(picture)


AS_STORED = Orientation()


def orientation_of(frame: av.VideoFrame) -> Orientation:
    """What is said of `frame`, to the nearest quarter turn; takes 8 µs."""
    stated = frame.side_data.get("DISPLAYMATRIX")
    if not isinstance(stated, Buffer):
        return AS_STORED
    # x' = a x + c y, y' = b x + d y, with y downwards
    a, b, _, c, d = np.frombuffer(bytes(stated), np.int32)[:5].tolist()
    if abs(b) > abs(a):
        return Orientation(transposed=True, top_down=b < 0, left_right=c < 0)
    return Orientation(transposed=False, top_down=d < 0, left_right=a < 0)
