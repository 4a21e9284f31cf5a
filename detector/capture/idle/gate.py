"""The activity gate: whether a camera may sleep, told from its packets' sizes before decoding.

A camera is asleep while its packets are received and kept, but not decoded. `floor` learns what
a still scene's packets weigh, `cusum` tells when they leave that; the gate lets the camera sleep
when the motion view has seen nothing move for a while, and wakes it at the first alarm. When in
doubt it stays awake. Pure logic: it knows sizes and times, no codec and no picture.
"""

from __future__ import annotations

from enum import StrEnum

from detector.capture.idle.cusum import Cusum
from detector.capture.idle.floor import FloorLearner

QUIET_S = 4.0
"""Nothing has moved for so long before it sleeps: a fight's pauses are shorter."""

LOOK_VIEWS = 6
"""Woken out of a long sleep by packets, it sleeps again after so many views in which nothing
moves: a false alarm then costs 40 pictures instead of 140."""

CATCH_UP_S = 0.2
"""Decoding the longest GOP that may be kept must take no longer: it delays the alarm."""

STALE_S = 30.0
"""Packets above the floor for so long, and no view in which anything moves: a stale floor."""


class Wake(StrEnum):
    """Why the gate is awake; `UNSUITABLE`: this stream's packets do not tell."""

    LEARNING = "learning"
    PACKETS = "packets"
    KEY_FRAME = "key frame"
    LOOK = "look"
    IRREGULAR = "irregular"
    UNSUITABLE = "unsuitable"


class ActivityGate:
    """Follows the packets of one connection. Times are seconds on one clock, any."""

    def __init__(self) -> None:
        self.asleep = False
        self.why = Wake.LEARNING
        self._learner = FloorLearner()
        self._cusum = Cusum()
        self._last_pts_s: float | None = None
        self._reordered = False
        self._picture_cost_s = 0.0
        self._moved_at_s: float | None = None  # by views
        self._motion_in_gop = True  # the first GOP was joined in its middle, or never judged
        self._alarmed_at_s = float("-inf")
        self._views_since_alarm = 0
        self._slept_at_s = float("-inf")
        self._brief = False  # woken out of a long sleep, and no view has moved since
        self._stale_from_s = 0.0

    def decoded(self, pictures: int, seconds: float, pixels: int) -> None:
        """`pictures` of `pixels` pixels each were decoded in `seconds`."""
        if pixels != self._learner.pixels:
            self._learn_anew()
            self._learner.pixels = pixels
        if pictures:
            cost_s = seconds / pictures
            known_s = self._picture_cost_s or cost_s
            self._picture_cost_s = known_s + 0.05 * (cost_s - known_s)

    def seen(self, moving: bool, at_s: float) -> None:
        """A motion view was made of a picture that arrived at `at_s`."""
        if self._moved_at_s is None or moving:
            self._moved_at_s = at_s
            self._stale_from_s = at_s
        self._views_since_alarm += 1
        if moving:
            self._motion_in_gop = True
            self._brief = False

    def changed(self) -> None:
        """A key frame that was looked at while asleep shows that something has changed."""
        self._wake(Wake.LOOK)

    def packet(self, size: int, key: bool, pts_s: float | None, at_s: float) -> bool:
        """Take the next packet; whether what is kept should be decoded now."""
        if pts_s is not None and self._last_pts_s is not None and pts_s < self._last_pts_s:
            self._reordered = True  # B-frames: sizes mean another thing at every position
        self._last_pts_s = pts_s
        if key:
            self._end_gop()
            if self._learner.begin_gop(size):
                self._alarm(Wake.KEY_FRAME, at_s)
        else:
            self._learner.add(size)
            self._weigh(at_s)
        if not self.asleep:
            self._fall_asleep(at_s)
        return not self.asleep

    def _weigh(self, at_s: float) -> None:
        if self._learner.floor is None:
            return
        excess = self._learner.excess()
        if excess is None:
            self._alarm(Wake.IRREGULAR, at_s)
            return
        self._cusum.add(excess)
        if self._cusum.risen:
            self._alarm(Wake.PACKETS, at_s)
        elif self._cusum.fallen:
            self._alarm(Wake.IRREGULAR, at_s)

    def _end_gop(self) -> None:
        """A GOP is over: one in which nothing moved teaches what still looks like."""
        moved = self._motion_in_gop
        self._motion_in_gop = not self.asleep and self._moved_at_s is None
        if moved or self._cusum.rising:
            return
        if not self._learner.learn(awake=not self.asleep):
            self._alarm(Wake.IRREGULAR, None)
        elif self.asleep and self._learner.floor is None:
            self._wake(Wake.LEARNING)

    def _fall_asleep(self, at_s: float) -> None:
        floor = self._learner.floor
        if self._reordered or floor is None or self._moved_at_s is None:
            self.why = Wake.UNSUITABLE if self._reordered else Wake.LEARNING
            return
        catch_up_s = len(floor.sizes) * self._picture_cost_s
        if not self._learner.stands_out(floor) or catch_up_s > CATCH_UP_S:
            self.why = Wake.UNSUITABLE
        elif at_s - self._moved_at_s >= QUIET_S and self._settled(at_s):
            self.asleep = True
            self._slept_at_s = at_s

    def _settled(self, at_s: float) -> bool:
        """Whether what packets alarmed of is over, or was nothing to begin with."""
        if self._brief:
            return self._views_since_alarm >= LOOK_VIEWS
        return at_s - self._alarmed_at_s >= QUIET_S

    def _alarm(self, why: Wake, at_s: float | None) -> None:
        """Something does not look still: wake, or stay awake for a while."""
        self._cusum.reset()
        self._motion_in_gop = True
        if at_s is not None and self._moved_at_s is not None:
            self._alarmed_at_s = at_s
            self._views_since_alarm = 0
            if self.asleep:
                self._stale_from_s = at_s
                self._brief = at_s - self._slept_at_s >= QUIET_S
            elif at_s - self._stale_from_s > STALE_S:
                self._stale_from_s = at_s
                self._learn_anew()
                return
        self._wake(why)

    def _wake(self, why: Wake) -> None:
        self.asleep = False
        self.why = why

    def _learn_anew(self) -> None:
        self._learner.forget()
        self._wake(Wake.LEARNING)
