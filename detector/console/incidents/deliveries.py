"""To whom an incident was told: what has gone, what waits, what was refused. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from detector.journal.records import DeliveryRecord, Outcome


class Stage(StrEnum):
    """Where an incident's alerts stand at a sink, the worst last."""

    DELIVERED = "delivered"
    WAITING = "waiting"
    CONFIRMING = "confirming"
    """Waits for the operator."""
    FAILING = "failing"
    """Waits, for the sink fails."""
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Told:
    """One sink. `at`: when it had the first alert, or until when it waits for the operator."""

    sink: str
    stage: Stage
    at: datetime | None = None
    reason: str | None = None


def told(
    done: Iterable[DeliveryRecord],
    waiting: Iterable[Mapping[str, Any]],
    awaiting: Mapping[str, datetime],
) -> list[Told]:
    """By sink, in order of their names.

    `done`: of one incident, as it came; `waiting`: its messages of the command `outbox`;
    `awaiting`: the sinks that wait for the operator, and until when.
    """
    found: dict[str, Told] = {}
    for one in done:
        if one.outcome in {Outcome.DELIVERED, Outcome.LATE}:
            first = found.get(one.sink)
            if first is None or first.stage is not Stage.DELIVERED:
                found[one.sink] = Told(one.sink, Stage.DELIVERED, one.at)
        elif one.sink not in found:
            found[one.sink] = Told(one.sink, Stage.REFUSED, one.at, one.reason or one.outcome.value)
    for message in waiting:
        sink, reason = message["sink"], message["reason"]
        if message["state"] == "refused":
            found[sink] = Told(sink, Stage.REFUSED, None, reason)
        elif reason:
            found[sink] = Told(sink, Stage.FAILING, None, reason)
        elif sink not in found:
            found[sink] = Told(sink, Stage.WAITING)
    for sink, until in awaiting.items():
        found[sink] = Told(sink, Stage.CONFIRMING, until)
    return [found[sink] for sink in sorted(found)]
