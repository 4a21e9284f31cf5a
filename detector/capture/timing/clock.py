"""When a picture was taken: stream time, which cameras count from anywhere, tied to arrival.

The transport delays pictures but never hastens them, so the least delayed picture of late
tells where stream time stands, and the others are placed by their stream time: jitter of the
network does not shake the time stamps. Where the camera's clock is not believed (`check.py`),
each picture is placed by its arrival alone. Pure: arrival times are arguments.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from detector.types import SAMPLE_RATE_HZ

WINDOW_S = 30.0
"""The least delay is that of the last one to two windows. Quartz drifts by at most 100 ppm, 6 ms
in two windows: the anchor follows it without a jump."""
MAX_DRIFT_S = 5.0
"""Stream time further than this from where arrival puts it has jumped: anchored anew. Network
stalls end at the read time-out (5 s by default), and a burst after connecting holds less."""
LATE_FOR_S = 2.0
"""Pictures later than that are a burst that ends, or their stream time has stood still."""
BACKWARD_S = 0.5
"""Stream time that goes back by more is a restarted stream; by less, rounding or reordering."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """Where a picture stands in time.

    `pts_s`: seconds since the first picture, never decreasing; `at_s`: when it was taken, on the
    clock of arrivals, never decreasing; `lag_s`: how much later than the least delayed one it
    arrived.
    """

    pts_s: float
    at_s: float
    lag_s: float


class StreamClock:
    """Stamps the pictures of one connection, in the order in which they are shown.

    `jumps`: how often stream time has been anchored anew. Whoever remembers a stream time of
    before such a jump must forget it.
    """

    def __init__(self) -> None:
        self.jumps = 0
        self._believed = True
        self._shift_s: float | None = None  # our seconds since the first picture − stream time
        self._least_s = 0.0
        self._previous_least_s = 0.0
        self._window_ends_s = 0.0
        self._late_since_s: float | None = None
        self._last: Stamp | None = None
        self._first_arrival_s = 0.0
        self._last_arrival_s = 0.0

    def stamp(self, pts_s: float | None, arrived_s: float) -> Stamp:
        """Place a picture with stream time `pts_s` that arrived at `arrived_s` (monotonic)."""
        seconds = self._seconds(pts_s if self._believed else None, arrived_s)
        delay_s = arrived_s - seconds
        if arrived_s > self._window_ends_s:
            self._previous_least_s = self._least_s
            self._least_s = delay_s
            self._window_ends_s = arrived_s + WINDOW_S
        self._least_s = min(self._least_s, delay_s)
        at_s = arrived_s - (delay_s - self._least())
        if self._last is not None:
            at_s = max(at_s, self._last.at_s)
        self._last = Stamp(seconds, at_s, arrived_s - at_s)
        # pictures of a stream with B-frames arrive in another order than they are shown
        self._last_arrival_s = max(arrived_s, self._last_arrival_s)
        return self._last

    def placed(self, pts_s: float) -> float | None:
        """Where a picture with stream time `pts_s` will stand; None where that is not known."""
        return None if self._shift_s is None else pts_s + self._shift_s

    def believe(self, believed: bool) -> None:
        """Go by stream time from now on or, where it is not `believed`, by arrival alone."""
        self._believed = believed
        self._shift_s = None
        self.jumps += 1

    def _seconds(self, pts_s: float | None, arrived_s: float) -> float:
        if self._last is None:
            self._first_arrival_s = arrived_s
            return self._anchor(0.0, pts_s, arrived_s)
        last_s = self._last.pts_s
        passed_s = max(0.0, arrived_s - self._last_arrival_s)
        if self._shift_s is None:  # what a clock that ran slow has left out is made up for
            seconds = max(last_s + passed_s, arrived_s - self._first_arrival_s)
            return seconds if pts_s is None else self._anchor(seconds, pts_s, arrived_s)
        seconds = last_s + passed_s if pts_s is None else pts_s + self._shift_s
        late_s = arrived_s - seconds - self._least()
        if (
            last_s - seconds > BACKWARD_S
            or late_s < -MAX_DRIFT_S
            or self._too_late(late_s, arrived_s)
        ):
            self.jumps += 1
            return self._anchor(last_s + passed_s, pts_s, arrived_s)
        return max(seconds, last_s)

    def _too_late(self, late_s: float, arrived_s: float) -> bool:
        """Whether pictures have come too late for so long that nothing will make up for it."""
        if late_s <= MAX_DRIFT_S:
            self._late_since_s = None
            return False
        if self._late_since_s is None:
            self._late_since_s = arrived_s
        return arrived_s - self._late_since_s >= LATE_FOR_S

    def _anchor(self, seconds: float, pts_s: float | None, arrived_s: float) -> float:
        if pts_s is not None:
            self._shift_s = seconds - pts_s
        self._least_s = arrived_s - seconds
        self._previous_least_s = self._least_s
        self._window_ends_s = arrived_s + WINDOW_S
        self._late_since_s = None
        return seconds

    def _least(self) -> float:
        return min(self._least_s, self._previous_least_s)


class Pace:
    """How many samples are due: 8 a second of stream time, or every picture of a slower stream."""

    def __init__(self) -> None:
        self._last_s: float | None = None
        self._long: deque[bool] = deque(maxlen=25)  # whether each of the last gaps was
        self._slow = False

    def due(self, ticks: int, pts_s: float) -> int:
        """Samples due with the picture at `pts_s`, by which `ticks` ticks have passed."""
        if self._last_s is not None and pts_s > self._last_s:
            self._long.append(pts_s - self._last_s > 1 / SAMPLE_RATE_HZ)
            # most of them: a lost picture doubles one gap, it does not make a stream slow
            self._slow = len(self._long) >= 5 and 2 * sum(self._long) > len(self._long)
        self._last_s = pts_s
        return min(ticks, 1) if self._slow else ticks
