"""A relay on a GPIO pin: on for a set time, then off. The floodlight, and half of the siren.

Off at start, at stop, and by `relays_off` after a crash. None of these reaches a relay when the
box loses its power or the network to a remote pigpio goes: a monostable (time) relay does.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any, ClassVar

import structlog
from gpiozero import DigitalOutputDevice
from pydantic import BaseModel

from alerts.message import Alert, AlertPhase
from alerts.sink import box_of
from alerts.sinks.relays.off_timer import OffTimer
from alerts.sinks.relays.options import INSTALL, RelayOptions
from alerts.sinks.relays.pin_factory import factory_of
from config.errors import DeliveryError
from config.secrets import scrub
from config.settings import SinkSettings

EXPIRY_S = 30.0
"""A light or a siren half a minute after the fact helps nobody."""


class Relay:
    """One pin. Thread-safe; it is closed only while a thread runs that opens it in time."""

    def __init__(self, options: RelayOptions) -> None:
        self._options = options
        self._mutex = threading.RLock()
        self._timer = OffTimer(self._mutex, self._open, f"relay on pin {options.pin}")
        self._factory: Any = None
        self._device: DigitalOutputDevice | None = None

    @property
    def is_on(self) -> bool:
        """Whether the relay is closed; False where its pin is not ours."""
        with self._mutex:
            return self._device is not None and bool(self._device.value)

    def claim(self) -> None:
        """Take the pin and switch it off; raises DeliveryError."""
        with self._mutex:
            self._timer.start()
            try:
                self._factory = factory_of(self._options)
                self._device = DigitalOutputDevice(
                    self._options.pin,
                    active_high=self._options.active_high,
                    initial_value=False,
                    pin_factory=self._factory,
                )
            except Exception as error:
                # gpiozero's factories raise errors of their own, of their libraries, and
                # ImportError where the library is missing.
                self._let_go()
                raise self._cannot("be claimed", error) from error

    def switch_on(self) -> None:
        """On for `on_s` from now, also where it is on already; raises DeliveryError.

        A pin that failed is claimed anew by the next call: a remote pigpio that was restarted
        knows nothing of the old connection. Until then it may be on, and is switched off.
        """
        with self._mutex:
            device = self._claimed()
            self._timer.arm(self._options.on_s)
            try:
                device.on()
            except Exception as error:
                self._let_go()
                self._timer.arm(0)
                raise self._cannot("be switched on", error) from error

    def release(self) -> None:
        """Off, and the pin free for others; raises DeliveryError where it may still be on."""
        with self._mutex:
            pending = self._timer.armed
            self._timer.end()
            if self._device is None and not pending:
                return
            try:
                self._claimed().off()  # claimed anew where it failed while it was on
            except Exception as error:
                raise self._cannot("be switched off", error) from error
            finally:
                self._let_go()
                self._timer.end()  # to claim a pin starts it

    def _open(self) -> None:
        try:
            self._claimed().off()
        except Exception as error:
            self._let_go()
            raise self._cannot("be switched off", error) from error

    def _claimed(self) -> DigitalOutputDevice:
        if self._device is None:
            self.claim()
        return self._device

    def _let_go(self) -> None:
        for part in (self._device, self._factory):
            try:
                if part is not None:
                    part.close()
            except Exception as error:  # noqa: BLE001 - nothing left to do but say so
                structlog.get_logger().warning("pin not freed", reason=scrub(str(error)))
        self._device = None
        self._factory = None

    def _cannot(self, what: str, error: Exception) -> DeliveryError:
        options = self._options
        if isinstance(error, DeliveryError):
            return error
        reason = scrub(str(error) or type(error).__name__)
        if isinstance(error, ImportError):
            reason += f"; {INSTALL}"
        return DeliveryError(
            f"pin {options.pin} cannot {what} through {options.pin_factory}: {reason}"
        )


class FloodlightSink:
    """Lights up where something happens."""

    Options: ClassVar[type[BaseModel]] = RelayOptions
    default_expiry_s: ClassVar[float | None] = EXPIRY_S
    phases: ClassVar[frozenset[str]] = frozenset({AlertPhase.OPENED})

    def __init__(self, _name: str, options: RelayOptions) -> None:
        self._relay = Relay(options)

    def start(self) -> None:
        """Claim the pin; the light is off afterwards."""
        self._relay.claim()

    def deliver(self, _alert: Alert) -> None:
        """Light on; returns at once. Another alert in the meantime extends it."""
        self._relay.switch_on()

    def close(self) -> None:
        """Light off."""
        self._relay.release()


def relays_off(sinks: Iterable[SinkSettings], box: str | None = None) -> list[str]:
    """Switch off every relay in the configuration; for systemd to call after a crash.

    `box`: of this box in a cluster; relays of others are left alone. Returns a line for each one
    that may still be on.
    """
    problems = []
    for sink in sinks:
        if box and box_of(sink) not in {None, box}:
            continue
        options = getattr(sink.options, "relay", sink.options)
        if not isinstance(options, RelayOptions):
            continue
        relay = Relay(options)
        try:
            relay.claim()
            relay.release()
        except DeliveryError as error:
            problems.append(f"{sink.name}: {error}")
    return problems
