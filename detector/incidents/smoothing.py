"""From jumpy probabilities, eight a second, to one steady value an incident can stand on.

A trimmed mean over the last 1¼ s: one view that looks like a fight (a coat swung on, a
bird close to the lens) cannot raise an alarm, and one that does not cannot hide a fight.
Pure logic: time comes in with each probability.
"""

from __future__ import annotations

from collections import deque

from detector.types import SAMPLE_RATE_HZ

WINDOW_S = 1.25
"""Long enough to outlast a stumble, short enough to leave most of a second of two for alarms."""

TRIM_SHARE = 1 / 6
"""Share of the window cut at either end before averaging: 1 of 10 values."""

FULL_WEIGHT_COUNT = 6
"""With fewer values than this, the least that are trimmed, the mean counts in proportion only."""

NEEDED_HZ = SAMPLE_RATE_HZ / 2
"""Values a second, at least: with fewer a window never holds that many, and no fight is seen."""


def elapsed(since_s: float, at_s: float) -> float:
    """Seconds from one instant to another, to the microsecond.

    Pictures come in step, so these often equal a limit, and floats would miss it by 1e-15.
    """
    return round(at_s - since_s, 6)


class Smoother:
    """Trimmed mean of one camera's probabilities for one label."""

    def __init__(self) -> None:
        self._window: deque[tuple[float, float]] = deque(maxlen=round(WINDOW_S * SAMPLE_RATE_HZ))

    def smooth(self, at_s: float, probability: float) -> float:
        """Add `probability` (0…1) at `at_s` (monotonic seconds); the smoothed value, 0…1.

        Values older than `WINDOW_S` are forgotten, so a gap in the stream starts afresh.
        An instant before the last one does the same.
        """
        if self._window and at_s < self._window[-1][0]:
            self._window.clear()
        self._window.append((at_s, probability))
        while elapsed(self._window[0][0], at_s) > WINDOW_S:
            self._window.popleft()
        values = sorted(value for _, value in self._window)
        cut = int(len(values) * TRIM_SHARE)
        kept = values[cut : len(values) - cut]
        return sum(kept) / len(kept) * min(1.0, len(values) / FULL_WEIGHT_COUNT)
