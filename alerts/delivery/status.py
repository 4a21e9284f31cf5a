"""How a sink is doing, as operators see it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class SinkState(StrEnum):
    """How a sink is doing."""

    STARTING = "starting"
    CONNECTING = "connecting"
    WORKING = "working"
    FAILING = "failing"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class SinkStatus:
    """A sink as operators see it. `last_error` is scrubbed; it stays after things went well.

    `refused`: alerts that are set aside now, whenever the sink refused them.
    """

    name: str
    type: str
    state: SinkState
    depth: int
    oldest_age_s: float
    last_error: str | None
    refused: int
    counts: dict[str, int]
    """By `alerts.metrics.RESULTS`, since start."""
