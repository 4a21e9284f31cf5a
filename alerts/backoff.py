"""How long to wait before the next attempt. Pure."""

from __future__ import annotations

FIRST_S = 1.0
LONGEST_S = 60.0


def backoff_s(failures: int, jitter: float, longest_s: float = LONGEST_S) -> float:
    """Seconds to wait after `failures` (1, 2, …) in a row: 1 s, doubling, capped at `longest_s`.

    `jitter` in 0…1 spreads them over the upper half of that, so that many daemons do not return
    to a recovering broker at once; the first wait is never below half a second.
    """
    wait = min(FIRST_S * 2.0 ** min(failures - 1, 30), longest_s)
    return wait * (0.5 + 0.5 * jitter)
