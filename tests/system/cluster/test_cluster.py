"""Three boxes on this machine: what happens to their cameras when parts of them are lost.

In this order, for starting them takes a minute.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from detector.daemon.handover.claims import CLAIMS
from detector.journal import claims
from journal_feeding import asked
from servers.cluster import NEEDS_RAY, BoxProcess, Cluster
from servers.daemon import wait_until
from servers.losses import Ledger, lose_the_head, table
from servers.postgresql import PostgresqlServer
from servers.rtsp import RtspServer, make_clip

pytestmark = [
    pytest.mark.slow,
    pytest.mark.long,
    pytest.mark.timeout(600),
    NEEDS_RAY,
]

CAMERAS = {f"c{n}" for n in range(6)}


@pytest.fixture(scope="module")
def journal() -> Iterator[str]:
    with PostgresqlServer() as server:
        yield server.fresh_database("city")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, journal: str) -> Iterator[Cluster]:
    folder: Path = tmp_path_factory.mktemp("cluster")
    clip = make_clip(folder / "clip.mp4", size=(320, 180), fps=10, gop=10)
    with RtspServer(dict.fromkeys(sorted(CAMERAS), clip)) as server:
        lines = [f"  {name}: {server.url(name)}" for name in sorted(CAMERAS)]
        more = ["evidence: off", f"journal: {{url: '{journal}'}}", "log: {format: json}", ""]
        with Cluster(folder, "\n".join(["cameras:", *lines, *more])) as made:
            wait_until(lambda: made.watched().keys() == CAMERAS, "the head to watch all", 180)
            made.join("b1")
            made.join("b2")
            wait_until(lambda: all(box.live() for box in made.boxes), "shares", 240)
            made.wait_watched(CAMERAS)
            yield made


def box(cluster: Cluster, name: str) -> BoxProcess:
    [found] = [one for one in cluster.boxes if one.name == name]
    return found


def status(cluster: Cluster) -> dict[str, Any]:
    done = cluster.command("status", "--json")
    found: dict[str, Any] = json.loads(done.stdout) if done.returncode == 0 else {}
    return found


def coordinators(cluster: Cluster) -> dict[int, str]:
    """Their processes, each with its box: Ray may start one anew on any."""
    found = {}
    for one in cluster.boxes:
        for pid in one.processes() if one.process.poll() is None else ():
            with suppress(OSError):
                if b"ray::Coordinator" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    found[pid] = one.name
    return found


def known(cluster: Cluster) -> set[str]:
    """The boxes that the coordinator has heard of, once it has given each camera to one."""
    found = status(cluster)
    alive = {one["name"] for one in found.get("boxes", ()) if one["alive"]}
    return alive if found.get("cameras", {}).keys() == CAMERAS else set()


def epochs(cluster: Cluster) -> dict[str, int]:
    return {name: one["epoch"] for name, one in status(cluster).get("cameras", {}).items()}


def shares(cluster: Cluster) -> dict[str, int]:
    """By camera, the epoch that a box has of it now."""
    found = {}
    for one in cluster.boxes:
        path = one.state_dir / CLAIMS
        found |= json.loads(path.read_text())["epochs"] if path.exists() else {}
    return found


def test_a_coordinator_that_is_killed_comes_back_and_moves_nothing(cluster: Cluster) -> None:
    [killed] = coordinators(cluster)
    before = wait_until(  # none is on its way from one box to another
        lambda: found if (found := shares(cluster)).keys() == CAMERAS else None, "all shares", 60
    )
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: coordinators(cluster).keys() - {killed}, "another one", 120)
    wait_until(lambda: epochs(cluster) == before, "it to learn who watches what", 120)
    assert shares(cluster) == before
    cluster.wait_watched(CAMERAS)


def test_the_others_go_on_while_the_head_is_dead_and_it_finds_who_watches_what(
    cluster: Cluster,
) -> None:
    ledger = Ledger(cluster, CAMERAS)
    lose_the_head(cluster, ledger, CAMERAS, "head killed, without Redis")
    print(table(ledger.found))


def test_the_cameras_of_a_box_that_is_killed_are_live_on_the_others(
    cluster: Cluster, journal: str
) -> None:
    # A coordinator that has lost all with the head waits up to 45 s for the boxes it is to know.
    wait_until(lambda: known(cluster) == {one.name for one in cluster.boxes}, "its boxes", 120)
    [told] = coordinators(cluster).values()
    victim = "b2" if told == "b1" else "b1"
    before, orphans = epochs(cluster), box(cluster, victim).live()
    assert orphans
    box(cluster, victim).kill()
    killed_s = time.monotonic()
    cluster.wait_watched(CAMERAS)
    unwatched_s = time.monotonic() - killed_s
    print(f"{len(orphans)} of {len(CAMERAS)} cameras were unwatched for {unwatched_s:.1f} s")
    shown = status(cluster)
    assert {name: one["box"] for name, one in shown["cameras"].items()} == {
        name: by for name, [by] in cluster.watched().items()
    }
    assert not next(one for one in shown["boxes"] if one["name"] == victim)["alive"]
    for name, epoch in epochs(cluster).items():
        assert (epoch > before[name]) is (name in orphans)

    def claimed() -> dict[str, int]:
        found = asked(journal, lambda connection: claims.newest(connection, CAMERAS))
        return {name: claim.epoch for name, claim in found.items()}

    wait_until(lambda: claimed() == epochs(cluster), "the journal to have the claims", 60)


def test_a_box_that_is_drained_gives_its_cameras_away(cluster: Cluster) -> None:
    [left] = [one.name for one in cluster.boxes[1:] if one.process.poll() is None]
    done = cluster.command("drain", left)
    assert done.stdout == f"{left} gives its cameras away\n"
    wait_until(lambda: cluster.watched() == {key: {"head"} for key in CAMERAS}, "the head", 120)
    assert "there is no box 'b7'" in cluster.command("drain", "b7").stderr
