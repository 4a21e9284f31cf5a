"""One camera's thread: connect, receive, decode, sample, and try again when the camera is lost.

It hands out samples and states and keeps no history. A stuck network call cannot be
interrupted from outside: `stop` waits a moment for the thread and then leaves it to end by
itself at its next time-out. It is a daemon thread and calls nobody any more.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

import numpy as np
import structlog

from config.errors import StreamError, UnauthorisedError
from config.secrets import scrub
from config.settings import CameraSettings
from detector.capture.backlog import Backlog
from detector.capture.backoff import Backoff
from detector.capture.clock import Pace, StreamClock
from detector.capture.faults import StalledError
from detector.capture.source import open_stream
from detector.capture.streams import Picture, Stream
from detector.sampling import SampleClock
from detector.types import CameraState, Grey, Sample

STOP_WAIT_S = 0.9
NO_PICTURE_S = 20.0
"""Packets that amount to no picture for so long are no live camera; the longest key frame
interval that cameras commonly offer is 10 s."""
STILL_WARNING_S = 60.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class StateChange:
    """A camera is in `state` since `utc`; `reason`: why, in the operator's words, or empty."""

    camera: str
    state: CameraState
    utc: datetime
    reason: str = ""


class CaptureObserver(Protocol):
    """Who counts. Called from the camera's thread; must be quick."""

    def connecting(self, camera: str) -> None:
        """An attempt to open the stream begins."""

    def packet(self, camera: str, size: int) -> None:
        """`size` bytes of video have been received."""

    def frame(self, camera: str) -> None:
        """A frame has been decoded."""

    def decode_errors(self, camera: str, count: int) -> None:
        """The decoder refused `count` packets."""

    def due(self, camera: str, count: int) -> None:
        """`count` samples have fallen due, those that could not be taken included."""

    def missed(self, camera: str, reason: str, count: int) -> None:
        """`count` due samples were not taken: `missed`, no picture came; `late`, too far behind."""


class CameraReader:
    """Reads one camera until it is stopped."""

    def __init__(
        self,
        camera: CameraSettings,
        on_sample: Callable[[Sample], None],
        on_state: Callable[[StateChange], None],
        observer: CaptureObserver,
        *,
        backoff: Backoff | None = None,
    ) -> None:
        """The callbacks run in the camera's thread and must return quickly."""
        self._camera, self._name = camera, camera.name
        self._on_sample, self._on_state, self._observer = on_sample, on_state, observer
        self._backoff = backoff or Backoff()
        self._state: CameraState | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name=f"capture-{camera.name}", daemon=True
        )

    def start(self) -> None:
        """Begin; returns at once, whether or not the camera is there."""
        self._thread.start()

    def request_stop(self) -> None:
        """Ask the thread to end, without waiting: so that many cameras end side by side."""
        self._stop.set()

    def stop(self, wait_s: float = STOP_WAIT_S) -> None:
        """End within `wait_s`; no callback begins afterwards. Harmless when repeated."""
        self._stop.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(wait_s)

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def _run(self) -> None:
        self._enter(CameraState.CONNECTING)
        while not self._stop.is_set():
            refused = False
            try:
                self._connect_and_read()
            except UnauthorisedError as error:
                refused = True
                self._enter(CameraState.UNAUTHORISED, str(error))
            except StalledError as error:
                self._enter(CameraState.STALLED, str(error))
            except StreamError as error:
                self._enter(CameraState.OFFLINE, str(error))
            except Exception:  # a fault of ours in one camera must not end its thread for good
                log.exception("capture failed", camera=self._name)
                self._enter(CameraState.OFFLINE, "an internal error; see the log")
            wait_s = self._backoff.after_failure(time.monotonic(), refused=refused)
            self._stop.wait(wait_s)

    def _connect_and_read(self) -> None:
        self._observer.connecting(self._name)
        stream = open_stream(self._camera.url, self._camera.capture)
        try:
            if not self._stop.is_set():
                self._read(stream)
        finally:
            stream.close()

    def _read(self, stream: Stream) -> None:
        sampler, backlog, errors = _Sampler(self._name, self._observer), Backlog(), 0
        last_picture_s = time.monotonic()
        while not self._stop.is_set():
            arrival = stream.receive()
            if self._stop.is_set():
                return
            if arrival is None:
                raise StreamError(f"{self._camera.url}: the stream ended")
            self._observer.packet(self._name, arrival.size)
            if backlog.skip(lag_s=sampler.lag_s, fresh=arrival.fresh, now_s=arrival.at_s):
                sampler.late = True
                last_picture_s = arrival.at_s
                continue
            for picture in stream.pictures():
                if self._stop.is_set():  # a burst may hold seconds of pictures
                    return
                last_picture_s = time.monotonic()
                self._backoff.live(last_picture_s)
                self._enter(CameraState.LIVE)
                if sample := sampler.push(picture):
                    self._on_sample(sample)
            if stream.decode_errors > errors:
                self._observer.decode_errors(self._name, stream.decode_errors - errors)
                errors = stream.decode_errors
            if time.monotonic() - last_picture_s > NO_PICTURE_S:
                raise StreamError(
                    f"{self._camera.url}: sends data, but no picture could be decoded "
                    f"for {NO_PICTURE_S:g} s; check its codec settings"
                )

    def _enter(self, state: CameraState, reason: str = "") -> None:
        if state is self._state or self._stop.is_set():
            return
        self._state = state
        reason = scrub(reason)
        level = log.info if state in (CameraState.CONNECTING, CameraState.LIVE) else log.warning
        level("camera state", camera=self._name, state=state.value, reason=reason)
        self._on_state(StateChange(self._name, state, datetime.now(UTC), reason))


class _Sampler:
    """Turns the pictures of one connection into samples, and counts what was due."""

    def __init__(self, camera: str, observer: CaptureObserver) -> None:
        self._camera, self._observer = camera, observer
        self._clock, self._ticks, self._pace = StreamClock(), SampleClock(), Pace()
        self._still = _StillWatch(camera)
        self.lag_s = 0.0
        self.late = False  # pictures have been left undecoded since the last sample

    def push(self, picture: Picture) -> Sample | None:
        """The sample that `picture` makes, if one is due."""
        self._observer.frame(self._camera)
        arrived_s = picture.arrived_s
        arrived_utc = datetime.now(UTC) - timedelta(seconds=time.monotonic() - arrived_s)
        stamp = self._clock.stamp(picture.pts_s, arrived_s, arrived_utc)
        self.lag_s = stamp.lag_s
        due = self._pace.due(self._ticks.ticks(stamp.pts_s), stamp.pts_s)
        if not due:
            return None
        self._observer.due(self._camera, due)
        if due > 1:
            reason = "late" if self.late else "missed"
            self._observer.missed(self._camera, reason, due - 1)
        self.late = False
        grey = picture.grey()
        self._still.push(grey, stamp.pts_s)
        return Sample(self._camera, stamp.utc, arrived_s, stamp.pts_s, grey, picture.handle)


class _StillWatch:
    """Warns, once, of a picture that has not changed in a single grey for long.

    Only a warning: a noiseless still (a covered lens, a test card) repeats exactly.
    """

    def __init__(self, camera: str) -> None:
        self._camera = camera
        self._last: Grey | None = None
        self._since_s = 0.0
        self._warned = False

    def push(self, grey: Grey, pts_s: float) -> None:
        if self._last is None or not np.array_equal(grey, self._last):
            self._last, self._since_s, self._warned = grey, pts_s, False
        elif not self._warned and pts_s - self._since_s >= STILL_WARNING_S:
            self._warned = True
            log.warning(
                "picture does not change; check the camera unless it shows a still scene",
                camera=self._camera,
                for_s=round(pts_s - self._since_s),
            )
