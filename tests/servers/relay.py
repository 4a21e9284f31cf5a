"""A relay before an RTSP server, through which every packet of its cameras passes one by one."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import BinaryIO, Self


class TcpServer:
    """Accepts connections on 127.0.0.1 and handles each in its own thread, until closed."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.connected = threading.Event()
        self.connections = 0
        self._open: list[socket.socket] = []
        self._accepting = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Self:
        self._accepting.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join()  # a connection that comes just now is closed with the others
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def _keep(self, connection: socket.socket) -> socket.socket:
        self._open.append(connection)
        return connection

    def _accept(self) -> None:
        while True:
            try:
                client = self._keep(self._listener.accept()[0])
            except OSError:
                return
            self.connections += 1
            self.connected.set()
            threading.Thread(target=self._handle, args=(client,), daemon=True).start()

    def _handle(self, client: socket.socket) -> None:
        """Answer nothing."""


class RtspRelay(TcpServer):
    """Stands before an RTSP server; RTSP over TCP without a password."""

    def __init__(self, target_port: int) -> None:
        super().__init__()
        self._target_port = target_port

    def _packet(self, packet: bytes) -> bytes:
        """What goes to the client in place of an RTP packet, its header of 12 bytes included."""
        return packet

    def _request(self, data: bytes) -> bytes:
        """What goes to the server in place of what the client sent."""
        return data

    def _handle(self, client: socket.socket) -> None:
        server = self._keep(socket.create_connection(("127.0.0.1", self._target_port)))
        # else the second packet of a picture may wait until the first is acknowledged, 40 ms
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=self._requests, args=(client, server), daemon=True).start()
        with suppress(OSError), server.makefile("rb") as answers:
            while part := self._part(answers):
                client.sendall(part)
        with suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)

    def _requests(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := client.recv(65536):
                server.sendall(self._request(data))
            server.shutdown(socket.SHUT_RDWR)

    def _part(self, answers: BinaryIO) -> bytes:
        first = answers.read(1)
        if first == b"$":
            head = answers.read(3)
            body = answers.read(int.from_bytes(head[1:], "big"))
            if head[0] % 2 == 0:  # even channels carry RTP
                body = self._packet(body)
            return first + head + body
        text = first
        while first and not text.endswith(b"\r\n\r\n"):
            line = answers.readline()
            if not line:
                break
            text += line
        length = 0
        for line in text.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        return text + answers.read(length)
