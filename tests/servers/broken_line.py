"""A line to a TCP server that can be cut, reset, frozen or slow."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress
from enum import Enum

from servers.relay import TcpServer

PIECE = 4096
SLOW_S = 0.05
"""A pause after each piece: 80 kB a second."""

RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with no time to linger: closing sends RST instead of FIN (socket(7))."""


class Line(Enum):
    """What the line does."""

    WHOLE = "whole"
    CUT = "cut"
    """Connections end as soon as they are made, and those that were open with them."""
    HALF_OPEN = "half open"
    """Connections are made and hold, and nothing comes through in either direction."""
    SLOW = "slow"
    RESETTING = "resetting"
    """The first kilobytes come through, then the connection is reset."""


class BrokenLine(TcpServer):
    """Stands before the server on `target_port`; `line` may change at any time."""

    def __init__(self, target_port: int) -> None:
        super().__init__()
        self._target_port = target_port
        self._line = Line.WHOLE
        self._never = threading.Event()

    def become(self, line: Line) -> None:
        """From now on; what is connected is cut off, except that it freezes if half open."""
        self._line = line
        if line is not Line.HALF_OPEN:
            for connection in list(self._open):
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def _handle(self, client: socket.socket) -> None:
        if self._line is Line.CUT:
            self._reset(client)
            return
        try:
            server = self._keep(socket.create_connection(("127.0.0.1", self._target_port)))
        except OSError:
            self._reset(client)
            return
        threading.Thread(target=self._pass_on, args=(server, client), daemon=True).start()
        self._pass_on(client, server)

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        passed = 0
        with suppress(OSError):
            while data := source.recv(PIECE):
                passed += len(data)
                if self._line is Line.HALF_OPEN:
                    continue
                if self._line is Line.SLOW:
                    self._never.wait(SLOW_S)
                if self._line is Line.RESETTING and passed > PIECE:
                    self._reset(source)
                    break
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)

    def _reset(self, connection: socket.socket) -> None:
        with suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        connection.close()
