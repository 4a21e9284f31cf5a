"""A box's daemon: starts with its share, takes over a new one, is restarted where it dies."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from detector.cluster.watching import Watching
from detector.daemon.handover.claims import CLAIMS, Claims
from servers.daemon import wait_until

CITY = """\
cameras:
  calm: pattern://calm
  scuffle: pattern://scuffle
sinks:
  out: {type: log}
evidence: off
http: {port: 0}
log: {format: json}
"""

pytestmark = pytest.mark.slow


@pytest.fixture
def watching(tmp_path: Path) -> Iterator[Watching]:
    made = Watching("a", tmp_path / "state")
    yield made
    made.close()


def looked(watching: Watching) -> Watching:
    watching.look(time.monotonic())
    return watching


def adopt(watching: Watching, **share: int) -> None:
    watching.adopt(CITY, share, time.monotonic())


def test_the_daemon_follows_its_share_and_is_started_again_where_it_dies(
    watching: Watching, tmp_path: Path
) -> None:
    assert watching.works
    assert watching.held == {}
    adopt(watching, calm=3)
    assert watching.held == {"calm": 3}  # nobody else may have it while it starts
    wait_until(lambda: looked(watching).live == {"calm"}, "the first camera", 90)
    adopt(watching, calm=3, scuffle=7)
    wait_until(lambda: looked(watching).held == {"calm": 3, "scuffle": 7}, "both", 90)
    adopt(watching, scuffle=7)
    wait_until(lambda: looked(watching).held == {"scuffle": 7}, "one to be let go", 90)
    assert watching._process
    os.kill(watching._process.pid, signal.SIGKILL)
    wait_until(lambda: not looked(watching).works, "the death to be noticed", 90)
    wait_until(lambda: looked(watching).live == {"scuffle"}, "the daemon to be back", 90)
    assert watching.works
    adopt(watching)
    assert watching.held == {}
    assert watching.works
    assert Claims(tmp_path / "state" / CLAIMS).elsewhere == {"calm", "scuffle"}


def test_a_share_that_changes_while_the_daemon_starts_counts(watching: Watching) -> None:
    adopt(watching, calm=3)
    adopt(watching, scuffle=4)
    wait_until(lambda: looked(watching).live == {"scuffle"}, "the second share", 90)
    assert watching.held == {"scuffle": 4}
