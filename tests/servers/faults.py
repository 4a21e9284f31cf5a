"""Servers that misbehave as cameras do: silent ones, and a proxy that damages the pictures."""

from __future__ import annotations

import random
import socket
import threading
from contextlib import suppress

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


class BabblingServer(TcpServer):
    """Answers whoever connects with `said`, over and over, as fast as it is taken."""

    def __init__(self, said: bytes, pause_s: float = 0.0) -> None:
        super().__init__()
        self._said = said
        self._pause_s = pause_s
        self._never = threading.Event()

    def _handle(self, client: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client.sendall(self._said)
                self._never.wait(self._pause_s)


class LeavingServer(TcpServer):
    """Ends each connection as soon as it is made."""

    def _handle(self, client: socket.socket) -> None:
        with suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)
