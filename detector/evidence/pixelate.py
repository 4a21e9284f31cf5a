"""Pictures in which only the place of the incident can be made out, for whoever need not see more.

A block takes the mean of its pixels, so that what was in it cannot be had back. Clips are decoded
and encoded again for it, H.264: at 640×360 a second of 25 pictures takes 0.1 s of one core.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from detector.capture.frames import AvFrame
from detector.evidence.record import Corners
from detector.motion.orientation import AS_STORED, orientation_of

BLOCKS = 24
"""Across the longer side: a head that is a twentieth of the picture becomes a block or two."""

NEAR_S = 1.0
"""A box holds for pictures so far from its sample at most; where there is none all is hidden."""

JPEG_QUALITY = 85

ENCODER: Final = {"preset": "veryfast", "crf": "23"}

Place = tuple[float, Corners]
"""Seconds into a clip, and the box that was scored then."""


def pixelated(picture: NDArray[np.uint8], box: Corners | None) -> NDArray[np.uint8]:
    """A copy of `picture`, [h, w, 3] uint8, that shows nothing outside `box`."""
    height, width = picture.shape[:2]
    scale = BLOCKS / max(height, width)
    coarse = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(picture, coarse, interpolation=cv2.INTER_AREA)
    hidden = np.asarray(
        cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST), np.uint8
    )
    if box is not None:
        left, top, across, down = box
        rows = slice(max(0, round(top * height)), round((top + down) * height))
        columns = slice(max(0, round(left * width)), round((left + across) * width))
        hidden[rows, columns] = picture[rows, columns]
    return hidden


def pixelate_still(jpeg: bytes, box: Corners | None) -> bytes:
    """The same picture, JPEG, that shows nothing outside `box`."""
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    if picture is None:
        raise ValueError("no picture")
    hidden = pixelated(np.asarray(picture, np.uint8), box)
    _, found = cv2.imencode(".jpg", hidden, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return found.tobytes()


def pixelate_clip(source: Path, target: Path, places: Sequence[Place]) -> None:
    """Write `source` to `target`, an MP4, so that each picture shows nothing outside its place.

    `places` in order of time. Raises what PyAV raises.
    """
    with av.open(str(source)) as read, av.open(str(target), "w", format="mp4") as written:
        video = read.streams.video[0]
        base = video.time_base or Fraction(1, 90_000)
        stream = written.add_stream("libx264", rate=video.average_rate or 25, options=ENCODER)
        stream.codec_context.time_base = base
        orientation = AS_STORED
        opened = False
        for frame in read.decode(video):
            if frame.key_frame:
                orientation = orientation_of(frame)
            upright = AvFrame(frame, orientation).bgr(max(frame.width, frame.height))
            at_s = float((frame.pts or 0) * base)
            hidden = pixelated(upright, _box_at(places, at_s))
            height, width = (side // 2 * 2 for side in hidden.shape[:2])
            if not opened:
                stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
                opened = True
            shown = av.VideoFrame.from_ndarray(
                np.ascontiguousarray(hidden[:height, :width]), format="bgr24"
            )
            shown.pts, shown.time_base = frame.pts, base
            written.mux(stream.encode(shown.reformat(format="yuv420p")))
        written.mux(stream.encode(None))


def _box_at(places: Sequence[Place], at_s: float) -> Corners | None:
    """The box of the nearest sample; None where none is near."""
    after = bisect_left(places, at_s, key=lambda place: place[0])
    near = places[max(0, after - 1) : after + 1]
    box_s, box = min(near, key=lambda place: abs(place[0] - at_s), default=(0.0, None))
    return box if box is not None and abs(box_s - at_s) <= NEAR_S else None
