"""Which of one connection's pictures become samples, when they were taken, and what was due."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import numpy as np
import structlog

from detector.capture.observer import CaptureObserver
from detector.capture.streams import Arrival, Picture
from detector.capture.timing.check import ClockCheck
from detector.capture.timing.clock import Pace, Stamp, StreamClock
from detector.motion.greys import SampleClock
from detector.types import SAMPLE_RATE_HZ, Grey, Sample

STILL_WARNING_S = 60.0
REST_STEP_S = 0.9 / SAMPLE_RATE_HZ

log = structlog.get_logger()


class Sampler:
    """Turns the pictures of one connection into samples, and counts what was due."""

    def __init__(
        self, camera: str, observer: CaptureObserver, *, check_clock: bool = False
    ) -> None:
        """`check_clock`: whether its time stamps are held against arrival."""
        self._camera = camera
        self._observer = observer
        self._clock = StreamClock()
        self._ticks = SampleClock()
        self._pace = Pace()
        self._still = _StillWatch(camera)
        self._rested_s: float | None = None
        self._check = ClockCheck() if check_clock else None
        self._jumps = 0
        self.lag_s = 0.0
        self.late = False  # pictures have been left undecoded since the last sample

    def received(self, arrival: Arrival) -> None:
        """Hold the camera's clock against the arrival of a packet, before it is decoded."""
        if self._check is None or arrival.pts_s is None:
            return
        if self._check.packet(arrival.pts_s, arrival.at_s, fresh=arrival.fresh):
            self._clock.believe(self._check.believed)

    @property
    def clock_fault(self) -> str:
        """What is wrong with the camera's clock, so that arrival is gone by; empty: nothing."""
        return self._check.fault if self._check else ""

    def take(self, picture: Picture) -> Sample | None:
        """The sample that `picture` makes, if one is due."""
        stamp = self._stamp(picture.pts_s, picture.arrived_s)
        due = self._pace.due(self._ticks.ticks(stamp.pts_s), stamp.pts_s)
        if not due:
            return None
        self._observer.due(self._camera, due)
        if due > 1:
            reason = "late" if self.late else "missed"
            self._observer.missed(self._camera, reason, due - 1)
        self.late = False
        sample = self.sample(picture, stamp)
        self._still.check(sample.grey, stamp.pts_s)
        return sample

    def wants(self, pts_s: float, step_s: float) -> bool:
        """Whether the picture at stream time `pts_s`, `step_s` after the one before, may be due."""
        seconds = self._clock.placed(pts_s)
        return seconds is None or self._ticks.due_within(seconds, step_s)

    def rest(self, pts_s: float, arrived_s: float) -> Stamp | None:
        """Where a packet that is left undecoded stands, if a sample is due with it."""
        if self._rested_s is not None and 0 < pts_s - self._rested_s < REST_STEP_S:
            return None  # far from the next tick: 25 packets a second cost nothing, 8 a stamp
        stamp = self._stamp(pts_s, arrived_s)
        due = self._ticks.ticks(stamp.pts_s)
        if not due:
            return None
        self._rested_s = pts_s
        self._observer.due(self._camera, due)
        return stamp

    def sample(self, picture: Picture, stamp: Stamp) -> Sample:
        """What `picture` is as a sample at `stamp`, due or slept through."""
        return Sample(
            self._camera,
            utc_at(stamp.at_s),
            picture.arrived_s,
            stamp.pts_s,
            picture.grey(),
            picture.handle,
            lag_s=picture.arrived_s - stamp.at_s,
        )

    def jumped(self) -> bool:
        """Whether stream time has begun anew since this was last asked.

        Stream times of before mean nothing any more; what is remembered of them here is forgotten.
        """
        if self._clock.jumps == self._jumps:
            return False
        self._jumps = self._clock.jumps
        self._pace = Pace()
        self._rested_s = None
        return True

    def _stamp(self, pts_s: float | None, arrived_s: float) -> Stamp:
        jumps = self._clock.jumps
        stamp = self._clock.stamp(pts_s, arrived_s)
        if self._check and self._clock.jumps > jumps and self._check.anchored_anew():
            self._clock.believe(believed=False)
        self.lag_s = stamp.lag_s
        return stamp


def utc_at(at_s: float) -> datetime:
    """The instant `at_s` of the monotonic clock by the wall clock as it is set now."""
    return datetime.now(UTC) - timedelta(seconds=time.monotonic() - at_s)


class _StillWatch:
    """Warns, once, of a picture that has not changed in a single grey for long.

    Only a warning: a noiseless still (a covered lens, a test card) repeats exactly.
    """

    def __init__(self, camera: str) -> None:
        self._camera = camera
        self._last: Grey | None = None
        self._since_s = 0.0
        self._warned = False

    def check(self, grey: Grey, pts_s: float) -> None:
        if self._last is None or not np.array_equal(grey, self._last):
            self._last = grey
            self._since_s = pts_s
            self._warned = False
        elif not self._warned and pts_s - self._since_s >= STILL_WARNING_S:
            self._warned = True
            log.warning(
                "picture does not change; check the camera unless it shows a still scene",
                camera=self._camera,
                for_s=round(pts_s - self._since_s),
            )
