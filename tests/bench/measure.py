"""What processes cost: CPU time and memory as the kernel counts them, one contender at a time.

Contenders take turns, so that a machine that drifts drifts for all of them, and what is told
of them are ratios. Each gets the same streams; the server of these is another process.
"""

from __future__ import annotations

import os
import statistics
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")

Pids = list[int]
Contender = Callable[[], AbstractContextManager[Pids]]
"""Starts processes, yields them once they have settled, and ends them."""


@dataclass
class Cost:
    """One contender's turns: CPU milliseconds per camera-second, and megabytes at their end."""

    cpu_ms: list[float] = field(default_factory=list)
    memory_mb: list[float] = field(default_factory=list)

    @property
    def median_ms(self) -> float:
        """The median turn."""
        return statistics.median(self.cpu_ms)

    def against(self, floor: Cost) -> float:
        """How many times what `floor` costs."""
        return self.median_ms / floor.median_ms


def take_turns(
    contenders: Mapping[str, Contender], *, cameras: int, seconds: float, rounds: int
) -> dict[str, Cost]:
    """Measure every contender for `seconds`, one after the other, `rounds` times."""
    costs = {name: Cost() for name in contenders}
    for _ in range(rounds):
        for name, contender in contenders.items():
            with contender() as pids:
                costs[name].cpu_ms.append(cpu_ms_per_second(pids, seconds) / cameras)
                costs[name].memory_mb.append(sum(map(memory_mb, pids)))
    return costs


def cpu_ms_per_second(pids: Iterable[int], seconds: float) -> float:
    """CPU milliseconds that `pids` take a second, all together, watched for `seconds`."""
    pids = list(pids)
    before_s, started_s = sum(map(cpu_seconds, pids)), time.monotonic()
    pause(seconds)
    spent_s = sum(map(cpu_seconds, pids)) - before_s
    return 1000 * spent_s / (time.monotonic() - started_s)


def cpu_seconds(pid: int) -> float:
    """User and system time that process `pid` has taken, its threads included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_mb(pid: int) -> float:
    """Resident memory of process `pid`."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def pause(seconds: float) -> None:
    """Let time pass."""
    threading.Event().wait(seconds)
