"""SIGTERM while everything that may hang does hang: the end comes in time, and the last alert."""

from __future__ import annotations

import signal
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from detector.daemon.journal import OUTBOX
from servers import hung_disk
from servers.daemon import DaemonProcess, wait_until
from servers.faults import SilentServer
from servers.rtsp import RtspServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

STOPS_WITHIN_S = 5

CONFIG = """
detection: {{second_look: off}}
cameras:
  alarmed: {{url: "{alarmed}", detection: {{open_threshold: 0.01}}}}
  learns: "{learns}"
  hung: "rtsp://127.0.0.1:{silent}/x"
sinks:
  police: {{type: webhook, url: "http://127.0.0.1:{silent}/", timeout_s: 60}}
"""
"""To motion alone an incident is open at any time; the webhook hangs in its delivery."""


@pytest.fixture
def daemon(tmp_path: Path, walk_clip: Path) -> Iterator[DaemonProcess]:
    """A daemon with an open incident, a camera that hangs and a sink that hangs over it."""
    with RtspServer({"a": walk_clip, "b": walk_clip}) as server, SilentServer() as silent:
        config = CONFIG.format(alarmed=server.url("a"), learns=server.url("b"), silent=silent.port)
        command = (sys.executable, hung_disk.__file__, str(tmp_path / "hung"))
        with DaemonProcess(tmp_path / "jikimi", config, command=command) as running:
            running.wait_state("learns", "live")
            wait_until(lambda: running.camera("alarmed")["open_incidents"], "an incident")
            wait_until(lambda: running.health()["sinks"][0]["depth"], "its alert")
            yield running


def ends_in_time(daemon: DaemonProcess) -> None:
    """Gone within five seconds of SIGTERM, with success."""
    assert daemon.process
    daemon.signal(signal.SIGTERM)
    assert daemon.process.wait(STOPS_WITHIN_S) == 0, daemon.log()


def test_a_hung_disk_a_hung_sink_and_a_hung_camera_end_in_time(
    tmp_path: Path, daemon: DaemonProcess
) -> None:
    (tmp_path / "hung").touch()
    ends_in_time(daemon)


def test_a_hung_sink_does_not_keep_the_last_alert_from_the_disk(daemon: DaemonProcess) -> None:
    [incident] = daemon.camera("alarmed")["open_incidents"]
    ends_in_time(daemon)
    with closing(sqlite3.connect(daemon.state_dir / OUTBOX)) as journal:
        found = journal.execute(
            "SELECT reason FROM incidents WHERE id = ? AND closed_at IS NOT NULL", (incident,)
        )
        assert found.fetchall() == [("monitor stopped",)]
    with closing(sqlite3.connect(daemon.state_dir / OUTBOX)) as outbox:
        waiting = outbox.execute(
            "SELECT phase FROM queue WHERE incident_id = ? ORDER BY position", (incident,)
        )
        phases = [phase for (phase,) in waiting]
    assert phases[0] == "opened"
    assert phases[-1] == "closed"
