"""A daemon in this process with a console over it, as one user sees it."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from alerts.sinks.recording import RecordingOptions
from config.settings import (
    CameraSettings,
    DetectionSettings,
    EvidenceSettings,
    HttpSettings,
    Settings,
    SinkSettings,
)
from config.urls import StreamUrl
from detector.console.access.user import Role, User
from detector.console.app import STATIC
from detector.console.monitor import Monitor
from detector.console.pages import camera, pictures, wall, zones
from detector.daemon.daemon import Daemon
from detector.daemon.observability.log_writer import LogWriter
from detector.inference.weights import Classifier

POLICY = "default-src 'self'; img-src 'self' data: blob:; media-src 'self'"

ADMIN = User("kim", Role.ADMIN)


def cameras(urls: dict[str, str], **detection: Any) -> list[CameraSettings]:
    return [
        CameraSettings(
            name=name,
            url=StreamUrl.parse(url),
            site="yard" if index % 2 else "harbour",
            detection=DetectionSettings(second_look=False, **detection),
        )
        for index, (name, url) in enumerate(urls.items())
    ]


class RunningDaemon:
    """A whole daemon in a thread, on `urls`, with a sink that records."""

    def __init__(
        self,
        folder: Path,
        classifier: Classifier,
        urls: dict[str, str],
        *,
        evidence: bool = True,
        **detection: Any,
    ) -> None:
        options = RecordingOptions(path=folder / "alerts.jsonl")
        self.settings = Settings(
            state_dir=folder / "state",
            cameras=cameras(urls, **detection),
            sinks=[SinkSettings(name="desk", type="recording", options=options)],
            http=HttpSettings(port=0),
            evidence=EvidenceSettings(enabled=evidence),
        )
        self._writer = LogWriter(None, None)
        self.daemon = Daemon(self.settings, classifier, lambda: self.settings, self._writer)
        self.daemon._signals.handle = lambda: None  # which only a main thread may
        self._stack = ExitStack()
        self._clients: dict[str, httpx.Client] = {}
        self._thread = threading.Thread(target=self.daemon.run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()
        self.signal(signal.SIGTERM)
        self._thread.join(20)
        assert not self._thread.is_alive()

    def client(self, user: User = ADMIN) -> httpx.Client:
        """A browser without script, as `user`."""
        if user.name not in self._clients:
            address = self._stack.enter_context(served(console(self.monitor, user)))
            client = httpx.Client(base_url=address, timeout=30)
            self._clients[user.name] = self._stack.enter_context(client)
        return self._clients[user.name]

    def signal(self, number: int) -> None:
        self.daemon._signals._come.put(number)

    @property
    def monitor(self) -> Monitor:
        return self.daemon.monitor

    def metric(self, name: str, camera: str) -> float:
        text = self.monitor.metrics().decode()
        [line] = [x for x in text.splitlines() if x.startswith(f'{name}{{camera="{camera}"')]
        return float(line.rpartition(" ")[2])


def console(monitor: Monitor, user: User = ADMIN) -> Starlette:
    """The pages under test as `user` sees them, with the headers that the real console sends."""
    routes = [*wall.routes(), *camera.routes(), *pictures.routes(), *zones.routes()]

    async def live(_: Any) -> Response:  # another page's script, which is none of this test's
        return Response("", media_type="text/javascript")

    static = [Route("/static/live.js", live), Mount("/static", StaticFiles(directory=STATIC))]
    app = Starlette(routes=[*routes, *static])
    app.state.monitor = monitor
    app.add_middleware(_AsUser, user=user)
    return app


class _AsUser:
    def __init__(self, app: Any, user: User) -> None:
        self._app = app
        self._user = user

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def with_policy(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"].append((b"content-security-policy", POLICY.encode()))
            await send(message)

        scope["user"] = self._user
        scope["csrf"] = "a-token"
        await self._app(scope, receive, with_policy if scope["type"] == "http" else send)


@contextmanager
def served(app: Starlette) -> Iterator[str]:
    """Its address, while it is served."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", access_log=False))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_for(lambda: server.started)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)


def wait_for(found: Callable[[], object], within_s: float = 40) -> None:
    """Until `found` gives something true."""
    deadline_s = time.monotonic() + within_s
    never = threading.Event()
    while not found():
        assert time.monotonic() < deadline_s
        never.wait(0.05)
