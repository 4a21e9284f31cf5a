"""One thread a sink: what of its queue is tried next, and when.

It decides nothing about who receives what: that was decided when the alert was put. What becomes
of what is tried is `alerts.delivery.attempts`' business.
"""

from __future__ import annotations

import sqlite3
import threading
import time
import traceback
from collections.abc import Callable

import structlog

from alerts.clock import SteadyClock
from alerts.deadline import Deadline
from alerts.delivery.attempts import Attempts
from alerts.delivery.backoff import FIRST_S
from alerts.delivery.deliveries import ExerciseDeliveries
from alerts.delivery.from_other_boxes import Forwarded, FromOtherBoxes
from alerts.delivery.open_sink import OpenSink
from alerts.delivery.standing import Standing
from alerts.delivery.status import SinkState, SinkStatus
from alerts.liveness import LiveThread
from alerts.message import CameraNotice
from alerts.metrics import AlertMetrics
from alerts.sink import CommandHandler, FarSinks
from alerts.storage.confirming import Confirmations
from alerts.storage.outbox import Message, Outbox
from config.errors import DeliveryError
from config.secrets import scrub
from config.settings import SinkSettings

HANGS_AFTER_S = 60.0
"""A sink that starts, delivers or closes for so much longer than its time-out allows hangs."""

IDLE_S = 60.0
"""Longest pause with nothing to do; new alerts wake the worker at once."""


class SinkWorker:
    """Owns one sink and its thread. Raises ConfigError where the sink's type is unknown."""

    def __init__(
        self,
        settings: SinkSettings,
        outbox: Outbox,
        confirmations: Confirmations,
        metrics: AlertMetrics,
        exercises: ExerciseDeliveries,
        clock: SteadyClock,
        command: CommandHandler,
        far_sinks: FarSinks,
    ) -> None:
        """`command`: runs what operators ask for by way of the sink.

        `far_sinks`: what stands for it where it hangs on another box.
        """
        self.settings = settings
        self._outbox = outbox
        self._confirmations = confirmations
        self._clock = clock
        self._log = structlog.get_logger().bind(sink=settings.name, type=settings.type)
        self._close_old: Callable[[], None] = lambda: None
        self._standing = Standing(settings.name, metrics, exercises)
        self._wake = threading.Event()
        self._retry_now = threading.Event()
        self._stopping = threading.Event()
        self._sink = OpenSink(settings, self.retry_now, self.wake, command, far_sinks)
        self._from_other_boxes = FromOtherBoxes()
        self.sink_class = self._sink.sink_class
        self._attempts = Attempts(
            settings,
            self._sink,
            outbox,
            self._standing,
            metrics,
            exercises,
            clock,
            self._from_other_boxes,
        )
        timeout_s = getattr(settings.options, "timeout_s", 0.0)
        self.thread = LiveThread(
            f"sink-{settings.name}", self._run, stuck_after_s=HANGS_AFTER_S + 2 * timeout_s
        )

    def start(self) -> None:
        """Begin to deliver."""
        self.thread.start()

    def threads(self) -> list[LiveThread]:
        """Its own and, where it has one, the sink's."""
        own = self._sink.thread
        return [self.thread, own] if own else [self.thread]

    def take_over(self, old: SinkWorker) -> None:
        """Go on in the place of `old`, whose thread died, or hangs and is left behind."""
        self._standing.take_over(old._standing)
        if not old.thread.is_alive():  # one that hangs closes its own, once it comes back
            self._close_old = old._close

    def wake(self) -> None:
        """There is something new in the outbox."""
        self._wake.set()

    def retry_now(self) -> None:
        """Try now, whatever the back-off says (but not twice within a second)."""
        self._retry_now.set()
        self._wake.set()

    def take_in(self, one: Forwarded) -> None:
        """Deliver an alert of another box, and answer it; worth an attempt as a new alarm is."""
        self._from_other_boxes.put(one)
        self.retry_now()

    def show_camera(self, notice: CameraNotice) -> None:
        """Hand the state to a sink that shows it; the latest of each camera wins."""
        self._sink.show(notice.site, notice.camera, notice)

    def forget_camera(self, name: str, site: str) -> None:
        """Have a sink that shows cameras show this one no longer."""
        self._sink.show(site, name, None)

    def watched_elsewhere(self, cameras: frozenset[str]) -> None:
        """Have a sink that shows cameras leave these to the boxes that watch them."""
        self._sink.watched_elsewhere(cameras)

    def request_stop(self) -> None:
        """Finish what is under way, close the sink, and end."""
        self._stopping.set()
        self._wake.set()

    def join(self, deadline: Deadline) -> bool:
        """Wait for the end; False where the sink is stuck and its thread is left behind."""
        self.thread.join(deadline.left_s())
        return not self.thread.is_alive()

    def count(self, result: str) -> None:
        """One alert more with this result (one of `alerts.metrics.RESULTS`)."""
        self._standing.count(result)

    def status(self, now: float) -> SinkStatus:
        """How the sink is doing at `now` of the steady clock."""
        waiting = self._outbox.waiting(self.settings.name)
        age_s = 0.0 if waiting.oldest_at is None else now - waiting.oldest_at
        return SinkStatus(
            name=self.settings.name,
            type=self.settings.type,
            state=self.state,
            depth=waiting.depth,
            oldest_age_s=max(age_s, 0.0),
            last_error=self._thread_trouble() or self._sink.trouble() or self._standing.last_error,
            refused=self._outbox.refused_count(self.settings.name),
            awaiting=self._confirmations.count(self.settings.name),
            counts=self._standing.counts(),
        )

    @property
    def state(self) -> SinkState:
        """How the sink is doing; a lost connection counts before an alert has failed by it."""
        state = self._standing.state
        if state is SinkState.STOPPED:
            return state
        if self._thread_trouble():
            return SinkState.FAILING
        if state is not SinkState.WORKING:
            return state
        if self._sink.trouble():
            return SinkState.FAILING
        return SinkState.WORKING if self._sink.connected() else SinkState.CONNECTING

    def _thread_trouble(self) -> str | None:
        fault = self.thread.fault(time.monotonic())
        return f"its thread {fault.text}" if fault else None

    def _run(self) -> None:
        self._close_old()
        while not self._stopping.is_set():
            try:
                pause_s = self._step()
            except sqlite3.ProgrammingError:
                break  # the outbox was closed while the sink was stuck
            except Exception:  # noqa: BLE001 - a dead worker would be a silent siren
                self._log.error(
                    "fault in the sink worker, it goes on", trace=scrub(traceback.format_exc())
                )
                pause_s = FIRST_S
            self.thread.waiting()
            self._wake.wait(pause_s)
            self.thread.beat()
            self._wake.clear()
        self._close()
        self._standing.state = SinkState.STOPPED

    def _step(self) -> float:
        """Do what is next; returns the seconds until there may be something to do again."""
        self._time_out()
        self._drop_expired()
        if self._retry_now.is_set():
            self._retry_now.clear()
            self._attempts.backoff.hurry()
        if (rest_s := self._attempts.backoff.left_s()) > 0:
            return rest_s
        if not self._attempts.start():
            return 0
        self._sink.show_cameras()
        now = self._clock.now()
        message = self._next(now)
        if one := self._from_other_boxes.next(message.sent_at if message else None):
            self._attempts.deliver_forwarded(one, self._oldest())
            return 0
        if message is None:
            retry_at = self._outbox.next_retry_at(self.settings.name)
            return IDLE_S if retry_at is None else min(max(retry_at - now, 0.1), IDLE_S)
        if (rest_s := self._attempts.groups.rest_s(message)) > 0:
            return rest_s
        if message.sent_at >= self._oldest():
            group = self._attempts.groups.of(message, now, self._attempts.suspects.ids())
            if len(group) > 1:
                self._attempts.deliver_group(group)
            else:
                self._attempts.deliver(group[0])
        return 0  # too old since the expired were dropped (a sink may start for long): next round

    def _next(self, now: float) -> Message | None:
        """What is due, those under suspicion only where there is nothing else."""
        message = self._outbox.next_due(self.settings.name, now, self._attempts.suspects.ids())
        if message is None and self._attempts.suspects:
            is_alone = len(self._attempts.suspects.clear()) == 1
            message = self._outbox.next_due(self.settings.name, now)
            if message and is_alone and self._attempts.leave_out_suspect_picture(message):
                message = self._outbox.next_due(self.settings.name, now)
        return message

    def _oldest(self) -> float:
        """When what is still delivered was sent at the earliest, by the steady clock."""
        default_s = self.sink_class.default_expiry_s
        if default_s is None:
            return float("-inf")
        expiry_s = default_s if self.settings.expiry_s is None else self.settings.expiry_s
        return self._clock.now() - expiry_s

    def _time_out(self) -> None:
        """No operator has confirmed these in time: what was stated is done."""
        sent, dropped = self._confirmations.time_out(self.settings.name, self._clock.now())
        if sent:
            self._attempts.backoff.hurry()  # as a new alarm
        for one in sent:
            self._log.warning("not confirmed in time, sent", incident=one.incident_id)
        for one in dropped:
            self._standing.count("unconfirmed")
            self._log.warning("not confirmed in time, dropped", incident=one.incident_id)

    def _drop_expired(self) -> None:
        if self.sink_class.default_expiry_s is not None:  # else not even a look into the outbox
            self._attempts.expire(self._oldest())

    def _close(self) -> None:
        self._from_other_boxes.answer_all(DeliveryError("the sink was closed"))
        try:
            self._sink.close()
        except Exception as error:  # noqa: BLE001 - nothing left to do but say so
            self._log.warning("sink did not close properly", reason=scrub(str(error)))
