"""The packets received since the last key frame: what decoding and evidence clips draw on.

Receiving a stream costs next to nothing, decoding it 10 to 100 times more. So the two are
apart: whoever receives adds packets here, whoever decodes takes them, at once or, for a camera
that was left undecoded, from the last key frame on. Knows no codec and does not decode.
"""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import Generic, Protocol, TypeVar

MAX_BYTES = 8 * 2**20
"""A 4 Mbit/s stream with a key frame every 10 s needs 5 MB; 16 such cameras stay under 128 MB."""
MAX_PACKETS = 750
"""30 s at 25 pictures a second: longer than any key frame interval a camera offers by default."""


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
    """Packets since the last key frame, bounded; for one thread.

    `complete`: the buffer starts with a key frame and lacks nothing since. `usual_length`:
    packets from key frame to key frame, the longer of the last two times; 0 until there were two.
    """

    def __init__(self, max_bytes: int = MAX_BYTES, max_packets: int = MAX_PACKETS) -> None:
        self._max_bytes = max_bytes
        self._max_packets = max_packets
        self._packets: deque[P] = deque()
        self._bytes = 0
        self._taken = 0
        self._decodable = False
        self._since_key = 0
        self._last_length = 0
        self.complete = False
        self.usual_length = 0

    def __len__(self) -> int:
        return len(self._packets)

    @property
    def size(self) -> int:
        """Bytes held."""
        return self._bytes

    def add(self, packet: P) -> None:
        """Keep `packet`; a key frame drops all before it, a full buffer its oldest."""
        if packet.is_keyframe:
            self._packets.clear()
            self._bytes = 0
            self._taken = 0
            if self._last_length:
                self.usual_length = max(self._last_length, self._since_key)
            self._last_length = self._since_key if self._decodable else 0
            self._since_key = 0
            self.complete = True
            self._decodable = True
        self._since_key += 1
        self._packets.append(packet)
        self._bytes += packet.size
        while len(self._packets) > self._max_packets or (
            self._bytes > self._max_bytes and len(self._packets) > 1
        ):
            self._bytes -= self._packets.popleft().size
            self.complete = False
            if self._taken:
                self._taken -= 1
            else:  # a decoder that never saw this packet cannot go on behind it
                self._decodable = False

    def take(self) -> list[P]:
        """The packets not taken before, in order; none until a key frame leads them."""
        if not self._decodable:
            return []
        fresh = list(islice(self._packets, self._taken, None))
        self._taken = len(self._packets)
        return fresh

    @property
    def newest(self) -> P | None:
        """The packet added last."""
        return self._packets[-1] if self._packets else None

    def packets(self) -> list[P]:
        """All that is held, oldest first, taken or not."""
        return list(self._packets)
