"""The sockets of one request, cut at its deadline whatever they wait for."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress


class Sockets:
    """What one request has opened; safe to call from any thread."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._made: list[socket.socket] = []
        self._is_cut = False

    def __bool__(self) -> bool:
        return bool(self._made)

    def watch(self, made: socket.socket) -> None:
        """`made` is cut with the rest; raises TimeoutError where they were cut already.

        A duplicate is kept, for TLS takes over the original's number.
        """
        with self._mutex:
            if self._is_cut:
                raise TimeoutError
            self._made.append(made.dup())

    def cut(self) -> None:
        """End what they wait for, now and in what is opened from here on."""
        with self._mutex:
            self._is_cut = True
            for made in self._made:
                with suppress(OSError):
                    made.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """The request has ended."""
        for made in self._made:
            made.close()
