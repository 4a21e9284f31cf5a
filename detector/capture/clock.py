"""When a picture was taken: stream time, which cameras count from anywhere, tied to UTC.

The transport delays pictures but never hastens them, so the least delayed picture of late
tells where stream time stands, and the others are placed by their stream time: jitter of the
network does not shake the time stamps. Pure: arrival times are arguments.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta

from detector.types import SAMPLE_RATE_HZ

WINDOW_S = 30.0
"""The least delay is that of the last one to two windows. Quartz drifts by at most 100 ppm, 6 ms
in two windows: the anchor follows it without a jump."""
MAX_DRIFT_S = 5.0
"""Stream time further than this from where arrival puts it has jumped: anchored anew. Network
stalls end at the read time-out (5 s by default), and a burst after connecting holds less."""
BACKWARD_S = 0.5
"""Stream time that goes back by more is a restarted stream; by less, rounding or reordering."""
LONGEST_GUESS_S = 1.0
"""A picture without a time stamp is placed by its arrival, at most so far behind the last."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """Where a picture stands in time.

    `pts_s`: seconds since the first picture, never decreasing; `lag_s`: how much later than
    the least delayed one the picture arrived.
    """

    pts_s: float
    utc: datetime
    lag_s: float


class StreamClock:
    """Stamps the pictures of one connection, in the order in which they are shown."""

    def __init__(self) -> None:
        self._shift_s: float | None = None  # our seconds since the first picture − stream time
        self._least_s = 0.0
        self._previous_least_s = 0.0
        self._window_ends_s = 0.0
        self._last: Stamp | None = None
        self._last_arrival_s = 0.0

    def stamp(self, pts_s: float | None, arrived_s: float, arrived_utc: datetime) -> Stamp:
        """Place a picture with stream time `pts_s` that arrived at `arrived_s` (monotonic)."""
        seconds = self._seconds(pts_s, arrived_s)
        delay_s = arrived_s - seconds
        if arrived_s > self._window_ends_s:
            self._previous_least_s = self._least_s
            self._least_s = delay_s
            self._window_ends_s = arrived_s + WINDOW_S
        self._least_s = min(self._least_s, delay_s)
        lag_s = delay_s - self._least()
        utc = arrived_utc - timedelta(seconds=lag_s)
        if self._last:
            utc = max(utc, self._last.utc)
        self._last = Stamp(seconds, utc, lag_s)
        self._last_arrival_s = arrived_s
        return self._last

    def placed(self, pts_s: float) -> float | None:
        """Where a picture with stream time `pts_s` will stand; None before the first picture."""
        return None if self._shift_s is None else pts_s + self._shift_s

    def _seconds(self, pts_s: float | None, arrived_s: float) -> float:
        if self._last is None:
            return self._anchor(0.0, pts_s, arrived_s)
        last_s = self._last.pts_s
        passed_s = max(0.0, arrived_s - self._last_arrival_s)
        if pts_s is None:
            return last_s + min(passed_s, LONGEST_GUESS_S)
        if self._shift_s is None:
            return self._anchor(last_s + passed_s, pts_s, arrived_s)
        seconds = pts_s + self._shift_s
        off_s = arrived_s - seconds - self._least()
        if last_s - seconds > BACKWARD_S or abs(off_s) > MAX_DRIFT_S:
            return self._anchor(last_s + passed_s, pts_s, arrived_s)
        return max(seconds, last_s)

    def _anchor(self, seconds: float, pts_s: float | None, arrived_s: float) -> float:
        if pts_s is not None:
            self._shift_s = seconds - pts_s
        self._least_s = arrived_s - seconds
        self._previous_least_s = self._least_s
        self._window_ends_s = arrived_s + WINDOW_S
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
