"""A daemon in this process with a console over it, as one user sees it."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import cv2
import httpx
import numpy as np
import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request

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
from detector.console.access.forms import csrf_of
from detector.console.access.user import Role, User
from detector.console.app import pages
from detector.console.cluster.view import ClusterView
from detector.console.errors import refused
from detector.console.events import Events
from detector.console.headers import SecurityHeaders
from detector.console.monitor import (
    CameraFigures,
    CameraView,
    Change,
    Listener,
    Monitor,
    Picture,
    ScoreBin,
    Threshold,
    Topic,
    Zones,
)
from detector.console.pages.evidence import Looks
from detector.daemon.daemon import Daemon
from detector.daemon.observability.log_writer import LogWriter
from detector.daemon.operators.changes import Changes
from detector.inference.weights import Classifier
from detector.types import Box

TOKEN = "a-token"
PUBLIC_URL = "https://jikimi.example"

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


class Browsed:
    """Whose pages several users may look at, until `close`."""

    monitor: Any

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._clients: dict[str, httpx.Client] = {}

    def client(self, user: User = ADMIN) -> httpx.Client:
        """A browser without script, as `user`."""
        if user.name not in self._clients:
            address = self._stack.enter_context(served(console(self.monitor, user)))
            token = {"X-CSRF-Token": TOKEN}
            client = httpx.Client(base_url=address, timeout=30, headers=token)
            self._clients[user.name] = self._stack.enter_context(client)
        return self._clients[user.name]

    def close(self) -> None:
        self._stack.close()


class RunningDaemon(Browsed):
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
        super().__init__()
        options = RecordingOptions(path=folder / "alerts.jsonl")
        self.settings = Settings(
            state_dir=folder / "state",
            cameras=cameras(urls, **detection),
            sinks=[SinkSettings(name="desk", type="recording", options=options)],
            http=HttpSettings(port=0, public_url=PUBLIC_URL),
            evidence=EvidenceSettings(enabled=evidence),
        )
        self._writer = LogWriter(None, None)
        self.daemon = Daemon(self.settings, classifier, lambda: self.settings, self._writer)
        self.monitor = self.daemon.monitor
        self.daemon._signals.handle = lambda: None  # which only a main thread may
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
        self.close()
        self.signal(signal.SIGTERM)
        self._thread.join(20)
        assert not self._thread.is_alive()

    def signal(self, number: int) -> None:
        self.daemon._signals._come.put(number)

    def metric(self, name: str, camera: str) -> float:
        text = self.monitor.metrics().decode()
        [line] = [x for x in text.splitlines() if x.startswith(f'{name}{{camera="{camera}"')]
        return float(line.rpartition(" ")[2])


def console(monitor: Monitor | ManyCameras, user: User = ADMIN) -> Console:
    """All pages as `user` sees them, who has logged in."""
    app = Starlette(routes=pages(), exception_handlers={HTTPException: refused})
    app.state.monitor = monitor
    app.state.events = Events(monitor)
    app.state.looks = Looks()
    app.state.access = _LoggedIn(user)
    return Console(app)


class Console(SecurityHeaders):
    """The application; `events`: to be closed once it is served no more."""

    def __init__(self, app: Starlette) -> None:
        super().__init__(app)
        self.events: Events = app.state.events


class _LoggedIn:
    """In the place of `Access`: a session that has begun, with its role and its CSRF token."""

    def __init__(self, user: User) -> None:
        self._user = user

    async def admit(self, scope: Any, receive: Any, send: Any, role: Role | None) -> Any:
        scope["user"] = self._user
        scope["csrf"] = TOKEN
        if role is not None and self._user.role < role:
            raise HTTPException(403)
        if scope["method"] != "GET":
            token, receive = await csrf_of(Request(scope), scope, receive)
            if token != TOKEN:
                raise HTTPException(403, "without its token")
        return receive, send


@contextmanager
def served(app: Console) -> Iterator[str]:
    """Its address, while it is served."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", access_log=False))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_for(lambda: server.started)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.force_exit = True  # a stream lasts a minute
        server.should_exit = True
        thread.join(10)


def wait_for(found: Callable[[], object], within_s: float = 40) -> None:
    """Until `found` gives something true."""
    deadline_s = time.monotonic() + within_s
    never = threading.Event()
    while not found():
        assert time.monotonic() < deadline_s
        never.wait(0.05)


class ManyCameras(Browsed):
    """Live cameras without a daemon; a picture has another number each time."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self.monitor = self
        self.settings = Settings(cameras=cameras(dict.fromkeys(names, "pattern://calm")))
        self.evidence = None
        self.journal = _EmptyJournal()
        self.drawn: list[Zones | None] = []
        self.incidents: dict[str, str] = {}
        self.told: ClusterView | None = None
        self.in_cluster = False
        self._number = 0
        self._changes = Changes()

    def cameras(self) -> list[CameraView]:
        now = datetime.now(UTC)
        self._number += 1
        return [
            CameraView(
                name=each.name,
                site=each.site,
                place="north side",
                state="live",
                reason="",
                since=now - timedelta(minutes=3),
                lost=False,
                scores={"violence": 0.1},
                thresholds={"violence": 0.6},
                learnt_hours={"violence": 30.0},
                open_incidents=tuple(filter(None, [self.incidents.get(each.name)])),
                silent_until=None,
                settings=each,
                box=Box(0.25, 0.25, 0.5, 0.5),
                picture=self._number,
                pictured_at=now,
            )
            for each in self.settings.cameras
        ]

    def cluster(self) -> ClusterView | None:
        return self.told

    def picture(self, camera: str, max_side: int) -> Picture:
        shade = np.full((9 * max_side // 16, max_side, 3), 90, np.uint8)
        jpeg = cv2.imencode(".jpg", shade)[1].tobytes()
        return Picture(jpeg, datetime.now(UTC), self._number)

    def figures(self, camera: str) -> CameraFigures:
        bins = tuple(ScoreBin(n / 10, (n + 1) / 10, 1000 >> n) for n in range(10))
        learnt = Threshold(0.6, True, 30.0, 0.7, 0.9)
        return CameraFigures(
            2, 9000, 0, 2880, 2878, 40.0, 3, {"violence": bins}, {"violence": learnt}
        )

    def zones(self, camera: str) -> Zones:
        return (self.drawn[-1] if self.drawn else None) or Zones()

    def set_zones(self, camera: str, zones: Zones | None, by: str) -> None:
        self.drawn.append(zones)

    def listen(self, listener: Listener) -> Callable[[], None]:
        return self._changes.listen(listener)

    def open(self, camera: str) -> None:
        """An incident opens there, and pages are told."""
        self.incidents[camera] = str(uuid4())
        self._changes.tell(Change(Topic.INCIDENT, self.incidents[camera], camera, "opened"))


class _EmptyJournal:
    trouble = None

    def incidents(self, *_: Any) -> list[Any]:
        return []
