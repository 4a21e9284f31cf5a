"""One HTTP POST with one deadline for all of it: name server, connection, proxy, TLS, answer.

The standard library's timeout is for each step, so that a receiver that sends a byte a second
would hold up a sink for hours. Here the request has a thread of its own; at the deadline its
socket is cut, which ends the thread. What cannot be cut, a name server that does not answer,
leaves that one thread until the resolver gives up, and no second request is begun meanwhile.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import (
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    Request,
    build_opener,
)

from alerts.sinks.http.cutting import Sockets

END_S = 0.5
"""How long a request whose socket was cut may take to end."""


class HttpTimeoutError(Exception):
    """The deadline passed; `connected`: after the connection had been made."""

    def __init__(self, *, connected: bool) -> None:
        super().__init__("connected" if connected else "not connected")
        self.connected = connected


class UnreachableError(Exception):
    """There was no answer; the text says why and quotes nothing of the request."""


class HungUpError(UnreachableError):
    """The connection was made, and ended by the other side without an answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Status code, and what `Retry-After` says (None: nothing)."""

    status: int
    retry_after: str | None


class HttpPost:
    """Posts to one URL, one request at a time."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._exchange: _Exchange | None = None

    def __call__(self, body: bytes, headers: Mapping[str, str], timeout_s: float) -> Answer:
        """The answer to `body`; raises HttpTimeoutError or UnreachableError where there is none."""
        if self._exchange is not None and self._exchange.is_alive():
            raise UnreachableError("the request before still waits for the name server")
        request = Request(self._url, body, dict(headers), method="POST")  # noqa: S310 - http(s) only, see WebhookOptions
        self._exchange = _Exchange(request, timeout_s)
        return self._exchange.answer()


@dataclass(eq=False)
class _Exchange:
    """One request and its answer, in a thread that can be cut off."""

    request: Request
    timeout_s: float
    sockets: Sockets = field(default_factory=Sockets)
    outcome: Answer | Exception | None = None

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._run, name="http-post", daemon=True)
        self._began_s = time.monotonic()
        self._thread.start()

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def answer(self) -> Answer:
        self._thread.join(self.timeout_s)
        if self._thread.is_alive():
            self.sockets.cut()
            self._thread.join(END_S)
            raise HttpTimeoutError(connected=bool(self.sockets))
        if isinstance(self.outcome, Answer):
            return self.outcome
        if isinstance(self.outcome, TimeoutError):  # a step had the whole time, and took it
            raise HttpTimeoutError(connected=bool(self.sockets))
        is_cut = isinstance(self.outcome, (BrokenPipeError, ConnectionResetError))
        if is_cut and self.sockets:
            raise HungUpError("hung up without an answer")
        raise UnreachableError(_reason(self.outcome))

    def _run(self) -> None:
        opener = build_opener(_NoRedirect, _Http(self.sockets.watch), _Https(self.sockets.watch))
        try:
            with opener.open(self.request, timeout=self.timeout_s) as answer:
                self.outcome = Answer(int(answer.status), answer.headers.get("Retry-After"))
        except HTTPError as error:
            self.outcome = Answer(error.code, error.headers.get("Retry-After"))
            error.close()
        except URLError as error:
            reason = error.reason
            self.outcome = reason if isinstance(reason, Exception) else OSError(str(reason))
        except Exception as error:  # noqa: BLE001 - handed to whoever waits
            self.outcome = error
        finally:
            self.sockets.close()


def _reason(error: Exception | None) -> str:
    """Not str(error): it may quote the request."""
    if isinstance(error, socket.gaierror):
        return "its name is not known; check the url, or the name server"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"no TLS ({error.reason}); if that port speaks none, write http: in the url"
    if isinstance(error, HTTPException):
        return "it does not answer in HTTP; check the port in the url, or write https:"
    return getattr(error, "strerror", None) or type(error).__name__


class _NoRedirect(HTTPRedirectHandler):
    """Not even a look at where it leads, which may be no URL."""

    def http_error_302(self, *_: Any) -> None:
        """No answer of its own: what came is handed on as an error."""

    http_error_301 = http_error_303 = http_error_302  # type: ignore[assignment]
    http_error_307 = http_error_308 = http_error_302  # type: ignore[assignment]


Watch = Callable[[socket.socket], None]


class _Connection(HTTPConnection):
    """Hands its socket over as soon as there is one: before a proxy's CONNECT, and before TLS."""

    watch: Watch

    def connect(self) -> None:
        super().connect()
        if not self._tunnel_host:  # type: ignore[attr-defined] # as in `_tunnel`
            self.watch(self.sock)

    def send(self, data: Any) -> None:
        """A receiver that takes no more may have answered why: the answer is read all the same."""
        if self.sock is None:
            self.connect()
        with suppress(BrokenPipeError, ConnectionResetError):
            super().send(data)

    def _tunnel(self) -> None:
        self.watch(self.sock)
        super()._tunnel()  # type: ignore[misc] # http.client calls it; not in its stubs


class _TlsConnection(HTTPSConnection, _Connection):
    """HTTPSConnection calls `_Connection.connect` for what comes before TLS."""


class _Http(HTTPHandler):
    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self._watch = watch

    def http_open(self, request: Request) -> Any:
        return self.do_open(partial(_watched, _Connection, self._watch), request)


class _Https(HTTPSHandler):
    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self._watch = watch

    def https_open(self, request: Request) -> Any:
        return self.do_open(partial(_watched, _TlsConnection, self._watch), request)


def _watched(made: type[_Connection], watch: Watch, host: str, **arguments: Any) -> _Connection:
    connection = made(host, **arguments)
    connection.watch = watch
    return connection
