"""Messages for people by Apprise (https://appriseit.com): phone, chat, mail, by one URL each.

What is due goes as one message, so that many cameras at once ring once. Of an incident `opened`
is told, with the picture where the service takes one; what follows is told without a sound, and
not at all where it is due together with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel

from alerts.message import Alert, AlertPhase
from alerts.sinks.notify.options import NotifyOptions
from alerts.sinks.notify.text import Urgency, text_of, told
from config.errors import DeliveryError

if TYPE_CHECKING:  # Apprise is for `start`
    from alerts.sinks.notify.service import Service

HIGH_FROM = 0.8
"""From this score on a message has the service's high priority."""


class NotifySink:
    """Tells one receiver of a service, many alerts by one message."""

    Options: ClassVar[type[BaseModel]] = NotifyOptions
    default_expiry_s: ClassVar[float | None] = None
    phases: ClassVar[frozenset[str]] = frozenset(AlertPhase)

    def __init__(self, _name: str, options: NotifyOptions) -> None:
        self._options = options
        self._service: Service | None = None

    def start(self) -> None:
        """Have Apprise read the URL; nothing is sent."""
        from alerts.sinks.notify.service import Service, UrlError  # noqa: PLC0415 - 3 s of CPU

        try:
            url = self._options.url.get_secret_value()
            self._service = Service(url, self._options.timeout_s)
        except UrlError as error:
            raise DeliveryError(f"url {error}") from None

    def deliver(self, alert: Alert) -> None:
        """Send it; what the service has taken is acknowledged."""
        self.deliver_group([alert])

    def deliver_group(self, alerts: Sequence[Alert]) -> None:
        """Send one message about all of them."""
        assert self._service is not None
        pictured = self._pictured(alerts)
        text = text_of(alerts, self._options.language, pictured)
        picture = None if pictured is None else pictured.image
        self._service.send(text, picture, _urgency(alerts))

    def remark(self) -> str | None:
        """Whether the picture stays behind."""
        assert self._service is not None
        if self._options.image and not self._service.takes_pictures:
            return f"without the picture, which Apprise does not send to {self._service.name}"
        return None

    def close(self) -> None:
        """Nothing is open."""

    def _pictured(self, alerts: Sequence[Alert]) -> Alert | None:
        """The alert whose picture goes along: of what is told, the one with the highest score."""
        assert self._service is not None
        if not self._options.image or not self._service.takes_pictures:
            return None
        incidents = next(iter(told(alerts).values()))
        with_picture = [alert for one in incidents for alert in one if alert.image is not None]
        return max(with_picture, key=lambda alert: alert.score, default=None)


def _urgency(alerts: Sequence[Alert]) -> Urgency:
    about, incidents = next(iter(told(alerts).items()))
    if about is AlertPhase.CAMERA_LOST:
        return Urgency.NORMAL
    if about is not AlertPhase.OPENED:
        return Urgency.QUIET
    fresh = [alert.score for one in incidents for alert in one if not alert.late]
    return Urgency.HIGH if max(fresh, default=0.0) >= HIGH_FROM else Urgency.NORMAL
