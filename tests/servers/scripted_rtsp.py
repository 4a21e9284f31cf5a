"""An RTSP camera over TCP that does what real servers cannot: a test says how it answers."""

from __future__ import annotations

import hashlib
import re
import secrets
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import av

from servers.relay import TcpServer

REALM = "Câmera 7"
CHUNK = 1300
"""Bytes of a NAL unit in one RTP packet."""

HASHES = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256, "SHA-512-256": hashlib.sha512}


class ScriptedCamera(TcpServer):
    """Plays H.264 `clips` one after the other, endlessly, to whoever may see them.

    `answers`: status and reason by method, instead of 200. `digests`: the algorithms that it offers
    to log `user` in by, in this order; each connection has a nonce of its own, a new one after
    every `nonce_lasts` requests. `rtpmap`: what it says that it sends. `requests`: the methods
    asked for so far; `torn_down`: somebody said goodbye.
    """

    def __init__(
        self,
        *clips: Path,
        answers: Mapping[str, str] | None = None,
        digests: Sequence[str] = (),
        qop: str = 'qop="auth"',
        nonce_lasts: int = 1000,
        rtpmap: str = "H264/90000",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__()
        self._pictures = [units for clip in clips for units in _pictures(clip)]
        self.answers = answers or {}
        self._digests = digests
        self._qop = qop
        self._nonce_lasts = nonce_lasts
        self._rtpmap = rtpmap
        self._tls = tls
        self.user, self.password = "viewer", "p@ss:wörd/9"
        self.requests: list[str] = []
        self.torn_down = threading.Event()
        scheme = "rtsps" if tls else "rtsp"
        self.address = f"{scheme}://127.0.0.1:{self.port}/live?ch=1"

    def url(self, password: str | None = None) -> str:
        """Its address with the log-in, or another password."""
        login = f"{self.user}:{self.password if password is None else password}@"
        return self.address.replace("://", f"://{login}")

    def _handle(self, client: socket.socket) -> None:
        with suppress(OSError):
            if self._tls:
                client = self._keep(self._tls.wrap_socket(client, server_side=True))
            nonce, left = secrets.token_hex(8), self._nonce_lasts
            for head in _requests(client):
                method, uri = head.split()[:2]
                self.requests.append(method)
                if method == "TEARDOWN":
                    self.torn_down.set()
                if left == 0:
                    nonce, left = secrets.token_hex(8), self._nonce_lasts
                left -= 1
                may = method == "OPTIONS" or self._lets_in(method, uri, head, nonce)
                client.sendall(self._answer(method, uri, head, nonce if not may else ""))
                if may and method == "PLAY" and method not in self.answers:
                    threading.Thread(target=self._play, args=(client,), daemon=True).start()

    def _lets_in(self, method: str, uri: str, head: str, nonce: str) -> bool:
        if not self._digests:
            return True
        found = re.search(r"(?m)^Authorization: Digest (.*)$", head)
        said = dict(re.findall(r'(\w+)="?([^",\r]+)', found[1])) if found else {}
        if said.get("nonce") != nonce or said.get("algorithm") not in self._digests:
            return False
        kind = HASHES[said["algorithm"]]

        def hashed(text: str) -> str:
            return kind(text.encode()).hexdigest()

        proof = f"{nonce}:{said['nc']}:{said['cnonce']}:{said['qop']}" if self._qop else nonce
        secret = hashed(f"{self.user}:{REALM}:{self.password}")
        right = hashed(f"{secret}:{proof}:{hashed(f'{method}:{uri}')}")
        return said["uri"] == uri and said["response"] == right

    def _answer(self, method: str, uri: str, head: str, challenged: str) -> bytes:
        number = re.search(r"(?i)cseq: *(\d+)", head)
        status, lines, body = self.answers.get(method, "200 OK"), [], ""
        if challenged:
            status = "401 Unauthorized"
            lines = [
                f'WWW-Authenticate: Digest realm="{REALM}", nonce="{challenged}", '
                f"stale=TRUE, algorithm={digest}" + (f", {self._qop}" if self._qop else "")
                for digest in self._digests
            ]
        elif status.startswith("3"):
            lines = [f"Location: {self.address}"]
        elif method == "OPTIONS":
            lines = ["Public: DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER"]
        elif method == "DESCRIBE":
            lines = [f"Content-Base: {uri}/", "Content-Type: application/sdp"]
            body = (
                "v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=cam\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\n"
                f"a=rtpmap:96 {self._rtpmap}\r\na=fmtp:96 packetization-mode=1\r\n"
                "a=control:track\r\n"
            )
        else:
            lines = ["Session: 1", "Transport: RTP/AVP/TCP;unicast;interleaved=0-1"]
        first = [f"RTSP/1.0 {status}", f"CSeq: {number[1] if number else 0}"]
        lines = [*first, *lines, f"Content-Length: {len(body)}", "", body]
        return "\r\n".join(lines).encode()

    def _play(self, client: socket.socket) -> None:
        began_s, sequence, number = time.monotonic(), 0, 0
        with suppress(OSError):
            while True:
                time.sleep(max(0.0, began_s + number / 25 - time.monotonic()))
                units = self._pictures[number % len(self._pictures)]
                for place, unit in enumerate(units):
                    parts = list(_payloads(unit))
                    for at, payload in enumerate(parts):
                        ends = place == len(units) - 1 and at == len(parts) - 1
                        kind = 96 | (0x80 if ends else 0)
                        stamp = struct.pack(">BBHII", 128, kind, sequence % 65536, number * 3600, 7)
                        sequence += 1
                        packet = stamp + payload
                        client.sendall(b"$\x00" + struct.pack(">H", len(packet)) + packet)
                number += 1


def _requests(client: socket.socket) -> Iterator[str]:
    with client.makefile("rb") as lines:
        while first := lines.read(1):
            if first == b"$":
                lines.read(int.from_bytes(lines.read(3)[1:], "big"))
                continue
            head = first
            while not head.endswith(b"\r\n\r\n"):
                line = lines.readline()
                if not line:
                    return
                head += line
            yield head.decode()


def _pictures(clip: Path) -> Iterator[list[bytes]]:
    """The NAL units of each picture of a clip without B-frames."""
    with av.open(str(clip)) as container:
        video = container.streams.video[0]
        to_annexb = av.BitStreamFilterContext("h264_mp4toannexb", video)
        for packet in container.demux(video):
            for found in to_annexb.filter(packet):
                units = re.split(rb"\x00?\x00\x00\x01", bytes(found))
                if any(units):
                    yield [unit for unit in units if unit]


def _payloads(unit: bytes) -> Iterator[bytes]:
    """RTP payloads of one NAL unit (RFC 6184, FU-A where it is long)."""
    if len(unit) <= CHUNK:
        yield unit
        return
    for at in range(1, len(unit), CHUNK):
        starts, ends = at == 1, at + CHUNK >= len(unit)
        flags = (0x80 if starts else 0) | (0x40 if ends else 0) | (unit[0] & 31)
        yield bytes([unit[0] & 0xE0 | 28, flags]) + unit[at : at + CHUNK]
