"""How a certification counts: each event is found or missed, each other alarm is false.

Pure. As in Korea's certification of intelligent CCTV (KISA; videos of 3 to 15 minutes, F1 of 0.90
to pass). Its window about an event is not published where we looked: it is an argument.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

PASS_F1 = 0.90


@dataclass(frozen=True, slots=True)
class Window:
    """When an alarm counts for an event: from `early_s` before it begins until `late_s` after.

    `late_s` counts from the event's beginning; None: until it ends.
    """

    early_s: float = 2.0
    late_s: float | None = None

    def holds(self, alarm_s: float, start_s: float, end_s: float) -> bool:
        """Whether an alarm at `alarm_s` counts for an event from `start_s` to `end_s`."""
        last_s = end_s if self.late_s is None else start_s + self.late_s
        return start_s - self.early_s <= alarm_s <= last_s


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What became of a video's events and alarms, seconds; `delays_s`: of those found.

    `repeated`: alarms beyond the first about an event; they count as false, too.
    """

    delays_s: tuple[float, ...]
    missed: tuple[tuple[float, float], ...]
    false: tuple[float, ...]
    repeated: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Counted:
    """Over all videos."""

    found: int
    missed: int
    false: int

    @property
    def precision(self) -> float | None:
        """Share of alarms that were right; None without any."""
        return _share(self.found, self.found + self.false)

    @property
    def recall(self) -> float | None:
        """Share of events that were found; None without any."""
        return _share(self.found, self.found + self.missed)

    @property
    def f1(self) -> float | None:
        """2 · found / (2 · found + missed + false); None without events."""
        if not self.found + self.missed:
            return None
        return _share(2 * self.found, 2 * self.found + self.missed + self.false)


def judged(
    events: Sequence[tuple[float, float]], alarms: Sequence[float], window: Window
) -> Verdicts:
    """Hold `alarms` (when each was raised) against `events` (start and end) of one video.

    Each event takes the first alarm in its window that no earlier event has taken.
    """
    left = sorted(alarms)
    delays, missed = [], []
    for start_s, end_s in sorted(events):
        taken = next((at_s for at_s in left if window.holds(at_s, start_s, end_s)), None)
        if taken is None:
            missed.append((start_s, end_s))
        else:
            left.remove(taken)
            delays.append(taken - start_s)
    repeated = [at_s for at_s in left if any(window.holds(at_s, *event) for event in events)]
    false = [at_s for at_s in left if at_s not in repeated]
    return Verdicts(tuple(delays), tuple(missed), tuple(false), tuple(repeated))


def counted(verdicts: Sequence[Verdicts]) -> Counted:
    """The sums over videos."""
    return Counted(
        found=sum(len(one.delays_s) for one in verdicts),
        missed=sum(len(one.missed) for one in verdicts),
        false=sum(len(one.false) + len(one.repeated) for one in verdicts),
    )


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
