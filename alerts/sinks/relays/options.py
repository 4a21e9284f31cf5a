"""What the configuration says of a relay on a GPIO pin, and what this machine lacks for it."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from alerts.sink import BoundTo, Problem
from config.settings import Section

LIBRARIES = {"lgpio": "lgpio", "pigpio": "pigpio"}
"""What each pin factory of gpiozero imports; `native` and `mock` need none."""

DEVICES = {"lgpio": "gpiochip*", "native": "gpiomem*"}
"""What each opens below /dev; pigpio speaks to a server."""

INSTALL = "pip install 'jikimi[gpio]'"


class RelayOptions(Section):
    """Which pin, driven by what, and for how long."""

    pin: int | str = Field(description="GPIO number (BCM), or a name gpiozero knows: BOARD11")
    pin_factory: Literal["lgpio", "pigpio", "native", "mock"] = Field(
        default="lgpio", description="mock: no hardware, for trying things out"
    )
    host: str | None = Field(default=None, description="pigpio: address of the remote daemon")
    port: int = Field(default=8888, ge=1, le=65535, description="pigpio: its port")
    active_high: bool = Field(default=True, description="false: the relay closes on a low pin")
    on_s: float = Field(default=60.0, gt=0, le=3600, description="seconds on after an alert")
    box: BoundTo = None

    @model_validator(mode="after")
    def _host_needs_pigpio(self) -> RelayOptions:
        if self.host is not None and self.pin_factory != "pigpio":
            raise ValueError("host needs pin_factory: pigpio")
        return self

    def problems(self) -> list[Problem]:
        """The library and the chip that `pin_factory` needs, where they are not here."""
        library = LIBRARIES.get(self.pin_factory)
        if library and find_spec(library) is None:
            text = (
                f"needs the library {library}, which is not installed here; {INSTALL}, or write "
                "pin_factory: mock where there is no hardware"
            )
            return [Problem(("pin_factory",), text, "warning")]
        device = DEVICES.get(self.pin_factory)
        if device and not any(
            os.access(path, os.R_OK | os.W_OK) for path in Path("/dev").glob(device)
        ):
            text = (
                f"{self.pin_factory} finds no /dev/{device} here that this user may open; check on "
                "the machine with the relay, as a user in the group gpio, or write "
                "pin_factory: mock where there is no hardware"
            )
            return [Problem(("pin_factory",), text, "warning")]
        return []
