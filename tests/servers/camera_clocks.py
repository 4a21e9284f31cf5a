"""Cameras whose clock is wrong, or whose connections break off, before a real RTSP server."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

import cv2
import numpy as np

from servers.relay import RtspRelay

TICKS_A_SECOND = 90_000


class ClockRelay(RtspRelay):
    """Stands before an RTSP server; the camera's clock shows `clock(seconds)` instead.

    `clock` may be exchanged while it runs.
    """

    def __init__(self, target_port: int, clock: Callable[[float], float]) -> None:
        super().__init__(target_port)
        self.clock = clock
        self._first: int | None = None

    def _packet(self, packet: bytes) -> bytes:
        ticks = int.from_bytes(packet[4:8], "big")
        if self._first is None:
            self._first = ticks
        seconds = (ticks - self._first) % 2**32 / TICKS_A_SECOND
        shown = round(self.clock(seconds) * TICKS_A_SECOND) % 2**32
        return packet[:4] + shown.to_bytes(4, "big") + packet[8:]


class BreakingRelay(RtspRelay):
    """Stands before an RTSP server; every connection ends after so many pictures."""

    def __init__(self, target_port: int, pictures: int) -> None:
        super().__init__(target_port)
        self._pictures = pictures
        self._own = threading.local()

    def _handle(self, client: socket.socket) -> None:
        self._own.left = self._pictures
        super()._handle(client)

    def _packet(self, packet: bytes) -> bytes:
        if self._own.left == 0:
            raise ConnectionResetError
        self._own.left -= packet[1] >> 7  # the marker: a picture's last packet
        return packet


class MjpegServer:
    """MJPEG over HTTP, which has no time stamps: /RATE sends so many pictures a second."""

    def __init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Mjpeg)
        self._server.daemon_threads = True

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def url(self, rate: float) -> str:
        """Of a stream of `rate` pictures a second."""
        return f"http://127.0.0.1:{self._server.server_port}/{rate:g}"


class _Mjpeg(BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        rate, began_s, number = float(self.path.strip("/")), time.monotonic(), 0
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=b")
        self.end_headers()
        while True:
            time.sleep(max(0.0, began_s + number / rate - time.monotonic()))
            picture = _jpeg(number)
            head = f"--b\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
            try:
                self.wfile.write(head.encode() + picture + b"\r\n")
            except OSError:
                return
            number += 1


def _jpeg(number: int) -> bytes:
    """A picture in which a bar wanders."""
    picture = np.full((240, 320), 90, np.uint8)
    picture[:, 10 * number % 300 :][:, :20] = 230
    return bytes(cv2.imencode(".jpg", picture)[1])
