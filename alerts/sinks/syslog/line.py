"""The line to a syslog receiver: TLS (RFC 5425), TCP (RFC 6587, octet counting), UDP (RFC 5426).

Syslog acknowledges nothing. What is known here is what TCP knows: that the receiver's machine
has taken every byte, and that the connection lived on. A program there that dies before it has
read what its machine took loses that, and nobody is told.
"""

from __future__ import annotations

import fcntl
import select
import socket
import ssl
import struct
import termios
import time

from alerts.sinks.certificates import TlsOptions, client_context
from alerts.sinks.syslog.options import SyslogOptions

PROBATION_S = 1.0
"""A connection that is younger may still be refused: TLS 1.3 tells a client that its certificate
is not wanted, and a proxy that there is nobody behind it, after the connection was made."""

KEEPALIVE = {socket.TCP_KEEPIDLE: 30, socket.TCP_KEEPINTVL: 10, socket.TCP_KEEPCNT: 3}
"""Seconds, seconds and count: routers forget idle connections, a dead one shows in a minute."""

POLL_S = 0.005

READS = 100
"""So much of what a receiver says is thrown away at a time; one that never ends holds up nobody."""

_HUNG_UP = "it hung up while it took the alert"
_UNWANTED = (
    "it takes the connection and hangs up; does it want this machine, and the certificate in tls?"
)


class HungUpError(ConnectionError):
    """The receiver ended the connection."""


class Line:
    """One connection, made anew where need be. Every method but `close` may raise OSError."""

    def __init__(self, options: SyslogOptions) -> None:
        self._options = options
        self._socket: socket.socket | None = None
        self._opened_s = 0.0

    def open(self) -> None:
        """Connect; returns once the receiver has kept the connection for a moment."""
        self._connect()
        self._outlast_probation()

    def send(self, message: bytes) -> None:
        """Send it and return once the receiver's machine has it; with UDP, once it is sent."""
        if self._options.protocol == "udp":
            self._send_datagram(message)
            return
        if self._socket is None or not _is_open(self._socket):
            self._connect()
        assert self._socket is not None
        self._socket.settimeout(self._options.timeout_s)
        self._socket.sendall(b"%d %b" % (len(message), message))
        self._wait_taken()
        self._outlast_probation()

    def close(self) -> None:
        """End the connection, if there is one."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _connect(self) -> None:
        self.close()
        options = self._options
        if options.protocol == "udp":
            self._socket = _datagrams(options.address)
            return
        made = socket.create_connection(options.address, options.timeout_s)
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, value in KEEPALIVE.items():
                made.setsockopt(socket.IPPROTO_TCP, option, value)
            if options.protocol == "tls":
                made = _encrypted(made, options.tls or TlsOptions(), options.host)
        except BaseException:
            made.close()
            raise
        self._socket = made
        self._opened_s = time.monotonic()

    def _send_datagram(self, message: bytes) -> None:
        if self._socket is None:
            self._connect()
        assert self._socket is not None
        self._socket.send(message)
        _is_open(self._socket)  # raises where a machine has said that nobody listens there

    def _wait_taken(self) -> None:
        assert self._socket is not None
        until_s = time.monotonic() + self._options.timeout_s
        while _untaken_bytes(self._socket):
            if time.monotonic() > until_s:
                raise TimeoutError
            if not _is_open(self._socket):
                raise HungUpError(_HUNG_UP)
            time.sleep(POLL_S)
        if not _is_open(self._socket):
            raise HungUpError(_HUNG_UP)

    def _outlast_probation(self) -> None:
        """Wait until the connection is old enough; the message is on its way meanwhile."""
        if self._socket is None or self._options.protocol == "udp":
            return
        while (left_s := self._opened_s + PROBATION_S - time.monotonic()) > 0:
            poll = select.poll()
            poll.register(self._socket, select.POLLIN)
            poll.poll(left_s * 1000)
            if not _is_open(self._socket):
                raise HungUpError(_UNWANTED)


def _encrypted(made: socket.socket, tls: TlsOptions, host: str) -> socket.socket:
    context = client_context(tls.ca, tls.certificate, tls.key)
    context.check_hostname = not tls.insecure
    return context.wrap_socket(made, server_hostname=host)


def _datagrams(address: tuple[str, int]) -> socket.socket:
    family, kind, number, _, found = socket.getaddrinfo(*address, type=socket.SOCK_DGRAM)[0]
    made = socket.socket(family, kind, number)
    try:
        made.connect(found)
    except BaseException:
        made.close()
        raise
    return made


def _is_open(line: socket.socket) -> bool:
    """Whether the other side has not ended it; raises OSError where it was broken off.

    What a receiver sends is thrown away: syslog goes one way.
    """
    line.setblocking(False)
    try:
        return all(line.recv(4096) for _ in range(READS))
    except (BlockingIOError, ssl.SSLWantReadError):
        return True


def _untaken_bytes(line: socket.socket) -> int:
    """How much of what was sent the other machine has not acknowledged (SIOCOUTQ, tcp(7))."""
    (count,) = struct.unpack("i", fcntl.ioctl(line, termios.TIOCOUTQ, bytes(4)))
    return int(count)
