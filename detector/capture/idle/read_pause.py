"""How long the thread of a sleeping camera leaves its socket unread. Pure.

Receiving costs most in waking the thread 25 times a second, with cold caches. So the thread of a
camera that sleeps pauses and then reads several packets at once; the kernel keeps them meanwhile.
No call tells whether a socket is empty, so the pauses are counted in packets, and now and then
the thread waits for a packet to find out again when the next one is due.
"""

from __future__ import annotations

LONGEST_S = 0.12
"""Three packets at 25 a second; motion in a sleeping picture is noticed that much later at most."""

SLACK_S = 0.005
"""A little later than the last of the packets is due, so that none is waited for."""

PAUSES = 16
"""Until a packet is waited for: clocks that differ by 100 ppm part by 0.2 ms meanwhile."""


class ReadPause:
    """The pauses of one connection."""

    def __init__(self) -> None:
        self._last_pts_s: float | None = None
        self._resumes_s: float | None = None  # None: not known when packets are due
        self._to_read = 0
        self._pauses = 0

    def after(self, pts_s: float, at_s: float, *, fresh: bool) -> float:
        """Seconds to leave the socket unread, now that a packet has come and nothing moves.

        `pts_s`: its stream time; `at_s`: when it was read; `fresh`: the reader had to wait for it.
        """
        last_pts_s = self._last_pts_s
        self._last_pts_s = pts_s
        if last_pts_s is None:
            return 0.0
        period_s = pts_s - last_pts_s
        packets = round(LONGEST_S / period_s) if period_s > 0 else 0
        if packets < 2:
            self._resumes_s = None
            return 0.0
        self._to_read -= 1
        if fresh:
            self._resumes_s = at_s + SLACK_S
            self._pauses = 0
        elif self._resumes_s is None or self._to_read > 0:
            return 0.0
        self._pauses += 1
        if self._pauses > PAUSES:
            self._resumes_s = None
            return 0.0
        self._to_read = packets
        self._resumes_s += packets * period_s
        return max(0.0, self._resumes_s - at_s)

    def over(self) -> None:
        """The camera is awake: every packet is read as it comes."""
        self._last_pts_s = None
        self._resumes_s = None
