"""The HTTP server of the daemon: the console, /metrics, /livez and /healthz."""

from __future__ import annotations

import asyncio
import socket
from ipaddress import ip_address
from typing import TYPE_CHECKING

from alerts.liveness import LiveThread
from config.errors import ConfigError
from config.settings import HttpSettings
from detector.console.tls import tls_context

if TYPE_CHECKING:  # loads SQLAlchemy
    from detector.console.connections import Server
    from detector.console.monitor import Monitor

BACKLOG = 1024
IMPORT_S = 60.0
"""What is imported takes a second; on a box that is busy with its cameras it may take many."""

STOP_S = 1.0
MAX_THREADS = 8
"""For what waits for a disk or the database; /livez needs none."""


class ConsoleServer:
    """Serves the console over `monitor` in a thread of its own.

    What it needs is imported there: 0.5 s that the start of the daemon does not wait for.
    """

    def __init__(self, settings: HttpSettings, monitor: Monitor) -> None:
        """Bind at once; raises ConfigError where the address or the certificate cannot be had."""
        self._monitor = monitor
        self._tls = tls_context(settings)
        self._socket = _bound(settings)
        address, port = self._socket.getsockname()[:2]
        self.is_local = ip_address(address).is_loopback
        """Whether only this machine can reach it."""
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        self.url = f"{'https' if self._tls else 'http'}://{host}:{port}"
        self._server: Server | None = None
        self._stopping = False
        # While it can take no connection nobody hears of the rest either: as good as dead.
        self.thread = LiveThread("http", self._serve, vital=True)

    def start(self) -> None:
        """Start answering."""
        self.thread.start()

    def stop(self) -> None:
        """Stop answering and free the port."""
        self._stopping = True
        if self._server:
            self._server.should_exit = True
        self.thread.join(STOP_S)
        self._socket.close()

    def _serve(self) -> None:
        self.thread.beat(within_s=IMPORT_S)
        from detector.console.app import build  # noqa: PLC0415 - see above
        from detector.console.connections import Server  # noqa: PLC0415 - same

        app = build(self._monitor)
        self.thread.beat()
        with self._socket.dup() as listening:
            server = Server(app, listening, self._tls, self.thread.beat)
            self._server = server
            server.should_exit = self._stopping
            with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
                runner.run(_served(server))


async def _served(server: Server) -> None:
    from anyio.to_thread import current_default_thread_limiter  # noqa: PLC0415 - as above

    current_default_thread_limiter().total_tokens = MAX_THREADS
    await server.serve()


def _bound(settings: HttpSettings) -> socket.socket:
    """Listening, without asking DNS for our own name: that takes seconds where none answers."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((settings.host, settings.port))
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise ConfigError(
            f"http: cannot listen on {settings.host}:{settings.port} ({error.strerror}); "
            "is another jikimi running? Choose another http.port (JIKIMI_HTTP__PORT)"
        ) from error
    return listening
