"""How a sink is doing, as operators see it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal


class SinkState(StrEnum):
    """How a sink is doing."""

    STARTING = "starting"
    CONNECTING = "connecting"
    WORKING = "working"
    FAILING = "failing"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Awaiting:
    """`sink` is told of an incident once an operator confirms it; `then`: what at `until` (UTC)."""

    sink: str
    camera: str
    until: datetime
    then: Literal["send", "drop"]


@dataclass(frozen=True, slots=True)
class SinkStatus:
    """A sink as operators see it. `last_error` is scrubbed; it stays after things went well.

    `awaiting`: alarms that wait for an operator's confirmation, which `depth` does not count.
    `refused`: alerts that are set aside now, whenever the sink refused them.
    """

    name: str
    type: str
    state: SinkState
    depth: int
    oldest_age_s: float
    last_error: str | None
    refused: int
    awaiting: int
    counts: dict[str, int]
    """By `alerts.metrics.RESULTS`, since start."""
