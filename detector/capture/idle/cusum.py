"""A cumulative sum that tells within a packet or two that sizes have left their floor.

E. S. Page, "Continuous inspection schemes", Biometrika 1954. Pure: it knows deviations alone.
"""

from __future__ import annotations

DRIFT = 1.0
"""Deviations that are taken off each packet, so that noise does not add up."""

CLIP = 10.0
"""Deviations that one packet counts at most."""

ALARM = 8.0
"""One packet 9 deviations above the floor reaches it, or three 4 above; Gaussian noise alone does
so once in e^16 packets."""

FALLEN = 4 * ALARM
"""As `ALARM`, below the floor: slower, since no motion makes packets smaller."""


class Cusum:
    """Sums what lies above and below the floor, each never less than 0."""

    def __init__(self) -> None:
        self._high = 0.0
        self._low = 0.0

    def add(self, excess: float) -> None:
        """A packet that lies `excess` deviations above the floor."""
        self._high = max(0.0, self._high + min(excess, CLIP) - DRIFT)
        self._low = max(0.0, self._low + min(-excess, CLIP) - DRIFT)

    def reset(self) -> None:
        """Start over from 0."""
        self._high = 0.0
        self._low = 0.0

    @property
    def rising(self) -> bool:
        """Whether the packets are halfway to an alarm: they teach nothing about stillness."""
        return self._high >= ALARM / 2

    @property
    def risen(self) -> bool:
        """Whether the packets lie above the floor."""
        return self._high >= ALARM

    @property
    def fallen(self) -> bool:
        """Whether they have lain below it for long: another rate, or a frozen camera."""
        return self._low >= FALLEN
