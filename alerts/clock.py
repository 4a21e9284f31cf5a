"""A clock that never steps: what expiry, lateness, cooldown, silence and retry go by.

The box's own clock may be set by an hour, or come from 1970 once the network answers. It is for
what people read (`sent_at`, `opened_at`) and for what is compared over a restart.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

LATEST_S = datetime(9999, 12, 31, tzinfo=UTC).timestamp()


def _since_boot_s() -> float:
    """Counts while the box is suspended too, so that no siren is late after that."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


class SteadyClock:
    """UTC, in seconds, as of the start of this process, plus the time that has gone by since."""

    def __init__(
        self, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = _since_boot_s
    ) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._base_s = wall() - monotonic()

    def now(self) -> float:
        """Seconds; never steps, never goes back."""
        return self._base_s + self._monotonic()

    def offset_s(self) -> float:
        """By how much the box's clock has been set forward since the start (back: negative)."""
        return self._wall() - self.now()

    def utc(self, at: float) -> datetime:
        """What the box's clock shows at `at` of this clock, for people to read."""
        return datetime.fromtimestamp(min(max(at + self.offset_s(), 0.0), LATEST_S), UTC)
