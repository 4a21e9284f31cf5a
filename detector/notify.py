"""Tell systemd how we are (sd_notify): a datagram to the socket it names, nothing otherwise."""

from __future__ import annotations

import os
import socket


def notify(state: str) -> None:
    """Send `state`, such as `READY=1`, to the service manager; silent where there is none."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.sendto(state.encode(), address)


def watchdog_interval_s() -> float | None:
    """How often the service manager wants a sign of life: half its time-out, None if never."""
    timeout_us = os.environ.get("WATCHDOG_USEC")
    return int(timeout_us) / 2e6 if timeout_us else None
