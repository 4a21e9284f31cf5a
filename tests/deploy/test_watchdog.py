"""What the service manager hears on a real socket: life while cameras hang, not if inference does.

The pings stop 10 s after the worker's last progress (`STUCK_AFTER_S`).
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from servers import hanging
from servers.daemon import DaemonProcess, wait_until
from servers.faults import SilentServer
from servers.rtsp import Feed, RtspServer, make_clip, needs_rtsp_server

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(120)]

INTERVAL_S = 1.0
"""Between two signs of life, at a watchdog's time-out of twice that."""


class Manager:
    """A service manager's end of NOTIFY_SOCKET."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))

    def hears(self, timeout_s: float = 20.0) -> str | None:
        """The next message; None where nothing comes for so long."""
        self._socket.settimeout(timeout_s)
        try:
            return self._socket.recv(1000).decode()
        except TimeoutError:
            return None

    def forget(self) -> None:
        """Drop what has come already."""
        while self.hears(0.01):
            pass

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    manager = Manager(tmp_path / "notify")
    yield manager
    manager.close()


def supervised(manager: Manager) -> dict[str, str]:
    """What systemd puts into the environment."""
    watchdog_us = str(round(2e6 * INTERVAL_S))
    return {"NOTIFY_SOCKET": str(manager.path), "WATCHDOG_USEC": watchdog_us}


def test_pings_stop_when_the_worker_hangs(tmp_path: Path, manager: Manager) -> None:
    hang = tmp_path / "hang"
    with DaemonProcess(
        tmp_path / "jikimi",
        cameras={"yard": "pattern://scuffle"},
        environment=supervised(manager),
        command=(sys.executable, hanging.__file__, str(hang)),
    ) as daemon:
        assert manager.hears() == "READY=1"
        wait_until(lambda: daemon.metric("jikimi_samples_scored_total") > 8, "scores")
        manager.forget()
        assert [manager.hears() for _ in range(3)] == ["WATCHDOG=1"] * 3

        hang.touch()
        wait_until(lambda: not daemon.answers(), "/livez to say that it is stuck")
        manager.forget()
        assert manager.hears(8 * INTERVAL_S) is None


def test_pings_go_on_while_cameras_hang(tmp_path: Path, manager: Manager) -> None:
    needs_rtsp_server()
    clip = make_clip(tmp_path / "walk.mp4")
    with (
        SilentServer() as silent,
        RtspServer({"froze": Feed((clip,), silent_after=50)}) as server,
        DaemonProcess(
            tmp_path / "jikimi",
            cameras={
                "froze": server.url("froze"),
                "mute": f"rtsp://127.0.0.1:{silent.port}/1",
            },
            environment=supervised(manager),
        ) as daemon,
    ):
        assert manager.hears() == "READY=1"
        wait_until(lambda: daemon.camera("froze")["state"] == "stalled", "the stream to freeze", 60)
        manager.forget()
        # longer than a worker may stand still
        assert [manager.hears() for _ in range(14)] == ["WATCHDOG=1"] * 14
        assert daemon.camera("mute")["state"] != "live"
        daemon.stop()
        while (heard := manager.hears()) == "WATCHDOG=1":
            pass
        assert heard == "STOPPING=1"
