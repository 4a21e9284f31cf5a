"""An idle camera asleep: its packets are kept, counted as samples at rest, and not decoded.

Joins the activity gate to one connection. Asleep: the camera is received, but not decoded, but
for a key frame looked at now and then. Awake: every packet is decoded. On waking, what was kept
since the last key frame is decoded first, so that the motion view has its past; of it, those
pictures are sampled that had counted as at rest. Nothing moved before that key frame, so it stands
for the samples at rest just before it, too, or motion right after it would be seen late.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from detector.capture.idle.gate import ActivityGate
from detector.capture.idle.read_pause import ReadPause
from detector.capture.observer import CaptureObserver
from detector.capture.sampler import Sampler, utc_at
from detector.capture.streams import Arrival, Picture, Stream
from detector.capture.timing.clock import Stamp
from detector.motion.view import GREYS_PER_VIEW
from detector.types import Grey, Sample

LOOK_S = 8.0
"""A sleeping camera's key frame is looked at this often: 0.5 ms a second at 720p."""


@dataclass(frozen=True, slots=True)
class SleepCallbacks:
    """What is called while a camera sleeps and as it wakes, from its thread.

    `on_rest`: a sample was due at this instant (monotonic seconds, UTC) and nothing moves.
    `on_past`: a sample from before the waking, to see motion against, not to be scored.
    `on_look`: a grey looked at in between; whether it differs from the one before.
    """

    on_rest: Callable[[float, datetime], None]
    on_past: Callable[[Sample], None]
    on_look: Callable[[Grey], bool]


class IdleSleep:
    """The gate of one connection, as long as its stream time does not begin anew."""

    def __init__(
        self, camera: str, sampler: Sampler, callbacks: SleepCallbacks, observer: CaptureObserver
    ) -> None:
        self._camera = camera
        self._sampler = sampler
        self._callbacks = callbacks
        self._observer = observer
        self._gate = ActivityGate()
        self._pause = ReadPause()
        self._looked_s = float("-inf")
        self._slept_from_s: float | None = None
        self._frames = 0
        self._asleep_s = 0.0
        self._rested: dict[float, Stamp] = {}  # since the last key frame
        self._rested_before: deque[Stamp] = deque(maxlen=GREYS_PER_VIEW - 1)
        # stream time of what was slept through, as far as it is kept and may be decoded yet
        self._past_from_s = float("inf")
        self._past_until_s = float("-inf")
        self._waking = False

    @property
    def asleep(self) -> bool:
        """Whether the camera is left undecoded."""
        return self._gate.asleep

    def sleeps(self, arrival: Arrival, stream: Stream) -> bool:
        """Take what has just been received; whether it is to be left undecoded.

        Where the transport keeps what is unread, the thread of a camera that sleeps pauses.
        """
        if arrival.key is None or arrival.pts_s is None:
            return False
        slept = self._gate.asleep
        self._gate.packet(arrival.size, arrival.key, arrival.pts_s, arrival.at_s)
        if self._gate.asleep:
            self._rest(arrival.pts_s, arrival)
            if arrival.key and arrival.at_s - self._looked_s >= LOOK_S:
                self._look(arrival.at_s, stream)
        if self._gate.asleep and stream.keeps_unread:
            pause_s = self._pause.after(arrival.pts_s, arrival.at_s, fresh=arrival.fresh)
            if pause_s:  # sleeping for 0 gives up the processor all the same
                time.sleep(pause_s)
        elif slept:
            self._pause.over()
        if slept and not self._gate.asleep:
            self._waking = True
            self._slept_from_s = None
            self._tell()
        return self._gate.asleep

    def is_past(self, picture: Picture) -> bool:
        """Whether `picture` was slept through; it is shown as such if it had been due."""
        if picture.pts_s is None or picture.pts_s < self._past_from_s:
            return False
        if picture.pts_s > self._past_until_s:
            self._past_from_s = float("inf")  # what was slept through has all been shown
            return False
        while self._rested_before:
            before = self._rested_before.popleft()
            self._callbacks.on_past(self._sampler.sample(picture, before))
        if stamp := self._rested.get(picture.pts_s):
            self._callbacks.on_past(self._sampler.sample(picture, stamp))
        return True

    def seen(self, moving: bool, at_s: float) -> None:
        """The motion view of a picture that arrived at `at_s`."""
        self._gate.seen(moving, at_s)

    def decoded(self, pictures: int, seconds: float, pixels: int) -> None:
        """`pictures` of `pixels` pixels were decoded and looked at in `seconds` of CPU time."""
        self._gate.decoded(pictures, seconds, pixels)
        if self._waking:
            self._waking = False
            self._rested.clear()
            self._rested_before.clear()
            self._observer.woke(self._camera, self._gate.why.value, seconds)

    def end(self) -> None:
        """Tell what has not been told yet; another one follows the stream from here on."""
        self._tell()

    def _rest(self, pts_s: float, arrival: Arrival) -> None:
        if arrival.key:
            self._rested_before.extend(self._rested.values())
            self._rested.clear()
            self._tell()
        if arrival.key or self._past_from_s == float("inf"):
            self._past_from_s = pts_s
        self._frames += 1
        if self._slept_from_s is not None:
            self._asleep_s += max(0.0, arrival.at_s - self._slept_from_s)
        self._slept_from_s = arrival.at_s
        self._past_until_s = pts_s
        if stamp := self._sampler.rest(pts_s, arrival.at_s):
            self._rested[pts_s] = stamp
            self._callbacks.on_rest(stamp.at_s, utc_at(stamp.at_s))

    def _tell(self) -> None:
        """Once a GOP instead of 25 times a second."""
        self._observer.frames(self._camera, self._frames)
        self._observer.slept(self._camera, self._asleep_s)
        self._frames = 0
        self._asleep_s = 0.0

    def _look(self, at_s: float, stream: Stream) -> None:
        """Decode the key frame that has just come, and only it."""
        self._looked_s = at_s
        for picture in stream.pictures():
            if self._callbacks.on_look(picture.grey()):
                self._gate.changed()
