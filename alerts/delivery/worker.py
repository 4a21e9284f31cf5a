"""One thread a sink: takes what is due from the outbox, delivers it, and tries again on failure.

It decides nothing about who receives what: that was decided when the alert was put.
"""

from __future__ import annotations

import random
import sqlite3
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from uuid import UUID

import structlog

from alerts.clock import SteadyClock
from alerts.deadline import Deadline
from alerts.delivery.backoff import FIRST_S, BackOff, backoff_s
from alerts.delivery.deliveries import ExerciseDeliveries
from alerts.delivery.from_other_boxes import Forwarded, FromOtherBoxes
from alerts.delivery.grouping import Groups
from alerts.delivery.open_sink import OpenSink
from alerts.delivery.picture import LineSpeed, picture_of
from alerts.delivery.standing import Standing
from alerts.delivery.status import SinkState, SinkStatus
from alerts.delivery.suspects import Suspects
from alerts.liveness import LiveThread
from alerts.message import CONFIRM_LINK, Alert, AlertPhase, CameraNotice
from alerts.metrics import AlertMetrics
from alerts.sink import (
    BusyError,
    CommandHandler,
    DeferredError,
    FarSinks,
    GroupingSink,
    RefusedError,
    TimedOutError,
    TooLargeError,
    UnclearError,
)
from alerts.storage.confirming import Confirmations
from alerts.storage.outbox import Message, Outbox
from config.errors import DeliveryError
from config.secrets import scrub
from config.settings import SinkSettings

LATE_AFTER_S = 30.0
"""Sinks without an expiry deliver what is older all the same, marked late."""

HANGS_AFTER_S = 60.0
"""A sink that starts, delivers or closes for so much longer than its time-out allows hangs."""

DEFERRED_AS = 3
"""An alert that waits alone waits 2 s at first: reconnecting, where need be, takes 1 s."""

MAX_RETRY_S = 600.0
"""An alert that waits alone is tried again this often at the least."""

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
        self._metrics = metrics
        self._exercises = exercises
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
        self._backoff = BackOff()
        self._suspects = Suspects()
        self._speed = LineSpeed()
        groups = issubclass(self.sink_class, GroupingSink)
        self._groups = Groups(outbox, settings.name, groups=groups)
        self._tries: Counter[UUID] = Counter()
        """By alert, attempts so far; those of alerts that are through are forgotten."""
        self._picture: Alert | None = None
        self._may_be_its_picture = False
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
            self._backoff.hurry()
        if (rest_s := self._backoff.left_s()) > 0:
            return rest_s
        if not self._start():
            return 0
        self._sink.show_cameras()
        now = self._clock.now()
        message = self._next(now)
        if one := self._from_other_boxes.next(message.sent_at if message else None):
            self._deliver_forwarded(one)
            return 0
        if message is None:
            retry_at = self._outbox.next_retry_at(self.settings.name)
            return IDLE_S if retry_at is None else min(max(retry_at - now, 0.1), IDLE_S)
        if (rest_s := self._groups.rest_s(message)) > 0:
            return rest_s
        if message.sent_at >= self._oldest():
            group = self._groups.of(message, now, self._suspects.ids())
            if len(group) > 1:
                self._deliver_group(group)
            else:
                self._deliver(group[0])
        return 0  # too old since the expired were dropped (a sink may start for long): next round

    def _next(self, now: float) -> Message | None:
        """What is due, those under suspicion only where there is nothing else."""
        message = self._outbox.next_due(self.settings.name, now, self._suspects.ids())
        if message is None and self._suspects:
            is_alone = len(self._suspects.clear()) == 1
            message = self._outbox.next_due(self.settings.name, now)
            if message and is_alone and self._may_be_its_picture and self._has_picture(message):
                self._go_ahead_of_picture(message)
                message = self._outbox.next_due(self.settings.name, now)
        return message

    def _start(self) -> bool:
        try:
            if self._sink.start():
                self._worked()
        except Exception as error:  # noqa: BLE001 - a sink from outside may raise anything
            self._failed(error)
            return False
        return True

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
            self._backoff.hurry()  # as a new alarm
        for one in sent:
            self._log.warning("not confirmed in time, sent", incident=one.incident_id)
        for one in dropped:
            self._standing.count("unconfirmed")
            self._log.warning("not confirmed in time, dropped", incident=one.incident_id)

    def _drop_expired(self) -> None:
        if self.sink_class.default_expiry_s is None:  # not even a look into the outbox
            return
        for alert in self._outbox.expire(self.settings.name, self._oldest(), self._tries):
            self._tries.pop(alert.alert_id, None)
            self._standing.count("expired")
            self._exercises.expired(self.settings.name, alert)
            self._log.warning(
                "alert expired before the sink took it",
                **_named(alert),
            )

    def _deliver(self, message: Message) -> None:
        if self._takes_pictures_later() and self._speed.is_slow_for(message.alert):
            self._go_ahead_of_picture(message)
            return
        late = self._is_late(message)
        alert = self._handed(message, late)
        self._tries[alert.alert_id] += 1
        began_s = time.monotonic()
        try:
            self._sink.deliver(alert, message.sent_at)
        except TooLargeError as error:
            self._too_large(message, error)
        except RefusedError as error:
            self._refused(message, error)
        except DeferredError as error:
            self._deferred(message, error)
        except DeliveryError as error:
            self._not_taken(message, error, time.monotonic() - began_s)
        except Exception as error:  # noqa: BLE001 - same
            self._log.error("sink has a fault", trace=scrub(traceback.format_exc()))
            self._deferred(message, error)
        else:
            self._speed.measured(alert, time.monotonic() - began_s)
            self._groups.worked()
            self._acknowledged(message, late)
        finally:
            self._metrics.seconds.labels(self.settings.name).observe(time.monotonic() - began_s)

    def _deliver_group(self, group: Sequence[Message]) -> None:
        """As `_deliver`, of a sink that tells of many alerts by one message."""
        late = [self._is_late(message) for message in group]
        self._tries.update(message.alert.alert_id for message in group)
        began_s = time.monotonic()
        try:
            self._sink.deliver_group(
                [
                    self._handed(message, is_late)
                    for message, is_late in zip(group, late, strict=True)
                ]
            )
        except Exception as error:  # noqa: BLE001 - same
            if not isinstance(error, DeliveryError):
                self._log.error("sink has a fault", trace=scrub(traceback.format_exc()))
            self._standing.count("failed")
            if self._groups.failed(group, error):
                self._failed(error)
            else:
                self._note(error, 0.0, None)
        else:
            self._groups.worked()
            for message, is_late in zip(group, late, strict=True):
                self._acknowledged(message, is_late)
        finally:
            self._metrics.seconds.labels(self.settings.name).observe(time.monotonic() - began_s)

    def _deliver_forwarded(self, one: Forwarded) -> None:
        """As `_deliver`, of another box's alert: that box decides what becomes of it then."""
        error = one.hand(self._sink.deliver, self._oldest())
        said = "delivered" if error is None else scrub(str(error) or type(error).__name__)
        self._log.info("alert of another box", outcome=said, **_named(one.alert))
        if error is None:
            self._worked()
        elif not isinstance(error, (RefusedError, DeferredError)):  # about more than this one
            self._failed(error)

    def _handed(self, message: Message, late: bool) -> Alert:
        """What the sink gets; one that has waited for an operator needs no link to confirm it."""
        alert = message.alert.model_copy(update={"late": late})
        return alert.without_link(CONFIRM_LINK) if self.settings.confirm else alert

    def _not_taken(self, message: Message, error: DeliveryError, seconds: float) -> None:
        """It did not get through, after `seconds`; whether it is to blame is not said."""
        has_image = message.alert.image is not None
        if isinstance(error, TimedOutError) and has_image and self._takes_pictures_later():
            self._speed.measured(message.alert, seconds)
            self._go_ahead_of_picture(message)
        self._may_be_its_picture = isinstance(error, UnclearError)
        is_working = self._standing.state is SinkState.WORKING
        if message.attempts and is_working and not isinstance(error, BusyError):
            # Others got through while it waited alone, and it fails once more.
            again = self._too_large if has_image else self._deferred
            again(message, error)
            return
        self._standing.count("failed")
        if self._sink.connected() or isinstance(error, (TimedOutError, UnclearError)):
            self._suspects.failed(message)  # else it was not even sent
        self._failed(error)

    def _acknowledged(self, message: Message, late: bool) -> None:
        alert = message.alert
        attempts = self._tries.pop(alert.alert_id, 1)
        self._outbox.acknowledge(message, late=late, attempts=attempts)
        if self._picture is not None and self._picture.alert_id == alert.alert_id:
            self._outbox.put_behind(message, picture_of(self._picture))
            self._picture = None
        if alert.exercise:
            self._exercises.acknowledged(self.settings.name, alert, self._sink.remark())
        self._standing.count("late" if late else "delivered")
        self._worked()
        for suspect in self._suspects.clear():
            self._wait_alone(suspect)
        if alert.phase is AlertPhase.OPENED:
            self._log.info(
                "alert delivered",
                alert=str(alert.alert_id),
                incident=str(alert.incident_id),
                camera=alert.camera,
                late=late,
            )

    def _has_picture(self, message: Message) -> bool:
        alert = message.alert
        is_opened = alert.phase is AlertPhase.OPENED
        return is_opened and alert.image is not None and self._takes_pictures_later()

    def _takes_pictures_later(self) -> bool:
        has_pictures = getattr(self.settings.options, "image", True)
        return has_pictures and AlertPhase.UPDATED in self.sink_class.phases

    def _go_ahead_of_picture(self, message: Message) -> None:
        """Have the alert go without its picture; that of an `opened` follows it."""
        self._outbox.drop_image(message)
        if message.alert.phase is AlertPhase.OPENED:
            self._picture = message.alert

    def _is_late(self, message: Message) -> bool:
        if self.sink_class.default_expiry_s is not None:
            return False
        after_s = LATE_AFTER_S if self.settings.expiry_s is None else self.settings.expiry_s
        return self._clock.now() - message.sent_at > after_s

    def _worked(self) -> None:
        self._backoff.worked()
        self._standing.state = SinkState.WORKING

    def _failed(self, error: Exception) -> None:
        """The sink cannot deliver anything now: back off from all of it."""
        self._backoff.failed(error.after_s if isinstance(error, BusyError) else 0.0)
        if self._suspects.is_hurried(self._outbox.waiting(self.settings.name).depth):
            self._backoff.hurry()
        self._note(error, max(0.0, self._backoff.left_s()), None)
        self._from_other_boxes.answer_all(error)

    def _too_large(self, message: Message, error: Exception) -> None:
        """The alert does not get through as it is; without its picture it may."""
        if message.alert.image is None:
            self._refused(message, error)
            return
        self._standing.count("failed")
        self._outbox.drop_image(message)
        self._log.warning(
            "alert refused with its picture, sent again without",
            reason=scrub(str(error)),
            **_named(message.alert),
        )

    def _refused(self, message: Message, error: Exception) -> None:
        """One alert never gets through: others may, so it is set aside for the operator."""
        alert = message.alert
        reason = scrub(str(error))
        self._standing.count("refused")
        self._outbox.refuse(message, reason, self._tries.pop(alert.alert_id, 1))
        self._standing.failing(reason, alert.alert_id)
        self._log.error(
            "alert refused and set aside; see `jikimi outbox list`",
            reason=reason,
            **_named(alert),
        )

    def _deferred(self, message: Message, error: Exception) -> None:
        """One alert does not get through now: others may, so only it waits."""
        self._standing.count("failed")
        self._note(error, self._wait_alone(message), message.alert.alert_id)

    def _wait_alone(self, message: Message) -> float:
        """Have it tried again later, and others meanwhile; returns the seconds."""
        tries = message.attempts + DEFERRED_AS
        wait_s = backoff_s(tries, random.random(), MAX_RETRY_S)  # noqa: S311 - same
        self._outbox.retry_at(message, self._clock.now() + wait_s)
        return wait_s

    def _note(self, error: Exception, wait_s: float, alert_id: UUID | None) -> None:
        reason = scrub(str(error) or type(error).__name__)
        self._standing.failing(reason, alert_id)
        self._log.warning("sink failed, will try again", reason=reason, in_s=round(wait_s, 1))

    def _close(self) -> None:
        self._from_other_boxes.answer_all(DeliveryError("the sink was closed"))
        try:
            self._sink.close()
        except Exception as error:  # noqa: BLE001 - nothing left to do but say so
            self._log.warning("sink did not close properly", reason=scrub(str(error)))


def _named(alert: Alert) -> dict[str, str]:
    """What the log says of an alert."""
    return {
        "alert": str(alert.alert_id),
        "incident": str(alert.incident_id),
        "camera": alert.camera,
        "phase": alert.phase.value,
    }
