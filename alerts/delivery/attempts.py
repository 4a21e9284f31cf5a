"""Attempts at one sink: what it is handed, and what becomes of a message that it takes or not.

What is tried next, and when, is decided by whoever calls; the table of what each error means is in
alerts/README.md.
"""

from __future__ import annotations

import random
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from uuid import UUID

import structlog

from alerts.clock import SteadyClock
from alerts.delivery.backoff import BackOff, backoff_s
from alerts.delivery.deliveries import ExerciseDeliveries
from alerts.delivery.from_other_boxes import Forwarded, FromOtherBoxes
from alerts.delivery.grouping import Groups
from alerts.delivery.open_sink import OpenSink
from alerts.delivery.picture import Pictures
from alerts.delivery.standing import Standing
from alerts.delivery.status import SinkState
from alerts.delivery.suspects import Suspects
from alerts.message import CONFIRM_LINK, Alert, AlertPhase
from alerts.metrics import AlertMetrics
from alerts.sink import (
    BusyError,
    DeferredError,
    GroupingSink,
    RefusedError,
    TimedOutError,
    TooLargeError,
    UnclearError,
)
from alerts.storage.outbox import Message, Outbox
from config.errors import DeliveryError
from config.secrets import scrub
from config.settings import SinkSettings

LATE_AFTER_S = 30.0
"""Sinks without an expiry deliver what is older all the same, marked late."""

DEFERRED_AS = 3
"""An alert that waits alone waits 2 s at first: reconnecting, where need be, takes 1 s."""

MAX_RETRY_S = 600.0
"""An alert that waits alone is tried again this often at the least."""


class Attempts:
    """Those at `sink`, one after another: for one thread alone.

    `backoff`: how long the sink is left alone. `suspects`: what it may fail at. `groups`: what goes
    to it together.
    """

    def __init__(
        self,
        settings: SinkSettings,
        sink: OpenSink,
        outbox: Outbox,
        standing: Standing,
        metrics: AlertMetrics,
        exercises: ExerciseDeliveries,
        clock: SteadyClock,
        from_other_boxes: FromOtherBoxes,
    ) -> None:
        """`from_other_boxes`: what is answered once nothing gets through."""
        self._settings = settings
        self._sink = sink
        self._outbox = outbox
        self._standing = standing
        self._metrics = metrics
        self._exercises = exercises
        self._clock = clock
        self._from_other_boxes = from_other_boxes
        self._log = structlog.get_logger().bind(sink=settings.name, type=settings.type)
        self.backoff = BackOff()
        self.suspects = Suspects()
        groups = issubclass(sink.sink_class, GroupingSink)
        self.groups = Groups(outbox, settings.name, groups=groups)
        has_pictures = getattr(settings.options, "image", True)
        come_later = has_pictures and AlertPhase.UPDATED in sink.sink_class.phases
        self._pictures = Pictures(outbox, come_later=come_later)
        self._may_be_its_picture = False
        self._tries: Counter[UUID] = Counter()
        """By alert, attempts so far; those of alerts that are through are forgotten."""

    def start(self) -> bool:
        """Start the sink where it is not; False where it does not start now."""
        try:
            if self._sink.start():
                self._worked()
        except Exception as error:  # noqa: BLE001 - a sink from outside may raise anything
            self._failed(error)
            return False
        return True

    def deliver(self, message: Message) -> None:
        """Hand over `message`, unless it had better go without its picture: it is due again then.

        Raises nothing that the sink raises.
        """
        if self._pictures.is_too_slow_for(message):
            self._pictures.leave_out(message)
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
            self._pictures.speed.measured(alert, time.monotonic() - began_s)
            self.groups.worked()
            self._acknowledged(message, late)
        finally:
            self._metrics.seconds.labels(self._settings.name).observe(time.monotonic() - began_s)

    def deliver_group(self, group: Sequence[Message]) -> None:
        """As `deliver`, of a sink that tells of many alerts by one message."""
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
            if self.groups.failed(group, error):
                self._failed(error)
            else:
                self._note(error, 0.0, None)
        else:
            self.groups.worked()
            for message, is_late in zip(group, late, strict=True):
                self._acknowledged(message, is_late)
        finally:
            self._metrics.seconds.labels(self._settings.name).observe(time.monotonic() - began_s)

    def deliver_forwarded(self, one: Forwarded, oldest: float) -> None:
        """As `deliver`, of another box's alert, unless it was sent before `oldest`.

        That box decides what becomes of it then.
        """
        error = one.hand(self._sink.deliver, oldest)
        said = "delivered" if error is None else scrub(str(error) or type(error).__name__)
        self._log.info("alert of another box", outcome=said, **_named(one.alert))
        if error is None:
            self._worked()
        elif not isinstance(error, (RefusedError, DeferredError)):  # about more than this one
            self._failed(error)

    def leave_out_suspect_picture(self, message: Message) -> bool:
        """Have `message`, which alone was under suspicion, go ahead of its picture.

        False where its picture is not what the receiver may have failed at.
        """
        is_opened = message.alert.phase is AlertPhase.OPENED
        may = self._may_be_its_picture and is_opened and self._pictures.may_leave_out(message)
        if may:
            self._pictures.leave_out(message)
        return may

    def expire(self, oldest: float) -> None:
        """Drop what was sent before `oldest`: no attempt has got it through in time."""
        for alert in self._outbox.expire(self._settings.name, oldest, self._tries):
            self._tries.pop(alert.alert_id, None)
            self._standing.count("expired")
            self._exercises.expired(self._settings.name, alert)
            self._log.warning("alert expired before the sink took it", **_named(alert))

    def _handed(self, message: Message, late: bool) -> Alert:
        """What the sink gets; one that has waited for an operator needs no link to confirm it."""
        alert = message.alert.model_copy(update={"late": late})
        return alert.without_link(CONFIRM_LINK) if self._settings.confirm else alert

    def _is_late(self, message: Message) -> bool:
        if self._sink.sink_class.default_expiry_s is not None:
            return False
        after_s = LATE_AFTER_S if self._settings.expiry_s is None else self._settings.expiry_s
        return self._clock.now() - message.sent_at > after_s

    def _acknowledged(self, message: Message, late: bool) -> None:
        alert = message.alert
        attempts = self._tries.pop(alert.alert_id, 1)
        self._outbox.acknowledge(message, late=late, attempts=attempts)
        self._pictures.follow(message)
        if alert.exercise:
            self._exercises.acknowledged(self._settings.name, alert, self._sink.remark())
        self._standing.count("late" if late else "delivered")
        self._worked()
        for suspect in self.suspects.clear():
            self._wait_alone(suspect)
        if alert.phase is AlertPhase.OPENED:
            self._log.info(
                "alert delivered",
                alert=str(alert.alert_id),
                incident=str(alert.incident_id),
                camera=alert.camera,
                late=late,
            )

    def _not_taken(self, message: Message, error: DeliveryError, seconds: float) -> None:
        """It did not get through, after `seconds`; whether it is to blame is not said."""
        if isinstance(error, TimedOutError) and self._pictures.may_leave_out(message):
            self._pictures.speed.measured(message.alert, seconds)
            self._pictures.leave_out(message)
        self._may_be_its_picture = isinstance(error, UnclearError)
        is_working = self._standing.state is SinkState.WORKING
        if message.attempts and is_working and not isinstance(error, BusyError):
            # Others got through while it waited alone, and it fails once more.
            has_image = message.alert.image is not None
            again = self._too_large if has_image else self._deferred
            again(message, error)
            return
        self._standing.count("failed")
        if self._sink.connected() or isinstance(error, (TimedOutError, UnclearError)):
            self.suspects.failed(message)  # else it was not even sent
        self._failed(error)

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
        wait_s = backoff_s(tries, random.random(), MAX_RETRY_S)  # noqa: S311 - spreads load only
        self._outbox.retry_at(message, self._clock.now() + wait_s)
        return wait_s

    def _worked(self) -> None:
        self.backoff.worked()
        self._standing.state = SinkState.WORKING

    def _failed(self, error: Exception) -> None:
        """The sink cannot deliver anything now: back off from all of it."""
        self.backoff.failed(error.after_s if isinstance(error, BusyError) else 0.0)
        if self.suspects.is_hurried(self._outbox.waiting(self._settings.name).depth):
            self.backoff.hurry()
        self._note(error, max(0.0, self.backoff.left_s()), None)
        self._from_other_boxes.answer_all(error)

    def _note(self, error: Exception, wait_s: float, alert_id: UUID | None) -> None:
        reason = scrub(str(error) or type(error).__name__)
        self._standing.failing(reason, alert_id)
        self._log.warning("sink failed, will try again", reason=reason, in_s=round(wait_s, 1))


def _named(alert: Alert) -> dict[str, str]:
    """What the log says of an alert."""
    return {
        "alert": str(alert.alert_id),
        "incident": str(alert.incident_id),
        "camera": alert.camera,
        "phase": alert.phase.value,
    }
