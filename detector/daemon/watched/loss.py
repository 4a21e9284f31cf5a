"""When a camera counts as watched, and why not; as lost and as back, told once each.

What counts is scored samples, not that something arrives: one picture a second, or four before
every connection breaks, show nothing. A camera that drops out for a minute every hour shows in the
metrics; only of one that stays away people are told. Pure logic, time (monotonic seconds) as an
argument.
"""

from __future__ import annotations

from collections import deque
from enum import Enum

from config.urls import StreamUrl
from detector.incidents.smoothing import NEEDED_HZ
from detector.types import CameraState

WINDOW_S = 10.0
SHORTEST_WINDOW_S = 2.0
"""Samples are counted over so long or, with a shorter grace time, over that."""

EDGES = 0.9
"""Share of the needed samples that a window holds: it begins and ends between two of them."""

AGAIN_S = 3600.0
"""Lost again within so long, a camera must be watched for twice as long before it is back."""


class Notice(Enum):
    """What to tell."""

    LOST = "lost"
    BACK = "back"


class LossTracker:
    """Follows one camera's states and how many of its samples are scored.

    `unwatched`: pictures come, but have not been scored often enough; until they are.
    """

    def __init__(self, grace_s: float, now_s: float) -> None:
        self.unwatched = False
        self._grace_s = grace_s
        self._window_s = min(max(grace_s, SHORTEST_WINDOW_S), WINDOW_S)
        self._counts: deque[tuple[float, int]] = deque()
        self._live = False
        self._entered_s = now_s
        self._away_since_s: float | None = now_s
        self._watched_since_s: float | None = None
        self._steady_s = self._window_s / 2
        self._back_s = float("-inf")
        self._lost = False

    def enter(self, state: CameraState, now_s: float) -> None:
        """The camera's connection is in `state` from `now_s` on."""
        if (live := state is CameraState.LIVE) != self._live:
            self._live = live
            self._entered_s = now_s

    def tick(self, now_s: float, scored: int) -> Notice | None:
        """What has become due by `now_s`, when `scored` samples had been scored in all."""
        self._count(now_s, scored)
        if self._watched_since_s is None or not self._live:
            if self._away_since_s is None:
                self._away_since_s = now_s if self._live else self._entered_s
        elif now_s - self._watched_since_s >= (self._steady_s if self._lost else 0.0):
            self._away_since_s = None
        if self._lost == (self._away_since_s is not None):
            return None
        if self._away_since_s is None:
            self._lost = False
            self._back_s = now_s
            return Notice.BACK
        undecided = self._live and now_s - self._entered_s < self._window_s
        if undecided or now_s - self._away_since_s < self._grace_s:
            return None
        again = now_s - self._back_s < AGAIN_S
        longest_s = max(self._grace_s, self._window_s)
        self._steady_s = min(2 * self._steady_s, longest_s) if again else self._window_s / 2
        self._lost = True
        return Notice.LOST

    @property
    def lost(self) -> bool:
        """Whether the camera has been told lost and not yet back."""
        return self._lost

    def _count(self, now_s: float, scored: int) -> None:
        """Whether enough was scored within the last window."""
        self._counts.append((now_s, scored))
        while len(self._counts) > 1 and now_s - self._counts[1][0] >= self._window_s:
            self._counts.popleft()
        if scored - self._counts[0][1] >= EDGES * NEEDED_HZ * self._window_s:
            if self._watched_since_s is None:
                self._watched_since_s = now_s
            self.unwatched = False
            return
        self._watched_since_s = None
        if self._live and now_s - self._entered_s >= self._window_s:
            self.unwatched = True


class SampleCounts:
    """Totals of one camera: samples `taken` of its pictures, of them `late`, and `scored` ones.

    Each is written by one thread at a time.
    """

    def __init__(self) -> None:
        self.taken = 0
        self.late = 0
        self.scored = 0
        self._past: deque[tuple[float, int, int]] = deque()

    def tick(self, now_s: float) -> None:
        """Remember how they stand at `now_s` (monotonic)."""
        self._past.append((now_s, self.taken, self.late))
        while len(self._past) > 1 and now_s - self._past[1][0] >= WINDOW_S:
            self._past.popleft()

    def why(self, url: StreamUrl) -> str:
        """Why too few were scored of late, in the operator's words."""
        (from_s, taken, late), (to_s, *_) = self._past[0], self._past[-1]
        came, late = self.taken - taken, self.late - late
        a_second = came / max(to_s - from_s, 1.0)
        if a_second < NEEDED_HZ:
            return (
                f"{url}: only {a_second:.1f} pictures a second come whole, and at least "
                f"{NEEDED_HZ:g} are needed to see a fight; set 10 or more in the camera"
            )
        if 2 * late > came:
            return (
                f"{url}: its pictures come in bursts, too late to be scored; "
                "use its RTSP stream, or the shortest segments it offers"
            )
        return (
            f"{url}: its pictures come, but hardly one is scored; see the log, and whether they "
            "keep their size and come without gaps"
        )
