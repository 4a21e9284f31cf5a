"""When a reader that cannot keep up stops decoding, and when it goes on. Pure.

Latest wins: a backlog is received without being decoded, which is 10 to 100 times quicker,
and decoding resumes at the newest key frame once nothing lies unread.
"""

from __future__ import annotations

BEHIND_S = 1.0
"""A sample that much late is worth nothing: the inference worker drops what is older than 0.5 s."""
BEHIND_FOR_S = 2.0
"""The burst after a network hiccup is decoded faster than it came and is over within this."""


class Backlog:
    """Follows how late one reader is."""

    def __init__(self) -> None:
        self._since_s: float | None = None
        self._skipping = False

    def skip(self, *, lag_s: float, fresh: bool, now_s: float) -> bool:
        """Whether to leave what has just been received undecoded.

        `lag_s`: how late the last decoded picture was; `fresh`: nothing lies unread.
        """
        if self._skipping:
            self._skipping = not fresh
            return self._skipping
        if lag_s <= BEHIND_S or fresh:
            self._since_s = None
            return False
        if self._since_s is None:
            self._since_s = now_s
        if now_s - self._since_s > BEHIND_FOR_S:
            self._skipping = True
            self._since_s = None
        return self._skipping
