"""A kept key frame as a picture, decoded for itself."""

from __future__ import annotations

import av
from av.codec import CodecContext
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext

from detector.capture.decoder import LIMITED, THREADS
from detector.capture.kept.ring import KeptPacket

OPTIONS = {**LIMITED, "skip_loop_filter": "all"}
"""A single picture, shown small: nobody sees the edges of blocks."""


def still(key: KeptPacket) -> av.VideoFrame | None:
    """The picture of a key frame, None where it cannot be decoded.

    By a decoder of its own, made and dropped: that takes 0.4 ms of the 2.8 ms at 640×360, while
    one that is kept takes 1 MB a camera, and the camera's own would lose its place.
    """
    own = key.template.codec_context
    try:
        context = CodecContext.create(own.codec.canonical_name, "r")
        assert isinstance(context, VideoCodecContext)
        context.extradata = own.extradata
        context.thread_type, context.thread_count = THREADS
        context.options = OPTIONS
        for packet in (Packet(bytes(key.packet)), None):
            for frame in context.decode(packet):
                return frame
    except (av.FFmpegError, ValueError):
        return None
    return None
