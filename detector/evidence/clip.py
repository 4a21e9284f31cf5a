"""An incident's clip: a camera's packets in MP4 files, never encoded again.

A part is one file. Another one begins where the camera was connected to anew, or sends other
parameter sets, for a file has one set of them. While a part is written it consists of fragments
that play by themselves (ISO 14496-12, 8.8), so that it can be watched meanwhile; at its end FFmpeg
makes it a plain file (`movflags=hybrid_fragmented`).
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
from av.codec import CodecContext
from av.container import OutputContainer
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from alerts.storage.files import unfinished
from detector.capture.kept.ring import KeptPacket
from detector.capture.kept.template import HEAD_BYTES, parameter_sets
from detector.evidence.files import finish_file
from detector.evidence.timeline import TICKS_HZ, Stamps, Timeline

TICK: Final = Fraction(1, TICKS_HZ)

MUXER: Final = {"movflags": "hybrid_fragmented", "flush_packets": "1"}

BROWSERS_PLAY: Final = {"h264", "av1", "vp9"}
"""In MP4, by Chromium as Debian builds it; H.265 only where the hardware does."""

BROWSERS_SHOW: Final = {"yuv420p", "yuvj420p"}

WRITE_ERRORS: Final = (av.FFmpegError, OSError, ValueError)


@dataclass(frozen=True, slots=True)
class ClipPart:
    """A part that is whole: where, what is in it; `begins_s`: monotonic; `seconds`: it lasts."""

    path: Path
    codec: str
    plays_in_browser: bool
    begins_s: float
    seconds: float


class PartWriter:
    """Writes one part, from a key frame on; its methods raise one of `WRITE_ERRORS`."""

    def __init__(self, path: Path, first: KeptPacket) -> None:
        self._path = path
        self._template = first.template
        self._sets = _sets(first) or _stated_sets(first.template)
        self._begins_s = first.arrived_s
        self._timeline = Timeline()
        self._until_ticks = 0
        # By a file of Python's: libav would wait for the disk with the interpreter locked, at
        # opening and at the end, and with it every thread.
        self._file = unfinished(path).open("wb")
        try:
            self._begin(first)
        except WRITE_ERRORS:
            self._leave()
            raise

    def _begin(self, first: KeptPacket) -> None:
        container = av.open(self._file, "w", format="mp4", container_options=MUXER)
        assert isinstance(container, OutputContainer)
        self._container = container
        self._stream = container.add_stream_from_template(first.template, opaque=True)
        self._stream.time_base = TICK
        if self._sets != _stated_sets(self._stream):
            self._adopt(first)

    def takes(self, kept: KeptPacket) -> bool:
        """Whether `kept` belongs to this part; if not, another begins with it."""
        if kept.template is not self._template:
            return False
        return not kept.packet.is_keyframe or _sets(kept) in (b"", self._sets)

    def write(self, kept: KeptPacket) -> None:
        """Write the packet."""
        own = kept.packet
        packet = Packet(bytes(own))
        packet.stream = self._stream
        base = own.time_base
        stamps = Stamps(
            None if own.pts is None else float(own.pts * base),
            None if own.dts is None else float(own.dts * base),
            kept.arrived_s,
            kept.believed,
        )
        packet.time_base = TICK
        packet.pts, packet.dts = self._timeline.place(stamps)
        packet.duration = round((own.duration or 0) * base / TICK)
        packet.is_keyframe = own.is_keyframe
        self._until_ticks = packet.dts + packet.duration
        self._container.mux_one(packet)
        if packet.is_keyframe:
            self._file.flush()  # for who watches it growing

    def finish(self) -> ClipPart:
        """Make it a plain file, under its name."""
        codec, shown = _codec(self._stream), self._stream.codec_context.pix_fmt
        self._container.close()
        self._file.close()
        finish_file(self._path)
        return ClipPart(
            self._path,
            codec,
            codec in BROWSERS_PLAY and shown in BROWSERS_SHOW,
            self._begins_s,
            self._until_ticks / TICKS_HZ,
        )

    def abandon(self) -> None:
        """Leave nothing behind, where the disk refuses."""
        self._leave()
        with suppress(*WRITE_ERRORS):
            self._container.close()

    def _leave(self) -> None:
        with suppress(*WRITE_ERRORS):
            self._file.close()
        with suppress(OSError):
            unfinished(self._path).unlink(missing_ok=True)

    def _adopt(self, first: KeptPacket) -> None:
        """Go by the parameter sets of its own first key frame: the stream's may be older."""
        context = self._stream.codec_context
        context.extradata = self._sets
        size = _size(self._stream, self._sets, first)
        if size:
            context.width, context.height = size


def _sets(kept: KeptPacket) -> bytes:
    return parameter_sets(_codec(kept.template), bytes(memoryview(kept.packet)[:HEAD_BYTES]))


def _stated_sets(stream: VideoStream) -> bytes:
    return parameter_sets(_codec(stream), stream.codec_context.extradata or b"")


def _codec(stream: VideoStream) -> str:
    """`h264` of an encoder's own stream, too, whose codec is called libx264."""
    return stream.codec_context.codec.canonical_name


def _size(stream: VideoStream, sets: bytes, first: KeptPacket) -> tuple[int, int] | None:
    """Width and height of a key frame's picture; None where it cannot be decoded."""
    context = CodecContext.create(_codec(stream), "r")
    assert isinstance(context, VideoCodecContext)
    context.extradata = sets
    with suppress(av.FFmpegError, ValueError):
        for packet in (Packet(bytes(first.packet)), None):
            for frame in context.decode(packet):
                return frame.width, frame.height
    return None
