"""What every source of pictures gives the reader: a `Stream`.

Receiving and decoding are two steps. A stream keeps what it received until it is asked for
pictures, so that an idle camera can go undecoded. Implemented by `AvStream` (network and files),
`DeviceStream` (local cameras) and `PatternStream` (rendered demo scenes).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from av.packet import Packet
from av.video.stream import VideoStream

from detector.types import FrameHandle, Grey


@dataclass(frozen=True, slots=True)
class Arrival:
    """A packet (or a picture, where a source gives no packets) that has just been received.

    `at_s`: `time.monotonic()`; `size`: bytes; `fresh`: the reader had to wait for it, so
    nothing else lies unread. `key`: whether decoding can start here, None where a source
    gives no packets; `pts_s`: stream time of its picture. `packet`: to be kept, not changed.
    """

    at_s: float
    size: int
    fresh: bool
    key: bool | None = None
    pts_s: float | None = None
    packet: Packet[Any] | None = None


@dataclass(frozen=True, slots=True)
class Codec:
    """How a stream's packets are encoded, e.g. h264 with the profile Main, in libav's words."""

    name: str
    profile: str | None


Wanted = Callable[[float, float], bool]
"""Whether the picture at this stream time, so many seconds after the one before, is wanted."""


class Picture(Protocol):
    """One decoded picture. Nothing is converted before it is asked for."""

    @property
    def pts_s(self) -> float | None:
        """Stream time in seconds, counted from anywhere; None where the stream names none."""

    @property
    def arrived_s(self) -> float:
        """`time.monotonic()` when its packet arrived."""

    @property
    def width(self) -> int:
        """Pixels."""

    @property
    def height(self) -> int:
        """Pixels."""

    @property
    def handle(self) -> FrameHandle:
        """The picture by reference; keep only the newest, it holds a decoder's buffer."""

    def grey(self) -> Grey:
        """The small grey picture, [h, w] uint8."""


class Stream(Protocol):
    """One open connection to a camera; for one thread."""

    @property
    def codec(self) -> Codec | None:
        """How its packets are encoded; None where it gives pictures instead of packets."""

    @property
    def template(self) -> VideoStream | None:
        """What a file of its packets is made from; None where it gives none that MP4 can hold.

        Outlives the connection.
        """

    @property
    def keeps_unread(self) -> bool:
        """Whether what is not received at once is kept for later, as TCP does."""

    @property
    def decode_errors(self) -> int:
        """Packets that the decoder refused so far."""

    def receive(self) -> Arrival | None:
        """Wait for the next packet or picture and keep it; None at the end of the stream.

        Raises StalledError when nothing came within the read time-out, StreamError when the
        connection broke. Returns within the read time-out, whatever the camera does.
        """

    def pictures(self, wanted: Wanted | None = None) -> Iterator[Picture]:
        """Decode what was received and not yet decoded, in the order in which it is shown.

        A picture that is not `wanted` may be left out where that saves decoding it.
        """

    def close(self) -> None:
        """Let go of the connection and the decoder; quick, and harmless when repeated."""
