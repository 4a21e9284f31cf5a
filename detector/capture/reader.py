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
from detector.capture.kept.keeper import PacketKeeper
from detector.capture.kept.ring import PacketRing
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

SHORTEST_S = 0.4
"""Pictures of less make no motion view. After a connection that gave no more, the next one is live
only once it has given more, not with its first picture."""

LASTING_S = 10.0
"""A connection that has given pictures for so long is none that breaks off each time."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class StateChange:
    """A camera is in `state` since `utc`.

    `reason`: why or, of a live one, what is wrong with it, in the operator's words, or empty.
    """

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
        ring: PacketRing | None = None,
    ) -> None:
        """The callbacks run in the camera's thread and must return quickly.

        `on_sample` returns whether anything moves in the sample's view, None without a view.
        With `on_sleep` the camera goes undecoded while nothing moves, where its stream allows.
        `ring`: where what is received is kept for a while.
        """
        self._camera = camera
        self._name = camera.name
        self._on_sample = on_sample
        self._on_state = on_state
        self._observer = observer
        self._backoff = Backoff()
        self._pictures_from_s: float | None = None  # of this connection, to
        self._pictures_to_s = 0.0
        self._broke_off = False
        self._on_sleep = on_sleep
        self._ring = ring
        self._state: tuple[CameraState, str] | None = None
        self.asleep = False
        """Whether the camera is left undecoded now."""
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
                self._broke_off = False
                self._enter(CameraState.OFFLINE, "an internal error; see the log")
            wait_s = self._backoff.after_failure(time.monotonic(), refused=refused)
            self.thread.waiting()
            self._stop.wait(wait_s)
            self.thread.beat()

    def _connect_and_read(self) -> None:
        self._observer.connecting(self._name)
        self._pictures_from_s = None
        stream = open_stream(self._camera.url, self._camera.capture)
        try:
            if not self._stop.is_set():
                self._read(stream)
        finally:
            self.asleep = False
            stream.close()
            self._broke_off = self._shown_for_s < SHORTEST_S
            if self._shown_for_s >= LASTING_S:
                self._backoff.live(time.monotonic())

    def _read(self, stream: Stream) -> None:
        # a file is played by its own time stamps
        checked = self._camera.url.kind == "network"
        sampler = Sampler(self._name, self._observer, check_clock=checked)
        backlog = Backlog()
        idle = self._idle(sampler)
        keeper = PacketKeeper(self._name, self._ring, stream) if self._ring is not None else None
        connected_s = time.monotonic()
        while not self._stop.is_set():
            self.thread.beat()
            arrival = stream.receive()
            if self._stop.is_set():
                return
            if arrival is None:
                raise self._ended()
            self._observer.packet(self._name, arrival.size)
            sampler.received(arrival)
            if keeper:
                keeper.received(arrival, believed=not sampler.clock_fault)
            self.asleep = bool(idle and idle.sleeps(arrival, stream))
            if self.asleep:
                self._shows(arrival.at_s)
            elif backlog.skip(lag_s=sampler.lag_s, fresh=arrival.fresh, now_s=arrival.at_s):
                sampler.late = True
                self._shows(arrival.at_s)
            else:
                self._decode(stream, sampler, idle, keeper)
            if sampler.jumped():
                # The one place where all is let go that remembers a stream time of before.
                self._forget(stream, idle)
                idle = None if sampler.clock_fault else self._idle(sampler)
            if arrival.at_s - max(self._pictures_to_s, connected_s) > NO_PICTURE_S:
                raise StreamError(
                    f"{self._camera.url}: sends data, but no picture could be decoded "
                    f"for {NO_PICTURE_S:g} s; check its codec settings"
                )

    def _decode(
        self,
        stream: Stream,
        sampler: Sampler,
        idle: IdleSleep | None,
        keeper: PacketKeeper | None,
    ) -> None:
        """Decode what is kept and hand out its samples."""
        self._observer.frames(self._name, 1)
        errors = stream.decode_errors
        started_s = time.thread_time()
        pictures = 0
        pixels = 0
        for picture in stream.pictures(sampler.wants):
            if self._stop.is_set():  # a burst may hold seconds of pictures
                break
            self._shows(time.monotonic(), sampler.clock_fault)
            pictures += 1
            pixels = picture.width * picture.height
            if idle and idle.is_past(picture):
                continue
            if sample := sampler.take(picture):
                moving = self._on_sample(sample)
                if keeper:
                    keeper.sampled(sample)
                if idle and moving is not None:
                    idle.seen(moving, picture.arrived_s)
        if idle and pictures:
            idle.decoded(pictures, time.thread_time() - started_s, pixels)
        if stream.decode_errors > errors:
            self._observer.decode_errors(self._name, stream.decode_errors - errors)

    def _idle(self, sampler: Sampler) -> IdleSleep | None:
        if self._on_sleep is None:
            return None
        return IdleSleep(self._name, sampler, self._on_sleep, self._observer)

    def _forget(self, stream: Stream, idle: IdleSleep | None) -> None:
        if idle:
            idle.end()
            if idle.asleep:
                for _ in stream.pictures():  # kept, but of another time
                    pass

    def _ended(self) -> StreamError:
        url = self._camera.url
        if url.kind == "file":  # its end is no failure: it is played again at once
            self._backoff.live(time.monotonic())
        elif self._shown_for_s < SHORTEST_S:
            return StreamError(
                f"{url}: the stream ended before anything could be seen; check that the address is "
                "that of a video, and how many viewers the camera allows"
            )
        return StreamError(f"{url}: the stream ended")

    def _shows(self, now_s: float, fault: str | None = None) -> None:
        """A picture was left undecoded or, with a `fault` or none (empty), has been shown."""
        if self._pictures_from_s is None:
            self._pictures_from_s = now_s
        self._pictures_to_s = now_s
        if fault is not None and not (self._broke_off and self._shown_for_s < SHORTEST_S):
            self._enter(CameraState.LIVE, fault)

    @property
    def _shown_for_s(self) -> float:
        """How long pictures have come in this connection."""
        return 0.0 if self._pictures_from_s is None else self._pictures_to_s - self._pictures_from_s

    def _enter(self, state: CameraState, reason: str = "") -> None:
        if (state, reason) == self._state or self._stop.is_set():
            return
        if self._state and state is self._state[0] is not CameraState.LIVE:
            return  # the first reason stays: the tries that follow say no more
        self._state = state, reason
        reason = scrub(reason)
        level = log.warning if reason else log.info
        level("camera state", camera=self._name, state=state.value, reason=reason)
        self._on_state(StateChange(self._name, state, datetime.now(UTC), reason))
