"""The picture that goes with an alarm: the frame it was raised on, with the place marked."""

from __future__ import annotations

import cv2

from detector.types import Box, FrameHandle

SNAPSHOT_SIDE = 1280
"""Longer side in pixels: enough to recognise a scene, about 150 kB of message."""

JPEG_QUALITY = 80
BOX_COLOUR = (0, 200, 255)
"""Amber, BGR: visible on grey pictures by day and night."""


def snapshot(frame: FrameHandle, box: Box | None, max_side: int = SNAPSHOT_SIDE) -> bytes:
    """JPEG of `frame` with `box` drawn round what moves; longer side at most `max_side` pixels."""
    picture = frame.bgr(max_side)
    height, width = picture.shape[:2]
    if box is not None:
        corner = (round(box.left * width), round(box.top * height))
        opposite = (
            round((box.left + box.width) * width) - 1,
            round((box.top + box.height) * height) - 1,
        )
        cv2.rectangle(picture, corner, opposite, BOX_COLOUR, thickness=max(2, width // 400))
    _, jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return jpeg.tobytes()
