"""Samples of a recorded file, at full speed and in order: for `jikimi score`, figures, training.

What is scored or measured is decoded as the daemon decodes it on a camera it has watched for a
while, so that figures are of what runs; what is taught from is decoded whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from config.errors import StreamError
from detector.capture.decoder import LIMITED, UNFILTERED, goes_unfiltered
from detector.capture.errors import words
from detector.capture.frames import AvFrame
from detector.capture.opening.container import video_of
from detector.capture.packets import MAX_PACKETS, demuxed
from detector.motion.greys import GreyScaler, SampleClock
from detector.types import Sample

NO_FRAME = "holds no frame that can be decoded: damaged, or larger than 40 megapixels"

USUAL_RATE = Fraction(25)
"""Of a file that does not state its own."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""A file knows no wall clock: its samples count from here."""


def open_recording(path: Path) -> InputContainer:
    """The video file at `path`, opened; raises what libav raises."""
    # Absolute, because libav takes a relative 12:30.mp4 for a protocol named 12. A title in
    # another encoding than UTF-8 is no reason to refuse the pictures.
    return av.open(str(path.absolute()), options=dict(LIMITED), metadata_errors="ignore")


@contextmanager
def opened_video(path: Path) -> Iterator[InputContainer]:
    """The video file at `path`, opened, with a video to decode; whatever fails is a StreamError."""
    try:
        with open_recording(path) as container:
            video_of(path, container)
            yield container
    except (av.FFmpegError, OSError) as error:
        raise _unreadable(path, error) from error


def decoded_frames(
    container: InputContainer, gop: int = 0
) -> Iterator[tuple[av.VideoFrame, float]]:
    """Every frame of the first video stream and its seconds since the first; damaged ones not.

    `gop`: pictures between key frames, where it is to be decoded as the daemon does; 0: whole. The
    frames of a raw .h264, which has no time stamps, are counted at its frame rate.
    """
    stream = container.streams.video[0]
    options = LIMITED | UNFILTERED if goes_unfiltered(stream, gop) else LIMITED
    stream.codec_context.options = options
    stream.thread_type = "NONE"  # the order of errors, and two cores, are worth more
    first_s: float | None = None
    period_s = float(1 / frame_rate(stream))
    unstamped = 0
    for packet in demuxed(container, stream):
        try:
            frames = packet.decode()
        except (av.FFmpegError, ValueError):
            continue
        for frame in frames:
            if frame.pts is not None:
                first_s = frame.time if first_s is None else first_s
                yield frame, frame.time - first_s
            elif first_s is None:
                yield frame, unstamped * period_s
                unstamped += 1


def frame_rate(stream: VideoStream) -> Fraction:
    """Pictures a second, as far as the file says."""
    return stream.guessed_rate or USUAL_RATE


def recorded_samples(path: Path, camera: str = "file", *, whole: bool = False) -> Iterator[Sample]:
    """Every sample of the video at `path`, upright; damaged frames are skipped.

    `whole`: decoded with all that the standard asks for, not as cheaply as the daemon does.
    Raises StreamError where nothing can be decoded.
    """
    clock, scaler, sampled = SampleClock(), GreyScaler(), 0
    with opened_video(path) as container:
        for frame, pts_s in decoded_frames(container, 0 if whole else _usual_gop(path)):
            if not clock.ticks(pts_s):
                continue
            sampled += 1
            utc = EPOCH + timedelta(seconds=pts_s)
            yield Sample(camera, utc, pts_s, pts_s, scaler(frame), AvFrame(frame))
    if not sampled:
        raise StreamError(f"{path}: {NO_FRAME}")


def recorded_seconds(path: Path) -> float:
    """Length of the video at `path` in seconds, as its container states it; 0 if it does not."""
    try:
        with open_recording(path) as container:
            return (container.duration or 0) / av.time_base
    except (av.FFmpegError, OSError) as error:
        raise _unreadable(path, error) from error


def _usual_gop(path: Path) -> int:
    """The most pictures from key frame to key frame, or to the end, near the start of a video."""
    longest = since_key = 0
    with open_recording(path) as container:
        for packet in islice(demuxed(container, container.streams.video[0]), MAX_PACKETS):
            if packet.size:  # the last one is empty, for the decoder to give out what it holds
                since_key = 1 if packet.is_keyframe else since_key + 1
                longest = max(longest, since_key)
    return longest


def _unreadable(path: Path, error: av.FFmpegError | OSError) -> StreamError:
    return StreamError(f"{path}: cannot be read as video: {words(path, error)}")
