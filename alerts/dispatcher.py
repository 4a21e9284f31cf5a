"""What the detector calls: an alert comes in here and goes to the sinks that it is for.

`Dispatcher.submit` decides which sinks receive it and writes that to the outbox; the workers
(one a sink) do the rest. Nothing here waits for a sink, except `stop` for a moment.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import structlog

from alerts.admission import Decision, Stage, admit
from alerts.cameras import Cameras
from alerts.clock import SteadyClock
from alerts.confirming import Confirming
from alerts.deadline import LEAVE_S, Deadline
from alerts.delivery.deliveries import Delivery, ExerciseDeliveries
from alerts.delivery.from_other_boxes import Answer, Forwarded
from alerts.delivery.series import SinkSeries
from alerts.delivery.status import SinkStatus
from alerts.delivery.worker import SinkWorker
from alerts.delivery.workers import Workers
from alerts.liveness import LiveThread
from alerts.message import CONFIRM_LINK, Alert, AlertContext, AlertPhase
from alerts.metrics import AlertMetrics
from alerts.routing import routes
from alerts.sink import CommandHandler, FarSinks, box_of
from alerts.storage.confirming import Confirmations
from alerts.storage.faults import StorageFaults
from alerts.storage.listing import Queued
from alerts.storage.outbox import Hold, Outbox
from alerts.storage.set_aside import Refused
from alerts.storage.silences import ALL_CAMERAS, silences
from alerts.storage.store import Store
from alerts.storage.write_behind import Change
from config.errors import ControlError, DeliveryError
from config.settings import SinkSettings

WRITE_S = 0.7
"""Kept of the time to stop for what sinks acknowledge last: a busy disk takes up to 0.6 s."""

TIDY_EVERY_S = 86_400.0


class Dispatcher:
    """Everything between an `Alert` and its sinks. Thread-safe.

    Raises ConfigError where a sink type is unknown or broken, or where another daemon uses the
    same outbox. Sinks' expiry, `late`, cooldown and silence go by `clock`, and age runs from
    `submit`: the box's own clock may be set meanwhile. `far_sinks`: what stands for sinks that hang
    on other boxes; asked when each starts. What is shown of cameras and silenced is `cameras`, what
    operators say of alarms that wait for them `confirming`.
    """

    def __init__(
        self,
        sinks: Sequence[SinkSettings],
        outbox_path: Path,
        metrics: AlertMetrics,
        clock: SteadyClock | None = None,
        faults: StorageFaults | None = None,
        far_sinks: FarSinks = lambda _: None,
    ) -> None:
        self._metrics = metrics
        self._far_sinks = far_sinks
        self._clock = clock or SteadyClock()
        self._workers = Workers(self._worker)
        self._mutex = self._workers.mutex
        self.faults = faults or StorageFaults(metrics)
        self.store = Store(outbox_path, self._clock, self.faults, self.wake)
        self._outbox = Outbox(self.store)
        self._confirmations = Confirmations(self.store)
        self._series = SinkSeries(metrics, self._outbox, self._confirmations, self._clock)
        self.cameras = Cameras(self._workers, self.store)
        self.confirming = Confirming(self._workers, self._outbox, self._confirmations, self._clock)
        self._handler: CommandHandler | None = None
        self._exercises = ExerciseDeliveries()
        self._tidied_at = float("-inf")
        try:
            self.reconfigure(sinks, Deadline.after(LEAVE_S))
        except BaseException:
            self.store.close(Deadline.after(LEAVE_S))
            raise

    def start(self) -> None:
        """Start every sink; one that cannot start is tried again and holds up no other."""
        self._workers.start()

    def submit(
        self, alert: Alert, context: AlertContext | None = None, also: Change | None = None
    ) -> list[str]:
        """Queue `alert` for every sink it is for, and name them; the disk has it a moment later.

        Waits neither for a sink nor for the disk. Messages of one incident are to be submitted in
        their order. `also` reaches the store in the same transaction, whoever is told. The link to
        confirm it is taken out where no sink waits for an operator.
        """
        context = context or AlertContext()
        now = self._clock.now()
        phases: dict[str, AlertPhase] = {}
        stages: dict[str, Stage] = {}
        holds: dict[str, Hold] = {}
        with self._mutex:
            self._tidy(now)
            silenced = not silences(self.store, now).keys().isdisjoint({ALL_CAMERAS, alert.camera})
            for name, worker in self._workers.by_name.items():
                stage = self._outbox.stage(name, str(alert.incident_id))
                local_time = alert.sent_at.astimezone().time()
                admission = admit(
                    alert,
                    stage=stage,
                    routed=routes(worker.settings.route, alert, context, local_time),
                    silenced=silenced,
                    in_cooldown=self._in_cooldown(worker.settings, alert.camera, now),
                    to_confirm=worker.settings.confirm is not None,
                )
                if admission.stage is not None:
                    stages[name] = admission.stage
                if admission.decision in {Decision.SILENCED, Decision.COOLDOWN}:
                    worker.count(admission.decision.value)
                elif (
                    admission.decision in {Decision.SEND, Decision.HOLD}
                    and admission.phase in worker.sink_class.phases
                ):
                    phases[name] = admission.phase
                    confirm = worker.settings.confirm
                    if admission.decision is Decision.HOLD and confirm:
                        holds[name] = Hold(now + confirm.within_s, confirm.then)
            if alert.exercise:
                self._exercises.submitted(alert, phases)
            if phases or stages or also:
                put = alert if holds else self._linked(alert)
                self._outbox.put(put, phases, now - context.age_s, stages, also, holds)
            for name, phase in phases.items():
                # A new alarm is worth an attempt even while the sink is backing off.
                if phase is AlertPhase.OPENED and name not in holds:
                    self._workers.by_name[name].retry_now()
                else:
                    self._workers.by_name[name].wake()
        return list(phases)

    @contextmanager
    def together(self) -> Iterator[None]:
        """What is submitted meanwhile reaches the disk in one transaction, or nothing of it does.

        Whatever else is told waits for it. Not to be nested.
        """
        with self._mutex, self.store.together():
            yield

    def on_command(self, handler: CommandHandler) -> None:
        """Have `handler` run what operators ask for by way of a sink."""
        self._handler = handler

    def deliveries(self, incident_id: UUID) -> list[Delivery]:
        """How far an exercise got at each sink, in the order of the configuration.

        Known are the last `alerts.delivery.deliveries.KEPT` exercises of this run. Any other
        incident, and one not submitted yet, shows as queued.
        """
        with self._mutex:
            return self._exercises.of(incident_id, self._workers.by_name)

    def wake(self) -> None:
        """What an earlier run, or another box, has left is in the store."""
        for worker in self._workers.by_name.values():
            worker.wake()

    def take_in(self, sink: str, alert: Alert, sent_at: float, answer: Answer) -> None:
        """Have `sink` of this box deliver an alert of another one; never waits.

        `sent_at`: when it was sent, by the clock here. Who is told was decided there; but nothing
        begins that is silenced here.
        """
        with self._mutex:
            worker = self._workers.by_name.get(sink)
            begins = alert.phase is AlertPhase.OPENED and not alert.exercise
            if worker is None:
                answer(DeliveryError("it has no such sink"))
            elif begins and self.cameras.silenced_until(alert.camera):
                worker.count("silenced")
                answer(None)
            else:
                worker.take_in(Forwarded(alert, sent_at, answer))

    def elsewhere(self) -> set[str]:
        """The sinks that another box can deliver to as well: all but hardware of this one alone."""
        return {
            name
            for name, worker in self._workers.by_name.items()
            if worker.sink_class.default_expiry_s is None or box_of(worker.settings)
        }

    def threads(self) -> list[LiveThread]:
        """Each sink's, and what writes the outbox; waits for nobody."""
        workers = [
            thread for worker in self._workers.by_name.values() for thread in worker.threads()
        ]
        return [*workers, *self.store.file.threads()]

    def status(self) -> list[SinkStatus]:
        """How each sink is doing, in the order of the configuration."""
        with self._mutex:
            return [worker.status(self._clock.now()) for worker in self._workers.by_name.values()]

    def refused(self) -> list[Refused]:
        """What sinks have refused for good, newest first; kept until sent again or dropped."""
        return self._outbox.refused()

    def send_again(self, alert_ids: Collection[UUID] | None) -> int:
        """Send again what sinks have refused, of these alerts or (None) all; how many messages."""
        count = self._outbox.send_again(alert_ids)
        with self._mutex:
            for worker in self._workers.by_name.values():
                worker.retry_now()
        return count

    def drop_refused(self, alert_ids: Collection[UUID] | None) -> int:
        """Delete what sinks have refused, of these alerts or (None) all; how many messages."""
        dropped = self._outbox.drop_refused(alert_ids)
        for sink, key in dropped:
            structlog.get_logger().warning("refused alert dropped", sink=sink, alert=key)
        return len(dropped)

    def queued(self, at_most: int) -> list[Queued]:
        """What waits: of each sink the `at_most` that were put first."""
        return self._outbox.queued(at_most, self._clock.now())

    def trouble(self) -> list[str]:
        """What is wrong with what is kept on disk, in sentences for people; reads no disk."""
        try:
            count = self._outbox.unreadable()
        except sqlite3.ProgrammingError:
            return []  # a last scrape while the daemon ends
        what = "message cannot be read and is" if count == 1 else "messages cannot be read and are"
        unreadable = [f"storage: {count} {what} kept aside"] if count else []
        return self.faults.reasons() + unreadable

    def reconfigure(self, sinks: Sequence[SinkSettings], deadline: Deadline) -> None:
        """Use `sinks` from now on; those that have not changed go on undisturbed.

        Those that leave are waited for until `deadline`. Raises ConfigError and changes nothing
        where a type is unknown or broken. What waits for a sink that is gone is kept for a week,
        in case it comes back.
        """
        fresh, gone = self._workers.exchange(sinks, deadline)
        for name in gone:
            self._series.remove(name)
        for worker in fresh:
            failing = partial(self._workers.is_failing, worker.settings.name)
            self._series.add(worker.settings, failing)
        with self._mutex:
            # Those that have not changed, too: one that left may have cleared what both had shown.
            self.cameras.show_again()
            self._workers.start_new(fresh)

    def request_stop(self) -> None:
        """Have every sink finish what is under way and close, without waiting."""
        self._workers.request_stop()

    def stop(self, deadline: Deadline) -> None:
        """Stop every sink by `deadline`, whatever it is doing, and close the outbox.

        What is undelivered stays in the outbox for the next start.
        """
        self.request_stop()
        self._workers.join(deadline.earlier(WRITE_S))
        self.store.close(deadline)

    def stored(self) -> str | None:
        """Wait until the disk has all that was submitted; why not, where it does not take it."""
        return self.store.file.flush()

    def _linked(self, alert: Alert) -> Alert:
        """Without the link to confirm it, unless a sink waits for an operator already."""
        if CONFIRM_LINK not in alert.links or self._confirmations.is_held(str(alert.incident_id)):
            return alert
        return alert.without_link(CONFIRM_LINK)

    def _command(self, command: str, request: dict[str, Any]) -> dict[str, Any]:
        """Have the handler run what came in by a sink."""
        if self._handler is None:
            raise ControlError("the monitor is still starting; ask again")
        return self._handler(command, request)

    def _worker(self, settings: SinkSettings) -> SinkWorker:
        """A worker of a sink as `settings` have it, which shows what the others do."""
        worker = SinkWorker(
            settings,
            self._outbox,
            self._confirmations,
            self._metrics,
            self._exercises,
            self._clock,
            self._command,
            self._far_sinks,
        )
        self.cameras.introduce(worker)
        return worker

    def _in_cooldown(self, settings: SinkSettings, camera: str, now: float) -> bool:
        if not settings.cooldown_s:
            return False
        at = self._outbox.delivered_at(settings.name, camera)
        return at is not None and now - at < settings.cooldown_s

    def _tidy(self, now: float) -> None:
        if now - self._tidied_at >= TIDY_EVERY_S:
            self._tidied_at = now
            self._outbox.tidy(self._workers.by_name, now)
