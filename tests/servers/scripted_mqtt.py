"""A broker that does as a test says, for what a good one never does.

It speaks as much MQTT 3.1.1 and 5 as `alerts.sinks.mqtt` needs: CONNECT, PUBLISH, SUBSCRIBE (to
which nothing ever comes), PINGREQ. Each
packet is answered as the test's functions say; what came is kept.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK = 1, 2, 3, 4, 8, 9
PINGREQ, PINGRESP, DISCONNECT = 12, 13, 14

RECEIVE_MAXIMUM, MAXIMUM_QOS, RETAIN_AVAILABLE, MAXIMUM_PACKET_SIZE = 0x21, 0x24, 0x25, 0x27
"""Properties of CONNACK (MQTT 5, 3.2.2.3)."""


@dataclass(frozen=True)
class Connect:
    """A CONNECT: its level (4: MQTT 3.1.1, 5) and its last will's."""

    level: int
    will_qos: int
    will_retain: bool


@dataclass(frozen=True)
class Publish:
    """A PUBLISH; `size`: of the whole packet."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    size: int


@dataclass(frozen=True)
class Answer:
    """What to answer to a PUBLISH: a PUBACK or DISCONNECT with `code`, a hang-up, or silence."""

    packet: int | None = PUBACK
    code: int = 0


ACKNOWLEDGE = Answer()
HANG_UP = Answer(packet=None)
SILENCE = Answer(packet=0)


def refuse(code: int) -> Answer:
    """A PUBACK with this reason code."""
    return Answer(PUBACK, code)


def disconnect(code: int) -> Answer:
    """A DISCONNECT with this reason code, and the end of the connection."""
    return Answer(DISCONNECT, code)


class ScriptedBroker:
    """Listens on 127.0.0.1.

    `connack`: the code of CONNACK for a CONNECT, or None to hang up. `properties`: what CONNACK
    says, by identifier. `answer`: to a PUBLISH. `suback`: the code for each filter of a SUBSCRIBE.
    `answering`: while cleared, nothing is answered.
    """

    def __init__(self) -> None:
        self.connack: Callable[[Connect], int | None] = lambda _: 0
        self.properties: dict[int, int] = {}
        self.answer: Callable[[Publish], Answer] = lambda _: ACKNOWLEDGE
        self.suback = 1
        self.answering = threading.Event()
        self.answering.set()
        self.connects: list[Connect] = []
        self.published: list[Publish] = []
        self.most_at_once = 0
        self._mutex = threading.Lock()
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._closing = False

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing = True
        self.answering.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.hang_up()

    def hang_up(self) -> None:
        """End every connection."""
        with self._mutex:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def alerts(self) -> list[Publish]:
        """What came that is neither a state nor about availability."""
        return [one for one in list(self.published) if one.topic.endswith("/incident")]

    def _accept(self) -> None:
        while not self._closing:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._mutex:
                self._open.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        level = 0
        unanswered: list[bytes] = []
        with connection, suppress(OSError):
            while (packet := _read(connection)) is not None:
                kind, flags, body, size = packet
                goes_on = kind != DISCONNECT
                if kind == CONNECT:
                    level = body[6]
                    goes_on = self._on_connect(connection, body)
                elif kind == PINGREQ and self.answering.is_set():
                    connection.sendall(bytes([PINGRESP << 4, 0]))
                elif kind == SUBSCRIBE and self.answering.is_set():
                    connection.sendall(_suback(body, self.suback, level))
                elif kind == PUBLISH:
                    published, mid = _published(flags, body, level, size)
                    goes_on = self._on_publish(connection, unanswered, published, mid, level)
                if not goes_on:
                    return

    def _on_connect(self, connection: socket.socket, body: bytes) -> bool:
        connect = Connect(body[6], body[7] >> 3 & 3, bool(body[7] & 32))
        self.connects.append(connect)
        self.answering.wait()
        code = self.connack(connect)
        if code is not None:
            connection.sendall(self._connack(code, connect.level))
        return code == 0

    def _on_publish(
        self,
        connection: socket.socket,
        unanswered: list[bytes],
        published: Publish,
        mid: int,
        level: int,
    ) -> bool:
        self.published.append(published)
        answer = self.answer(published)
        if answer.packet == DISCONNECT:
            connection.sendall(bytes([DISCONNECT << 4, 2, answer.code, 0]))
        if answer.packet in {DISCONNECT, None}:
            return False
        if answer.packet == PUBACK and published.qos:
            unanswered.append(_puback(mid, answer.code, level))
        self.most_at_once = max(self.most_at_once, len(unanswered))
        if self.answering.is_set():
            _send_all(connection, unanswered)
        else:
            later = threading.Thread(
                target=lambda: self.answering.wait() and _send_all(connection, unanswered)
            )
            later.daemon = True
            later.start()
        return True

    def _connack(self, code: int, level: int) -> bytes:
        if level < 5:
            return bytes([CONNACK << 4, 2, 0, code])
        pack = {RECEIVE_MAXIMUM: ">BH", MAXIMUM_PACKET_SIZE: ">BI"}
        properties = b"".join(
            struct.pack(pack.get(name, ">BB"), name, value)
            for name, value in self.properties.items()
        )
        return bytes([CONNACK << 4, 3 + len(properties), 0, code, len(properties)]) + properties


def _send_all(connection: socket.socket, packets: list[bytes]) -> None:
    with suppress(OSError, IndexError):
        while packets:
            connection.sendall(packets.pop(0))


def _puback(mid: int, code: int, level: int) -> bytes:
    if level < 5:
        return struct.pack(">BBH", PUBACK << 4, 2, mid)
    return struct.pack(">BBHBB", PUBACK << 4, 4, mid, code, 0)


def _suback(body: bytes, code: int, level: int) -> bytes:
    """For a SUBSCRIBE without properties (their length is one byte)."""
    properties = b"\0" if level >= 5 else b""
    rest, count = body[2 + len(properties) :], 0
    while rest:
        rest, count = rest[2 + int.from_bytes(rest[:2], "big") + 1 :], count + 1
    answer = body[:2] + properties + bytes([code]) * count
    return bytes([SUBACK << 4, len(answer)]) + answer


def _published(flags: int, body: bytes, level: int, size: int) -> tuple[Publish, int]:
    qos = flags >> 1 & 3
    length = int.from_bytes(body[:2], "big")
    topic, rest = body[2 : 2 + length].decode(), body[2 + length :]
    mid = 0
    if qos:
        mid, rest = int.from_bytes(rest[:2], "big"), rest[2:]
    if level >= 5:
        rest = rest[1 + rest[0] :]
    return Publish(topic, rest, qos, bool(flags & 1), size), mid


def _read(connection: socket.socket) -> tuple[int, int, bytes, int] | None:
    """Kind, flags, body and size of the next packet; None at the end."""
    head = connection.recv(1)
    if not head:
        return None
    length, shift, digits = 0, 0, 0
    while True:
        byte = connection.recv(1)
        if not byte:
            return None
        length |= (byte[0] & 127) << shift
        shift, digits = shift + 7, digits + 1
        if byte[0] < 128:
            break
    body = b""
    while len(body) < length:
        part = connection.recv(length - len(body))
        if not part:
            return None
        body += part
    return head[0] >> 4, head[0] & 15, body, 1 + digits + length
