"""A terminal (a pseudo-terminal of the kernel's) that keeps what is written to it."""

from __future__ import annotations

import fcntl
import os
import struct
import termios
import threading
from typing import Self


class Terminal:
    """80 columns wide unless told otherwise; `inside` is what a process gets as its output."""

    def __init__(self, columns: int = 80) -> None:
        self._outside, self.inside = os.openpty()
        fcntl.ioctl(self.inside, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self._written = b""
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._thread.is_alive():
            self.text()

    def text(self) -> str:
        """Everything that was written, once all who write have ended; it is closed by that."""
        os.close(self.inside)
        self._thread.join()
        os.close(self._outside)
        return self._written.decode().replace("\r\n", "\n")

    def _read(self) -> None:
        while True:
            try:
                self._written += os.read(self._outside, 65536)
            except OSError:  # nobody has it open any more
                return
