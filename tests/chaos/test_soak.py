"""Cameras watched for a long time: what grows, by name."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from chaos.fighting_daemon import FightingDaemon
from chaos.growth import slopes, usage
from chaos.ledger import table
from chaos.sizes import SOAK_CAMERAS, SOAK_MINUTES
from servers.daemon import wait_until

SETTLING_MINUTES = min(30.0, SOAK_MINUTES / 2)
"""Left out: threads, caches and buffers reach their size."""

SAMPLE_S = 5.0
FIGHTS = (4.0, 60.0)
"""So often do all cameras fight: an incident a camera and minute."""

MEMORY_MB_AN_HOUR = 1.0
"""What memory may grow by, measured over an hour or more."""

RISE_MB = 32.0
"""What it may have grown by in a shorter soak, in which caches are still filling."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300 + SOAK_MINUTES * 60)]


def test_slopes_are_those_of_a_line() -> None:
    samples = [{"seconds": 60.0 * n, "memory (MB)": 50 + 2 * n, "threads": 7} for n in range(10)]
    assert slopes(samples) == pytest.approx({"memory (MB)": 120.0, "threads": 0.0})


@pytest.mark.long
def test_nothing_grows(tmp_path: Path) -> None:
    cameras = [f"camera-{n}" for n in range(SOAK_CAMERAS)]
    samples = []
    pause = threading.Event()
    with FightingDaemon(tmp_path / "jikimi", cameras=cameras) as daemon:
        assert daemon.process
        for camera in cameras:
            daemon.wait_state(camera, "live")
        daemon.fight(*FIGHTS)
        until_s = time.monotonic() + SOAK_MINUTES * 60
        while time.monotonic() < until_s:
            pause.wait(SAMPLE_S)
            samples.append(usage(daemon.process.pid, daemon.state_dir))
            daemon.health()
            daemon.metrics_text()
        daemon.calm()
        wait_until(daemon.settled, "everything to be told")
        pid, state_dir = daemon.process.pid, daemon.state_dir
        least = min(sample["open files"] for sample in samples)
        wait_until(  # a clip of each camera's last incident is written for a while
            lambda: usage(pid, state_dir)["open files"] <= least + 2, "files to be closed"
        )
        incidents = len(daemon.told("opened"))
        found = daemon.ledger()
    began_s = samples[0]["seconds"] + SETTLING_MINUTES * 60
    settled = [sample for sample in samples if sample["seconds"] >= began_s]
    first, last = settled[0], settled[-1]
    grown = slopes(settled)
    rows = [
        {
            "what": name,
            "at first": round(first.get(name, 0.0), 1),
            "at last": round(last.get(name, 0.0), 1),
            "an hour": round(slope, 2),
        }
        for name, slope in grown.items()
    ]
    print(f"\n{SOAK_CAMERAS} cameras for {SOAK_MINUTES:g} minutes, {incidents} incidents")
    print(table(rows))
    assert found.faults() == {}
    assert last["threads"] == first["threads"]
    assert last["memory (MB)"] - first["memory (MB)"] < RISE_MB
    if SOAK_MINUTES >= 60:
        assert grown["memory (MB)"] <= MEMORY_MB_AN_HOUR
