"""Lines on their way to standard error and output, in a thread of their own.

Whoever logs must not wait for whoever reads, nor fail with him: a pipe that nobody reads, a full
disk or a journal that is gone cost lines, not alarms. What finds the queue full, or cannot be
written, is dropped and counted; one line says how many, once writing works again.
"""

from __future__ import annotations

import os
import queue
import select
import threading
from contextlib import suppress
from typing import TextIO

from structlog import get_logger

from alerts.liveness import LiveThread

MAX_LINES = 2000
"""Lines that may wait: a quarter of an hour of a daemon whose cameras all flap."""

WRITABLE_MS = 1000
"""A file that somebody made non-blocking is asked again after so long."""


class LogWriter:
    """A text file of whole lines; `write` returns at once and raises nothing."""

    def __init__(self, error: TextIO | None, output: TextIO | None) -> None:
        """Writes to `error`, and to `output` what is `say`-ed; None, where that is closed."""
        self._error = _Target(error)
        self._output = _Target(output)
        self._queue: queue.SimpleQueue[tuple[_Target, str] | threading.Event | None]
        self._queue = queue.SimpleQueue()
        self._counting = threading.RLock()  # a finaliser may log while its own thread counts
        self.dropped = 0
        """Lines that nobody will see."""
        self._told = 0
        self._failure: str | None = None
        self.thread = LiveThread("log", self._run)

    def start(self) -> None:
        """Start writing."""
        self.thread.start()

    def write(self, line: str) -> None:
        """Have `line`, with its line break, written to standard error."""
        self._put(self._error, line)

    def flush(self) -> None:
        """Do nothing: files have this method, and nobody is to wait here."""

    def say(self, text: str) -> None:
        """Have `text` and a line break written to standard output."""
        self._put(self._output, f"{text}\n")

    def trouble(self) -> str | None:
        """Why the last line could not be written; None where it could."""
        return self._failure and f"log lines cannot be written ({self._failure})"

    def drop(self) -> None:
        """Count a line that could not even be made."""
        with self._counting:
            self.dropped += 1

    def close(self, timeout_s: float) -> None:
        """Write what waits, as far as `timeout_s` allows, then end."""
        done = threading.Event()
        self._queue.put(done)
        done.wait(timeout_s)
        self._queue.put(None)

    def _put(self, target: _Target, text: str) -> None:
        if self._queue.qsize() < MAX_LINES:
            self._queue.put((target, text))
        else:
            self.drop()

    def _run(self) -> None:
        while True:
            self.thread.waiting()
            item = self._queue.get()
            self.thread.beat()
            if item is None:
                break
            if isinstance(item, threading.Event):
                item.set()
                continue
            target, text = item
            self._failure = target.write(text)
            if self._failure:
                self.drop()
            elif self.dropped > self._told and self._queue.empty():
                self._told = self.dropped
                get_logger().warning("log lines could not be written", since_start=self._told)
        for target in (self._error, self._output):
            target.close()


class _Target:
    """One of the standard files.

    Written past Python's buffer, whose lock would keep the process from ending while a write
    hangs, and by a descriptor of its own: `native_messages_logged` borrows that of standard error.
    """

    def __init__(self, file: TextIO | None) -> None:
        self._file = file
        self._descriptor: int | None = None
        self._broken_off = False
        if file is not None:
            with suppress(OSError, ValueError):  # no file of the system's
                self._descriptor = os.dup(file.fileno())

    def write(self, text: str) -> str | None:
        """Why `text` could not be written, None where it was; waits as long as the file does."""
        left = text.encode(errors="backslashreplace")
        if self._broken_off:
            left = b"\n" + left
        try:
            while left:
                left = left[self._write_some(left) :]
                self._broken_off = True
        except (OSError, ValueError) as error:
            return str(error)
        self._broken_off = False
        return None

    def close(self) -> None:
        """Give back the descriptor."""
        if self._descriptor is not None:
            os.close(self._descriptor)

    def _write_some(self, data: bytes) -> int:
        """How many bytes of `data` were written."""
        if self._file is None:
            raise OSError("standard file is closed")
        if self._descriptor is None:
            self._file.write(data.decode())
            self._file.flush()
            return len(data)
        try:
            return os.write(self._descriptor, data)
        except BlockingIOError:
            poll = select.poll()
            poll.register(self._descriptor, select.POLLOUT)
            poll.poll(WRITABLE_MS)
            return 0
