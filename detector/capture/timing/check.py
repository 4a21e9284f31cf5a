"""Whether a camera's clock can be believed: stream time held against arrival, over seconds.

Cameras send time stamps that stand still, that count milliseconds where ticks of 90 kHz are
stated, that run at a quarter or four times real time, that are one for all pictures of a second;
and libav makes some up where there are none (25 a second for MJPEG over HTTP).
A delay that changes by more than the network can explain tells.
The network cannot make pictures come early, and what it holds back comes in a burst behind a gap:
so only the least delay of a window counts, and of short windows only those without a gap.
Pure: arrival times are arguments.
"""

from __future__ import annotations

import math

SHORT_S = 1.0
MOST_OFF = 0.1
"""A rate further from 1 than this, in window after window of `SHORT_S`, adds up."""
PARTED_S = 2.0
"""So far apart and the camera's clock is wrong; Wi-Fi that bursts for so long has gaps."""
GAP_S = 1.5
"""What comes after such a gap in arrivals is late, whatever its time stamp."""

LONG_S = 30.0
LONG_OFF_S = 2.0
"""Over windows of `LONG_S` a right clock keeps in step, however its pictures come: segments of up
to 10 s come thrice in one. So it is believed again, once."""
LONG_MOST_OFF_S = 0.5
"""More than this, in window after window of `LONG_S`, adds up: 1.7 % slow makes samples late."""

SLOTS_HZ = 8
SLOTS_S = 5.0
FEWEST_SLOTS = 0.6
"""Stream time that reaches a smaller share of the slots that arrivals reach, twice in a row, stands
still or leaps between them; what the network does to an honest clock makes arrivals reach fewer."""

BACK_S = 2.0
"""Encoders send pictures in another order than they are shown, by less than this."""
AHEAD_S = 5.0
STILL = 0.005
JUMPS = 3
"""So many jumps within `LONG_S` and stream time tells nothing."""

REMEDY = "if it has an RTSP stream, use that, and its newest firmware"


class ClockCheck:
    """Follows the packets of one connection, in the order received.

    `believed`: whether stream time is to be gone by; `fault`: what is wrong with it where not,
    in the operator's words.
    """

    def __init__(self) -> None:
        self.believed = True
        self.fault = ""
        self._forgiven = False
        self._last_pts_s: float | None = None
        self._last_at_s = 0.0
        self._least_s = math.inf
        self._least_at_s = 0.0
        self._gap_s = 0.0
        self._packets = 0
        self._fresh = 0
        self._begun_s = 0.0
        self._before: tuple[float, float] | None = None  # least delay of the window before, when
        self._parted_s = 0.0
        self._parting_s = 0.0  # how long it has taken so far
        self._long_least_s = math.inf
        self._long_fresh = False
        self._long_begun_s = 0.0
        self._long_before_s = math.inf
        self._long_parted_s = 0.0
        self._jumps = 0
        self._anew = 0
        self._slots: set[int] = set()
        self._arrival_slots: set[int] = set()
        self._slots_begun_s = 0.0
        self._slots_fresh = False
        self._coarse = False

    def packet(self, pts_s: float, at_s: float, *, fresh: bool) -> bool:
        """Take a packet with stream time `pts_s` that was read at `at_s`; whether that turned.

        `fresh`: the reader had to wait for it, so that it is not late by the reader's own fault.
        """
        before = self.believed
        if self._last_pts_s is None:
            self._begun_s = self._long_begun_s = self._slots_begun_s = self._last_at_s = at_s
        else:
            step_s = pts_s - self._last_pts_s
            passed_s = at_s - self._last_at_s
            if step_s < -BACK_S or step_s - passed_s > AHEAD_S:
                self._jumped()
            elif passed_s > self._gap_s:
                self._gap_s = passed_s
        self._last_pts_s = pts_s
        self._last_at_s = at_s
        delay_s = at_s - pts_s
        if delay_s < self._least_s:
            self._least_s = delay_s
            self._least_at_s = at_s
        self._packets += 1
        self._fresh += fresh
        self._slots_fresh |= fresh
        self._slots.add(int(pts_s * SLOTS_HZ))
        self._arrival_slots.add(int(at_s * SLOTS_HZ))
        if at_s - self._begun_s >= SHORT_S:
            self._end_short(at_s)
            if at_s - self._slots_begun_s >= SLOTS_S:
                self._end_slots(at_s)
            if at_s - self._long_begun_s >= LONG_S:
                self._end_long(at_s)
        return self.believed is not before

    def anchored_anew(self) -> bool:
        """Take that a picture, in the order shown, did not follow the one before; see `packet`."""
        before = self.believed
        self._anew += 1
        if self._anew >= JUMPS:
            self._disbelieve("jump about")
        return self.believed is not before

    def _jumped(self) -> None:
        """From here on delays are counted from somewhere else."""
        self._jumps += 1
        self._least_s = self._long_least_s = self._long_before_s = math.inf
        self._before = None
        self._parted_s = self._parting_s = self._long_parted_s = 0.0
        if self._jumps >= JUMPS:
            self._disbelieve("jump about")

    def _end_short(self, at_s: float) -> None:
        even = self._gap_s <= GAP_S
        if even and self._before:
            self._part(*self._before)
        else:
            self._parted_s = self._parting_s = 0.0
        self._before = (self._least_s, self._least_at_s) if even else None
        self._long_least_s = min(self._long_least_s, self._least_s)
        self._long_fresh |= self._fresh > 0
        self._begun_s = at_s
        self._least_s = math.inf
        self._gap_s = 0.0
        self._packets = self._fresh = 0

    def _part(self, before_s: float, before_at_s: float) -> None:
        """Add up how stream time and arrival part, from the window before to this one."""
        drift_s = self._least_s - before_s
        span_s = self._least_at_s - before_at_s
        if drift_s > 0:
            told = self._fresh > 0  # a reader that is behind makes all late
        else:
            # What was held back comes no earlier than ever, and a backlog comes unread.
            floor_s = min(self._long_least_s, self._long_before_s)
            drift_s = min(0.0, self._least_s - floor_s)
            told = 2 * self._fresh >= self._packets
        if not told or abs(drift_s) <= MOST_OFF * span_s or drift_s * self._parted_s < 0:
            self._parted_s = self._parting_s = 0.0
            return
        self._parted_s += drift_s
        self._parting_s += span_s
        if abs(self._parted_s) >= PARTED_S:
            self._disbelieve(_told(1 - self._parted_s / self._parting_s))

    def _end_slots(self, at_s: float) -> None:
        coarse = self._slots_fresh and len(self._slots) < FEWEST_SLOTS * len(self._arrival_slots)
        if coarse and self._coarse:
            self._disbelieve("come in leaps")
        self._coarse = coarse
        self._slots.clear()
        self._arrival_slots.clear()
        self._slots_fresh = False
        self._slots_begun_s = at_s

    def _end_long(self, at_s: float) -> None:
        drift_s = self._long_least_s - self._long_before_s
        if math.isfinite(drift_s) and self._long_fresh:
            self._part_slowly(drift_s)
            steady = not (self._jumps or self._anew or self._coarse or self._long_parted_s)
            if abs(drift_s) > LONG_OFF_S:
                self._disbelieve(_told(1 - drift_s / LONG_S))
            elif steady and not self.believed and not self._forgiven:
                self.believed = self._forgiven = True
                self.fault = ""
        self._long_before_s = self._long_least_s
        self._long_least_s = math.inf
        self._long_fresh = False
        self._long_begun_s = at_s
        self._jumps = self._anew = 0

    def _part_slowly(self, drift_s: float) -> None:
        if abs(drift_s) <= LONG_MOST_OFF_S or drift_s * self._long_parted_s < 0:
            self._long_parted_s = 0.0
            return
        self._long_parted_s += drift_s
        if abs(self._long_parted_s) > LONG_OFF_S:
            self._disbelieve(_told(1 - drift_s / LONG_S))

    def _disbelieve(self, what: str) -> None:
        if self.believed:
            self.believed = False
            self.fault = f"its time stamps {what}, so pictures are dated by their arrival; {REMEDY}"


def _told(rate: float) -> str:
    digits = 3 if 1 <= rate < 1.1 else 2
    return "stand still" if rate < STILL else f"run at {rate:.{digits}g} times real time"
