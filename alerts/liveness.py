"""Threads that show whether they live and make progress, so that none stops unseen.

A thread's loop says `beat` whenever it comes round, and `waiting` before a wait that may last.
Whoever supervises asks for `fault`. Nothing here ends a thread, for Python cannot.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from config.secrets import scrub

STUCK_AFTER_S = 10.0
"""Without progress for so long a thread is stuck, where its work may not take longer."""

MAX_REASON = 200
"""Characters of an error that are shown."""


class FaultKind(StrEnum):
    """What may be wrong with a thread."""

    DIED = "died"
    NOT_STARTED = "not started"
    STUCK = "stuck"


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a thread now; `text` follows its name in a sentence."""

    kind: FaultKind
    text: str


class LiveThread:
    """Runs `loop` in a daemon thread until it returns; one that raises has died.

    `name` tells it from every other one: a thread that takes its place has the same.
    """

    def __init__(
        self,
        name: str,
        loop: Callable[[], object],
        *,
        stuck_after_s: float = STUCK_AFTER_S,
        vital: bool = False,
        most_deaths: int = 5,
    ) -> None:
        """`vital`: while it is stuck no alarm gets through, so the process must be restarted.

        `most_deaths`: beyond so many within ten minutes starting it anew at once is no remedy.
        """
        self.name = name
        self.vital = vital
        self.most_deaths = most_deaths
        self.progress_s = time.monotonic()
        """When it last made progress (monotonic)."""
        self.renew: Callable[[], object] = self.start
        """Starts anew what has died; whoever owns more than the loop sets it."""
        self.replace: Callable[[], object] | None = None
        """Starts another and leaves this one behind, where it may be while it hangs."""
        self._loop = loop
        self._stuck_after_s = stuck_after_s
        self._due_s = math.inf
        self._thread: threading.Thread | None = None
        self._ended = False
        self._reason = ""

    def start(self) -> None:
        """Start it, again too; where the machine has no room for it, `fault` says so."""
        self._ended = False
        self._reason = ""
        progress_s = self.progress_s
        self.beat()
        thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            self._reason = str(error)
            self.progress_s = progress_s
        self._thread = thread

    def adopt(self, thread: threading.Thread | None) -> None:
        """Stand for `thread`, which a library has started and which waits as it likes.

        None: the library has ended it, or will.
        """
        self._due_s = math.inf
        self._reason = ""
        self._ended = thread is None
        self._thread = thread

    def join(self, timeout_s: float | None) -> None:
        """Wait for its end, None: however long; returns at once where it never began."""
        if self.is_alive() and self._thread is not threading.current_thread():
            assert self._thread is not None
            self._thread.join(timeout_s)

    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._thread is not None and self._thread.is_alive()

    def beat(self, within_s: float | None = None) -> None:
        """It has made progress, and will again within `within_s`."""
        self.progress_s = now_s = time.monotonic()
        self._due_s = now_s + (self._stuck_after_s if within_s is None else within_s)

    def waiting(self) -> None:
        """It waits for work, which may take any time to come; `beat` ends that."""
        self._due_s = math.inf

    def age_s(self) -> float:
        """Seconds since it last made progress; 0 while it waits for work."""
        return 0.0 if self._due_s == math.inf else max(time.monotonic() - self.progress_s, 0.0)

    def fault(self, now_s: float, resumed_s: float = 0.0) -> Fault | None:
        """What is wrong with it at `now_s`; None where all is well, or it is not to run.

        The whole process stood still until `resumed_s`: what did not go on before counts from then.
        """
        thread = self._thread
        if thread is None or self._ended:
            return None
        if not thread.is_alive():
            if thread.ident is None:
                return Fault(FaultKind.NOT_STARTED, f"cannot be started ({self._reason})")
            return Fault(FaultKind.DIED, f"died ({self._reason or 'the log says why'})")
        if now_s > max(self._due_s, resumed_s + self._stuck_after_s):
            age_s = now_s - self.progress_s
            return Fault(FaultKind.STUCK, f"has made no progress for {age_s:.0f} s")
        return None

    def _run(self) -> None:
        try:
            self._loop()
        except BaseException as error:
            reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            self._reason = scrub(" ".join(reason.split()))[:MAX_REASON]
            raise  # threading.excepthook logs it
        self._ended = True
