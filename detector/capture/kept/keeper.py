"""Keeps one connection's packets in its camera's ring, or encodes its samples where it has none."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import structlog

from detector.capture.kept.encoder import SampleEncoder
from detector.capture.kept.ring import PacketRing
from detector.capture.streams import Arrival, Stream
from detector.types import Sample


class PacketKeeper:
    """What is received over one connection; for its thread. What cannot be kept ends nothing."""

    def __init__(self, camera: str, ring: PacketRing, stream: Stream) -> None:
        self._log = structlog.get_logger().bind(camera=camera)
        self._ring = ring
        self._template = stream.template
        self._encoder = SampleEncoder() if stream.codec is None else None
        self._is_failing = False

    def received(self, arrival: Arrival, *, believed: bool) -> None:
        """Keep the packet that has just come; `believed`: its time stamps are."""
        if arrival.packet is not None and self._template is not None:
            self._try(
                partial(
                    self._ring.add,
                    arrival.packet,
                    arrival.at_s,
                    self._template,
                    believed=believed,
                )
            )

    def sampled(self, sample: Sample) -> None:
        """Keep a picture, if it came without a packet."""
        if self._encoder is not None and sample.frame is not None:
            self._try(partial(self._encode, self._encoder, sample))

    def _encode(self, encoder: SampleEncoder, sample: Sample) -> None:
        assert sample.frame is not None
        for packet in encoder.encode(sample.frame, sample.at_s):
            assert encoder.template is not None
            self._ring.add(packet, sample.at_s, encoder.template, believed=True)

    def _try(self, keep: Callable[[], None]) -> None:
        try:
            keep()
        except Exception as error:  # noqa: BLE001 - no memory, no thread for an encoder: watch on
            if not self._is_failing:
                self._log.warning("nothing can be kept for clips", reason=str(error))
            self._is_failing = True
            if self._encoder is not None:
                self._encoder = SampleEncoder()
        else:
            self._is_failing = False
