"""The siren: a relay on a pin, or a command that makes a sound."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, Field, model_validator

from alerts.message import Alert, AlertPhase
from alerts.sink import BoundTo, Problem
from alerts.sinks.program import program_problems
from alerts.sinks.relay import EXPIRY_S, Relay
from alerts.sinks.relays.options import RelayOptions
from alerts.sinks.relays.sound import Sound
from config.settings import Section


class SirenOptions(Section):
    """Either `pin` with what a relay needs beside it, or `command`."""

    pin: int | str | None = Field(default=None, description="GPIO number (BCM), or BOARD11")
    pin_factory: Literal["lgpio", "pigpio", "native", "mock"] = "lgpio"
    host: str | None = Field(default=None, description="pigpio: address of the remote daemon")
    port: int = Field(default=8888, ge=1, le=65535, description="pigpio: its port")
    active_high: bool = Field(default=True, description="false: the relay closes on a low pin")
    command: Annotated[list[str], Field(min_length=1)] | None = Field(
        default=None,
        description="program and arguments, run without a shell; JIKIMI_CAMERA, JIKIMI_SITE, "
        "JIKIMI_LABEL, JIKIMI_INCIDENT and JIKIMI_EXERCISE (0 or 1) in its environment",
    )
    on_s: float = Field(
        default=15.0, gt=0, le=3600, description="seconds on; a command is ended then"
    )
    box: BoundTo = None

    @model_validator(mode="after")
    def _one_of_two(self) -> SirenOptions:
        if (self.pin is None) == (self.command is None):
            raise ValueError("give either pin (a relay) or command (a sound)")
        if self.host is not None and self.pin_factory != "pigpio":
            raise ValueError("host needs pin_factory: pigpio")
        return self

    @property
    def relay(self) -> RelayOptions | None:
        """The relay's own options; None for a command."""
        if self.pin is None:
            return None
        return RelayOptions(**self.model_dump(exclude={"command"}))

    def problems(self) -> list[Problem]:
        """What the relay lacks, or that there is no such program."""
        if self.relay:
            return self.relay.problems()
        return program_problems(self.command) if self.command else []


class SirenSink:
    """On for `on_s` after an alert; another alert in the meantime extends it."""

    Options: ClassVar[type[BaseModel]] = SirenOptions
    default_expiry_s: ClassVar[float | None] = EXPIRY_S
    phases: ClassVar[frozenset[str]] = frozenset({AlertPhase.OPENED})

    def __init__(self, _name: str, options: SirenOptions) -> None:
        self._relay = Relay(options.relay) if options.relay else None
        self._sound = Sound(options.command, options.on_s) if options.command else None

    def start(self) -> None:
        """Claim the pin, if there is one; it is off afterwards."""
        if self._relay:
            self._relay.claim()
        if self._sound:
            self._sound.start()

    def deliver(self, alert: Alert) -> None:
        """On; returns when it is plain that it sounds."""
        if self._relay:
            self._relay.switch_on()
        if self._sound:
            self._sound.play(alert)

    def close(self) -> None:
        """Off."""
        if self._relay:
            self._relay.release()
        if self._sound:
            self._sound.stop()
