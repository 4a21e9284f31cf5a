"""What a sink is: the protocols that every type of `alerts.sinks` and of other packages follows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Protocol, runtime_checkable

from pydantic import BaseModel

from alerts.message import Alert, CameraNotice
from config.errors import DeliveryError


class RejectedError(DeliveryError):
    """The receiver answers but refuses this one alert; others may still get through."""


class Sink(Protocol):
    """Delivers alerts to one receiver; named by an entry point of the group `jikimi.sinks`.

    Built as `SinkType(name, options)` with its validated `Options`. Every method is called
    from the one worker thread of this sink, so it may block; it must not block for ever.
    """

    Options: ClassVar[type[BaseModel]]
    default_expiry_s: ClassVar[float | None]
    """Alerts older than this are useless here (a siren) and dropped; None: delivered late."""
    phases: ClassVar[frozenset[str]]
    """The `AlertPhase`s this sink acts on; others are never queued for it."""

    def __init__(self, name: str, options: Any) -> None:
        """`options` is an instance of `Options`; touch nothing outside before `start`."""

    def start(self) -> None:
        """Connect or claim hardware; may raise DeliveryError, and is then called again."""

    def deliver(self, alert: Alert) -> None:
        """Return once the receiver has acknowledged; raise DeliveryError otherwise."""

    def close(self) -> None:
        """Leave everything as it should be while the daemon is not running (relays off)."""


@runtime_checkable
class StateSink(Protocol):
    """A sink that also shows the state of cameras."""

    def show_camera(self, notice: CameraNotice) -> None:
        """Publish the state; best effort, must return at once."""

    def forget_camera(self, name: str, site: str) -> None:
        """Show nothing of this camera any more, as `show_camera` does; it is not configured."""


@runtime_checkable
class ConnectedSink(Protocol):
    """A sink that keeps a connection: it knows of trouble before there is anything to deliver."""

    def on_ready(self, wake: Callable[[], None]) -> None:
        """Call `wake`, from any thread, when delivering is worth another try; called once."""

    def trouble(self) -> str | None:
        """Why the receiver cannot be reached now; None where it can, or was not tried yet."""
