"""What box a number of cameras needs, from costs measured by `make bench`. Pure arithmetic.

An estimate for buying, not a promise: other footage, another processor and other bit rates cost
something else. `jikimi probe` measures one camera's own stream.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from detector.capture.kept.bounds import BOX_BYTES, MOST_BYTES, SLACK_S

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

LOOKS_AN_HOUR: Final = {"ordinary": 362, "busy": 2194}
"""Second looks that a camera asks for: at entrances, corridors and yards (49 minutes of 18
cameras), and on squares and streets where people walk all the time (22 minutes of 59). Where not
all can be had, those that are close to an alarm are."""

CLIP_S = 10.0 + SLACK_S + 2.0
"""Of each camera's packets are kept in memory for clips: the pre-roll, and a GOP of 2 s."""

BASE_MEMORY_MB = 150.0
"""The daemon with its network and no camera."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is needed: `load_cores` on average, `cores` to buy with room left.

    `clips_mb`: the part of the memory that keeps packets, from which clips of incidents are cut.
    """

    load_cores: float
    cores: int
    memory_mb: float
    clips_mb: float
    mbit: float


def looked_at(look_s: float) -> dict[str, float]:
    """By kind of camera in `LOOKS_AN_HOUR`, how many the second look has time for.

    `look_s`: seconds of a core that a look takes.
    """
    from detector.inference.second_look.budget import SHARE_OF_CORE  # noqa: PLC0415 - as below

    looks = 3600 * SHARE_OF_CORE / look_s
    return {kind: looks / wanted for kind, wanted in LOOKS_AN_HOUR.items()}


def told_looks(look_s: float) -> str:
    """What a second look costs and how many cameras it is for, in a sentence."""
    from detector.inference.second_look.budget import (  # noqa: PLC0415 - loads NumPy
        MOST_LOOK_S,
        SHARE_OF_CORE,
        ends_late,
    )

    took = f"takes {look_s:.2f} s of a core here"
    if look_s > MOST_LOOK_S:
        return f"{took}, which is too slow: motion alone decides, and alarms are not verified"
    cameras = looked_at(look_s)
    late = "; alarms of the first stage do not wait so long for it" if ends_late(look_s) else ""
    return (
        f"{took}; {SHARE_OF_CORE:.0%} of a core, all that it may take, are enough for "
        f"{cameras['ordinary']:.0f} ordinary cameras, or {cameras['busy']:.1f} where people walk "
        f"all the time{late}"
    )


def plan(cameras: int, resolution: str, busy: float) -> Plan:
    """The box for `cameras` of a `resolution` in `COSTS`, a share `busy` (0…1) of time moving."""
    costs = COSTS[resolution]
    each_ms = busy * costs.busy_ms + (1 - busy) * costs.asleep_ms
    load = cameras * each_ms / CORE_MS
    most = min(MOST_BYTES, BOX_BYTES / cameras)
    clips_mb = cameras * min(costs.mbit * 1e6 / 8 * CLIP_S, most) / 1e6
    return Plan(
        load_cores=load,
        cores=max(1, math.ceil(load / LOAD)),
        memory_mb=BASE_MEMORY_MB + cameras * costs.memory_mb + clips_mb,
        clips_mb=clips_mb,
        mbit=cameras * costs.mbit,
    )


@dataclass(frozen=True, slots=True)
class Boxes:
    """`count` boxes of a cluster, each with so many `cores`."""

    count: int
    cores: int


@dataclass(frozen=True, slots=True)
class ClusterPlan:
    """`watched`: cameras that all boxes together have room for.

    `needed`: how many boxes are, the largest first. `may_die`: how many may at once, whichever.
    `lacking`: how many more of the last kind are needed so that any one may die.
    """

    watched: int
    needed: int
    may_die: int
    lacking: int


def plan_cluster(cameras: int, resolution: str, busy: float, boxes: Sequence[Boxes]) -> ClusterPlan:
    """Whether `boxes` are enough for `cameras`, and for the loss of some; see `plan`."""
    each_cores = plan(1, resolution, busy).load_cores
    rooms = sorted(
        (math.floor(LOAD * kind.cores / each_cores) for kind in boxes for _ in range(kind.count)),
        reverse=True,
    )
    of_last = max(1, math.floor(LOAD * boxes[-1].cores / each_cores))

    def left_without(lost: int) -> int:
        return sum(rooms[lost:])

    missing = max(0, cameras - left_without(1))
    needed = next((n for n in range(len(rooms) + 1) if sum(rooms[:n]) >= cameras), None)
    if needed is None:
        needed = len(rooms) + math.ceil((cameras - sum(rooms)) / of_last)
    return ClusterPlan(
        watched=sum(rooms),
        needed=needed,
        may_die=max((n for n in range(len(rooms)) if left_without(n) >= cameras), default=0),
        lacking=math.ceil(missing / of_last),
    )
