"""Notifies systemd (sd_notify): a datagram to the socket it names, nothing without one."""

from __future__ import annotations

import os
import socket

from structlog import get_logger

TIMEOUT_S = 1.0
"""A manager whose queue of ten datagrams is full must not hold up the supervisor."""

log = get_logger()


def notify(state: str) -> None:
    """Send `state`, such as `READY=1`, to the service manager; nothing where there is none.

    One that has gone away, or does not listen, is logged: cameras are watched all the same.
    """
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.settimeout(TIMEOUT_S)
            manager.sendto(state.encode(), address)
    except OSError as error:
        log.warning("service manager not told", state=state, error=str(error))


def watchdog_interval_s() -> float | None:
    """How often to send `WATCHDOG=1`: at half the service manager's time-out, None if never."""
    timeout_us = os.environ.get("WATCHDOG_USEC")
    return int(timeout_us) / 2e6 if timeout_us else None
