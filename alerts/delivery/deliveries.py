"""How far an exercise got at each sink: what `jikimi drill` reports.

Exercises alone, and the last few of this run: they are kept in memory, and no alert of an
incident is looked at twice for their sake.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from alerts.message import Alert, AlertPhase

KEPT = 16
"""Exercises remembered."""


class DeliveryState(StrEnum):
    """What became of an exercise at a sink."""

    DELIVERED = "delivered"
    FAILED = "failed"
    """The last attempt failed, or it expired; what has not expired is tried again."""
    QUEUED = "queued"
    NOT_ROUTED = "not routed"


@dataclass(frozen=True, slots=True)
class Delivery:
    """The first message of an exercise at one sink.

    `after_ms`: from `submit` to the acknowledgement; None where there was none. `error`: scrubbed
    of secrets; None unless `state` is failed. `remark`: what the acknowledgement leaves open.
    """

    sink: str
    state: DeliveryState
    after_ms: int | None = None
    error: str | None = None
    remark: str | None = None


@dataclass(slots=True)
class _FirstMessage:
    """`waiting`: neither acknowledged nor expired."""

    alert_id: UUID
    submitted_s: float
    delivery: Delivery
    waiting: bool = True


@dataclass(slots=True)
class _Exercise:
    """`complete`: its `closed` was submitted, so that no sink gets a first message any more."""

    first: dict[str, _FirstMessage] = field(default_factory=dict)
    complete: bool = False


class ExerciseDeliveries:
    """The last `KEPT` exercises, by incident. Thread-safe; never waits."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._exercises: dict[UUID, _Exercise] = {}

    def submitted(self, alert: Alert, sinks: Collection[str]) -> None:
        """`alert`, of an exercise, is about to be queued for `sinks`."""
        now_s = time.monotonic()
        with self._mutex:
            exercise = self._exercises.setdefault(alert.incident_id, _Exercise())
            for sink in sinks:
                queued = Delivery(sink, DeliveryState.QUEUED)
                exercise.first.setdefault(sink, _FirstMessage(alert.alert_id, now_s, queued))
            exercise.complete |= alert.phase is AlertPhase.CLOSED
            while len(self._exercises) > KEPT:
                del self._exercises[next(iter(self._exercises))]

    def acknowledged(self, sink: str, alert: Alert, remark: str | None = None) -> None:
        """`sink` has taken `alert`."""
        now_s = time.monotonic()
        with self._mutex:
            for first in self._waiting(sink, alert.alert_id):
                after_ms = round((now_s - first.submitted_s) * 1000)
                state = DeliveryState.DELIVERED
                first.delivery = Delivery(sink, state, after_ms, remark=remark)
                first.waiting = False

    def failed(self, sink: str, error: str, alert_id: UUID | None = None) -> None:
        """An attempt at `sink` failed: for this one alert, or (None) for whatever waits there."""
        with self._mutex:
            for first in self._waiting(sink, alert_id):
                first.delivery = Delivery(sink, DeliveryState.FAILED, error=error)

    def expired(self, sink: str, alert: Alert) -> None:
        """`alert` is dropped; an attempt that failed before says why."""
        with self._mutex:
            for first in self._waiting(sink, alert.alert_id):
                if first.delivery.state is DeliveryState.QUEUED:
                    error = "expired before the sink took it"
                    first.delivery = Delivery(sink, DeliveryState.FAILED, error=error)
                first.waiting = False

    def of(self, incident_id: UUID, sinks: Iterable[str]) -> list[Delivery]:
        """One entry for each of `sinks`; queued where the exercise is not known (yet)."""
        with self._mutex:
            exercise = self._exercises.get(incident_id, _Exercise())
            absent = DeliveryState.NOT_ROUTED if exercise.complete else DeliveryState.QUEUED
            return [
                exercise.first[sink].delivery if sink in exercise.first else Delivery(sink, absent)
                for sink in sinks
            ]

    def _waiting(self, sink: str, alert_id: UUID | None) -> list[_FirstMessage]:
        found = (exercise.first.get(sink) for exercise in self._exercises.values())
        return [
            first
            for first in found
            if first and first.waiting and alert_id in {None, first.alert_id}
        ]
