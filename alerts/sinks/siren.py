"""The siren: a relay on a pin, or a command that makes a sound."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
from shutil import which
from typing import IO, Annotated, ClassVar, Literal

from pydantic import BaseModel, Field, model_validator

from alerts.message import Alert, AlertPhase
from alerts.sink import Problem
from alerts.sinks.relay import EXPIRY_S, Relay, RelayOptions
from config.errors import DeliveryError
from config.settings import Section

FAILS_WITHIN_S = 1.0
"""A command that fails so soon (no such file, no sound card) counts as not delivered."""

KILL_AFTER_S = 0.5
"""Between asking a command to end and killing it: well within any deadline to stop."""


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
        if not self.command or which(self.command[0]):
            return []
        text = (
            f"the program {self.command[0]} is not found, or may not be run by this user; "
            "install it, or write its whole path"
        )
        return [Problem(("command",), text)]


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


class Sound:
    """A command that runs for at most `on_s`; one at a time."""

    def __init__(self, command: list[str], on_s: float) -> None:
        self._command = command
        self._on_s = on_s
        self._mutex = threading.RLock()
        self._process: subprocess.Popen[bytes] | None = None
        self._timer: threading.Timer | None = None

    def play(self, alert: Alert) -> None:
        """Start the command, or let the running one go on for longer; raises DeliveryError."""
        with self._mutex:
            if self._process is None or self._process.poll() is not None:
                self._start(alert)
            if self._timer:
                self._timer.cancel()
            timer = threading.Timer(self._on_s, lambda: self._time_is_up(timer))
            timer.daemon = True
            self._timer = timer
            timer.start()

    def stop(self) -> None:
        """End the command: SIGTERM, then SIGKILL."""
        with self._mutex:
            if self._timer:
                self._timer.cancel()
            self._end()

    def _start(self, alert: Alert) -> None:
        with tempfile.TemporaryFile() as errors:  # a pipe would stall a talkative player
            try:
                self._process = subprocess.Popen(  # noqa: S603 - the operator's own command
                    self._command,
                    env=os.environ | _environment(alert),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=errors,
                )
            except OSError as error:
                raise DeliveryError(
                    f"siren command {self._command[0]}: {error.strerror}"
                ) from error
            try:
                code = self._process.wait(FAILS_WITHIN_S)
            except subprocess.TimeoutExpired:
                return
            if code != 0:
                raise DeliveryError(
                    f"siren command {self._command[0]} failed with code {code}: {_tail(errors)}"
                )

    def _time_is_up(self, timer: threading.Timer) -> None:
        with self._mutex:
            if timer is self._timer:
                self._end()

    def _end(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(KILL_AFTER_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None


def _environment(alert: Alert) -> dict[str, str]:
    return {
        "JIKIMI_CAMERA": alert.camera,
        "JIKIMI_SITE": alert.site,
        "JIKIMI_LABEL": alert.label,
        "JIKIMI_INCIDENT": str(alert.incident_id),
        "JIKIMI_EXERCISE": str(int(alert.exercise)),
    }


def _tail(errors: IO[bytes]) -> str:
    errors.seek(0)
    lines = errors.read()[-2000:].decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"
