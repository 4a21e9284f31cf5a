"""The whole daemon on state directories that are damaged, hang, or were left by a kill."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from detector.daemon.journal import OUTBOX
from servers import hung_disk, slow_picture
from servers.daemon import DaemonProcess, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

CONFIG = """
engine: litert
cameras: {{gate: 'pattern://scuffle'}}
sinks: {{book: {{type: recording, path: {told}}}}}
"""


def incidents(daemon: DaemonProcess) -> list[str]:
    """Their ids, as the disk has them."""
    path = f"file:{daemon.state_dir / OUTBOX}?mode=ro"
    try:
        with closing(sqlite3.connect(path, uri=True)) as database:
            return [key for (key,) in database.execute("SELECT id FROM incidents")]
    except sqlite3.OperationalError:
        return []  # there is no file yet


def test_an_incident_on_disk_is_told_however_soon_the_kill_comes(tmp_path: Path) -> None:
    told = tmp_path / "told"
    command = (sys.executable, slow_picture.__file__)
    with DaemonProcess(tmp_path / "jikimi", CONFIG.format(told=told), command=command) as daemon:
        wait_until(lambda: incidents(daemon), "an incident on disk", 90)
        daemon.kill()
        recorded = incidents(daemon)
        daemon.start()
        wait_until(lambda: daemon.health()["sinks"][0]["depth"] == 0, "the outbox to empty")
        wait_until(lambda: recorded[0] in told.read_text(), "the incident to be told")
        phases = [line for line in told.read_text().splitlines() if recorded[0] in line]
    assert '"phase":"opened"' in phases[0].replace(" ", "")
    assert '"phase":"closed"' in phases[-1].replace(" ", "")


def garbage(folder: Path) -> None:
    for name in (OUTBOX, "incidents.sqlite", "control.sock", "calibration"):
        (folder / name).write_bytes(bytes(range(256)) * 99)


def directories(folder: Path) -> None:
    for name in (OUTBOX, "incidents.sqlite", "control.sock", "daemon.lock", f"{OUTBOX}.lock"):
        (folder / name).mkdir()


def no_directory(folder: Path) -> None:
    folder.rmdir()
    folder.write_text("Somebody's notes.")


@pytest.mark.parametrize("damage", [garbage, directories, no_directory])
def test_a_daemon_on_a_damaged_directory_watches_and_says_so(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    daemon = DaemonProcess(tmp_path / "jikimi", CONFIG.format(told=tmp_path / "told"))
    daemon.state_dir.mkdir()
    damage(daemon.state_dir)
    with daemon:
        daemon.wait_state("gate", "live")
        health = daemon.health()
        assert health["status"] == "degraded"
        assert any(reason.startswith("storage: ") for reason in health["reasons"])
        assert "Traceback" not in daemon.log()
        daemon.stop()


def test_a_disk_that_hangs_at_the_start_delays_it_by_seconds_and_is_used_once_it_answers(
    tmp_path: Path,
) -> None:
    told, hung = tmp_path / "told", tmp_path / "hung"
    config = CONFIG.format(told=told)
    command = (sys.executable, hung_disk.__file__, str(hung))
    with DaemonProcess(tmp_path / "jikimi", config, command=command) as daemon:
        wait_until(lambda: incidents(daemon), "an incident on disk", 90)
        daemon.kill()
        [left_open] = incidents(daemon)
        hung.touch()
        daemon.start()
        daemon.wait_state("gate", "live")
        assert "storage: outbox: the disk does not answer" in wait_until(
            lambda: [r for r in daemon.health()["reasons"] if "storage: outbox" in r], "the reason"
        )
        hung.unlink()
        wait_until(lambda: "monitor restarted" in told.read_text(), "what was left open to close")
        wait_until(lambda: daemon.health()["status"] == "ok", "all to be well")
        assert left_open in incidents(daemon)
