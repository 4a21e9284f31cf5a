"""The signals that the daemon heeds: SIGTERM and SIGINT to stop, SIGHUP to reload."""

from __future__ import annotations

import queue
import signal
from contextlib import suppress

from alerts.deadline import Deadline

STOP_S = 4.0
"""Of the five seconds that SIGTERM may take; the rest is for the process to end."""


class Signals:
    """Signals that have come, to be asked for by the thread that supervises."""

    def __init__(self) -> None:
        # A handler may interrupt whoever waits here: an Event's lock would then be taken twice by
        # one thread, and the daemon hang where it should stop. `SimpleQueue.put` may be nested.
        self._come: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._stop_by: Deadline | None = None

    def handle(self) -> None:
        """Take over from Python's own handlers; for the main thread."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_signal)

    def within(self, seconds: float) -> set[int]:
        """What has come as soon as something has; nothing after `seconds`."""
        found = set()
        with suppress(queue.Empty):
            found.add(self._come.get(timeout=seconds))
            while True:
                found.add(self._come.get_nowait())
        return found

    def stop_by(self) -> Deadline:
        """When all has to have ended: `STOP_S` after the first signal to stop, or after now."""
        return self._stop_by or Deadline.after(STOP_S)

    def _on_signal(self, number: int, _frame: object) -> None:
        if number != signal.SIGHUP and self._stop_by is None:
            self._stop_by = Deadline.after(STOP_S)
        self._come.put(number)
