"""What the detector calls: an alert comes in here and goes to the sinks that it is for.

`Dispatcher.submit` decides which sinks receive it and writes that to the outbox; the workers
(one a sink) do the rest. Nothing here waits for a sink, except `stop` for a moment.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import structlog

from alerts.admission import Decision, Stage, admit
from alerts.clock import SteadyClock
from alerts.deadline import LEAVE_S, Deadline
from alerts.delivery.deliveries import Delivery, ExerciseDeliveries
from alerts.delivery.from_other_boxes import Answer, Forwarded
from alerts.delivery.status import Awaiting, SinkState, SinkStatus
from alerts.delivery.worker import SinkWorker
from alerts.liveness import LiveThread
from alerts.message import CONFIRM_LINK, Alert, AlertContext, AlertPhase, CameraNotice
from alerts.metrics import AlertMetrics
from alerts.routing import routes
from alerts.sink import CommandHandler, FarSinks, box_of
from alerts.sinks.certificates import first_end_s, tls_files
from alerts.storage.confirming import Confirmations
from alerts.storage.faults import StorageFaults
from alerts.storage.listing import Queued
from alerts.storage.outbox import ALL_CAMERAS, Hold, Outbox
from alerts.storage.set_aside import Refused
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
    on other boxes; asked when each starts.
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
        self._mutex = threading.RLock()
        self._workers: dict[str, SinkWorker] = {}
        self.faults = faults or StorageFaults(metrics)
        self.store = Store(outbox_path, self._clock, self.faults, self.wake)
        self._outbox = Outbox(self.store)
        self._confirmations = Confirmations(self.store)
        self._running = False
        self._notices: dict[tuple[str, str], CameraNotice] = {}
        self._elsewhere: frozenset[str] = frozenset()
        self._shown_silences: dict[str, float] = {}
        self._handler: CommandHandler | None = None
        self._exercises = ExerciseDeliveries()
        self._tidied_at = float("-inf")
        try:
            self._workers = {sink.name: self._worker(sink) for sink in sinks}
        except BaseException:
            self.store.close(Deadline.after(LEAVE_S))
            raise
        self._announce(self._workers)

    def start(self) -> None:
        """Start every sink; one that cannot start is tried again and holds up no other."""
        with self._mutex:
            self._running = True
            for worker in self._workers.values():
                worker.start()

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
            silences = self._outbox.silences(now).keys()
            silenced = not silences.isdisjoint({ALL_CAMERAS, alert.camera})
            for name, worker in self._workers.items():
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
                    self._workers[name].retry_now()
                else:
                    self._workers[name].wake()
        return list(phases)

    @contextmanager
    def together(self) -> Iterator[None]:
        """What is submitted meanwhile reaches the disk in one transaction, or nothing of it does.

        Whatever else is told waits for it. Not to be nested.
        """
        with self._mutex, self.store.together():
            yield

    def confirm(self, incident_id: UUID, *, is_open: bool = False) -> tuple[list[str], list[str]]:
        """Tell the sinks that wait for an operator of this incident at once; which.

        `is_open`: one that has not heard of it yet, or no more, is told without waiting as soon as
        its route takes a message of it; those come second.
        """
        with self._mutex:
            now, key = self._clock.now(), str(incident_id)
            told = self._confirmations.confirm(key, now)
            unheard: set[Stage | None] = {None, Stage.DISMISSED}
            ahead = self._say_ahead(key, unheard, Stage.CONFIRMED, now) if is_open else []
            for name in self._workers.keys() & set(told):
                self._workers[name].retry_now()
        return told, ahead

    def dismiss(
        self, incident_id: UUID, reason: str, *, is_open: bool = False
    ) -> tuple[list[str], list[str]]:
        """Have the sinks that wait for an operator told nothing of this incident; which.

        `is_open`: nor one that has not heard of it yet; those come second. `reason` is kept in the
        journal.
        """
        with self._mutex:
            now, key = self._clock.now(), str(incident_id)
            spared = self._confirmations.dismiss(key, now, reason)
            unheard: set[Stage | None] = {None, Stage.CONFIRMED}
            ahead = self._say_ahead(key, unheard, Stage.DISMISSED, now) if is_open else []
            for name in self._workers.keys() & set(spared):
                self._workers[name].count("dismissed")
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

    def on_command(self, handler: CommandHandler) -> None:
        """Have `handler` run what operators ask for by way of a sink."""
        self._handler = handler

    def show_camera(self, notice: CameraNotice) -> None:
        """Show a camera's state at the sinks that do so; best effort, the latest wins.

        Whether it is silenced is filled in.
        """
        with self._mutex:
            shown = replace(notice, silenced_until=self.silenced_until(notice.camera))
            self._notices[notice.site, notice.camera] = shown
            for worker in self._workers.values():
                worker.show_camera(shown)

    def show_silences(self) -> None:
        """Show anew the cameras whose silence has begun or ended; to be called again and again."""
        with self._mutex:
            silences = self._outbox.silences(self._clock.now())
            changed = {camera for camera, _ in silences.items() ^ self._shown_silences.items()}
            self._shown_silences = silences
            for notice in list(self._notices.values()):
                if not changed.isdisjoint({ALL_CAMERAS, notice.camera}):
                    self.show_camera(notice)

    def forget_camera(self, name: str, site: str) -> None:
        """Camera `name` of `site` is no longer configured: show its state no longer.

        A silence of it goes on, for the camera may come back.
        """
        with self._mutex:
            self._notices.pop((site, name), None)
            for worker in self._workers.values():
                worker.forget_camera(name, site)

    def watched_elsewhere(self, cameras: frozenset[str]) -> None:
        """Other boxes of the cluster watch these by now: what is shown of them is theirs.

        The latest call counts; before `forget_camera` of such a one, and before it is shown again.
        """
        with self._mutex:
            if cameras == self._elsewhere:
                return
            self._elsewhere = cameras
            for worker in self._workers.values():
                worker.watched_elsewhere(cameras)

    def silence(self, camera: str | None, for_s: float) -> datetime:
        """Send nothing of `camera` (None: of any) for so long; until when, by the box's clock.

        Kept over a restart. Exercises and camera notices go out all the same, as do alerts that
        were queued before.
        """
        until = self._clock.now() + for_s
        self._outbox.silence(camera or ALL_CAMERAS, until)
        self.show_silences()
        return self._clock.utc(until)

    def unsilence(self, camera: str | None) -> list[str | None]:
        """End the silence of `camera`, or (None) every one; returns what was ended.

        None in the result is the silence of every camera. That one is not ended for a single
        camera: the result is then empty.
        """
        with self._mutex:
            ended = [name for name in self.silences() if camera in {None, name}]
            for name in ended:
                self._outbox.silence(name or ALL_CAMERAS, until=0)
            self.show_silences()
        for name in ended:
            structlog.get_logger().info("silence ended", camera=name or "all")
        return ended

    def silences(self) -> dict[str | None, datetime]:
        """The silences that hold now: camera (None: all) → until."""
        return {
            camera or None: self._clock.utc(until)
            for camera, until in self._outbox.silences(self._clock.now()).items()
        }

    def silenced_until(self, camera: str) -> datetime | None:
        """Until when no alarm of `camera` is sent; None where they are."""
        silences = self.silences()
        return max((silences[key] for key in (camera, None) if key in silences), default=None)

    def deliveries(self, incident_id: UUID) -> list[Delivery]:
        """How far an exercise got at each sink, in the order of the configuration.

        Known are the last `alerts.delivery.deliveries.KEPT` exercises of this run. Any other
        incident, and one not submitted yet, shows as queued.
        """
        with self._mutex:
            return self._exercises.of(incident_id, self._workers)

    def wake(self) -> None:
        """What an earlier run, or another box, has left is in the store."""
        for worker in list(self._workers.values()):
            worker.wake()

    def take_in(self, sink: str, alert: Alert, sent_at: float, answer: Answer) -> None:
        """Have `sink` of this box deliver an alert of another one; never waits.

        `sent_at`: when it was sent, by the clock here. Who is told was decided there; but nothing
        begins that is silenced here.
        """
        with self._mutex:
            worker = self._workers.get(sink)
            begins = alert.phase is AlertPhase.OPENED and not alert.exercise
            if worker is None:
                answer(DeliveryError("it has no such sink"))
            elif begins and self.silenced_until(alert.camera):
                worker.count("silenced")
                answer(None)
            else:
                worker.take_in(Forwarded(alert, sent_at, answer))

    def elsewhere(self) -> set[str]:
        """The sinks that another box can deliver to as well: all but hardware of this one alone."""
        return {
            name
            for name, worker in list(self._workers.items())
            if worker.sink_class.default_expiry_s is None or box_of(worker.settings)
        }

    def threads(self) -> list[LiveThread]:
        """Each sink's, and what writes the outbox; waits for nobody."""
        workers = [thread for worker in self._workers.values() for thread in worker.threads()]
        return [*workers, *self.store.file.threads()]

    def status(self) -> list[SinkStatus]:
        """How each sink is doing, in the order of the configuration."""
        with self._mutex:
            return [worker.status(self._clock.now()) for worker in self._workers.values()]

    def refused(self) -> list[Refused]:
        """What sinks have refused for good, newest first; kept until sent again or dropped."""
        return self._outbox.refused()

    def send_again(self, alert_ids: Collection[UUID] | None) -> int:
        """Send again what sinks have refused, of these alerts or (None) all; how many messages."""
        count = self._outbox.send_again(alert_ids)
        with self._mutex:
            for worker in self._workers.values():
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
        with self._mutex:
            fresh: dict[str, SinkWorker] = {}
            workers: dict[str, SinkWorker] = {}
            for settings in sinks:
                current = self._workers.get(settings.name)
                if current is not None and current.settings == settings:
                    workers[settings.name] = current
                else:
                    workers[settings.name] = fresh[settings.name] = self._worker(settings)
            leaving = [w for name, w in self._workers.items() if workers.get(name) is not w]
            gone = self._workers.keys() - workers.keys()
            self._workers = workers
        # Old ones first: two owners of one relay pin, or of one MQTT client id, would fight.
        for worker in leaving:
            worker.request_stop()
        _join(leaving, deadline)
        for name in gone:
            self._metrics.remove_sink(name)
        self._announce(fresh)
        with self._mutex:
            # The others again, too: one that left may have cleared what both had shown.
            for worker in self._workers.values():
                for notice in self._notices.values():
                    worker.show_camera(notice)
            for worker in fresh.values():
                if self._running:
                    worker.start()

    def request_stop(self) -> None:
        """Have every sink finish what is under way and close, without waiting."""
        with self._mutex:
            self._running = False
            for worker in self._workers.values():
                worker.request_stop()

    def stop(self, deadline: Deadline) -> None:
        """Stop every sink by `deadline`, whatever it is doing, and close the outbox.

        What is undelivered stays in the outbox for the next start.
        """
        self.request_stop()
        with self._mutex:
            workers = list(self._workers.values())
        _join(workers, deadline.earlier(WRITE_S))
        self.store.close(deadline)

    def stored(self) -> str | None:
        """Wait until the disk has all that was submitted; why not, where it does not take it."""
        return self.store.file.flush()

    def _say_ahead(
        self, key: str, at: Collection[Stage | None], stage: Stage, now: float
    ) -> list[str]:
        """Note it for each sink that waits for operators and stands `at` with the incident."""
        found = [
            name
            for name, worker in self._workers.items()
            if worker.settings.confirm and self._outbox.stage(name, key) in at
        ]
        for name in found:
            self._confirmations.set_stage(name, key, stage, now)
        return found

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
        worker.thread.renew = partial(self._replace, worker)
        # What acts on hardware has an expiry; two of them would fight over one relay.
        if worker.sink_class.default_expiry_s is None:
            worker.thread.replace = worker.thread.renew
        if self._elsewhere:
            worker.watched_elsewhere(self._elsewhere)
        return worker

    def _replace(self, old: SinkWorker) -> None:
        """Have a new worker with a new sink go on where `old` died, or hangs."""
        name = old.settings.name
        with self._mutex:
            if not self._running or self._workers.get(name) is not old:
                return
            old.request_stop()
            fresh = self._worker(old.settings)
            fresh.take_over(old)
            self._workers = {**self._workers, name: fresh}
            for notice in self._notices.values():
                fresh.show_camera(notice)
            fresh.start()

    def _announce(self, names: Iterable[str]) -> None:
        for name in names:
            self._metrics.add_sink(
                name,
                partial(self._depth, name),
                partial(self._confirmations.count, name),
                partial(self._oldest_age_s, name),
                partial(self._failing, name),
            )
            if files := tls_files(self._workers[name].settings.options):
                self._metrics.show_expiry(name, partial(first_end_s, files))

    def _depth(self, name: str) -> int:
        return self._outbox.waiting(name).depth

    def _oldest_age_s(self, name: str) -> float:
        oldest_at = self._outbox.waiting(name).oldest_at
        return 0.0 if oldest_at is None else self._clock.now() - oldest_at

    def _failing(self, name: str) -> bool:
        worker = self._workers.get(name)
        return worker is not None and worker.state is SinkState.FAILING

    def _in_cooldown(self, settings: SinkSettings, camera: str, now: float) -> bool:
        if not settings.cooldown_s:
            return False
        at = self._outbox.delivered_at(settings.name, camera)
        return at is not None and now - at < settings.cooldown_s

    def _tidy(self, now: float) -> None:
        if now - self._tidied_at >= TIDY_EVERY_S:
            self._tidied_at = now
            self._outbox.tidy(self._workers, now)


def _join(workers: Iterable[SinkWorker], deadline: Deadline) -> None:
    """Wait for `workers`, which were asked to stop; one that hangs is left behind."""
    for worker in workers:
        if not worker.join(deadline):
            structlog.get_logger().warning(
                "sink did not stop in time, left behind", sink=worker.settings.name
            )
