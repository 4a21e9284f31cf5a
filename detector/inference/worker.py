"""One thread that scores the newest view of every camera, all in one batch.

Cameras never wait for each other, nor for the worker: each has one place for a view, a newer
one replaces it, and what is replaced or too old is counted. Cameras pause for up to half a
second around key frames, so a batch that waited for all of them would stall: it waits no
longer than one inference takes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from structlog import get_logger

from alerts.liveness import LiveThread
from detector.inference.engine import Engine
from detector.inference.head import Head
from detector.inference.overload import LoadMeter, this_round
from detector.motion.window import LastSecond
from detector.types import MotionView, Sample

STALENESS_BUDGET_S = 0.5
"""A view older than this is dropped: an alarm within two seconds has no use for it."""

MAX_WINDOW_S = 0.02
"""The batch window follows the time of an inference up to this: 20 ms of 2 s is nothing."""

WINDOW_SMOOTHING = 0.1
"""Share of the newest inference in the moving average that sets the window."""

log = get_logger()


@dataclass(frozen=True, slots=True, eq=False)
class SampledView:
    """A view on its way to the worker, and the sample it was made of.

    `second`: the pictures up to it, where they are kept for a second look.
    """

    sample: Sample
    view: MotionView
    second: LastSecond | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ScoredView:
    """What came of a view: probabilities [labels] float32, in the head's order."""

    sampled: SampledView
    probabilities: NDArray[np.float32]


class WorkerObserver(Protocol):
    """Where the worker reports its figures."""

    def dropped(self, camera: str, reason: str) -> None:
        """A due sample will not be scored: `superseded`, `stale` or `failed`."""

    def scored(self, camera: str, age_s: float) -> None:
        """A sample has been scored `age_s` after its packet arrived."""

    def batch(self, size: int, seconds: float) -> None:
        """The engine took `seconds` for `size` views."""

    def overloaded(self, overloaded: bool) -> None:
        """More views come than can be scored, or no longer."""


class InferenceWorker:
    """The worker; `on_scored` is called from its thread, for each view, oldest first."""

    def __init__(
        self,
        engine: Engine,
        head: Head,
        on_scored: Callable[[ScoredView], None],
        observer: WorkerObserver,
        urgent: Callable[[str], bool] = lambda _: False,
    ) -> None:
        """`urgent`: whether a camera goes first where not all can be scored."""
        self._urgent = urgent
        self._load = LoadMeter(time.monotonic())
        self._view_s = 0.0
        self._scored_s: dict[str, float] = {}
        self._engine = engine
        self._head = head
        self._on_scored = on_scored
        self._observer = observer
        self._pending: dict[str, SampledView] = {}
        self._states: dict[str, Any] = {}
        self._changed = threading.Condition()
        self._stopping = False
        self._window_s = 0.0
        # Started anew once, with the same engine; if that is broken only a new process helps.
        self.thread = LiveThread("inference", self._run, vital=True, most_deaths=1)
        """Its thread; it comes round every second at least."""

    def start(self) -> None:
        """Start scoring."""
        self.thread.start()

    def stop(self, timeout_s: float) -> None:
        """Score what is pending, then end; gives up waiting after `timeout_s`."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self.thread.join(timeout_s)

    def add(self, camera: str) -> None:
        """From now on `camera` may offer views."""
        with self._changed:
            self._states[camera] = self._head.new_state()

    def remove(self, camera: str) -> None:
        """Forget `camera`, its state and its pending view."""
        with self._changed:
            self._states.pop(camera, None)
            self._pending.pop(camera, None)
            self._scored_s.pop(camera, None)

    def offer(self, sampled: SampledView) -> None:
        """Hand over the newest view of a camera; never waits."""
        camera = sampled.view.camera
        with self._changed:
            if camera not in self._states:
                return
            replaced = self._pending.get(camera)
            self._pending[camera] = sampled
            self._changed.notify()
            if replaced:
                self._load.lost()
        if replaced:
            self._observer.dropped(camera, "superseded")

    def _run(self) -> None:
        while (views := self._take()) is not None:
            self.thread.beat()
            self._weigh_load()
            fresh = self._fresh(views)
            try:
                rows = self._probabilities(fresh)
            except Exception:
                # The loop must outlive any one batch: without it no camera is watched.
                cameras = [sampled.view.camera for sampled, _ in fresh]
                log.exception("scoring failed", cameras=cameras)
                for camera in cameras:
                    self._observer.dropped(camera, "failed")
            else:
                for (sampled, _), row in zip(fresh, rows, strict=True):
                    self._hand_over(sampled, row)

    def _take(self) -> list[SampledView] | None:
        """Wait for views and take all there are; none after a second without; None at the end."""
        with self._changed:
            if not self._pending and not self._stopping:
                self._changed.wait(1.0)
            deadline = time.monotonic() + self._window_s
            while self._pending and len(self._pending) < len(self._states) and not self._stopping:
                left_s = deadline - time.monotonic()
                if left_s <= 0:
                    break
                self._changed.wait(left_s)
            if not self._pending:
                return None if self._stopping else []
            resting = [sampled for sampled in self._pending.values() if not sampled.view.moving]
            moving = [sampled for sampled in self._pending.values() if sampled.view.moving]
            chosen = resting + this_round(
                moving,
                lambda sampled: sampled.view.camera,
                self._view_s,
                self._urgent,
                self._scored_s,
            )
            for sampled in chosen:
                del self._pending[sampled.view.camera]
            return sorted(chosen, key=lambda sampled: sampled.sample.monotonic_s)

    def _weigh_load(self) -> None:
        with self._changed:
            changed = self._load.changed(time.monotonic())
        if changed:
            self._observer.overloaded(self._load.overloaded)
            if self._load.overloaded:
                log.warning("overloaded: not every view can be scored; cameras share alike")
            else:
                log.info("no longer overloaded")

    @property
    def overloaded(self) -> bool:
        """Whether more views come than can be scored."""
        return self._load.overloaded

    def _fresh(self, views: list[SampledView]) -> list[tuple[SampledView, Any]]:
        """The views still worth scoring, each with its camera's state."""
        with self._changed:
            known = [
                (v, self._states[v.view.camera]) for v in views if v.view.camera in self._states
            ]
        now = time.monotonic()
        fresh = []
        for sampled, state in known:
            if now - sampled.sample.monotonic_s > STALENESS_BUDGET_S:
                with self._changed:
                    self._load.lost()
                self._observer.dropped(sampled.view.camera, "stale")
            else:
                fresh.append((sampled, state))
        return fresh

    def _probabilities(self, views: list[tuple[SampledView, Any]]) -> list[NDArray[np.float32]]:
        """One row [labels] a view; those that rest cost no inference."""
        moving = [(sampled, state) for sampled, state in views if sampled.view.moving]
        scored: Iterator[NDArray[np.float32]] = iter(())
        if moving:
            embeddings = self._embed([sampled for sampled, _ in moving])
            scored = iter(self._head(embeddings, [state for _, state in moving]))
        return [
            next(scored) if sampled.view.moving else self._head.rest(state)
            for sampled, state in views
        ]

    def _hand_over(self, sampled: SampledView, row: NDArray[np.float32]) -> None:
        camera = sampled.view.camera
        with self._changed:
            if camera not in self._states:  # removed meanwhile: its series are gone
                return
            self._load.scored(1)
            self._scored_s[camera] = time.monotonic()
        self._observer.scored(camera, time.monotonic() - sampled.sample.monotonic_s)
        try:
            self._on_scored(ScoredView(sampled, row))
        except Exception:
            # Whatever goes wrong with one camera's score must not cost the others theirs.
            log.exception("score not taken", camera=camera)

    def _embed(self, views: list[SampledView]) -> NDArray[np.float32]:
        started = time.monotonic()
        embeddings = self._engine.embed(np.stack([sampled.view.pixels for sampled in views]))
        seconds = time.monotonic() - started
        self._observer.batch(len(views), seconds)
        self._window_s += WINDOW_SMOOTHING * (min(seconds, MAX_WINDOW_S) - self._window_s)
        self._view_s += WINDOW_SMOOTHING * (seconds / len(views) - self._view_s)
        return embeddings
