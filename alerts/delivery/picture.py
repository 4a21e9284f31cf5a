"""On a slow line the alarm goes first and its picture second. Pure, but for what it measured."""

from __future__ import annotations

from uuid import uuid5

from alerts.message import Alert, AlertPhase

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


def picture_of(alert: Alert) -> Alert:
    """The message that brings the picture of `alert` behind it: an `updated` of its incident.

    It says nothing else anew, so it keeps the `sequence`: with one of its own it would look
    newer than what the incident sends next. Its `alert_id` follows from that of `alert`.
    """
    return alert.model_copy(
        update={"alert_id": uuid5(alert.alert_id, "picture"), "phase": AlertPhase.UPDATED}
    )
