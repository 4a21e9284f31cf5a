"""A scene in which people move all the time, encoded as a camera would: for the benchmarks."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np

from detector.capture.pattern import render

SECONDS = 20

BITS_PER_PIXEL_SECOND = 3
"""2.8 Mbit/s at 720p, as cameras come from the factory (2–4 Mbit/s)."""

NOISE_LEVELS = 2.0
"""Standard deviation of sensor noise, grey levels: indoors, by lamplight."""

FOOTAGE = Path(__file__).parents[3] / "shared/data/untrimmed/normal/opencv_vtest.mp4"
"""Pedestrians, always some walking; without it the rendered scene, cheaper to decode, stands in."""


def encode_scene(path: Path, size: tuple[int, int]) -> Path:
    """Encode people moving at `size`, 25 fps, H.264 without B-frames, a GOP of 2 s."""
    if path.exists():
        return path
    width, height = size
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.bit_rate = BITS_PER_PIXEL_SECOND * width * height
        stream.options = {"preset": "veryfast", "bf": "0", "g": "50", "threads": "2"}
        sensor = np.random.default_rng(0)
        noise = [sensor.normal(0, NOISE_LEVELS, (height, width, 1)) for _ in range(8)]
        for index, picture in enumerate(islice(_pictures(), SECONDS * 25)):
            clean = picture.reformat(width, height, "bgr24").to_ndarray()
            noisy = np.clip(clean + noise[index % 8], 0, 255).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(noisy, format="bgr24").reformat(format="yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def _pictures() -> Iterator[av.VideoFrame]:
    if not FOOTAGE.exists():
        for index in range(SECONDS * 25):
            yield av.VideoFrame.from_ndarray(render("calm", index / 25), format="bgr24")
        return
    with av.open(str(FOOTAGE), metadata_errors="ignore") as container:
        yield from container.decode(video=0)
