"""Looks after the daemon's threads: starts anew what died, names what is stuck.

A thread that is vital and stuck ends the signs of life, so that the service manager starts the
process anew; one that dies again and again ends it at once. Another that is stuck is named, and
replaced where it may be left behind; one that dies again and again is started anew once a minute:
a receiver or a camera that hangs or dies must not end the watch of all.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable

from structlog import get_logger

from alerts.liveness import STUCK_AFTER_S, Fault, FaultKind, LiveThread
from config.errors import JikimiError

WITHIN_S = 600.0
"""Deaths of a thread are counted over so long."""

NOTICE_S = 60.0
"""A thread that was started anew is named for so long."""

START_AGAIN_S = 5.0
"""Between attempts to start a thread that the machine has no room for."""

PAUSE_S = 60.0
"""Between attempts with a thread that is not vital and dies again and again."""

MOST_LEFT_BEHIND = 3
"""So many threads of one name may hang at once; then one of them is waited for."""

SUSPENDED_S = 5.0
"""Who has not looked for so long was stopped himself (SIGSTOP, a suspended virtual machine)."""

log = get_logger()


class Supervisor:
    """Supervises `threads()`. One thread may `look`, any thread ask."""

    def __init__(self, threads: Callable[[], Iterable[LiveThread]]) -> None:
        self._threads = threads
        self.looked_s = time.monotonic()
        """When it last looked round (monotonic)."""
        self._resumed_s = 0.0
        self._lock = threading.Lock()
        self._notices: dict[str, tuple[float, str]] = {}
        self._restarts: Counter[str] = Counter()
        self._deaths: defaultdict[str, deque[float]] = defaultdict(deque)
        self._left_behind: defaultdict[str, list[LiveThread]] = defaultdict(list)
        self._again_s: dict[str, float] = {}

    def look(self) -> None:
        """Start anew what died; raises JikimiError where that is no remedy any more."""
        now_s = time.monotonic()
        if now_s - self.looked_s > SUSPENDED_S:
            self._resumed_s = now_s
        self.looked_s = now_s
        for thread in self._threads():
            fault = thread.fault(now_s, self._resumed_s)
            if fault is not None:
                self._mend(thread, fault, now_s)

    def stuck(self) -> list[str]:
        """Of what is vital: who makes no progress or is not there. Waits for nobody."""
        now_s = time.monotonic()
        found = [
            f"{thread.name} {fault.text}"
            for thread in self._threads()
            if thread.vital
            and (fault := thread.fault(now_s, self._resumed_s))
            and fault.kind is not FaultKind.DIED  # at the next look it is started anew
            and now_s - thread.progress_s > STUCK_AFTER_S
        ]
        if now_s - self.looked_s > STUCK_AFTER_S:
            found.append(f"the supervisor has made no progress for {now_s - self.looked_s:.0f} s")
        return found

    def faults(self) -> list[str]:
        """Who else is stuck or dead, and who was started anew within the last minute."""
        now_s = time.monotonic()
        stuck = self.stuck()
        found = [
            f"{thread.name} {fault.text}"
            for thread in self._threads()
            if (fault := thread.fault(now_s, self._resumed_s))
        ]
        with self._lock:
            found += [
                f"{name} {text} {now_s - at_s:.0f} s ago"
                for name, (at_s, text) in self._notices.items()
                if now_s - at_s <= NOTICE_S
            ]
        return [fault for fault in found if fault not in stuck]

    def is_faulty(self, thread: LiveThread) -> bool:
        """Whether `thread` is dead or stuck now."""
        return thread.fault(time.monotonic(), self._resumed_s) is not None

    def restarts(self, name: str) -> int:
        """How often the thread called `name` was started anew or replaced."""
        with self._lock:
            return self._restarts[name]

    def _mend(self, thread: LiveThread, fault: Fault, now_s: float) -> None:
        if fault.kind is FaultKind.STUCK:
            self._replace(thread, fault, now_s)
        elif now_s < self._again_s.get(thread.name, 0.0):
            pass
        elif fault.kind is FaultKind.DIED:
            if self._dies_again(thread, fault, now_s):
                self._again_s[thread.name] = now_s + PAUSE_S
            self._note(thread.name, f"{fault.text}, started anew", now_s)
            thread.renew()
        else:
            self._again_s[thread.name] = now_s + START_AGAIN_S
            log.error("thread cannot be started, will try again", thread=thread.name)
            thread.renew()

    def _replace(self, thread: LiveThread, fault: Fault, now_s: float) -> None:
        if thread.replace is None:
            return
        behind = [old for old in self._left_behind[thread.name] if old.is_alive()]
        if len(behind) < MOST_LEFT_BEHIND:
            behind.append(thread)
            self._note(thread.name, f"{fault.text}, left behind and replaced", now_s)
            thread.replace()
        self._left_behind[thread.name] = behind

    def _dies_again(self, thread: LiveThread, fault: Fault, now_s: float) -> bool:
        """Whether it has died too often; raises JikimiError where it is vital, too."""
        deaths = self._deaths[thread.name]
        deaths.append(now_s)
        while now_s - deaths[0] > WITHIN_S:
            deaths.popleft()
        too_often = len(deaths) > thread.most_deaths
        if too_often and thread.vital:
            raise JikimiError(
                f"{thread.name} {fault.text}, {len(deaths)} times within {WITHIN_S / 60:.0f} "
                "minutes; starting it anew does not help, so jikimi ends, for the service manager "
                "to start it anew"
            )
        return too_often

    def _note(self, name: str, text: str, now_s: float) -> None:
        with self._lock:
            self._restarts[name] += 1
            self._notices[name] = (now_s, text)
        log.error("thread started anew", thread=name, reason=text)
