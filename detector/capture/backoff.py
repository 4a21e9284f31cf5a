"""How long to wait before a camera is tried again. Pure: time is an argument."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

FIRST_S = 1.0
FACTOR = 2.0
RECENT_S = 600.0
"""A camera that was live within so long is expected back any moment."""
RECENT_CAP_S = 5.0
CAP_S = 60.0
REFUSED_S = 60.0
"""Wrong credentials: cameras lock an account after 5 to 10 quick failures."""
JITTER = 0.2
"""Share taken off at random, so that cameras behind one dead switch do not come in step."""


class Backoff:
    """The waits of one camera."""

    def __init__(self, random: Callable[[], float] | None = None) -> None:
        """`random` returns 0…1."""
        self._random = random or Random().random  # noqa: S311 - jitter guards no secret
        self._failures = 0
        self._live_s: float | None = None

    def live(self, now_s: float) -> None:
        """The camera shows pictures at `now_s` (monotonic seconds)."""
        self._live_s = now_s
        self._failures = 0

    def after_failure(self, now_s: float, *, refused: bool = False) -> float:
        """Seconds to wait after a connection failed or was lost; `refused`: wrong credentials."""
        recent = self._live_s is not None and now_s - self._live_s <= RECENT_S
        cap_s = RECENT_CAP_S if recent else CAP_S
        # 2**16 s is beyond any cap; a camera gone for a month must not overflow
        wait_s = min(cap_s, FIRST_S * FACTOR ** min(self._failures, 16))
        self._failures += 1
        return (REFUSED_S if refused else wait_s) * (1 - JITTER * self._random())
