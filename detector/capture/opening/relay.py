"""A relay between libav and one camera, for one connection, that logs in for it.

libav speaks RTSP with it on 127.0.0.1 and knows no password; the relay answers the camera's
challenge in each request and hands everything else on as it is. It sees the camera's status
codes, of which libav's errors tell little. RTSP over TCP only, in plain text or TLS.
"""

from __future__ import annotations

import re
import secrets
import selectors
import socket
import ssl
import threading
import time
from contextlib import suppress
from urllib.parse import unquote, urlsplit

from config.urls import StreamUrl
from detector.capture.opening.challenge import Answers, Challenge, best, challenges

LONGEST_MESSAGE = 2**17
"""Bytes of a request or its answer; RTSP's own are below 4 kB."""

PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}

OK, UNAUTHORISED = 200, 401

STATUS_BYTES = 11
"""One less than a status takes: what may be the beginning of one."""

_STATUS = re.compile(rb"RTSP/1\.\d (\d{3})")


def ask(camera: StreamUrl, timeout_s: float) -> tuple[socket.socket, str]:
    """A new connection, and the head of the answer to a request for the stream, without a log-in.

    For web cameras as well. Raises OSError or ValueError where there is no connection, or no
    answer within `timeout_s` after that.
    """
    base, rest = _address(camera)
    parts = urlsplit(base)
    host = parts.hostname or ""
    connection = socket.create_connection((host, parts.port), timeout_s)
    try:
        if parts.scheme in {"rtsps", "https"}:
            connection = _unverified().wrap_socket(connection, server_hostname=host)
        if parts.scheme.startswith("http"):
            request = f"GET {rest or '/'} HTTP/1.1\r\nHost: {parts.netloc}"
        else:
            request = f"DESCRIBE {base}{rest} RTSP/1.0\r\nCSeq: 1\r\nAccept: application/sdp"
        connection.sendall(f"{request}\r\n\r\n".encode())
        head = _text(_answer(connection, time.monotonic() + timeout_s).partition(b"\r\n\r\n")[0])
        connection.settimeout(timeout_s)
    except BaseException:
        connection.close()
        raise
    return connection, head


def _answer(connection: socket.socket, until_s: float) -> bytes:
    data = b""
    while (wanted := _length(data)) is None or len(data) < wanted:
        connection.settimeout(max(0.001, until_s - time.monotonic()))
        received = connection.recv(65536)
        data += received
        if not received or len(data) > LONGEST_MESSAGE:
            raise ConnectionError("no answer that can be read")
    return data


def offered(camera: StreamUrl, timeout_s: float) -> list[Challenge]:
    """The log-ins that a camera asks for; none where it asks for none or does not answer."""
    try:
        connection, head = ask(camera, timeout_s)
    except (OSError, ValueError):
        return []
    connection.close()
    return challenges(head)


def redirected(camera: StreamUrl, timeout_s: float) -> StreamUrl | None:
    """Where a camera sends whoever asks it; None where it does not, or does not answer."""
    try:
        connection, head = ask(camera, timeout_s)
        connection.close()
        target = re.search(r"(?im)^location:[ \t]*(.*?)\r?$", head)
        if re.match(r"RTSP/1\.\d 3\d\d", head) and target:
            return StreamUrl.parse(target[1])
    except (OSError, ValueError):
        pass
    return None


class LoginRelay:
    """Connects to a camera and asks it for its stream; then waits for libav at `url`.

    `offered`: the log-ins that it asks for; `status`: the last one that was not 200, after that.
    Its thread ends, and closes all, when either side closes.
    """

    def __init__(self, camera: StreamUrl, timeout_s: float) -> None:
        """Connect; raises OSError or ValueError where that fails, or no RTSP comes back."""
        parts = urlsplit(camera.url)
        self._base, self._rest = _address(camera)
        self._user = unquote(parts.username or "")
        self._password = unquote(parts.password or "")
        self._answers: Answers | None = None
        self._waiting = b""
        self._heard = b""
        self._met = False
        self._timeout_s = timeout_s
        self.status = OK
        self._camera, head = ask(camera, timeout_s)
        self._heed(head.encode("utf-8", "surrogateescape") + b"\r\n\r\n")
        self.offered = challenges(head)
        self.status = OK
        # Others on this machine could come first, but cannot know what to ask for.
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1)
        self._listener.settimeout(timeout_s)
        own = self._listener.getsockname()[1]
        self._own = f"rtsp://127.0.0.1:{own}/{secrets.token_hex(16)}"
        self.url = self._own + self._rest
        threading.Thread(target=self._run, name="login-relay", daemon=True).start()

    @property
    def answered(self) -> Challenge | None:
        """The log-in that is given in each request, if any."""
        return self._answers.challenge if self._answers else None

    @property
    def can_answer(self) -> bool:
        """Whether one of the log-ins that the camera asks for, if any, can be answered."""
        return not self.offered or self._answers is not None

    def close(self) -> None:
        """End it; what is connected is told so. Harmless when repeated."""
        for each in (self._listener, self._camera):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _run(self) -> None:
        with suppress(OSError, ValueError), self._camera, self._listener:
            client, _ = self._listener.accept()
            self._listener.close()
            with client, selectors.DefaultSelector() as ready:
                client.settimeout(self._timeout_s)
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                ready.register(client, selectors.EVENT_READ)
                ready.register(self._camera, selectors.EVENT_READ)
                while self._pass_on(client, ready):
                    pass

    def _pass_on(self, client: socket.socket, ready: selectors.BaseSelector) -> bool:
        """One step; whether both sides are still there."""
        for key, _ in ready.select():
            source = client if key.fileobj is client else self._camera
            data = source.recv(65536)
            if not data:
                return False
            if source is client:
                self._camera.sendall(self._logged_in(data))
            else:
                self._heed(data)
                client.sendall(data)
        return True

    def _logged_in(self, data: bytes) -> bytes:
        """What libav sends, with the camera's address and the log-in in each request."""
        out = b""
        self._waiting += data
        while (length := _length(self._waiting)) is not None and len(self._waiting) >= length:
            message, self._waiting = self._waiting[:length], self._waiting[length:]
            out += message if message.startswith(b"$") else self._request(message)
        if len(self._waiting) > LONGEST_MESSAGE:
            raise ValueError("too long for a request")
        return out

    def _request(self, message: bytes) -> bytes:
        head, _, body = message.partition(b"\r\n\r\n")
        line, *fields = _text(head).split("\r\n")
        method, uri, version = line.split(" ")
        if not self._met and not uri.startswith(self._own):
            raise ValueError("a stranger")
        self._met = True
        if uri.startswith(self._own):
            uri = self._base + uri.removeprefix(self._own)
        if self._answers:
            fields.append(f"Authorization: {self._answers.to(method, uri)}")
        lines = [f"{method} {uri} {version}", *fields]
        return "\r\n".join(lines).encode("utf-8", "surrogateescape") + b"\r\n\r\n" + body

    def _heed(self, data: bytes) -> None:
        """Note what the camera says amid its pictures: a status, a new nonce."""
        data = self._heard + data
        self._heard = data[-STATUS_BYTES:]
        for found in _STATUS.finditer(data):
            head, end, _ = data[found.start() :].partition(b"\r\n\r\n")
            if not end:  # the rest comes with the next packet
                self._heard = data[found.start() :][:LONGEST_MESSAGE]
                break
            status = int(found[1])
            if status != OK:
                self.status = status
            if status == UNAUTHORISED:  # libav asks again by itself
                asked = best(challenges(_text(head)))
                self._answers = Answers(asked, self._user, self._password) if asked else None


def _address(camera: StreamUrl) -> tuple[str, str]:
    """What stands before the path in requests, and the path."""
    parts = urlsplit(camera.url)
    host = parts.hostname or ""
    place = f"[{host}]" if ":" in host else host
    port = parts.port or PORTS[parts.scheme]
    return f"{parts.scheme}://{place}:{port}", parts.path + (
        f"?{parts.query}" if parts.query else ""
    )


def _text(head: bytes) -> str:
    """A head as text, whatever encoding a camera writes its realm in."""
    return head.decode("utf-8", "surrogateescape")


def _length(data: bytes) -> int | None:
    """Bytes of the message or the interleaved packet that `data` begins with; None: not known."""
    if data.startswith(b"$"):
        return 4 + int.from_bytes(data[2:4], "big") if len(data) >= 4 else None
    head, end, _ = data.partition(b"\r\n\r\n")
    if not end:
        return None
    stated = re.search(rb"(?i)\r\ncontent-length:[ \t]*(\d{1,9})", head)
    return len(head) + 4 + (int(stated[1]) if stated else 0)


def _unverified() -> ssl.SSLContext:
    """As libav has it: cameras sign their certificates themselves."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
