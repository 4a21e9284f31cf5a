"""Samples of a recorded file, at full speed and in order: for `jikimi score` and training."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import av

from config.errors import StreamError
from detector.capture.frames import AvFrame
from detector.sampling import GreyScaler, SampleClock
from detector.types import Sample

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""A file knows no wall clock: its samples count from here."""


def recorded_samples(path: Path, camera: str = "file") -> Iterator[Sample]:
    """Every sample of the video at `path`; damaged frames are skipped.

    Raises StreamError where nothing can be decoded.
    """
    clock, scaler, sampled = SampleClock(), GreyScaler(), 0
    try:
        # a title in another encoding than UTF-8 is no reason to refuse the pictures
        with av.open(str(path), metadata_errors="ignore") as container:
            if not container.streams.video:
                raise StreamError(f"{path}: no video stream in this file")
            stream = container.streams.video[0]
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
                    pts_s = frame.time - first_s
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
        with av.open(str(path)) as container:
            return (container.duration or 0) / av.time_base
    except (av.FFmpegError, OSError) as error:
        raise StreamError(f"{path}: cannot be read as video ({error.strerror})") from error
