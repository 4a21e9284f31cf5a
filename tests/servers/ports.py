"""Ports for servers of a test."""

from __future__ import annotations

import secrets
import socket
from contextlib import suppress

SERVER_PORTS = range(15_000, 32_000)
"""Below those from which Linux takes a client's own (32768 and up): a server that is started again
and again would find its port taken by one, once in 500 times."""


def free_port() -> int:
    """A TCP port of 127.0.0.1 that is free now, and that the system gives to no client."""
    while True:
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", secrets.choice(SERVER_PORTS)))
            return int(probe.getsockname()[1])
