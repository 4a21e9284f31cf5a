"""What evidence costs: 16 cameras with none kept, with it, and with four clips at once.

Half of them are busy, those with clips among them: 16 busy ones are more than two slow cores score.

The network is left out and gives what a script says, so the share is a little too high.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import measure
from contenders import WARM_UP_S
from measure import Cost, Pids

from servers import fighting
from servers.daemon import DaemonProcess, wait_until
from servers.rtsp import RtspServer

AT_ONCE = 4
"""Cameras on which an incident is open all the time."""

SCORED = 0.995
"""Of all cameras together: one sample late in ten seconds is 1.2 % of its camera's."""


def compare(
    folder: Path, busy: Path, idle: Path, *, cameras: int, seconds: float, rounds: int
) -> dict[str, Cost]:
    """Half of so many cameras are `busy`, the others `idle`; fails where samples are lost."""
    clips = {f"cam{i}": busy if i < cameras // 2 else idle for i in range(cameras)}
    with RtspServer(clips) as server:
        urls = {f"cam{i}": server.url(f"cam{i}") for i in range(cameras)}
        contenders = {
            "evidence: off": partial(_daemon, folder / "off", urls, "off", fights=False),
            "no incident": partial(_daemon, folder / "on", urls, "{}", fights=False),
            "four clips at once": partial(_daemon, folder / "clips", urls, "{}", fights=True),
        }
        return measure.take_turns(contenders, cameras=cameras, seconds=seconds, rounds=rounds)


@contextmanager
def _daemon(
    folder: Path, urls: Mapping[str, str], evidence: str, *, fights: bool
) -> Iterator[Pids]:
    folder.mkdir(parents=True, exist_ok=True)
    run = folder / f"run-{sum(1 for _ in folder.iterdir())}"
    run.mkdir()
    script = run / "script"
    script.write_text("0 1")
    lines = [f"evidence: {evidence}", "cameras:"]
    for number, (name, url) in enumerate(urls.items()):
        after_s = 0 if number < AT_ONCE else 10**6
        lines.append(f"  {name}: {{url: '{url}', detection: {{min_duration_s: {after_s}}}}}")
    command = (sys.executable, fighting.__file__, str(script))
    with DaemonProcess(run, "\n".join(lines), command=command) as daemon:
        for name in urls:
            daemon.wait_state(name, "live", 60)
        measure.pause(WARM_UP_S)
        scored, due = _samples(daemon, urls)
        if fights:
            script.write_text("10 10")
            wait_until(lambda: _open(daemon) == AT_ONCE, "incidents to open")
        assert daemon.process
        yield [daemon.process.pid]
        assert _open(daemon) == AT_ONCE * fights
        scored_now, due_now = _samples(daemon, urls)
        share = (scored_now - scored) / (due_now - due)
        assert share >= SCORED, f"only {share:.1%} of the samples scored"


def _samples(daemon: DaemonProcess, cameras: Iterable[str]) -> tuple[float, float]:
    """Of all: scored and due so far."""
    scored, due = zip(*map(daemon.samples, cameras), strict=True)
    return sum(scored), sum(due)


def _open(daemon: DaemonProcess) -> float:
    return daemon.metric("jikimi_incidents_open")
