"""What a file needs to know of a stream whose packets it takes."""

from __future__ import annotations

import io
import re

import av
from av.container import OutputContainer
from av.video.stream import VideoStream

START_CODE = re.compile(rb"\x00{2,3}\x01")
"""Between NAL units (ITU-T H.264 and H.265, annex B)."""

HEAD_BYTES = 4096
"""Parameter sets stand before the picture and take 100 bytes."""


def template_of(video: VideoStream) -> VideoStream | None:
    """A copy of `video`'s parameters that outlives its container; None where MP4 cannot hold it.

    It belongs to a file in memory that nothing is written to; takes 0.1 ms.
    """
    container = av.open(io.BytesIO(), "w", format="mp4")
    assert isinstance(container, OutputContainer)
    try:
        return container.add_stream_from_template(video, opaque=True)
    except (ValueError, av.FFmpegError):
        return None


def parameter_sets(codec: str, data: bytes) -> bytes:
    """The parameter sets that a key frame of H.264 or H.265 begins with, start codes included.

    Empty where it has none, or is not in annex B's form.
    """
    units = START_CODE.split(data[:HEAD_BYTES])
    if codec == "h264":  # 7.4.1: sequence and picture parameter sets
        found = [unit for unit in units[1:] if unit and unit[0] & 0x1F in (7, 8)]
    elif codec == "hevc":  # 7.4.2.2: video, sequence and picture parameter sets
        found = [unit for unit in units[1:] if unit and unit[0] >> 1 & 0x3F in (32, 33, 34)]
    else:
        return b""
    if units[0]:
        return b""
    # Payloaders repeat what the encoder has put there already.
    each = dict.fromkeys(unit.rstrip(b"\x00") for unit in found)
    return b"".join(b"\x00\x00\x00\x01" + unit for unit in each)
