"""One camera's thread: connect, receive, decode, sample, and try again when the camera is lost.

It hands out samples and states and keeps no history. A stuck network call cannot be
interrupted from outside: `stop` waits a moment for the thread and then leaves it to end by
itself at its next time-out. It is a daemon thread and makes no more callbacks.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from alerts.liveness import LiveThread
from config.errors import StreamError, UnauthorisedError
from config.secrets import scrub
from config.settings import CameraSettings
from detector.capture.backlog import Backlog
from detector.capture.backoff import Backoff
from detector.capture.errors import StalledError
from detector.capture.idle.sleep import IdleSleep, SleepCallbacks
from detector.capture.observer import CaptureObserver
from detector.capture.sampler import Sampler
from detector.capture.source import open_stream
from detector.capture.streams import Stream
from detector.types import CameraState, Sample

NO_PICTURE_S = 20.0
"""Packets that amount to no picture for so long are no live camera; the longest key frame
interval that cameras commonly offer is 10 s."""

GRACE_S = 30.0
"""A read that has not ended so long after its time-outs never will; DNS may take 20 s of it."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class StateChange:
    """A camera is in `state` since `utc`; `reason`: why, in the operator's words, or empty."""

    camera: str
    state: CameraState
    utc: datetime
    reason: str = ""


class CameraReader:
    """Reads one camera until it is stopped."""

    def __init__(
        self,
        camera: CameraSettings,
        on_sample: Callable[[Sample], bool | None],
        on_state: Callable[[StateChange], None],
        observer: CaptureObserver,
        *,
        on_sleep: SleepCallbacks | None = None,
    ) -> None:
        """The callbacks run in the camera's thread and must return quickly.

        `on_sample` returns whether anything moves in the sample's view, None without a view.
        With `on_sleep` the camera goes undecoded while nothing moves, where its stream allows.
        """
        self._camera = camera
        self._name = camera.name
        self._on_sample = on_sample
        self._on_state = on_state
        self._observer = observer
        self._backoff = Backoff()
        self._on_sleep = on_sleep
        self._state: CameraState | None = None
        self._stop = threading.Event()
        capture = camera.capture
        patience_s = capture.open_timeout_s + capture.read_timeout_s + GRACE_S
        self.thread = LiveThread(f"capture-{camera.name}", self._run, stuck_after_s=patience_s)
        """Its thread; a read that hangs is none of its faults while its time-outs apply."""

    def start(self) -> None:
        """Begin; returns at once, whether or not the camera is there."""
        self.thread.start()

    def request_stop(self) -> None:
        """Ask the thread to end, without waiting: so that many cameras end side by side."""
        self._stop.set()

    def stop(self, wait_s: float) -> None:
        """End within `wait_s`; no callback begins afterwards. Harmless when repeated."""
        self._stop.set()
        self.thread.join(wait_s)

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
            self.thread.waiting()
            self._stop.wait(wait_s)
            self.thread.beat()

    def _connect_and_read(self) -> None:
        self._observer.connecting(self._name)
        stream = open_stream(self._camera.url, self._camera.capture)
        try:
            if not self._stop.is_set():
                self._read(stream)
        finally:
            stream.close()

    def _read(self, stream: Stream) -> None:
        sampler = Sampler(self._name, self._observer)
        backlog = Backlog()
        idle = None
        if self._on_sleep:
            idle = IdleSleep(self._name, sampler, self._on_sleep, self._observer)
        errors = 0
        last_picture_s = time.monotonic()
        while not self._stop.is_set():
            self.thread.beat()
            arrival = stream.receive()
            if self._stop.is_set():
                return
            if arrival is None:
                raise StreamError(f"{self._camera.url}: the stream ended")
            self._observer.packet(self._name, arrival.size)
            if idle and idle.sleeps(arrival, stream):
                last_picture_s = arrival.at_s
                continue
            if backlog.skip(lag_s=sampler.lag_s, fresh=arrival.fresh, now_s=arrival.at_s):
                sampler.late = True
                last_picture_s = arrival.at_s
                continue
            self._observer.frames(self._name, 1)
            if self._decode(stream, sampler, idle):
                last_picture_s = time.monotonic()
            if stream.decode_errors > errors:
                self._observer.decode_errors(self._name, stream.decode_errors - errors)
                errors = stream.decode_errors
            if time.monotonic() - last_picture_s > NO_PICTURE_S:
                raise StreamError(
                    f"{self._camera.url}: sends data, but no picture could be decoded "
                    f"for {NO_PICTURE_S:g} s; check its codec settings"
                )

    def _decode(self, stream: Stream, sampler: Sampler, idle: IdleSleep | None) -> bool:
        """Decode what is kept and hand out its samples; whether there was any picture."""
        started_s = time.thread_time()
        pictures = 0
        pixels = 0
        for picture in stream.pictures(sampler.wants):
            if self._stop.is_set():  # a burst may hold seconds of pictures
                break
            self._backoff.live(time.monotonic())
            self._enter(CameraState.LIVE)
            pictures += 1
            pixels = picture.width * picture.height
            if idle and idle.is_past(picture):
                continue
            if sample := sampler.take(picture):
                moving = self._on_sample(sample)
                if idle and moving is not None:
                    idle.seen(moving, picture.arrived_s)
        if idle and pictures:
            idle.decoded(pictures, time.thread_time() - started_s, pixels)
        return pictures > 0

    def _enter(self, state: CameraState, reason: str = "") -> None:
        if state is self._state or self._stop.is_set():
            return
        self._state = state
        reason = scrub(reason)
        level = log.info if state in (CameraState.CONNECTING, CameraState.LIVE) else log.warning
        level("camera state", camera=self._name, state=state.value, reason=reason)
        self._on_state(StateChange(self._name, state, datetime.now(UTC), reason))
