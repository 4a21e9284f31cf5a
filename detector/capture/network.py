"""Network cameras and files, received and decoded by libav (PyAV)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.packet import Packet
from av.video.stream import VideoStream

from config.errors import StreamError
from config.settings import CaptureSettings
from config.urls import StreamUrl
from detector.capture.decoder import LIMITED, MAX_PIXELS, RESET_AFTER_ERRORS, Decoder
from detector.capture.errors import read_failure, stalled, too_large
from detector.capture.frames import AvFrame
from detector.capture.kept.template import template_of
from detector.capture.opening.container import is_rtsp, open_container, video_of
from detector.capture.packets import GopBuffer, demuxed
from detector.capture.reordering import Reordering
from detector.capture.streams import Arrival, Codec, Wanted
from detector.motion.greys import GreyScaler
from detector.motion.orientation import AS_STORED, Orientation, orientation_of
from detector.types import FrameHandle, Grey

FRESH_WAIT_S = 0.015
"""A packet that lay unread comes within microseconds; one that is waited for takes most of a frame
period, 17 ms at 60 pictures a second."""

NO_PICTURE = (
    "sends data, but no picture could be decoded: damaged, or larger than 40 megapixels; check "
    "its codec settings"
)

LONGEST_PAUSE_S = 0.5
"""A file's gap in time stamps is not waited out longer than this."""


@dataclass(frozen=True, slots=True)
class AvPicture:
    """A frame of libavcodec, unconverted."""

    frame: av.VideoFrame
    pts_s: float | None
    arrived_s: float
    scaler: GreyScaler
    orientation: Orientation

    @property
    def width(self) -> int:
        """Pixels, upright."""
        return self.orientation.shown_size(self.frame.width, self.frame.height)[0]

    @property
    def height(self) -> int:
        """Pixels, upright."""
        return self.orientation.shown_size(self.frame.width, self.frame.height)[1]

    @property
    def handle(self) -> FrameHandle:
        """The frame by reference."""
        return AvFrame(self.frame, self.orientation)

    def grey(self) -> Grey:
        """The small grey picture, upright, in one swscale step."""
        return self.scaler(self.frame, self.orientation)


class AvStream:
    """One connection to a network camera, or a file played in real time, once."""

    def __init__(self, url: StreamUrl, capture: CaptureSettings) -> None:
        """Connect; raises UnauthorisedError or StreamError."""
        self._url = url
        self._timeout_s = capture.read_timeout_s
        self.keeps_unread = is_rtsp(url) and capture.transport == "tcp"
        self._recorded = _recorded_orientation(url)
        self._orientation = self._recorded or AS_STORED
        self._container = open_container(url, capture)
        try:
            self._video = video_of(url, self._container)
            self._decoder = Decoder(self._video, hardware=capture.hardware_decoding)
            self.template = template_of(self._video)
        except BaseException:
            self._container.close()
            raise
        self._reordering = Reordering()
        self._packets = demuxed(self._container)
        # As whole numbers: Fraction's product takes 2 µs a packet.
        self._tick = (self._video.time_base or Fraction(1, 90_000)).as_integer_ratio()
        self._pacer = FilePacer() if url.kind == "file" else None
        self._gop: GopBuffer[Packet[VideoStream]] = GopBuffer()
        self._arrivals: dict[int, float] = {}
        self._last_arrival_s = 0.0
        self._scaler = GreyScaler()

    @property
    def codec(self) -> Codec:
        """How its packets are encoded."""
        context = self._video.codec_context
        return Codec(context.name, context.profile)

    @property
    def decode_errors(self) -> int:
        """Packets that the decoder refused so far."""
        return self._decoder.errors

    def receive(self) -> Arrival | None:
        """Wait for the next video packet and keep it; see `Stream.receive`."""
        asked_s = time.monotonic()
        while (packet := self._next()) is not None:
            now_s = time.monotonic()
            if packet.stream_index == self._video.index and packet.size:
                if self._pacer:
                    stamp = packet.pts if packet.dts is None else packet.dts
                    lasts_s = self._seconds(packet.duration) or 0.0
                    now_s = self._pacer.wait(self._seconds(stamp), lasts_s)
                self._keep(packet, now_s)
                return Arrival(
                    now_s,
                    packet.size,
                    fresh=now_s - asked_s > FRESH_WAIT_S,
                    key=packet.is_keyframe,
                    pts_s=self._seconds(packet.pts),
                    packet=packet,
                )
            if now_s - asked_s > self._timeout_s:  # sound alone does not make a live camera
                raise stalled(self._url, self._timeout_s)
        return None

    def pictures(self, wanted: Wanted | None = None) -> Iterator[AvPicture]:
        """Decode what was received and not yet decoded; damaged packets are counted, not raised."""
        for packet in self._gop.take():
            spare = wanted is not None and self._is_spare(packet, wanted)
            frames = self._decoder.decode(packet, self._gop.usual_length, spare=spare)
            if not frames:
                self._refuse_large()
            for frame in frames:
                arrived_s = self._arrivals.pop(frame.pts, None) if frame.pts is not None else None
                if arrived_s is None:
                    arrived_s = self._last_arrival_s
                if frame.key_frame and not self._recorded:
                    self._orientation = orientation_of(frame)
                pts_s = self._seconds(frame.pts)
                yield AvPicture(frame, pts_s, arrived_s, self._scaler, self._orientation)

    def close(self) -> None:
        """Close the connection now, not when Python collects it."""
        self._container.close()

    def _refuse_large(self) -> None:
        """Raise StreamError where the pictures are, or have become, too large to be decoded."""
        width, height = self._decoder.size
        if width * height > MAX_PIXELS:
            raise too_large(self._url, width, height)
        if not width and self._decoder.errors >= RESET_AFTER_ERRORS:
            raise StreamError(f"{self._url}: {NO_PICTURE}")

    def _next(self) -> Packet[Any] | None:
        failure: StreamError
        try:
            return next(self._packets, None)
        except (av.FFmpegError, OSError, ValueError) as error:
            failure = read_failure(self._url, error, self._timeout_s)
        raise failure  # outside the handler: PyAV's own error holds the URL

    def _is_spare(self, packet: Packet[VideoStream], wanted: Wanted) -> bool:
        """Whether a stream with B-frames can do without this one, if nothing refers to it."""
        pts_s = self._seconds(packet.pts)
        step_s = None if pts_s is None else self._reordering.step_after(pts_s)
        return pts_s is not None and step_s is not None and not wanted(pts_s, step_s)

    def _seconds(self, stamp: int | None) -> float | None:
        ticks, per_s = self._tick
        return None if stamp is None else stamp * ticks / per_s

    def _keep(self, packet: Packet[VideoStream], now_s: float) -> None:
        self._gop.add(packet)
        self._last_arrival_s = now_s
        if packet.pts is not None:
            if len(self._arrivals) > 4 * 16:  # pictures that never came out of the decoder
                self._arrivals.clear()
            self._arrivals[packet.pts] = now_s


class FilePacer:
    """Hands out a file's packets no faster than a camera would."""

    def __init__(self) -> None:
        self._due_s: float | None = None
        self._last_s: float | None = None
        self._lasted_s = 0.0

    def wait(self, stream_s: float | None, lasts_s: float) -> float:
        """Sleep until the packet at `stream_s` is due; that moment on the monotonic clock.

        `lasts_s`: how long its picture is shown, which is all that a raw .h264 tells.
        """
        now_s = time.monotonic()
        if (
            self._due_s is None or now_s - self._due_s > 1.0
        ):  # late is late: never faster than real time
            self._due_s = now_s
        if stream_s is not None:
            step_s = 0.0 if self._last_s is None else stream_s - self._last_s
            self._due_s += min(max(step_s, 0.0), LONGEST_PAUSE_S)
            self._last_s = stream_s
        else:
            self._due_s += self._lasted_s
        self._lasted_s = lasts_s
        if self._due_s > now_s:
            time.sleep(self._due_s - now_s)
        return time.monotonic()


def _recorded_orientation(url: StreamUrl) -> Orientation | None:
    """How the pictures of a video file are stored; None for anything else.

    A container says so of all of them, which only its own decoder hears, and not `Decoder`'s.
    """
    if url.kind != "file" or not Path(url.url).is_file():
        return None
    with (
        suppress(av.FFmpegError, OSError, ValueError, StreamError, StopIteration),
        av.open(url.url, options=LIMITED, metadata_errors="ignore") as container,
    ):
        video = video_of(url, container)
        video.codec_context.options = LIMITED
        return orientation_of(next(container.decode(video)))
    return None
