"""On a slow line the alarm goes first and its picture second."""

from __future__ import annotations

from uuid import uuid5

from alerts.message import Alert, AlertPhase
from alerts.storage.outbox import Message, Outbox

SLOW_S = 3.0
"""An `opened` whose picture would take longer goes ahead of it."""


class LineSpeed:
    """How fast pictures went through lately, of one sink."""

    def __init__(self) -> None:
        self._bytes_per_s: float | None = None

    def measured(self, alert: Alert, seconds: float) -> None:
        """`alert` took so long, or had not got through by then."""
        if alert.image is not None:
            self._bytes_per_s = len(alert.image) / max(seconds, 0.001)

    def is_slow_for(self, alert: Alert) -> bool:
        """Whether `alert` is an `opened` that had better go ahead of its picture."""
        return (
            self._bytes_per_s is not None
            and alert.phase is AlertPhase.OPENED
            and alert.image is not None
            and len(alert.image) / self._bytes_per_s > SLOW_S
        )


class Pictures:
    """Which alerts of one sink go ahead of their picture, and what follows them."""

    def __init__(self, outbox: Outbox, *, come_later: bool) -> None:
        """`come_later`: the sink has pictures, and acts on the `updated` that brings one."""
        self.speed = LineSpeed()
        self._outbox = outbox
        self._come_later = come_later
        self._left_out: Alert | None = None

    def is_too_slow_for(self, message: Message) -> bool:
        """Whether it had better go without its picture from the first attempt on."""
        return self._come_later and self.speed.is_slow_for(message.alert)

    def may_leave_out(self, message: Message) -> bool:
        """Whether it has a picture that it can go without."""
        return self._come_later and message.alert.image is not None

    def leave_out(self, message: Message) -> None:
        """Have the alert go without its picture; that of an `opened` follows it."""
        self._outbox.drop_image(message)
        if message.alert.phase is AlertPhase.OPENED:
            self._left_out = message.alert

    def follow(self, message: Message) -> None:
        """The sink has taken `message`: queue the picture that was left out of it, if one was."""
        if self._left_out is not None and self._left_out.alert_id == message.alert.alert_id:
            self._outbox.put_behind(message, picture_of(self._left_out))
            self._left_out = None


def picture_of(alert: Alert) -> Alert:
    """The message that brings the picture of `alert` behind it: an `updated` of its incident.

    It says nothing else anew, so it keeps the `sequence`: with one of its own it would look
    newer than what the incident sends next. Its `alert_id` follows from that of `alert`.
    """
    return alert.model_copy(
        update={"alert_id": uuid5(alert.alert_id, "picture"), "phase": AlertPhase.UPDATED}
    )
