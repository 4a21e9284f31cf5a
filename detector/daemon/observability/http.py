"""The HTTP server of the daemon: /metrics, /livez, /healthz."""

from __future__ import annotations

import errno
import json
import socket
import socketserver
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from structlog import get_logger

from alerts.liveness import LiveThread
from config.errors import ConfigError
from config.settings import HttpSettings

SOCKET_TIMEOUT_S = 10.0
"""A client that sends nothing for so long is dropped, so that none can pile up threads."""

MAX_CLIENTS = 64
"""Beyond so many the oldest is dropped: whoever asks is answered in milliseconds."""

POLL_S = 0.2
STOP_S = 1.0

NO_DESCRIPTORS = frozenset({errno.EMFILE, errno.ENFILE})

log = get_logger()

_never = threading.Event()


class _Server(ThreadingHTTPServer):
    """Never more than `MAX_CLIENTS` threads and connections."""

    daemon_threads = True
    request_queue_size = 128
    timeout = POLL_S

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.starved = False
        """No connection could be taken, for the process has no file descriptor left."""
        self._clients: dict[socket.socket, None] = {}  # oldest first
        self._lock = threading.Lock()
        super().__init__(address, handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        """Take a connection, of which another must go where there are too many."""
        try:
            taken: tuple[socket.socket, Any] = super().get_request()
        except OSError as error:
            if error.errno in NO_DESCRIPTORS:
                self.starved = True
                self._drop_oldest()
                _never.wait(POLL_S)  # select would come back at once, for ever
            raise
        self.starved = False
        taken[0].settimeout(SOCKET_TIMEOUT_S)
        with self._lock:
            self._clients[taken[0]] = None
            too_many = len(self._clients) > MAX_CLIENTS
        if too_many:
            self._drop_oldest()
        return taken

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread of its own; in this one where the machine has no room for another."""
        try:
            super().process_request(request, client_address)
        except RuntimeError:
            request.settimeout(POLL_S)
            self.process_request_thread(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close the connection."""
        with self._lock:
            self._clients.pop(request, None)
        super().shutdown_request(request)

    def _drop_oldest(self) -> None:
        """Have the thread of the oldest connection find it closed."""
        with self._lock:
            oldest = next(iter(self._clients), None)
            if oldest is not None:
                del self._clients[oldest]
                with suppress(OSError):
                    oldest.shutdown(socket.SHUT_RDWR)

    def server_bind(self) -> None:
        """Bind, without asking DNS for our own name: that takes seconds where none answers."""
        socketserver.TCPServer.server_bind(self)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log it: socketserver would write a traceback past the log and its scrubbing."""
        log.warning("http request failed", exc_info=sys.exception())


class HttpServer:
    """Serves metrics and health in threads of its own.

    `liveness()` is asked for /livez, and often: it must wait for nothing. It says whether the
    daemon is alive and what there is to say of its threads. `health()` gives the body of /healthz,
    with `live` among its keys.
    """

    def __init__(
        self,
        settings: HttpSettings,
        registry: CollectorRegistry,
        liveness: Callable[[], tuple[bool, list[str]]],
        health: Callable[[], dict[str, Any]],
    ) -> None:
        """Bind at once; raises ConfigError where the address cannot be had."""

        class Handler(BaseHTTPRequestHandler):
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
                status, kind, body = _answer(path, registry, liveness, health)
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
        self._stopping = threading.Event()
        # While it can take no connection nobody hears of the rest either: as good as dead.
        self.thread = LiveThread("http", self._serve, vital=True)

    def start(self) -> None:
        """Start answering."""
        self.thread.start()

    def stop(self) -> None:
        """Stop answering and free the port."""
        self._stopping.set()
        self.thread.join(STOP_S)
        self._server.server_close()

    def _serve(self) -> None:
        while not self._stopping.is_set():
            if not self._server.starved:
                self.thread.beat()
            self._server.handle_request()


def _answer(
    path: str,
    registry: CollectorRegistry,
    liveness: Callable[[], tuple[bool, list[str]]],
    health: Callable[[], dict[str, Any]],
) -> tuple[HTTPStatus, str, bytes]:
    if path == "/metrics":
        return HTTPStatus.OK, CONTENT_TYPE_LATEST, generate_latest(registry)
    if path == "/livez":
        alive, threads = liveness()
        lines = ["ok" if alive else "stuck", *threads, ""]
        return _status(alive), "text/plain; charset=utf-8", "\n".join(lines).encode()
    if path == "/healthz":
        found = health()
        body = json.dumps(found, ensure_ascii=False).encode()
        return _status(found["live"]), "application/json", body
    known = b"there are /metrics, /livez and /healthz\n"
    return HTTPStatus.NOT_FOUND, "text/plain; charset=utf-8", known


def _status(live: bool) -> HTTPStatus:
    return HTTPStatus.OK if live else HTTPStatus.SERVICE_UNAVAILABLE
