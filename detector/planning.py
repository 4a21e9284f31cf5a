"""What box a number of cameras needs, from costs measured by `make bench`. Pure arithmetic.

An estimate for buying, not a promise: other footage, another processor and other bit rates cost
something else. `jikimi probe` measures one camera's own stream.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

MEASURED_ON = "AMD EPYC (Zen 4), 2 virtual cores, H.264 at 25 pictures a second"

LOAD = 0.7
"""Share of the processor that may be spoken for: scenes are not busy evenly."""

CORE_MS = 1000.0


@dataclass(frozen=True, slots=True)
class Costs:
    """One camera: CPU milliseconds a second asleep and busy, megabytes, megabits a second."""

    asleep_ms: float
    busy_ms: float
    memory_mb: float
    mbit: float


COSTS: Final[dict[str, Costs]] = {
    "360p": Costs(asleep_ms=4.2, busy_ms=40.0, memory_mb=8.0, mbit=0.7),
    "720p": Costs(asleep_ms=4.4, busy_ms=82.0, memory_mb=25.0, mbit=2.8),
    "1080p": Costs(asleep_ms=5.0, busy_ms=162.0, memory_mb=45.0, mbit=6.2),
}
"""Bit rates are those of busy scenes; still ones send a tenth."""

BASE_MEMORY_MB = 150.0
"""The daemon with its network and no camera."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is needed: `load_cores` on average, `cores` to buy with room left."""

    load_cores: float
    cores: int
    memory_mb: float
    mbit: float


def plan(cameras: int, resolution: str, busy: float) -> Plan:
    """The box for `cameras` of a `resolution` in `COSTS`, a share `busy` (0…1) of time moving."""
    costs = COSTS[resolution]
    each_ms = busy * costs.busy_ms + (1 - busy) * costs.asleep_ms
    load = cameras * each_ms / CORE_MS
    return Plan(
        load_cores=load,
        cores=max(1, math.ceil(load / LOAD)),
        memory_mb=BASE_MEMORY_MB + cameras * costs.memory_mb,
        mbit=cameras * costs.mbit,
    )
