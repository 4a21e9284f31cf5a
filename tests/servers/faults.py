"""Servers that misbehave as cameras do: silent ones, and a proxy that damages the pictures."""

from __future__ import annotations

import random
import threading

from servers.relay import RtspRelay, TcpServer

RTP_HEADER = 12


class SilentServer(TcpServer):
    """Accepts connections and never says a word."""


class GarbageProxy(RtspRelay):
    """Stands before an RTSP server; while `damage` is set, pictures are random bytes.

    What surrounds the pictures (interleaving and RTP headers) stays intact, so that the
    connection holds.
    """

    def __init__(self, target_port: int) -> None:
        super().__init__(target_port)
        self._random = random.Random(1)
        self.damage = threading.Event()
        self.damaged = 0

    def _packet(self, packet: bytes) -> bytes:
        if not self.damage.is_set():
            return packet
        self.damaged += 1
        return packet[:RTP_HEADER] + self._random.randbytes(len(packet) - RTP_HEADER)
