"""By when something has to have ended: one `Deadline` is handed to every part that is waited for.

So a part that hangs takes no time from the next: all are asked to end first, then waited for.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Self

LEAVE_S = 2.0
"""For parts that leave while the rest goes on, as at a reload; the siren needs 1.5 s."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """An instant `at_s` of `time.monotonic`."""

    at_s: float

    @classmethod
    def after(cls, seconds: float) -> Self:
        """The deadline `seconds` from now."""
        return cls(time.monotonic() + seconds)

    def earlier(self, seconds: float) -> Deadline:
        """The deadline `seconds` before this one."""
        return Deadline(self.at_s - seconds)

    def left_s(self) -> float:
        """Seconds until then; 0 once it has passed."""
        return max(0.0, self.at_s - time.monotonic())
