"""Commands meet no settings but a test's own, and a control socket that answers like the daemon."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from alerts.deadline import Deadline
from detector.daemon.operators.control import ControlServer
from detector.types import Incident
from journals import StoredJournal

Serve = Callable[..., Path]


@pytest.fixture(autouse=True)
def _nothing_stated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("JIKIMI_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture(autouse=True)
def looks(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What a second look takes on this machine; none: the weights have none. Not measured."""
    took: list[float] = []
    for place in ("detector.cli.machine", "detector.inference.second_look.looking"):
        monkeypatch.setattr(f"{place}.look_time", lambda _: took[0] if took else None)
    return took


@pytest.fixture
def _in_seoul(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Local time is nine hours ahead of UTC."""
    monkeypatch.setenv("TZ", "Asia/Seoul")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Answer on the socket that commands ask, by handlers: `serve(status=…)`; the state folder."""
    running = []

    def start(**commands: Callable[[dict[str, Any]], Any]) -> Path:
        monkeypatch.setenv("JIKIMI_STATE_DIR", str(tmp_path))
        server = ControlServer(tmp_path / "control.sock", commands)
        server.start()
        running.append(server)
        return tmp_path

    yield start
    for server in running:
        server.stop()


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Write incidents, each with its reason, as a daemon that has stopped since."""
    monkeypatch.setenv("JIKIMI_STATE_DIR", str(tmp_path))

    def journal(*told: tuple[Incident, str | None]) -> None:
        written = StoredJournal(tmp_path)
        for one, reason in told:
            written.record(one, reason)
        written.close(Deadline.after(5))

    return journal
