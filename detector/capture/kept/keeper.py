"""Keeps one connection's packets in its camera's ring, or encodes its samples where it has none."""

from __future__ import annotations

from detector.capture.kept.encoder import SampleEncoder
from detector.capture.kept.ring import PacketRing
from detector.capture.streams import Arrival, Stream
from detector.types import Sample


class PacketKeeper:
    """What is received over one connection; for its thread."""

    def __init__(self, ring: PacketRing, stream: Stream) -> None:
        self._ring = ring
        self._template = stream.template
        self._encoder = SampleEncoder() if stream.codec is None else None

    def received(self, arrival: Arrival, *, believed: bool) -> None:
        """Keep the packet that has just come; `believed`: its time stamps are."""
        if arrival.packet is not None and self._template is not None:
            self._ring.add(arrival.packet, arrival.at_s, self._template, believed=believed)

    def sampled(self, sample: Sample) -> None:
        """Keep a picture, if it came without a packet."""
        if self._encoder is None or sample.frame is None:
            return
        for packet in self._encoder.encode(sample.frame, sample.at_s):
            assert self._encoder.template is not None
            self._ring.add(packet, sample.at_s, self._encoder.template, believed=True)
