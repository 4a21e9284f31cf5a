"""What the second look may cost: a share of one core, by the seconds that looks have taken. Pure.

A look costs as much as two hundred views of the first stage, and a busy street asks for one twice
a second. Where not all can be had, those go first that come closest to an alarm: the more of the
last minute's seconds is spent, the more urgent a candidate has to be.
"""

from __future__ import annotations

from collections import deque

from detector.incidents.second_look import DEADLINE_S

SHARE_OF_CORE = 0.1

WINDOW_S = 60.0


LEAST_WAIT_S = 0.15
"""A candidate this young is looked at even where that takes longer than the deadline leaves: the
first stage has then decided, and what it would not have opened is opened late instead of never."""

MOST_LOOK_S = 1.0
"""Where a look takes longer its answer is of no use: looks count for 1.5 s, and one is due each
half second."""


def ends_late(look_s: float) -> bool:
    """Whether a look of so many seconds ends after the deadline of an alarm."""
    return look_s > DEADLINE_S - LEAST_WAIT_S


class Budget:
    """Of `SHARE_OF_CORE` over `WINDOW_S`; time comes in with each call (monotonic seconds)."""

    def __init__(self) -> None:
        self._looks: deque[tuple[float, float]] = deque()
        self._spent_s = 0.0

    def spend(self, now_s: float, cpu_s: float) -> None:
        """A look that has just ended took so many seconds of a core."""
        self._looks.append((now_s, cpu_s))
        self._spent_s += cpu_s

    def left(self, now_s: float) -> float:
        """The share of the budget that is not spent: 0 … 1."""
        while self._looks and now_s - self._looks[0][0] > WINDOW_S:
            self._spent_s -= self._looks.popleft()[1]
        return max(0.0, 1.0 - self._spent_s / (SHARE_OF_CORE * WINDOW_S))

    def allows(self, now_s: float, urgency: float) -> bool:
        """Whether a candidate of this urgency (0 … 1) may be looked at."""
        left = self.left(now_s)
        return left > 0 and urgency >= 1.0 - left
