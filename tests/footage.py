"""Videos for tests, written from pictures as a camera would send them."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]

SURE_MINUTE_S = 120
"""Of the demo: each minute has its own brawl, and the second look is sure of this one's."""


def write_video(
    path: Path,
    pictures: Iterable[Picture],
    fps: float = 25,
    title: str | None = None,
    quality: int = 18,
    gop: int = 250,
) -> Path:
    """Write pictures ([h, w, 3] BGR, even sides) as H.264 to `path`, which is returned.

    `gop`: pictures from key frame to key frame, at most.
    """
    with av.open(f"file:{path}", "w") as container:
        if title:
            container.metadata["title"] = title
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000))
        stream.pix_fmt = "yuv420p"
        # One thread: else a slice for each, and GStreamer's RTSP server damages such key frames.
        stream.options = {
            "preset": "ultrafast",
            "crf": str(quality),
            "g": str(gop),
            "threads": "1",
        }
        for picture in pictures:
            if not stream.codec_context.is_open:
                stream.height, stream.width = picture.shape[:2]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode(None))
    return path


PHONE = (0, 1, -1, 0)
"""What a phone held upright writes: to be shown a quarter turn to the right."""


def write_raw(path: Path, pictures: Iterable[Picture], fps: float, codec: str = "libx264") -> Path:
    """Write pictures as a raw stream (.h264, .hevc): no container, no time stamps."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(fps).limit_denominator(1000))
        stream.pix_fmt = "yuv420p"
        quiet = {"x265-params": "log-level=none:pools=1:frame-threads=1"}
        stream.options = {"preset": "ultrafast"} | (quiet if codec == "libx265" else {})
        for picture in pictures:
            if not stream.codec_context.is_open:
                stream.height, stream.width = picture.shape[:2]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode(None))
    return path


def show_turned(path: Path, matrix: tuple[int, int, int, int]) -> Path:
    """Have an .mp4 say how it is to be shown: x' = ax + cy, y' = bx + dy, y downwards."""
    data = bytearray(path.read_bytes())
    a, b, c, d = (65536 * each for each in matrix)
    at = data.index(b"tkhd") + 44  # ISO 14496-12, version 0
    data[at : at + 20] = struct.pack(">5i", a, b, 0, c, d)
    path.write_bytes(bytes(data))
    return path
