"""One call of Apprise: what it was answered, by one deadline for all of it.

Apprise returns whether it worked and logs the rest; of an answer it keeps neither the status in
a form to rely on (of ntfy's, the code in the body) nor `Retry-After`. So two places are listened
at, each for the thread of the call alone:

- requests. Each service makes a session of its own, which no adapter can be mounted on. `listen`
  gives requests one that notes the answer and the socket.
- Apprise's logger, for what a service catches: its records are made in the `except` block.

The thread is there for the deadline, as in `alerts.sinks.http.post`: what requests and smtplib
call a time-out is for each step. At the deadline the sockets of requests are cut, which ends the
thread. One of smtplib ends once a step takes too long; no other call is begun meanwhile.
"""

from __future__ import annotations

import logging
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from functools import cache
from smtplib import SMTPException
from typing import Any

import requests
import requests.adapters
import requests.sessions

from alerts.sinks.http.cutting import Sockets
from alerts.sinks.http.post import Answer

END_S = 0.5
"""How long a call whose sockets were cut may take to end."""

TOO_MANY = 429

_current: ContextVar[Attempt | None] = ContextVar("attempt", default=None)


class DeadlineError(Exception):
    """The deadline passed; `connected`: after the connection had been made, as far as is known."""

    def __init__(self, *, connected: bool) -> None:
        super().__init__("connected" if connected else "not connected")
        self.connected = connected


class Attempt:
    """Calls `send` in a thread of its own, at once.

    `outcome`: the last answer, or what kept it from coming; None where neither was seen.
    `said`: Apprise's last warning, which may quote the URL.
    """

    def __init__(self, send: Callable[[], bool]) -> None:
        self.outcome: Answer | Exception | None = None
        self.said = ""
        self.uses_http = False
        self._send = send
        self._taken = False
        self.sockets = Sockets()
        self._thread = threading.Thread(target=self._run, name="notify", daemon=True)
        self._thread.start()

    def is_alive(self) -> bool:
        """Whether the call has not ended."""
        return self._thread.is_alive()

    def taken(self, timeout_s: float) -> bool:
        """Whether the service took it; raises DeadlineError after `timeout_s`."""
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            self.sockets.cut()
            self._thread.join(END_S)
            raise DeadlineError(connected=bool(self.sockets) or not self.uses_http)
        return self._taken

    def _run(self) -> None:
        _current.set(self)
        try:
            self._taken = self._send()
        except Exception as error:  # noqa: BLE001 - handed to whoever waits
            self.outcome = error
        finally:
            self.sockets.close()


@cache
def listen() -> None:
    """From now on every `Attempt` hears of its answers, and Apprise logs to nobody else."""
    requests.sessions.HTTPAdapter = _Adapter  # type: ignore[attr-defined]
    logger = logging.getLogger("apprise")
    logger.setLevel(logging.DEBUG)  # mail says at this level why it failed
    logger.propagate = False
    logger.addHandler(_Handler())


class _Adapter(requests.adapters.HTTPAdapter):
    def send(self, *arguments: Any, **options: Any) -> requests.Response:
        attempt = _current.get()
        if attempt is not None:
            attempt.uses_http = True
        response = super().send(*arguments, **options)
        if attempt is not None:
            attempt.outcome = Answer(response.status_code, _retry_after(response))
        return response

    def get_connection_with_tls_context(self, *arguments: Any, **options: Any) -> Any:
        pool: Any = super().get_connection_with_tls_context(*arguments, **options)
        if attempt := _current.get():
            pool.ConnectionCls = _watched(pool.ConnectionCls, attempt)
        return pool


def _retry_after(response: requests.Response) -> str | None:
    """The header, or what Telegram has in its place (Bot API, ResponseParameters)."""
    stated = response.headers.get("Retry-After")
    if stated is None and response.status_code == TOO_MANY:
        with suppress(ValueError, LookupError, TypeError):
            return str(response.json()["parameters"]["retry_after"])
    return stated


def _watched(base: Any, attempt: Attempt) -> Any:
    """A connection of urllib3 that hands its socket over before a proxy's CONNECT, and TLS."""

    class Connection(base):  # type: ignore[misc]
        def _new_conn(self) -> socket.socket:
            made: socket.socket = super()._new_conn()
            attempt.sockets.watch(made)
            return made

    return Connection


class _Handler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        """Note what a service has caught, and what it says."""
        if attempt := _current.get():
            caught = sys.exc_info()[1]
            if isinstance(caught, (OSError, SMTPException)):  # those of requests are OSErrors
                attempt.outcome = caught
            if record.levelno >= logging.WARNING:
                attempt.said = record.getMessage()
