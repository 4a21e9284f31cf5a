"""One stream's packets into pictures, by libavcodec, as cheaply as a detector may.

The H.264 loop filter smooths the edges of blocks. It takes a quarter of all decoding, and the
motion view, which averages greys, does no worse without it. Left out, errors drift until the next
key frame, so it is left out where key frames are close. What is scored or measured from a file is
decoded the same (`detector.footage.recording`), what is taught from is decoded whole.
"""

from __future__ import annotations

from typing import Final

import av
from av.codec import CodecContext
from av.codec.hwaccel import HWAccel
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream
from structlog import get_logger

UNFILTERED_GOP = 100
"""Pictures from key frame to key frame, at most, where the loop filter is left out: 4 s at 25 a
second."""

UNFILTERED = {"skip_loop_filter": "nokey"}
"""The decoder's option: pictures that others start from keep the filter."""

MAX_PIXELS = 40_000_000
"""A picture of an 8K camera has 33 million; one of 16000×16000 takes 384 MB decoded."""

LIMITED = {"max_pixels": str(MAX_PIXELS)}
"""The decoder's option: larger pictures are refused before memory is taken for them."""

THREADS: Final = ("NONE", 1)
"""One a camera is enough, and a frame thread would hold back one picture each."""

RESET_AFTER_ERRORS = 25
"""One second of packets refused in a row: the decoder starts anew from the next key frame."""

NVDEC = HWAccel("cuda", allow_software_fallback=True, options={"primary_ctx": "1"})
"""All cameras share one CUDA context."""

log = get_logger()


def is_decodable(stream: VideoStream) -> bool:
    """Whether libavcodec has a decoder for it: else PyAV gives it no codec."""
    context: VideoCodecContext | None = stream.codec_context
    return context is not None


def goes_unfiltered(stream: VideoStream, gop: int) -> bool:
    """Whether the loop filter is left out, with `gop` pictures between key frames (0: unknown)."""
    return stream.codec_context.name == "h264" and 0 < gop <= UNFILTERED_GOP


class Decoder:
    """Decodes one stream's packets in order; for one thread. Damage is counted, not raised.

    `hardware`: on an NVIDIA GPU where there is one that takes this stream, else as ever.
    """

    def __init__(self, stream: VideoStream, *, hardware: bool = False) -> None:
        self._stream = stream
        self._accelerator = NVDEC if hardware else None
        self._unfiltered = False
        self._context = self._opened()
        self._errors_in_a_row = 0
        self._wait_for_key = False
        self.errors = 0

    @property
    def size(self) -> tuple[int, int]:
        """What the stream said last of its pictures' size (width, height); 0 before it did."""
        return self._context.width, self._context.height

    def decode(
        self, packet: Packet[VideoStream], gop: int, *, spare: bool = False
    ) -> list[av.VideoFrame]:
        """The pictures that `packet` completes, in the order in which they are shown.

        `gop`: how many pictures lie between key frames, 0 while that is not known. `spare`:
        this picture is not wanted, so it is left out if no other refers to it.
        """
        if self._wait_for_key and not packet.is_keyframe:
            return []
        self._wait_for_key = False
        frames = self._suit(gop) if packet.is_keyframe else []
        self._context.skip_frame = "NONREF" if spare else "DEFAULT"
        try:
            frames += self._context.decode(packet)
        except (av.FFmpegError, ValueError):
            self._refused()
        else:
            self._errors_in_a_row = 0
        return frames

    def _suit(self, gop: int) -> list[av.VideoFrame]:
        """At a key frame: filter or not, as the distance of key frames asks for.

        libavcodec would take the change in mid-stream, but PyAV has no name for it, so another
        decoder goes on; what the one before still held back comes out.
        """
        unfiltered = goes_unfiltered(self._stream, gop) and not self._accelerator
        if unfiltered == self._unfiltered:
            return []
        self._unfiltered = unfiltered
        before = self._context
        self._context = self._opened()
        try:
            return before.decode(None)
        except (av.FFmpegError, ValueError):
            return []

    def _opened(self) -> VideoCodecContext:
        own = self._stream.codec_context
        if not (self._accelerator or own.name == "h264"):
            # It alone knows what a container says of the picture, as old AVI files need. (H.264
            # says so itself; the stream's own decoder, left behind at a change, would keep 6 MB.)
            own.thread_type, own.thread_count = THREADS
            own.options = LIMITED
            return own
        try:
            context = CodecContext.create(own.codec, "r", hwaccel=self._accelerator)
        except av.FFmpegError as error:
            if not self._accelerator:
                raise
            log.warning("no GPU to decode on; decoding in software", reason=str(error))
            self._accelerator = None
            return self._opened()
        assert isinstance(context, VideoCodecContext)
        context.extradata = own.extradata
        context.thread_type, context.thread_count = THREADS
        context.options = LIMITED | UNFILTERED if self._unfiltered else LIMITED
        return context

    def _refused(self) -> None:
        self.errors += 1
        self._errors_in_a_row += 1
        if self._errors_in_a_row >= RESET_AFTER_ERRORS:
            if self._accelerator:
                log.warning("the GPU refuses a stream; decoding it in software")
                self._accelerator = None
                self._context = self._opened()
            else:
                self._context.flush_buffers()
            self._errors_in_a_row = 0
            self._wait_for_key = True
