"""The HTTP server of the daemon: the console, /metrics, /livez and /healthz."""

from __future__ import annotations

import asyncio
import socket
from ipaddress import ip_address
from typing import TYPE_CHECKING

from structlog import get_logger

from alerts.liveness import LiveThread
from config.errors import ConfigError, ControlError
from config.settings import HttpSettings
from detector.console.access.links import OneTimeLinks
from detector.console.tls import tls_context

if TYPE_CHECKING:  # load SQLAlchemy and Starlette
    from detector.console.access.access import Access
    from detector.console.connections import Server
    from detector.console.monitor import Monitor

NO_ACCOUNTS = (
    "other machines can reach the console and it has no accounts, so its pages are closed; state "
    "accounts (`jikimi password` makes a password's hash), or host: 127.0.0.1"
)
BACKLOG = 1024
IMPORT_S = 60.0
"""What is imported takes a second; on a box that is busy with its cameras it may take many."""

STOP_S = 1.0
MAX_THREADS = 8
"""For what waits for a disk or the database; /livez needs none."""

log = get_logger()


class ConsoleServer:
    """Serves the console over `monitor` in a thread of its own.

    What it needs is imported there: 0.5 s that the start of the daemon does not wait for.
    """

    def __init__(self, settings: HttpSettings, monitor: Monitor) -> None:
        """Bind at once; raises ConfigError where the address or the certificate cannot be had."""
        self._monitor = monitor
        self._host = settings.host
        self._tls = tls_context(settings)
        self._socket = _bound(settings)
        address, port = self._socket.getsockname()[:2]
        self.is_local = is_loopback(address)
        """Whether only this machine can reach it."""
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        self.url = f"{'https' if self._tls else 'http'}://{host}:{port}"
        self.links = OneTimeLinks()
        self._port = port
        self._server: Server | None = None
        self._stopping = False
        # While it can take no connection nobody hears of the rest either: as good as dead.
        self.thread = LiveThread("http", self._serve, vital=True)

    @property
    def is_closed(self) -> bool:
        """Whether nobody can have a page: see `NO_ACCOUNTS`."""
        return not self.is_local and not self._monitor.settings.http.accounts

    def page(self) -> str:
        """The address to open; without accounts one that lets in whoever opens it first, once.

        Raises ControlError where that would be whoever can reach this machine.
        """
        if self.is_closed:
            raise ControlError(f"http: {NO_ACCOUNTS}")
        if self._monitor.settings.http.accounts:
            return f"{self.url}/"
        return f"{self.url}/login?link={self.links.make()}"

    def start(self) -> None:
        """Start answering."""
        if self.is_closed:
            log.info("console closed", reason=NO_ACCOUNTS)
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
        with self._socket.dup() as listening:
            from detector.console.app import build  # noqa: PLC0415 - see above
            from detector.console.connections import Server  # noqa: PLC0415 - same

            app = build(self._monitor, self._access())
            server = Server(app, listening, self._tls, self.thread.beat)
            self._server = server
            server.should_exit = self._stopping
            self.thread.beat()
            with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
                runner.run(_served(server))

    def _access(self) -> Access:
        from detector.console.access.access import Access  # noqa: PLC0415 - as above
        from detector.console.access.accounts import Accounts  # noqa: PLC0415 - same
        from detector.console.access.key_file import KEY_FILE  # noqa: PLC0415 - same
        from detector.console.access.sessions import Sessions  # noqa: PLC0415 - same

        monitor, own_name = self._monitor, self._host
        return Access(
            Accounts(lambda: monitor.settings, self.is_local),
            Sessions(monitor.settings.state_dir / KEY_FILE),
            self.links,
            lambda: [own_name, *monitor.settings.http.names],
            self._port,
        )


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


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches `host`; of a name but localhost nobody knows."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
