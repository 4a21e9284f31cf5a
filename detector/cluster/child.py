"""A helper process of a box: started anew where it ends, with a pause that grows."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import IO, Any

from structlog import get_logger

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 5.0

LASTS_S = 30.0
"""One that ran for so long may be started at once when it ends."""

STOP_S = 5.0

log = get_logger()


class Child:
    """`command`, for as long as this object is looked after; for one thread.

    Objects go to it by `send`, one JSON line each, and come back in `answers`.
    """

    def __init__(self, name: str, command: Sequence[str]) -> None:
        self.answers: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._name = name
        self._command = command
        self._process: subprocess.Popen[str] | None = None
        self._start_s = 0.0
        self._started_s = 0.0
        self._pause_s = FIRST_PAUSE_S

    def look(self, now_s: float) -> None:
        """Start it, where it does not run and the pause is over."""
        if self._process is not None and (code := self._process.poll()) is not None:
            log.warning("ended, it is started again", what=self._name, code=code)
            if now_s - self._started_s >= LASTS_S:
                self._pause_s = FIRST_PAUSE_S
            self._start_s = now_s + self._pause_s
            self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
            _close(self._process)
            self._process = None
        if self._process is None and now_s >= self._start_s:
            self._started_s = now_s
            self._process = subprocess.Popen(  # noqa: S603 - jikimi's own, or Ray's
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            assert self._process.stdout
            threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True).start()

    def send(self, told: dict[str, Any]) -> None:
        """Hand it an object; nobody hears it where the process does not run."""
        if self._process is None:
            return
        assert self._process.stdin
        try:
            self._process.stdin.write(json.dumps(told) + "\n")
            self._process.stdin.flush()
        except OSError:  # it has just ended
            return

    def stop(self) -> None:
        """End it, within `STOP_S`."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        _close(process)

    def _read(self, out: IO[str]) -> None:
        with out:
            for line in out:
                if line.startswith("{"):
                    self.answers.put(json.loads(line))


def _close(process: subprocess.Popen[str]) -> None:
    assert process.stdin
    with suppress(OSError):  # what was not sent is lost with it
        process.stdin.close()
