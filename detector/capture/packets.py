"""Packets received and not yet decoded, from the last key frame on.

Receiving a stream costs next to nothing, decoding it 10 to 100 times more. So the two are
apart: the reader adds packets here and decodes them at once or, for a camera that was left
undecoded, from the last key frame on. Knows no codec and does not decode.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any, Generic, Protocol, TypeVar

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream

MAX_BYTES = 8 * 2**20
"""A 4 Mbit/s stream with a key frame every 10 s needs 5 MB; 16 such cameras stay under 128 MB."""
MAX_PACKETS = 750
"""30 s at 25 pictures a second: longer than any key frame interval a camera offers by default."""

MOST_DAMAGED = 1000
"""Reads in a row that fail before a stream or a file is given up; some readers look for the next
packet 80 bytes at a time."""

DAMAGE = (av.InvalidDataError, av.PatchWelcomeError, av.MemoryError)
"""What libav makes of nonsense between packets: a size beyond all memory among it."""


def demuxed(container: InputContainer, *streams: Stream) -> Iterator[Packet[Any]]:
    """Every packet of `streams` (none: of all), at the end an empty one each.

    What is damaged between them is passed over. Raises what libav raises where nothing comes after.
    """
    packets = container.demux(*streams)
    damaged = 0
    while True:
        try:
            packet = next(packets, None)
        except DAMAGE:
            damaged += 1
            if damaged == MOST_DAMAGED:
                raise
            packets = container.demux(*streams)  # a generator that raised has ended
            continue
        if packet is None:
            return
        damaged = 0
        yield packet


class KeyedPacket(Protocol):
    """What the buffer needs to know of a packet."""

    @property
    def size(self) -> int:
        """Bytes."""

    @property
    def is_keyframe(self) -> bool:
        """Whether decoding can start here."""


P = TypeVar("P", bound=KeyedPacket)


class GopBuffer(Generic[P]):
    """Undecoded packets since the last key frame, bounded; for one thread.

    `usual_length`: packets from key frame to key frame, the longer of the last two times; 0 until
    there were two.
    """

    def __init__(self, max_bytes: int = MAX_BYTES, max_packets: int = MAX_PACKETS) -> None:
        self._max_bytes = max_bytes
        self._max_packets = max_packets
        self._packets: deque[P] = deque()
        self._bytes = 0
        self._decodable = False
        self._since_key = 0
        self._last_length = 0
        self.usual_length = 0

    def add(self, packet: P) -> None:
        """Keep `packet`; a key frame drops all before it, a full buffer its oldest."""
        if packet.is_keyframe:
            self._clear()
            if self._last_length:
                self.usual_length = max(self._last_length, self._since_key)
            self._last_length = self._since_key if self._decodable else 0
            self._since_key = 0
            self._decodable = True
        self._since_key += 1
        self._packets.append(packet)
        self._bytes += packet.size
        while len(self._packets) > self._max_packets or (
            self._bytes > self._max_bytes and len(self._packets) > 1
        ):
            self._bytes -= self._packets.popleft().size
            self._decodable = False  # a decoder cannot go on behind a packet that it never saw

    def take(self) -> list[P]:
        """The packets not taken before, in order, to decode now; none before a key frame."""
        if not self._decodable:
            return []
        packets = list(self._packets)
        self._clear()
        return packets

    def _clear(self) -> None:
        self._packets.clear()
        self._bytes = 0
