"""The HTTP server of the daemon: /metrics, /livez, /healthz."""

from __future__ import annotations

import json
import socket
import socketserver
import sys
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from structlog import get_logger

from config.errors import ConfigError
from config.settings import HttpSettings

SOCKET_TIMEOUT_S = 10.0
"""A client that sends nothing for so long is dropped, so that none can pile up threads."""

log = get_logger()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, handler)

    def server_bind(self) -> None:
        """Bind, without asking DNS for our own name: that takes seconds where none answers."""
        socketserver.TCPServer.server_bind(self)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log it: socketserver would write a traceback past the log and its scrubbing."""
        log.warning("http request failed", exc_info=sys.exception())


class HttpServer:
    """Serves metrics and health in threads of its own.

    `live()` is asked for /livez, and often: it must wait for nothing. `health()` gives the body of
    /healthz, with `live` among its keys.
    """

    def __init__(
        self,
        settings: HttpSettings,
        registry: CollectorRegistry,
        live: Callable[[], bool],
        health: Callable[[], dict[str, Any]],
    ) -> None:
        """Bind at once; raises ConfigError where the address cannot be had."""

        class Handler(BaseHTTPRequestHandler):
            timeout = SOCKET_TIMEOUT_S
            server_version = "jikimi"
            sys_version = ""

            def do_GET(self) -> None:
                self.wfile.write(self._head())

            def do_HEAD(self) -> None:
                self._head()

            def do_POST(self) -> None:
                self._refuse()

            def do_PUT(self) -> None:
                self._refuse()

            def do_DELETE(self) -> None:
                self._refuse()

            def _head(self) -> bytes:
                """Send status and headers; the body."""
                path = self.path.partition("?")[0]
                status, kind, body = _answer(path, registry, live, health)
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                return body

            def _refuse(self) -> None:
                self.close_connection = True  # what was sent with it is not read
                self.send_response(HTTPStatus.METHOD_NOT_ALLOWED)
                self.send_header("Allow", "GET, HEAD")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Log nothing: Prometheus asks every few seconds."""

        try:
            self._server = _Server((settings.host, settings.port), Handler)
        except OSError as error:
            raise ConfigError(
                f"http: cannot listen on {settings.host}:{settings.port} ({error.strerror}); "
                "is another jikimi running? Choose another http.port (JIKIMI_HTTP__PORT)"
            ) from error
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        self.url = f"http://{host}:{self._server.server_address[1]}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="http", kwargs={"poll_interval": 0.2}
        )

    def start(self) -> None:
        """Start answering."""
        self._thread.start()

    def stop(self) -> None:
        """Stop answering and free the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _answer(
    path: str,
    registry: CollectorRegistry,
    live: Callable[[], bool],
    health: Callable[[], dict[str, Any]],
) -> tuple[HTTPStatus, str, bytes]:
    if path == "/metrics":
        return HTTPStatus.OK, CONTENT_TYPE_LATEST, generate_latest(registry)
    if path == "/livez":
        alive = live()
        return _status(alive), "text/plain; charset=utf-8", b"ok\n" if alive else b"stuck\n"
    if path == "/healthz":
        found = health()
        body = json.dumps(found, ensure_ascii=False).encode()
        return _status(found["live"]), "application/json", body
    known = b"there are /metrics, /livez and /healthz\n"
    return HTTPStatus.NOT_FOUND, "text/plain; charset=utf-8", known


def _status(live: bool) -> HTTPStatus:
    return HTTPStatus.OK if live else HTTPStatus.SERVICE_UNAVAILABLE
