"""Samples of a recorded file, at full speed and in order: for `jikimi score`, figures, training.

What is scored or measured is decoded as the daemon decodes it on a camera it has watched for a
while, so that figures are of what runs; what is taught from is decoded whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import av
from av.container import InputContainer

from config.errors import StreamError
from detector.capture.decoder import UNFILTERED, goes_unfiltered
from detector.capture.frames import AvFrame
from detector.capture.packets import MAX_PACKETS
from detector.motion.greys import GreyScaler, SampleClock
from detector.types import Sample

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""A file knows no wall clock: its samples count from here."""


def open_recording(path: Path) -> InputContainer:
    """The video file at `path`, opened; raises what libav raises."""
    # Absolute, because libav takes a relative 12:30.mp4 for a protocol named 12. A title in
    # another encoding than UTF-8 is no reason to refuse the pictures.
    return av.open(str(path.absolute()), metadata_errors="ignore")


def decoded_frames(
    container: InputContainer, gop: int = 0
) -> Iterator[tuple[av.VideoFrame, float]]:
    """Every frame of the first video stream and its seconds since the first; damaged ones not.

    `gop`: pictures between key frames, where it is to be decoded as the daemon does; 0: whole.
    """
    stream = container.streams.video[0]
    if goes_unfiltered(stream, gop):
        stream.codec_context.options = UNFILTERED
    stream.thread_type = "NONE"  # the order of errors, and two cores, are worth more
    first_s: float | None = None
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except av.InvalidDataError:
            continue
        for frame in frames:
            if frame.pts is None:
                continue
            first_s = frame.time if first_s is None else first_s
            yield frame, frame.time - first_s


def recorded_samples(path: Path, camera: str = "file", *, whole: bool = False) -> Iterator[Sample]:
    """Every sample of the video at `path`; damaged frames are skipped.

    `whole`: decoded with all that the standard asks for, not as cheaply as the daemon does.
    Raises StreamError where nothing can be decoded.
    """
    clock, scaler, sampled = SampleClock(), GreyScaler(), 0
    try:
        with open_recording(path) as container:
            if not container.streams.video:
                raise StreamError(f"{path}: no video stream in this file")
            for frame, pts_s in decoded_frames(container, 0 if whole else _usual_gop(path)):
                if not clock.ticks(pts_s):
                    continue
                sampled += 1
                utc = EPOCH + timedelta(seconds=pts_s)
                yield Sample(camera, utc, pts_s, pts_s, scaler(frame), AvFrame(frame))
    except (av.FFmpegError, OSError) as error:
        raise StreamError(f"{path}: cannot be read as video ({error.strerror})") from error
    if not sampled:
        raise StreamError(f"{path}: holds no frame that can be decoded")


def recorded_seconds(path: Path) -> float:
    """Length of the video at `path` in seconds, as its container states it; 0 if it does not."""
    try:
        with open_recording(path) as container:
            return (container.duration or 0) / av.time_base
    except (av.FFmpegError, OSError) as error:
        raise StreamError(f"{path}: cannot be read as video ({error.strerror})") from error


def _usual_gop(path: Path) -> int:
    """The most pictures from key frame to key frame, or to the end, near the start of a video."""
    longest = since_key = 0
    with open_recording(path) as container:
        for packet in islice(container.demux(video=0), MAX_PACKETS):
            if packet.size:  # the last one is empty, for the decoder to give out what it holds
                since_key = 1 if packet.is_keyframe else since_key + 1
                longest = max(longest, since_key)
    return longest
