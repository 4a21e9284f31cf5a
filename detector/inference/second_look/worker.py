"""One thread that looks again at cameras whose score is high, and hands the answers over.

Nobody waits for it. Each camera has one place for a candidate, a newer one replaces it, and what
is too old or beyond the budget is left out and counted: the judge hears so, and goes by the first
stage alone. What looks is loaded in the thread: a start need not wait for that, and a thread that
takes the place of one that died or hangs begins with a fresh one.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from structlog import get_logger

from alerts.liveness import MAX_REASON, LiveThread
from config.errors import JikimiError
from config.secrets import scrub
from detector.incidents.second_look import DEADLINE_S, SecondLookRules
from detector.inference.second_look.budget import (
    LEAST_WAIT_S,
    MOST_LOOK_S,
    SHARE_OF_CORE,
    WINDOW_S,
    Budget,
    ends_late,
)
from detector.inference.worker import SampledView
from detector.motion.window import LastSecond

LOAD_S = 60.0
"""Loading, and timing it, may take so long before it counts as stuck: 2 s on an idle machine."""

_WHY = {
    "late": "looks come too late; the machine is busy",
    "budget": f"its budget, {SHARE_OF_CORE:.0%} of a core, is spent",
    "failed": "a look failed: ",
}

log = get_logger()

Look = Callable[[LastSecond], float]
"""From a second of pictures to the second stage's logit."""

Load = Callable[[], tuple[Look, float]]
"""Gives what looks, and how many seconds of a core a look takes; raises ModelError."""


class LookState(StrEnum):
    """What the second look does."""

    STARTING = "starting"
    LOOKING = "looking"
    BEHIND = "behind"
    """Within the last minute candidates were left out."""
    FAILING = "failing"
    """It cannot be loaded, or is too slow: no candidate is looked at."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A camera on which something may happen, and its newest second.

    `urgency`: how close to an alarm it is, 0 … 1. `alarmed`: an incident is open there already.
    """

    sampled: SampledView
    second: LastSecond
    label: str
    urgency: float
    alarmed: bool = False

    @property
    def camera(self) -> str:
        """The camera's name."""
        return self.sampled.view.camera


@dataclass(frozen=True, slots=True, eq=False)
class Looked:
    """What came of a candidate: the second stage's logit; None: it was left out."""

    candidate: Candidate
    logit: float | None


class LookObserver(Protocol):
    """Where the second look reports its figures."""

    def looked(self, camera: str, cpu_s: float, age_s: float) -> None:
        """A look took `cpu_s` of a core and ended `age_s` after its newest picture arrived."""

    def not_looked(self, camera: str, reason: str) -> None:
        """A candidate is left out: `superseded`, `late`, `budget` or `failed`."""

    def failing(self, failing: bool) -> None:
        """No candidate is looked at, or they are again."""


class SecondLookWorker:
    """The worker; `on_looked` is called from its thread."""

    def __init__(
        self,
        rules: Mapping[str, SecondLookRules],
        load: Load,
        on_looked: Callable[[Looked], None],
        observer: LookObserver,
    ) -> None:
        """`rules`: by label, when to look, and what opens an incident."""
        self.rules = rules
        self._load = load
        self._on_looked = on_looked
        self._observer = observer
        self._budget = Budget()
        self._waiting: dict[str, Candidate] = {}
        self._changed = threading.Condition()
        self._stopping = False
        self._left_out_s = float("-inf")
        self._look_s = 0.0
        self._failure = ""
        self.started = False
        self.state = LookState.STARTING
        self.reason = ""
        """Why it is behind or failing."""
        self.thread = self._new_thread()
        """Its thread; another one once it hung."""

    def start(self) -> None:
        """Start looking."""
        self.started = True
        self.thread.start()

    def request_stop(self) -> None:
        """End after the look under way; what waits is dropped."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    @property
    def ready(self) -> bool:
        """Whether it is of use to offer candidates."""
        return self.state in (LookState.LOOKING, LookState.BEHIND) and self.thread.is_alive()

    def offer(self, candidate: Candidate) -> None:
        """Hand over the newest candidate of a camera; never waits."""
        with self._changed:
            replaced = self._waiting.get(candidate.camera)
            self._waiting[candidate.camera] = candidate
            self._changed.notify_all()
        if replaced:
            self._observer.not_looked(candidate.camera, "superseded")

    def allows(self, camera: str, urgency: float) -> bool:
        """Whether the budget has room for one of this urgency; if not, it counts as left out."""
        with self._changed:
            allowed = self._budget.allows(time.monotonic(), urgency)
        if not allowed:
            self._leave_out(camera, "budget")
        return allowed

    def remove(self, camera: str) -> None:
        """Forget the candidate of `camera`."""
        with self._changed:
            self._waiting.pop(camera, None)

    def _new_thread(self) -> LiveThread:
        thread = LiveThread("second-look", lambda: self._run(thread))
        thread.replace = self._leave_behind
        return thread

    def _leave_behind(self) -> None:
        """The thread hangs: another one, with another engine, takes its place."""
        self.thread = self._new_thread()
        self.thread.start()

    def _run(self, own: LiveThread) -> None:
        self.state = LookState.STARTING
        own.beat(LOAD_S)
        try:
            look, self._look_s = self._load()
        except JikimiError as error:
            self._enter(LookState.FAILING, str(error))
            return
        if self._look_s > MOST_LOOK_S:
            self._enter(
                LookState.FAILING,
                f"a look takes {self._look_s:.2f} s here, and no more than {MOST_LOOK_S:g} s are "
                "of use; a faster processor is needed",
            )
            return
        self._enter(LookState.LOOKING, self._slow())
        while (candidate := self._take(own)) is not None:
            self._look(look, candidate, own)

    def _take(self, own: LiveThread) -> Candidate | None:
        """Wait for a candidate that may be looked at, and take the most urgent; None: the end."""
        while True:
            left_out: list[tuple[Candidate, str]] = []
            with self._changed:
                own.waiting()
                while not self._waiting and not self._ends(own):
                    behind = self.state is not LookState.LOOKING
                    if not self._changed.wait(1.0 if behind else None):
                        break
                own.beat()
                if self._ends(own):
                    return None
                chosen = self._choose(left_out)
            for candidate, reason in left_out:
                self._refuse(candidate, reason)
            self._catch_up()
            if chosen:
                return chosen

    def _ends(self, own: LiveThread) -> bool:
        return self._stopping or self.thread is not own

    def _choose(self, left_out: list[tuple[Candidate, str]]) -> Candidate | None:
        """Of what waits the most urgent, alarms still to be raised first; under the lock."""
        now_s = time.monotonic()
        for candidate in self._waiting.values():
            age_s = now_s - candidate.sampled.sample.monotonic_s
            if age_s > max(DEADLINE_S - self._look_s, LEAST_WAIT_S):
                left_out.append((candidate, "late"))
            elif not self._budget.allows(now_s, candidate.urgency):
                left_out.append((candidate, "budget"))
        for candidate, _ in left_out:
            del self._waiting[candidate.camera]
        chosen = max(
            self._waiting.values(), key=lambda one: (not one.alarmed, one.urgency), default=None
        )
        return self._waiting.pop(chosen.camera) if chosen else None

    def _look(self, look: Look, candidate: Candidate, own: LiveThread) -> None:
        started_s = time.thread_time()
        try:
            logit = look(candidate.second)
            if not math.isfinite(logit):
                raise ValueError(f"its answer was {logit}")  # noqa: TRY301 - failed as any other
        except Exception as error:  # noqa: BLE001 - the loop must outlive any one look
            self._failure = scrub(f"{type(error).__name__}: {error}")[:MAX_REASON]
            self._refuse(candidate, "failed")
            return
        finally:
            cpu_s = time.thread_time() - started_s
            with self._changed:
                self._budget.spend(time.monotonic(), cpu_s)
        if self._ends(own):
            return
        self._learn(cpu_s)
        age_s = time.monotonic() - candidate.sampled.sample.monotonic_s
        self._observer.looked(candidate.camera, cpu_s, age_s)
        self._hand_over(Looked(candidate, logit))

    def _learn(self, cpu_s: float) -> None:
        """The quickest look counts: the one at the start runs beside all else that starts."""
        self._look_s = min(self._look_s, cpu_s)
        if self.state is LookState.LOOKING:
            self.reason = self._slow()

    def _refuse(self, candidate: Candidate, reason: str) -> None:
        self._leave_out(candidate.camera, reason)
        self._hand_over(Looked(candidate, None))

    def _leave_out(self, camera: str, reason: str) -> None:
        """Count it, and be behind; from any thread."""
        self._observer.not_looked(camera, reason)
        with self._changed:
            self._left_out_s = time.monotonic()
            self._enter(LookState.BEHIND, _WHY[reason] + self._failure * (reason == "failed"))
            self._changed.notify_all()  # to see when it is behind no more

    def _hand_over(self, looked: Looked) -> None:
        try:
            self._on_looked(looked)
        except Exception:
            # Whatever goes wrong with one camera's answer must not cost the others theirs.
            log.exception("second look not taken", camera=looked.candidate.camera)

    def _catch_up(self) -> None:
        """Whether nothing has been left out for so long that it is behind no more."""
        with self._changed:
            behind = self.state is LookState.BEHIND
            if behind and time.monotonic() - self._left_out_s > WINDOW_S:
                self._enter(LookState.LOOKING, self._slow())

    def _slow(self) -> str:
        """What to say of a machine on which looks end after the deadline."""
        if not ends_late(self._look_s):
            return ""
        return f"a look takes {self._look_s:.2f} s here, longer than an alarm waits for it"

    def _enter(self, state: LookState, reason: str) -> None:
        """Be in `state`; what is new is logged once, however often its reason changes."""
        self.reason = reason
        if state is not self.state:
            self._observer.failing(state is LookState.FAILING)
            if state is LookState.LOOKING:
                log.info("second look", state=state.value, seconds_a_look=round(self._look_s, 3))
            else:
                log.warning("second look", state=state.value, reason=reason)
        self.state = state
