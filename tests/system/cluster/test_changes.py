"""A box comes, one is drained, the configuration changes, the database and the head are away.

Prints what each costs: samples that were due and not scored, and cameras that nobody watched. Most
cameras are still, so that two cores carry four boxes. `CLUSTER_AWAY_S` says for how long the
database is away (15). In this order, for starting boxes takes a minute.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from detector.cluster.watching import SHARE
from journal_feeding import journalled
from servers.cluster import NEEDS_RAY, BoxProcess, Cluster
from servers.daemon import wait_until
from servers.losses import Ledger, lose_the_head, shares, table
from servers.redis import REDIS, RedisServer
from servers.rtsp import make_clip
from servers.town import Services, brawl, services

pytestmark = [
    pytest.mark.slow,
    pytest.mark.long,
    pytest.mark.timeout(1200),
    NEEDS_RAY,
]

CAMERAS = [f"c{n:02}" for n in range(12)]
BUSY = 2
AWAY_S = float(os.environ.get("CLUSTER_AWAY_S", "15"))
REST_S = 10.0
LONGEST_RESTS = 6

_never = threading.Event()


class Town:
    """The cluster, and what is noted of it."""

    def __init__(self, cluster: Cluster, found: Services) -> None:
        self.cluster = cluster
        self.services = found
        self.cameras = set(CAMERAS)
        self.ledger = Ledger(cluster, self.cameras)

    def box(self, name: str) -> BoxProcess:
        return next(one for one in self.cluster.boxes if one.name == name)

    def settled(self) -> None:
        """Wait until each camera is live at just one box."""
        self.cluster.wait_watched(self.cameras, 240)

    def rest(self) -> None:
        """Wait until nothing moves to even out the load, where that comes soon."""
        for _ in range(LONGEST_RESTS):
            before = shares(self.cluster)
            _never.wait(REST_S)
            if shares(self.cluster) == before:
                break
        self.settled()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("changes")


@pytest.fixture(scope="module")
def found(folder: Path) -> Iterator[Services]:
    still = make_clip(folder / "still.mp4", size=(320, 180), fps=10, gop=10, seconds=0, rest_s=4)
    busy = brawl(folder / "brawl.mp4")
    clips = {name: busy if n < BUSY else still for n, name in enumerate(CAMERAS)}
    with services(folder, clips) as running:
        yield running


@pytest.fixture(scope="module")
def town(folder: Path, found: Services) -> Iterator[Town]:
    with ExitStack() as stack:
        redis = stack.enter_context(RedisServer(folder)).address if REDIS else None
        cluster = stack.enter_context(Cluster(folder, found.config, redis=redis))
        made = Town(cluster, found)
        wait_until(lambda: cluster.watched().keys() == made.cameras, "the head to watch all", 180)
        cluster.join("b1")
        cluster.join("b2")
        wait_until(lambda: all(box.live() for box in cluster.boxes), "shares", 300)
        made.rest()
        yield made
        print(table(made.ledger.found))


def test_nothing_happens(town: Town) -> None:
    with town.ledger.of("nothing") as losses:
        _never.wait(15)
    assert losses.counts["due"] > 0
    assert losses.moved or not losses.unwatched_s


def test_a_box_is_added(town: Town) -> None:
    with town.ledger.of("a box added"):
        added = town.cluster.join("b3")
        wait_until(added.live, "its share", 240)
        town.settled()


def test_a_box_is_drained(town: Town) -> None:
    with town.ledger.of("a box drained"):
        town.cluster.command("drain", "b3")
        wait_until(lambda: not town.box("b3").cameras(), "it to have nothing", 120)
        town.settled()


def test_the_configuration_is_changed(town: Town) -> None:
    """A camera more, and a sink: every box takes it over while it watches."""
    text = town.cluster.config.read_text()
    url = text.split("c11: '")[1].split("'")[0]
    text = text.replace("c11: '", f"c12: '{url}', c11: '")
    text = text.replace("sinks:\n", "sinks:\n  more: {type: log}\n")
    with town.ledger.of("configuration reloaded"):
        town.cluster.config.write_text(text)
        town.box("head").process.send_signal(signal.SIGHUP)
        town.cameras.add("c12")
        town.settled()
        for name in ("head", "b1", "b2"):
            path = town.box(name).state_dir / SHARE
            wait_until(lambda path=path: "more:" in path.read_text(), f"{name} to have it", 60)


def test_the_database_is_away(town: Town) -> None:
    """All is watched and told as ever, and the journal has it afterwards."""
    before = shares(town.cluster)
    heard = len(town.services.opened())
    with town.ledger.of(f"database away {AWAY_S:.0f} s"):
        town.services.database.stop()
        _never.wait(AWAY_S)
        wait_until(lambda: len(town.services.opened()) > heard, "a fight to be told", 120)
        town.services.database.start()
    if AWAY_S < 60:  # in minutes one may move to even out the load, as ever
        assert shares(town.cluster) == before
    town.settled()
    told = {one["incident_id"] for one in town.services.opened()}

    def kept() -> set[str]:
        return {str(key) for key in journalled(town.services.journal)}

    wait_until(lambda: told <= kept(), "the journal to have it", 120)


@pytest.mark.skipif(REDIS is None, reason="needs redis-server (Debian's package)")
def test_the_head_is_killed_and_redis_remembers(town: Town) -> None:
    lose_the_head(town.cluster, town.ledger, town.cameras, "head killed, with Redis")
