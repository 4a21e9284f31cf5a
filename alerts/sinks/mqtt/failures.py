"""What it means for an alert that the broker refused it, or hung up at it."""

from __future__ import annotations

from uuid import UUID

from alerts.message import Alert
from alerts.sink import DeferredError, RefusedError, TooLargeError, UnclearError
from alerts.sinks.mqtt.reasons import About, of_answer, words
from config.errors import DeliveryError

HANG_UPS = 5
"""A broker that hung up so often at one alert, and not at others, refuses it."""

_ERRORS: dict[About, type[DeliveryError]] = {
    About.CONNECTION: DeliveryError,
    About.ALERT: RefusedError,
    About.SIZE: TooLargeError,
    About.LATER: DeferredError,
    About.LOAD: UnclearError,
    About.UNCLEAR: DeliveryError,
}


class Failures:
    """Sorts them; counts how often the broker hung up at which alert."""

    def __init__(self, broker: str) -> None:
        self._broker = broker
        self._hang_ups: dict[UUID, int] = {}

    def answered(self, alert: Alert) -> None:
        """The broker answered, whatever it said: it did not hang up."""
        self._hang_ups.pop(alert.alert_id, None)

    def refusal(self, alert: Alert, topic: str, code: int) -> DeliveryError:
        """What a PUBACK with `code` means, sorted."""
        text = f"broker {self._broker} refused the alert to {topic}: {words(code)}"
        return _ERRORS[of_answer(code, with_image=alert.image is not None)](text)

    def hang_up(self, alert: Alert, loss: tuple[About, str]) -> DeliveryError:
        """What the end of the connection means for the alert that was under way, sorted."""
        about, reason = loss
        text = f"broker {self._broker} hung up at the alert: {reason}"
        if about is not About.UNCLEAR:
            return _ERRORS[about](text)
        count = self._hang_ups[alert.alert_id] = self._hang_ups.get(alert.alert_id, 0) + 1
        if count < 2:
            return DeliveryError(text)
        if alert.image is not None:
            return TooLargeError(text)
        if count < HANG_UPS:  # or a bad line would set aside an alarm
            return DeferredError(text)
        del self._hang_ups[alert.alert_id]
        return RefusedError(f"{text}, {count} times")
