"""The last seconds of one camera's packets, by reference: a clip begins before its incident.

A ring holds whole GOPs and begins with a key frame. The camera's thread adds packets, whoever
writes a clip reads them by their numbers, in a thread of his own: one that reads too slowly misses
packets and sees from their numbers that he did. Nothing is decoded or copied.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from itertools import islice
from typing import Any
from weakref import WeakSet

from av.packet import Packet
from av.video.stream import VideoStream

from detector.capture.kept.bounds import BOX_BYTES, MOST_BYTES

PACKET_BYTES = 3072
"""What a packet takes beside its data, measured: its objects, and what libav allocates ahead."""


@dataclass(frozen=True, slots=True, eq=False)
class KeptPacket:
    """A packet as received; `number` counts those of this ring.

    `arrived_s`: `time.monotonic()`. `template`: the stream that a file with it is made of; another
    one where the camera was connected to anew. `believed`: whether its time stamps are to be gone
    by, else its arrival.
    """

    number: int
    packet: Packet[Any]
    arrived_s: float
    template: VideoStream
    believed: bool


class RingBudget:
    """Shares out what the rings of all cameras may hold together."""

    def __init__(self, total_bytes: int = BOX_BYTES) -> None:
        self._total_bytes = total_bytes
        self._rings: WeakSet[PacketRing] = WeakSet()

    def share(self) -> int:
        """Bytes that each ring may hold."""
        return min(MOST_BYTES, self._total_bytes // max(1, len(self._rings)))

    def enter(self, ring: PacketRing) -> None:
        """Give `ring` a share, for as long as it exists."""
        self._rings.add(ring)


class PacketRing:
    """The newest packets of one camera, for `span_s` and one GOP more; any thread may read it."""

    def __init__(self, span_s: float, budget: RingBudget) -> None:
        self._span_s = span_s
        self._budget = budget
        self._lock = threading.Lock()
        self._packets: deque[KeptPacket] = deque()
        self._keys: deque[KeptPacket] = deque()
        self._next = 0
        self._bytes = 0
        budget.enter(self)
        self._most = budget.share()

    @property
    def bytes(self) -> int:
        """What it holds, with what a packet takes beside its data."""
        return self._bytes

    def add(
        self, packet: Packet[Any], arrived_s: float, template: VideoStream, *, believed: bool
    ) -> None:
        """Keep `packet`; the oldest GOPs go, where they are too old or too large."""
        kept = KeptPacket(self._next, packet, arrived_s, template, believed)
        with self._lock:
            self._next += 1
            if packet.is_keyframe:
                self._keys.append(kept)
                self._most = self._budget.share()
            elif not self._keys:
                return  # nothing that can be decoded
            self._packets.append(kept)
            self._bytes += packet.size + PACKET_BYTES
            old_s = arrived_s - self._span_s
            while len(self._keys) > 1 and (
                self._keys[1].arrived_s <= old_s or self._bytes > self._most
            ):
                self._keys.popleft()
                self._drop(self._keys[0].number)
            if self._bytes > self._most:  # one GOP alone: nobody can begin within it any more
                self._keys.clear()
                self._drop(self._next)

    def begin(self, at_s: float) -> KeptPacket | None:
        """The newest key frame that had arrived by `at_s`, else the oldest; None without any."""
        with self._lock:
            for key in reversed(self._keys):
                if key.arrived_s <= at_s:
                    return key
            return self._keys[0] if self._keys else None

    def since(self, number: int) -> list[KeptPacket]:
        """The packets from `number` on, in the order received; older ones may be gone."""
        with self._lock:
            if not self._packets:
                return []
            skipped = max(0, number - self._packets[0].number)
            return list(islice(self._packets, skipped, None))

    def _drop(self, before: int) -> None:
        while self._packets and self._packets[0].number < before:
            self._bytes -= self._packets.popleft().packet.size + PACKET_BYTES
