"""What a camera costs here, from the processor time of the whole daemon."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

EVERY_S = 10.0

SETTLES_S = 60.0
"""Of a daemon's start nothing is taken: loading costs more than watching."""

KEPT = 0.9
"""Of the mean, with every measurement: scenes are busy by turns."""


class Cost:
    """A smoothed mean over all cameras of one process, in milliseconds a second."""

    def __init__(self) -> None:
        self.each_ms: float | None = None
        """None until it is known."""
        self._pid = 0
        self._last: tuple[float, float] | None = None
        self._began_s: float | None = None

    def begin(self, pid: int) -> None:
        """Measure the process `pid` from now on."""
        self._pid, self._last, self._began_s = pid, None, None

    def measure(self, cameras: int, now_s: float) -> None:
        """Take a measurement, where one is due; `cameras`: how many are watched."""
        if self._began_s is None:
            self._began_s = now_s
        last_s = self._last[0] if self._last else self._began_s + SETTLES_S
        if now_s - last_s < (EVERY_S if self._last else 0.0) or not cameras:
            return
        used_s = _processor_s(self._pid)
        if self._last is not None and used_s is not None:
            found = 1e3 * (used_s - self._last[1]) / (now_s - self._last[0]) / cameras
            before = self.each_ms if self.each_ms is not None else found
            self.each_ms = KEPT * before + (1 - KEPT) * found
        if used_s is not None:
            self._last = (now_s, used_s)


def _processor_s(pid: int) -> float | None:
    """User and system time of a process (proc(5)); None where it is gone."""
    with suppress(OSError, ValueError, IndexError):
        # The name, in brackets, may hold spaces; what follows it does not.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return None
