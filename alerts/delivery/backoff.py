"""How long to wait before the next attempt."""

from __future__ import annotations

import random
import time

FIRST_S = 1.0
LONGEST_S = 60.0


def backoff_s(failures: int, jitter: float, longest_s: float = LONGEST_S) -> float:
    """Seconds to wait after `failures` (1, 2, …) in a row: 1 s, doubling, capped at `longest_s`.

    `jitter` in 0…1 spreads them over the upper half of that, so that many daemons do not return
    to a recovering broker at once; the first wait is never below half a second.
    """
    wait = min(FIRST_S * 2.0 ** min(failures - 1, 30), longest_s)
    return wait * (0.5 + 0.5 * jitter)


class BackOff:
    """When a receiver that failed is to be tried again."""

    def __init__(self) -> None:
        self._failures = 0
        self._failed_at_s = 0.0
        self._not_before_s = 0.0
        self._busy_until_s = 0.0

    def worked(self) -> None:
        """The next failure is the first."""
        self._failures = 0

    def failed(self, at_least_s: float = 0.0) -> float:
        """Wait, `at_least_s` (up to `LONGEST_S`) whatever happens meanwhile; the seconds."""
        self._failures += 1
        self._failed_at_s = time.monotonic()
        self._busy_until_s = self._failed_at_s + min(at_least_s, LONGEST_S)
        wait_s = backoff_s(self._failures, random.random())  # noqa: S311 - spreads load only
        self._not_before_s = max(self._failed_at_s + wait_s, self._busy_until_s)
        return self._not_before_s - self._failed_at_s

    def hurry(self) -> None:
        """There is a reason to try earlier: a second after the failure."""
        earliest_s = max(self._failed_at_s + FIRST_S, self._busy_until_s)
        self._not_before_s = min(self._not_before_s, earliest_s)

    def left_s(self) -> float:
        """Seconds to wait from now; 0 or less where it is over."""
        return self._not_before_s - time.monotonic()
