"""An operator confirms or dismisses an alarm that waits for him: which sinks are told, which not.

Which alarms wait, and what becomes of them without him, is kept in `alerts.storage.confirming`.
"""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from alerts.admission import Stage
from alerts.clock import SteadyClock
from alerts.delivery.status import Awaiting
from alerts.delivery.workers import Workers
from alerts.storage.confirming import Confirmations
from alerts.storage.outbox import Outbox


class Confirming:
    """What an operator says of incidents, at the sinks of `workers` with `confirm`. Thread-safe."""

    def __init__(
        self, workers: Workers, outbox: Outbox, confirmations: Confirmations, clock: SteadyClock
    ) -> None:
        self._workers = workers
        self._outbox = outbox
        self._confirmations = confirmations
        self._clock = clock

    def confirm(self, incident_id: UUID, *, is_open: bool = False) -> tuple[list[str], list[str]]:
        """Tell the sinks that wait for an operator of this incident at once; which.

        `is_open`: one that has not heard of it yet, or no more, is told without waiting as soon as
        its route takes a message of it; those come second.
        """
        with self._workers.mutex:
            now, key = self._clock.now(), str(incident_id)
            told = self._confirmations.confirm(key, now)
            unheard: set[Stage | None] = {None, Stage.DISMISSED}
            ahead = self._say_ahead(key, unheard, Stage.CONFIRMED, now) if is_open else []
            for name in self._workers.by_name.keys() & set(told):
                self._workers.by_name[name].retry_now()
        return told, ahead

    def dismiss(
        self, incident_id: UUID, reason: str, *, is_open: bool = False
    ) -> tuple[list[str], list[str]]:
        """Have the sinks that wait for an operator told nothing of this incident; which.

        `is_open`: nor one that has not heard of it yet; those come second. `reason` is kept in the
        journal.
        """
        with self._workers.mutex:
            now, key = self._clock.now(), str(incident_id)
            spared = self._confirmations.dismiss(key, now, reason)
            unheard: set[Stage | None] = {None, Stage.CONFIRMED}
            ahead = self._say_ahead(key, unheard, Stage.DISMISSED, now) if is_open else []
            for name in self._workers.by_name.keys() & set(spared):
                self._workers.by_name[name].count("dismissed")
        return spared, ahead

    def awaiting(self) -> dict[UUID, list[Awaiting]]:
        """By incident, oldest first, the sinks that wait for an operator to confirm it."""
        found: dict[UUID, list[Awaiting]] = {}
        for one in self._confirmations.held():
            if one.alert is not None:
                until = self._clock.utc(one.hold.until)
                awaiting = Awaiting(one.sink, one.alert.camera, until, one.hold.then)
                found.setdefault(one.alert.incident_id, []).append(awaiting)
        return found

    def _say_ahead(
        self, key: str, at: Collection[Stage | None], stage: Stage, now: float
    ) -> list[str]:
        """Note it for each sink that waits for operators and stands `at` with the incident."""
        found = [
            name
            for name, worker in self._workers.by_name.items()
            if worker.settings.confirm and self._outbox.stage(name, key) in at
        ]
        for name in found:
            self._confirmations.set_stage(name, key, stage, now)
        return found
