"""Alerts to a syslog receiver, without their picture.

What counts as acknowledged is in `alerts.sinks.syslog.line`; `jikimi drill` says what it leaves
open.
"""

from __future__ import annotations

import socket
import ssl
from typing import ClassVar

from pydantic import BaseModel

from alerts.message import Alert, AlertPhase
from alerts.sinks.syslog.line import Line
from alerts.sinks.syslog.message import syslog_message
from alerts.sinks.syslog.options import SyslogOptions
from config.errors import DeliveryError


class SyslogSink:
    """Sends each alert as one message.

    Whatever fails is about the connection: syslog cannot refuse a message.
    """

    Options: ClassVar[type[BaseModel]] = SyslogOptions
    default_expiry_s: ClassVar[float | None] = None
    phases: ClassVar[frozenset[str]] = frozenset(AlertPhase)

    def __init__(self, _name: str, options: SyslogOptions) -> None:
        self._options = options
        self._line = Line(options)
        self._host = socket.gethostname()

    def start(self) -> None:
        """Connect, so that what is wrong shows before the first alarm."""
        try:
            self._line.open()
        except (OSError, ValueError) as error:
            raise self._failed(error) from error

    def deliver(self, alert: Alert) -> None:
        """Send it; returns once the receiver's machine has it."""
        try:
            self._line.send(syslog_message(alert, self._options.facility, self._host))
        except (OSError, ValueError) as error:
            raise self._failed(error) from error

    def remark(self) -> str:
        """What an acknowledgement leaves open, here always."""
        if self._options.protocol == "udp":
            return "UDP does not say whether anything arrived; look at the receiver"
        return "its machine has taken it, and syslog says no more; look at the receiver"

    def close(self) -> None:
        """Hang up."""
        self._line.close()

    def _failed(self, error: OSError | ValueError) -> DeliveryError:
        self._line.close()
        host, port = self._options.address
        return DeliveryError(f"{host}:{port} {self._reason(error)}")

    def _reason(self, error: OSError | ValueError) -> str:
        is_tls = self._options.protocol == "tls"
        if isinstance(error, socket.gaierror):
            return "is not known by that name; check host, or the name server"
        if isinstance(error, ssl.SSLCertVerificationError):
            return f"has a certificate that is not trusted: {error.verify_message}"
        if isinstance(error, ssl.SSLError):
            why = error.reason.replace("_", " ").lower() if error.reason else "broken off"
            return f"fails at TLS ({why}); check tls, or write protocol: tcp if it speaks none"
        if isinstance(error, TimeoutError):
            late = f"did not answer within {self._options.timeout_s:g} s"
            return f"{late}; does that port speak TLS?" if is_tls else late
        return f"cannot be reached: {getattr(error, 'strerror', None) or error}"
