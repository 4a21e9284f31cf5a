"""Videos for tests, written from pictures as a camera would send them."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]


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
