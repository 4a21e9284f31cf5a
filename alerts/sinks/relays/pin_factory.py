"""What drives a pin: gpiozero's pin factory, by the library and the server that it needs."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from alerts.sinks.relays.options import RelayOptions

PIGPIO_TIMEOUT_S = 3.0
"""A remote pigpio that does not answer for so long is one that failed."""


def factory_of(options: RelayOptions) -> Any:
    """The one for this relay; raises what its library raises, ImportError without it."""
    # Imported here: each needs a library that only the boxes with that hardware have.
    match options.pin_factory:
        case "mock":
            from gpiozero.pins.mock import MockFactory  # noqa: PLC0415

            return MockFactory()
        case "pigpio":
            from gpiozero.pins.pigpio import PiGPIOFactory  # noqa: PLC0415

            return _in_time(PiGPIOFactory, options.host or "localhost", options.port)
        case "native":
            from gpiozero.pins.native import NativeFactory  # noqa: PLC0415

            return NativeFactory()
        case "lgpio":
            from gpiozero.pins.lgpio import LGPIOFactory  # noqa: PLC0415

            return LGPIOFactory()


def _in_time(pigpio_factory: Callable[..., Any], host: str, port: int) -> Any:
    """The factory of a pigpio that answers; OSError where none does.

    The library waits for its sockets without end, and the thread that switches off with it.
    """
    socket.create_connection((host, port), PIGPIO_TIMEOUT_S).close()
    factory = pigpio_factory(host=host, port=port)
    factory.connection.sl.s.settimeout(PIGPIO_TIMEOUT_S)
    return factory
