"""From jumpy probabilities, eight a second, to one steady value an incident can stand on.

A trimmed mean over the last 1¼ s: one view that looks like a fight (a coat swung on, a
bird close to the lens) cannot raise an alarm, and one that does not cannot hide a fight.
Pure logic: time comes in with each probability.
"""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta

from detector.types import SAMPLE_RATE_HZ

WINDOW_S = 1.25
"""Long enough to outlast a stumble, short enough to leave most of a second of two for alarms."""

TRIM_SHARE = 1 / 6
"""Share of the window cut at either end before averaging: 1 of 10 values."""

FULL_WEIGHT_COUNT = 6
"""With fewer values than this, the least that are trimmed, the mean counts in proportion only."""


class Smoother:
    """Trimmed mean of one camera's probabilities for one label."""

    def __init__(self) -> None:
        self._window: deque[tuple[datetime, float]] = deque(maxlen=round(WINDOW_S * SAMPLE_RATE_HZ))

    def smooth(self, utc: datetime, probability: float) -> float:
        """Add `probability` (0…1) at `utc`; the smoothed value, 0…1.

        Values older than `WINDOW_S` are forgotten, so a gap in the stream starts afresh.
        Instants that run backwards (a clock set back) do the same.
        """
        if self._window and utc < self._window[-1][0]:
            self._window.clear()
        self._window.append((utc, probability))
        oldest = utc - timedelta(seconds=WINDOW_S)
        while self._window[0][0] < oldest:
            self._window.popleft()
        values = sorted(value for _, value in self._window)
        cut = int(len(values) * TRIM_SHARE)
        kept = values[cut : len(values) - cut]
        return sum(kept) / len(kept) * min(1.0, len(values) / FULL_WEIGHT_COUNT)
