"""The thread that switches off what an alarm switched on: a relay, a command that sounds.

It lives from the sink's start to its end and is armed before anything is switched on, so that
a box that can start no more threads, or has no memory left, has no siren that howls for ever.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import structlog

from config.errors import DeliveryError
from config.secrets import scrub

OFF_RETRY_S = 1.0
"""What could not be switched off is tried again after so long, until it is off."""

NO_MEMORY_S = 0.1
"""How often to look at the time where there is no memory to wait with."""


class OffTimer:
    """Calls `off` at the set time, and again every `OFF_RETRY_S` until it raises nothing.

    `mutex` is held while `off` runs; whoever switches on and arms holds it, too.
    """

    def __init__(self, mutex: threading.RLock, off: Callable[[], None], name: str) -> None:
        """`name`: what is switched off, for the log."""
        self._changed = threading.Condition(mutex)
        self._off = off
        self._name = name
        self._due_s: float | None = None
        self._trouble: str | None = None
        self._thread: threading.Thread | None = None

    @property
    def armed(self) -> bool:
        """Whether something is on, or may be."""
        return self._due_s is not None

    def start(self) -> None:
        """Have a thread that runs; raises DeliveryError where none can be started."""
        with self._changed:
            if self._thread is not None and self._thread.is_alive():
                return
            self._thread = threading.Thread(target=self._run, name=f"off {self._name}", daemon=True)
            try:
                self._thread.start()
            except (RuntimeError, MemoryError) as error:
                self._thread = None
                raise DeliveryError(
                    f"{self._name} is not switched on, for nothing could switch it off again "
                    f"({error or type(error).__name__}); see TasksMax= and the memory"
                ) from error

    def arm(self, seconds: float) -> None:
        """Switch off `seconds` from now, in place of any earlier time."""
        with self._changed:
            self.start()
            self._due_s = time.monotonic() + seconds
            self._changed.notify_all()

    def disarm(self) -> None:
        """It is off."""
        with self._changed:
            self._due_s = None

    def end(self) -> None:
        """Let the thread end; whoever calls this has switched off, or says that he cannot."""
        with self._changed:
            self._due_s = None
            self._thread = None
            self._changed.notify_all()

    def _run(self) -> None:
        while self._is_due():
            try:
                with self._changed:
                    if self._due_s is not None and self._due_s <= time.monotonic():
                        self._off()
                        self.disarm()
            except Exception as error:  # noqa: BLE001 - this thread alone can switch it off
                self._try_again(error)
            else:
                self._told_well()

    def _is_due(self) -> bool:
        """Wait until something is to be switched off; False where this thread is to end."""
        while True:
            try:
                with self._changed:
                    if self._thread is not threading.current_thread():
                        return False
                    left_s = None if self._due_s is None else self._due_s - time.monotonic()
                    if left_s is not None and left_s <= 0:
                        return True
                    self._changed.wait(left_s)
            except (RuntimeError, MemoryError):  # nothing to wait with: look again
                time.sleep(NO_MEMORY_S)

    def _try_again(self, error: Exception) -> None:
        with self._changed:
            if self._due_s is not None:
                self._due_s = time.monotonic() + OFF_RETRY_S
        reason = scrub(str(error) or type(error).__name__)
        if reason != self._trouble:
            self._trouble = reason
            _log().error("cannot be switched off, will try again", what=self._name, reason=reason)

    def _told_well(self) -> None:
        if self._trouble:
            self._trouble = None
            _log().warning("switched off after all", what=self._name)


def _log() -> Any:
    return structlog.get_logger()
