"""What a sink is: the protocols that every type of `alerts.sinks` and of other packages follows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Protocol, runtime_checkable

from pydantic import BaseModel, Field

from alerts.liveness import LiveThread
from alerts.message import Alert, CameraNotice
from config.errors import DeliveryError
from config.settings import Name, SinkSettings


class RefusedError(DeliveryError):
    """The receiver refuses this alert for good: it is set aside, the next one goes at once."""


class TooLargeError(RefusedError):
    """The receiver refuses this alert as it is: it is sent again at once without its picture.

    One that has no picture is refused for good.
    """


class DeferredError(DeliveryError):
    """The receiver does not take this one alert now: it alone waits, the next one goes at once."""


class UnclearError(DeliveryError):
    """The receiver was reached and fails: at this alert, at its picture, or at everything."""


class TimedOutError(DeliveryError):
    """The receiver was reached, but the time for one delivery was over before it acknowledged."""


class BusyError(DeliveryError):
    """The receiver asks for a pause of `after_s` seconds."""

    def __init__(self, text: str, after_s: float) -> None:
        super().__init__(text)
        self.after_s = after_s


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
        """Return once the receiver has acknowledged; raise one of the errors above otherwise.

        A plain DeliveryError is about the connection: every alert waits, and is tried again.
        """

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
class SharedStateSink(Protocol):
    """A `StateSink` that shows cameras where other boxes of the cluster show theirs."""

    def watched_elsewhere(self, cameras: frozenset[str]) -> None:
        """Other boxes show these by now: leave what is shown of them as it is.

        The latest call counts; one that is shown again by `show_camera` is in none after it.
        `forget_camera` is called for none of them.
        """


@runtime_checkable
class ConnectedSink(Protocol):
    """A sink that keeps a connection: it knows of trouble before there is anything to deliver."""

    def on_ready(self, wake: Callable[[], None]) -> None:
        """Call `wake`, from any thread, when delivering is worth another try; called once."""

    def connected(self) -> bool:
        """Whether the receiver has acknowledged the connection that there is now."""

    def trouble(self) -> str | None:
        """Why the receiver cannot be reached now; None where it can, or is being tried."""


CommandHandler = Callable[[str, dict[str, Any]], dict[str, Any]]
"""Runs a command with its request, both as the control socket has them; returns the answer.

May be called from any thread, and waits for the disk. Raises ControlError where it refuses.
"""


@runtime_checkable
class CommandedSink(Protocol):
    """A sink by which operators ask something of the monitor, such as `silence` or `confirm`."""

    def on_command(self, handler: CommandHandler) -> None:
        """Run by `handler` what is asked; called once, before `start`."""


@runtime_checkable
class ThreadedSink(Protocol):
    """A sink with a thread beside its worker's; once that has died, `start` is called again."""

    thread: LiveThread


@runtime_checkable
class GroupingSink(Protocol):
    """A sink that tells of many alerts at once, so that many cameras ring a phone once."""

    def deliver_group(self, alerts: Sequence[Alert]) -> None:
        """As `deliver`, for all of `alerts` together: at least two, all exercises or none.

        Every `opened` comes first, then the rest, each oldest first; so those of one incident
        are in their order. They are acknowledged together or not at all. Where the receiver
        refuses them, a part of them is handed over next.
        """


@runtime_checkable
class RemarkingSink(Protocol):
    """A sink that knows when an acknowledgement proves little, for `jikimi drill`."""

    def remark(self) -> str | None:
        """What the acknowledgement of the last exercise leaves open; None where nothing."""


BoundTo = Annotated[
    Name | None,
    Field(
        description="of a cluster: the box that it hangs on, which alone drives it, for alerts of "
        "all boxes; without a cluster this one drives it"
    ),
]
"""An option `box` of sinks that act on what one box has, and so on any other one."""


def box_of(sink: SinkSettings) -> str | None:
    """The box that it hangs on; None where each box has one, or reaches the receiver."""
    box: str | None = getattr(sink.options, "box", None)
    return box


@runtime_checkable
class FarSink(Protocol):
    """In place of a sink that hangs on another box: what is handed to it goes there."""

    def start(self) -> None:
        """As a sink's."""

    def forward(self, alert: Alert, sent_at: float) -> None:
        """As a sink's `deliver`; `sent_at`: when it was sent, by the dispatcher's clock."""

    def close(self) -> None:
        """As a sink's."""


FarSinks = Callable[[SinkSettings], FarSink | None]
"""What stands for a sink of another box; None for one of this box."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that the configuration names and this machine lacks, for `jikimi check`.

    `text` says what is wrong and, behind a semicolon, what to do. A `warning` is about hardware
    and its libraries, which the machine that checks may lack and the one that runs have.
    """

    key: tuple[str, ...]
    text: str
    severity: Literal["error", "warning"] = "error"


@runtime_checkable
class CheckableOptions(Protocol):
    """Options of a sink that can be held against this machine before the first alarm."""

    def problems(self) -> list[Problem]:
        """What is missing, by key of these options; connects to nothing, changes nothing."""
