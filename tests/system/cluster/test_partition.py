"""A box is cut off from its cluster and the database, but from neither the broker nor its cameras.

It goes on watching, another box takes its cameras, and both raise every fight. What this costs
whoever is told is none but a comparison: alerts carry the epoch of the box's turn.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from detector.journal import claims, tables
from journal_feeding import asked, journalled
from servers.cluster import NEEDS_RAY, BoxProcess, Cluster
from servers.daemon import wait_until
from servers.network import CLUSTER, DATABASE, YARD, Host, own_network
from servers.rtsp import Feed
from servers.town import Services, brawl, services

pytestmark = [
    pytest.mark.slow,
    pytest.mark.long,
    pytest.mark.timeout(900),
    NEEDS_RAY,
]

CAMERAS = [f"c{n}" for n in range(4)]
FIGHTS = 2
"""That each box raises of each camera while they are apart."""

Message = dict[str, Any]


@dataclass
class Town:
    """The cluster with its far box, which `host` can cut off."""

    cluster: Cluster
    host: Host
    services: Services

    @property
    def head(self) -> BoxProcess:
        return self.cluster.boxes[0]

    @property
    def far(self) -> BoxProcess:
        return self.cluster.boxes[1]

    def opened(self, box: str, camera: str) -> list[Message]:
        """What `box` has raised of `camera`."""
        found = self.services.opened()
        return [one for one in found if (one["box"], one["camera"]) == (box, camera)]

    def raised(self, box: str) -> int:
        """How many incidents `box` has raised so far."""
        return sum(one["box"] == box for one in self.services.opened())


@dataclass
class Fight:
    """As whoever is told has it: from when to when, by the boxes' own times."""

    began: datetime
    ended: datetime | None = None


@dataclass
class Desk:
    """Whoever is told, by the rule in alerts/README.md: the largest epoch of a camera counts."""

    largest: dict[str, int] = field(default_factory=dict)
    fights: dict[str, list[Fight]] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    continued: int = 0
    _open: dict[str, Fight] = field(default_factory=dict)

    def hear(self, one: Message) -> None:
        """An alert, in the order in which it came."""
        key, camera, epoch = one["incident_id"], one["camera"], one["epoch"]
        fights = self.fights.setdefault(camera, [])
        if one["phase"] == "closed" and key in self._open:
            self._open.pop(key).ended = datetime.fromisoformat(one["sent_at"])
        if one["phase"] != "opened":
            return
        if epoch < self.largest.get(camera, 0):
            self.refused.add(key)
            return
        newer, self.largest[camera] = epoch > self.largest.get(camera, 0), epoch
        if newer and fights and fights[-1].ended is None:  # the same, as the next box sees it
            self._open = {was: fight for was, fight in self._open.items() if fight != fights[-1]}
            self.continued += 1
        else:
            fights.append(Fight(datetime.fromisoformat(one["opened_at"])))
        self._open[key] = fights[-1]


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    folder: Path = tmp_path_factory.mktemp("partition")
    clip = Feed((brawl(folder / "brawl.mp4"),), shared=True)
    with (
        own_network() as host,
        services(folder, dict.fromkeys(CAMERAS, clip), yard=YARD, database=DATABASE) as found,
        Cluster(folder, found.config, CLUSTER) as cluster,
    ):
        wait_until(lambda: cluster.watched().keys() == set(CAMERAS), "the head to watch all", 180)
        far = cluster.join("far", host.command)
        wait_until(far.live, "the far box to have a share", 240)
        cluster.wait_watched(set(CAMERAS))
        yield Town(cluster, host, found)


def test_of_a_fight_that_two_boxes_saw_one_incident_is_left(town: Town) -> None:
    # One fight goes on while its camera gets another box.
    before = town.raised("far")
    wait_until(lambda: town.raised("far") > before, "a fight", 120)
    town.host.cut(CLUSTER, DATABASE)
    wait_until(lambda: town.head.live() == set(CAMERAS), "the head to take all", 60)
    cut_off = town.far.live()
    assert cut_off

    def raised(by: str) -> bool:
        last = max(turn[1] for turn in turns(town.services.journal, cut_off))
        return all(
            sum(datetime.fromisoformat(one["opened_at"]) > last for one in found) >= FIGHTS
            for found in (town.opened(by, camera) for camera in cut_off)
        )

    wait_until(lambda: raised("head") and raised("far"), "fights to be raised by both", 240)
    assert town.far.live() == cut_off, "it goes on watching what it had"

    town.host.heal()
    town.cluster.wait_watched(set(CAMERAS))
    told = {one["incident_id"] for one in town.services.opened()}
    wait_until(lambda: told <= known(town.services.journal).keys(), "the journal to know all", 120)
    check(town, told, cut_off)


def turns(journal: str, cameras: Iterable[str]) -> list[tuple[str, datetime, str, int]]:
    """Camera, since when, box and epoch of each turn, the oldest first."""
    rows = tables.claims.c
    found = asked(
        journal,
        lambda connection: connection.execute(
            tables.claims.select().where(rows.camera.in_(cameras)).order_by(rows.epoch)
        ).all(),
    )
    return [(row.camera, row.at, row.box, row.epoch) for row in found]


def known(journal: str) -> dict[str, str]:
    """By incident, what the journal says: `kept`, or who is said to have been refused."""
    found = {str(key): "kept" for key in journalled(journal)}
    rows = asked(journal, lambda connection: connection.execute(tables.audit.select()).all())
    for row in rows:
        if row.action == claims.REFUSED:
            key = re.search(r"incident (\S+)", row.reason)
            assert key
            found[key[1]] = row.who
    return found


def check(town: Town, told: set[str], cut_off: set[str]) -> None:
    """After healing: the journal has each fight once, and so does a desk that heeds the epoch."""
    by_id = known(town.services.journal)
    refused = {key for key, what in by_id.items() if what != "kept"}
    opened = {one["incident_id"]: one for one in town.services.opened()}
    by_far = {key for key, one in opened.items() if one["box"] == "far"}
    begun = turns(town.services.journal, CAMERAS)
    for one in (opened[key] for key in refused & told):  # one of the head's, too, as far joined
        at = datetime.fromisoformat(one["opened_at"])
        assert any(
            camera == one["camera"] and since <= at and epoch > one["epoch"]
            for camera, since, _, epoch in begun
        ), f"{one} is refused, and its box's turn was not over"
    assert {opened[key]["camera"] for key in refused & told & by_far} == cut_off
    kept = journalled(town.services.journal).values()
    twice = 0
    for camera in CAMERAS:
        mine = sorted((one for one in kept if one.camera == camera), key=lambda one: one.opened_at)
        for one, after in pairwise(mine):
            assert one.closed_at, f"{one} is open still"
            twice += one.closed_at > after.opened_at
    desk = Desk()
    for message in town.services.heard.incidents():
        desk.hear(message)
    for fights in desk.fights.values():
        assert all(one.ended and one.ended <= after.began for one, after in pairwise(fights))
    handed = [one for one in kept if one.reason and one.reason.startswith("watched by")]
    print(
        f"{len(cut_off)} cameras cut off; opened by far {len(by_far)}, by head "
        f"{len(opened) - len(by_far)}\n"
        f"journal: {len(kept)} kept, {len(refused)} refused (audit), {len(handed)} ended with "
        f"their box's turn, {twice} that overlap another\n"
        f"a desk by the epoch: {len(desk.refused)} refused, {desk.continued} seen on by the next "
        f"box, {sum(map(len, desk.fights.values()))} fights"
    )
    assert twice == 0
    assert handed, "the fight that went on over the cut ends with its box's turn"
    assert desk.refused <= refused
