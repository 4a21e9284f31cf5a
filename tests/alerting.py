"""Alerts, sinks' settings and waiting, as the tests of `alerts` want them: a line each."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel
from uuid_utils.compat import uuid7

from alerts.clock import SteadyClock
from alerts.deadline import Deadline
from alerts.dispatcher import Dispatcher
from alerts.message import Alert, AlertPhase, CameraNotice
from alerts.registry import sink_options
from alerts.sink import CommandHandler
from alerts.storage.outbox import Outbox
from alerts.storage.store import Store
from config.settings import Location, RouteSettings, Section, SinkSettings

Dispatching = Callable[..., Dispatcher]
"""Makes a started dispatcher of sinks' settings (see conftest)."""

PICTURE = bytes(range(256)) * 4


def make_alert(**changes: Any) -> Alert:
    """An `opened` of camera `gate` at `yard`, just now; `image` takes raw bytes."""
    now = datetime.now(UTC)
    if image := changes.pop("image", None):
        changes["image"] = base64.b64encode(image)
    values: dict[str, Any] = {
        "alert_id": uuid7(),
        "incident_id": uuid7(),
        "sequence": 0,
        "phase": AlertPhase.OPENED,
        "label": "violence",
        "score": 0.9,
        "camera": "gate",
        "site": "yard",
        "location": Location(text="north gate"),
        "opened_at": now,
        "sent_at": now,
    }
    return Alert(**values | changes)


def follow_up(opened: Alert, phase: AlertPhase, sequence: int, **changes: Any) -> Alert:
    """A later message of the incident that `opened` began."""
    values = {"incident_id": opened.incident_id, "camera": opened.camera, "site": opened.site}
    return make_alert(**values | {"phase": phase, "sequence": sequence} | changes)


def sink(
    kind: str,
    name: str | None = None,
    *,
    route: RouteSettings | None = None,
    expiry_s: float | None = None,
    cooldown_s: float = 0.0,
    **options: Any,
) -> SinkSettings:
    """Settings of a sink of type `kind`, its options validated."""
    return SinkSettings(
        name=name or kind,
        type=kind,
        route=route or RouteSettings(),
        expiry_s=expiry_s,
        cooldown_s=cooldown_s,
        options=sink_options()[kind].model_validate(options),
    )


def wait_for(met: Callable[[], Any], timeout_s: float = 20.0) -> Any:
    """What `met` returns, as soon as that is true; fails after `timeout_s`."""
    pause = threading.Event()
    for _ in range(int(timeout_s / 0.02)):
        if result := met():
            return result
        pause.wait(0.02)
    raise AssertionError(f"not so after {timeout_s} s")


class StoredOutbox(Outbox):
    """An outbox with a store of its own."""

    def __init__(self, path: Path, clock: SteadyClock | None = None) -> None:
        self.store = Store(path, clock)
        super().__init__(self.store)

    def close(self, deadline: Deadline) -> None:
        self.store.close(deadline)


class ScriptedOptions(Section):
    """`tag` serves to make two settings differ."""

    tag: str = ""


class ScriptedSink:
    """A sink that does as the test says: `faults` are raised first, `gate` holds it up."""

    Options: ClassVar[type[BaseModel]] = ScriptedOptions
    default_expiry_s: ClassVar[float | None] = None
    phases: ClassVar[frozenset[str]] = frozenset(AlertPhase)
    made: ClassVar[dict[str, ScriptedSink]] = {}
    faults: ClassVar[list[Exception]] = []
    start_faults: ClassVar[list[Exception]] = []
    while_starting: ClassVar[list[Callable[[], None]]] = []
    gate: ClassVar[threading.Event] = threading.Event()

    def __init__(self, name: str, _options: ScriptedOptions) -> None:
        self.got: list[Alert] = []
        self.entered = threading.Event()
        self.shown: list[CameraNotice] = []
        self.elsewhere: frozenset[str] = frozenset()
        self.closed = False
        self.run: CommandHandler | None = None
        ScriptedSink.made[name] = self

    @classmethod
    def reset(cls) -> None:
        """As new, for the next test."""
        cls.made, cls.faults, cls.start_faults, cls.gate = {}, [], [], threading.Event()
        cls.while_starting = []
        cls.gate.set()
        ScriptedPhone.messages = []
        ScriptedPhone.refuses = lambda _: None

    def start(self) -> None:
        """Do what is to happen meanwhile, raise the next of `start_faults`."""
        for happen in self.while_starting:
            happen()
        if self.start_faults:
            raise self.start_faults.pop(0)

    def deliver(self, alert: Alert) -> None:
        """Wait for `gate`, raise the next of `faults`, or take it."""
        self.entered.set()
        self.gate.wait(60)
        if self.faults:
            raise self.faults.pop(0)
        self.got.append(alert)

    def show_camera(self, notice: CameraNotice) -> None:
        """Take it."""
        self.shown.append(notice)

    def forget_camera(self, name: str, site: str) -> None:
        """Take it."""
        self.shown = [n for n in self.shown if (n.camera, n.site) != (name, site)]

    def watched_elsewhere(self, cameras: frozenset[str]) -> None:
        """Take it."""
        self.elsewhere = cameras

    def on_command(self, handler: CommandHandler) -> None:
        """Take it."""
        self.run = handler

    def close(self) -> None:
        """Note it."""
        self.closed = True


class ScriptedSiren(ScriptedSink):
    """The same, as a siren is: acts on `opened` only, and drops what is old."""

    default_expiry_s: ClassVar[float | None] = 30.0
    phases: ClassVar[frozenset[str]] = frozenset({AlertPhase.OPENED})


class ScriptedPhone(ScriptedSink):
    """The same, as a phone is told: many alerts by one message."""

    messages: ClassVar[list[list[Alert]]] = []
    refuses: ClassVar[Callable[[Sequence[Alert]], Exception | None]] = lambda _: None

    def deliver(self, alert: Alert) -> None:
        """As many."""
        self.deliver_group([alert])

    def deliver_group(self, alerts: Sequence[Alert]) -> None:
        """Raise what `refuses` says, else as any other."""
        self.entered.set()
        self.gate.wait(60)
        self.messages.append(list(alerts))
        if self.faults:
            raise self.faults.pop(0)
        if error := type(self).refuses(alerts):
            raise error
        self.got += alerts


class Clock(SteadyClock):
    """The box's clocks, which the test turns."""

    def __init__(self, wall_s: float | None = None) -> None:
        """`wall_s`: what the box's clock shows at the start (now), Unix time."""
        self.wall_s = time.time() if wall_s is None else wall_s
        self._uptime_s = 1000.0
        super().__init__(lambda: self.wall_s, lambda: self._uptime_s)

    def advance(self, seconds: float) -> None:
        """Let time go by."""
        self.wall_s += seconds
        self._uptime_s += seconds

    def set_by(self, seconds: float) -> None:
        """Somebody sets the box's clock forward by so much; no time goes by."""
        self.wall_s += seconds

    def restarted(self) -> Clock:
        """The clock of a daemon that starts now."""
        return Clock(self.wall_s)


def got(name: str, count: int) -> list[Alert]:
    wait_for(lambda: name in ScriptedSink.made and len(ScriptedSink.made[name].got) >= count)
    assert len(ScriptedSink.made[name].got) == count
    return ScriptedSink.made[name].got


def settled(dispatcher: Dispatcher) -> None:
    """Everything submitted so far has been delivered or dropped."""
    wait_for(lambda: all(status.depth == 0 for status in dispatcher.status()))


def phases(name: str) -> list[AlertPhase]:
    return [alert.phase for alert in ScriptedSink.made[name].got]
