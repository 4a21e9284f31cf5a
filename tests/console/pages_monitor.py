"""A daemon as the pages see it: a real journal, no camera; and the application over it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from socket import create_server
from threading import Thread
from typing import Any
from uuid import UUID

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from config.errors import ControlError
from config.settings import CameraSettings, Settings
from detector.console.access.user import Role, User
from detector.console.app import pages
from detector.console.connections import Server
from detector.console.errors import refused
from detector.console.events import Events
from detector.console.headers import SecurityHeaders
from detector.console.monitor import CameraView, Change, Listener, Picture, Topic, Zones
from detector.console.pages.evidence import Looks
from detector.daemon.operators.changes import Changes
from detector.journal.reading import JournalReader
from detector.journal.records import Verdict
from detector.types import Incident
from journal_feeding import Feeding

KIM = User("kim", Role.ADMIN)


class PagesMonitor:
    """`evidence`: a folder that a test fills. What is asked of it is in `done`."""

    def __init__(self, at: Feeding, evidence: Path | None = None) -> None:
        self.at = at
        self.evidence = evidence
        self.changes = Changes()
        self.names = ["gate", "yard"]
        self.reasons: list[str] = []
        self.waiting: list[dict[str, Any]] = []
        self.awaits: dict[str, dict[str, datetime]] = {}
        self.mutes: dict[str | None, datetime] = {}
        self.done: list[tuple[str, str, dict[str, Any]]] = []
        self.full: str | None = None
        self.in_cluster = False

    @property
    def settings(self) -> Settings:
        raise NotImplementedError

    @property
    def journal(self) -> JournalReader:
        return self.at.reader

    def cameras(self) -> list[CameraView]:
        return [self._camera(name) for name in self.names]

    def _camera(self, name: str) -> CameraView:
        return CameraView(
            name=name,
            site="seoul",
            place="북문 <앞>",
            state="live",
            reason="",
            since=datetime.now(UTC),
            lost=False,
            scores={"violence": 0.71},
            thresholds={"violence": 0.55},
            learnt_hours={"violence": 3.0},
            open_incidents=(),
            silent_until=self.mutes.get(name),
            settings=CameraSettings(name="gate", url="pattern://calm", site="seoul"),
        )

    def picture(self, camera: str, max_side: int) -> Picture | None:
        return None

    def zones(self, camera: str) -> Zones:
        return Zones()

    def ask(self, command: str, by: str, **details: Any) -> dict[str, Any]:
        if command == "outbox":
            return {"sinks": [], "messages": self.waiting}
        self.done.append((command, by, details))
        camera = details.get("camera")
        if camera is not None and camera not in self.names:
            raise ControlError(f"there is no camera {camera!r}")
        answer: dict[str, Any] = {"in_memory_only": self.full}
        match command:
            case "judge":
                key, verdict = UUID(details["incident"]), Verdict(details["verdict"])
                self.at.recorder.judge(key, verdict, details["note"], by)
                self.changes.tell(Change(Topic.VERDICT, details["incident"], ""))
            case "silence":
                until = datetime.now(UTC) + timedelta(seconds=details["for_s"])
                self.mutes[camera] = until
                self.changes.tell(Change(Topic.SILENCE, camera or "", camera or ""))
                answer |= {"camera": camera, "until": until.isoformat(timespec="seconds")}
            case "unsilence":
                self.mutes.pop(camera, None)
                self.changes.tell(Change(Topic.SILENCE, camera or "", camera or ""))
            case "drill":
                key = UUID("0190a8c0-0000-7000-8000-000000000000")
                answer |= {"camera": camera, "incident": str(key), "sinks": ["log"]}
            case "deliveries":
                answer = {"deliveries": []}
            case "confirm" | "dismiss":
                self.awaits.pop(details["incident"], None)
            case _:
                raise ControlError(f"there is no command {command!r}")
        return answer

    def audit(self, who: str, action: str, target: str = "", reason: str = "") -> str | None:
        if self.full is None:
            self.at.recorder.audit(who, action, target, reason)
        return self.full

    def awaiting(self) -> dict[str, dict[str, datetime]]:
        return self.awaits

    def health(self) -> dict[str, Any]:
        return {
            "live": True,
            "status": "ok",
            "reasons": self.reasons,
            "cameras": [{"name": name, "state": "live"} for name in self.names],
            "sinks": [],
            "silences": [
                {"camera": camera, "until": until.isoformat(timespec="seconds")}
                for camera, until in self.mutes.items()
            ],
        }

    def liveness(self) -> tuple[bool, list[str]]:
        return True, []

    def metrics(self) -> bytes:
        return b""

    def listen(self, listener: Listener) -> Callable[[], None]:
        return self.changes.listen(listener)

    def tell(self, incident: Incident) -> None:
        """Record it, and tell the pages."""
        self.at.incidents.record(incident)
        change = Change(Topic.INCIDENT, str(incident.id), incident.camera, incident.phase.value)
        self.changes.tell(change)


class LetIn:
    """Everybody is `user`; stands for what asks who somebody is."""

    def __init__(self, user: User) -> None:
        self.user = user

    async def admit(
        self, scope: Scope, receive: Receive, send: Send, role: Role | None
    ) -> tuple[Receive, Send]:
        assert role is None or self.user.role >= role
        return receive, send


def pages_of(monitor: Any, user: User = KIM) -> ASGIApp:
    """Its pages for `user`."""
    app = Starlette(routes=pages(), exception_handlers={HTTPException: refused})
    app.state.monitor = monitor
    app.state.events = Events(monitor)
    app.state.looks = Looks()
    app.state.access = LetIn(user)

    async def entered(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "user": user, "csrf": "token"}, receive, send)

    return SecurityHeaders(entered)


@contextmanager
def serving(monitor: Any, user: User = KIM) -> Iterator[str]:
    """Its pages on a port of this machine; gives their address."""
    listening = create_server(("127.0.0.1", 0))
    server = Server(pages_of(monitor, user), listening, None, lambda: None)

    def serve() -> None:
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
            runner.run(server.serve())

    thread = Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listening.close()
