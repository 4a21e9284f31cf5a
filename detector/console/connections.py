"""uvicorn with a bounded number of connections, so that no client keeps others from an answer.

uvicorn alone takes connections as long as there are file descriptors, and waits for a request
for ever.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

MAX_CONNECTIONS = 256
"""Beyond so many the one that is idle longest is dropped."""

REQUEST_S = 10.0
"""Who has sent no whole request for so long is dropped; so is a TLS handshake."""

MAX_HEADER_BYTES = 16 * 1024
LAST_S = 0.3
"""At the end, what is being answered has so long."""

AGAIN_S = 0.2
"""Between attempts to take a connection while there is no file descriptor."""

NO_DESCRIPTORS = frozenset({errno.EMFILE, errno.ENFILE})


class Clients(ServerState):
    """Who is connected, in the order in which each began to wait or to be answered.

    The values are that time (monotonic). A socket stands for a client that is no `Connection` yet,
    for TLS shakes hands.
    """

    def __init__(self) -> None:
        super().__init__()
        self.waiting: dict[Connection | socket.socket, float] = {}
        """Have sent no whole request."""
        self.answering: dict[Connection, float] = {}

    def __len__(self) -> int:
        return len(self.waiting) + len(self.answering)

    def waits(self, client: Connection | socket.socket) -> None:
        """Whoever this is has sent no whole request yet."""
        self.forget(client)
        self.waiting[client] = time.monotonic()

    def asks(self, client: Connection) -> None:
        """There is a whole request."""
        if self.waiting.pop(client, None) is not None:
            self.answering[client] = time.monotonic()

    def forget(self, client: Connection | socket.socket) -> None:
        """Gone."""
        self.waiting.pop(client, None)
        if isinstance(client, Connection):
            self.answering.pop(client, None)

    def drop_one(self) -> bool:
        """Drop who has waited longest, or where all are being answered, the first; whether any."""
        client = next(iter(self.waiting), None) or next(iter(self.answering), None)
        if client is not None:
            self.drop(client)
        return client is not None

    def drop(self, client: Connection | socket.socket) -> None:
        """End it at once."""
        self.forget(client)
        if isinstance(client, Connection):
            client.transport.abort()
        else:  # asyncio finds it ended, and closes it
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)


class Connection(H11Protocol):
    """One client's."""

    server_state: Clients

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait."""
        self.server_state.waits(self)
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self.server_state.forget(self)
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Take what has come."""
        super().handle_events()
        if self.cycle and not self.cycle.more_body and not self.cycle.response_complete:
            self.server_state.asks(self)

    def on_response_complete(self) -> None:
        """Wait for another request."""
        self.server_state.waits(self)
        super().on_response_complete()


class Server(uvicorn.Server):
    """Serves `app` on `listening`; `tick` is called ten times a second, unless it is starved."""

    def __init__(
        self,
        app: ASGIApp,
        listening: socket.socket,
        tls: ssl.SSLContext | None,
        tick: Callable[[], None],
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                loop="asyncio",
                http=Connection,
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                log_level="error",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=int(REQUEST_S),
                h11_max_incomplete_event_size=MAX_HEADER_BYTES,
            )
        )
        self.server_state: Clients = Clients()
        self._listening = listening
        self._tls = tls
        self._tick = tick
        self._starved = False
        """No connection could be taken, for the process has no file descriptor left."""
        self._opening: set[asyncio.Task[None]] = set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to take connections."""
        self._listening.setblocking(False)
        self._take_more()
        self.started = True

    async def on_tick(self, counter: int) -> bool:
        """Drop who is slow; whether to end."""
        if not self._starved:
            self._tick()
        clients, before_s = self.server_state, time.monotonic() - REQUEST_S
        while clients.waiting:
            client, since_s = next(iter(clients.waiting.items()))
            if since_s > before_s:
                break
            clients.drop(client)
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more connections, and end those that there are."""
        asyncio.get_running_loop().remove_reader(self._listening)
        clients = self.server_state
        for client in list(clients.waiting):
            clients.drop(client)
        if clients.tasks:
            await asyncio.wait(clients.tasks, timeout=LAST_S)
        while clients.drop_one():
            pass

    def _take_more(self) -> None:
        asyncio.get_running_loop().add_reader(self._listening, self._take)

    def _take(self) -> None:
        """Take a connection, of which another must go where there are too many."""
        loop, clients = asyncio.get_running_loop(), self.server_state
        try:
            taken, _ = self._listening.accept()
        except OSError as error:
            if error.errno in NO_DESCRIPTORS:
                self._starved = True
                if not clients.drop_one():  # else the next round has one: select comes back at once
                    loop.remove_reader(self._listening)
                    loop.call_later(AGAIN_S, self._take_more)
            return
        self._starved = False
        if len(clients) >= MAX_CONNECTIONS:
            clients.drop_one()
        taken.setblocking(False)
        clients.waits(taken)
        task = loop.create_task(self._open(taken))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _open(self, taken: socket.socket) -> None:
        shakes: dict[str, Any] = {"ssl_handshake_timeout": REQUEST_S} if self._tls else {}
        try:
            with suppress(OSError):  # no TLS, or gone; asyncio has closed it
                await asyncio.get_running_loop().connect_accepted_socket(
                    self._new_connection, taken, ssl=self._tls, **shakes
                )
        finally:
            self.server_state.forget(taken)

    def _new_connection(self) -> Connection:
        return Connection(self.config, self.server_state, {})
