"""What every box is told of the whole cluster, and what its console makes of that."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from detector.cluster.assignment import Camera
from detector.cluster.roster import LEARN_S, REPORT_EVERY_S, Report, Roster
from detector.cluster.summary import NOT_GIVEN, counts, unknown_boxes, watching
from detector.console.cluster.view import BoxView, ClusterView, SharedCamera
from detector.daemon.observability.cluster_file import CLUSTER, ClusterFile, write_cluster
from detector.daemon.operators.cluster import cluster_view

SITES = {"gate": "harbour", "quay": "harbour", "plaza": "town"}
REACHES = {"a": frozenset({"harbour"}), "b": frozenset({"town"}), "c": frozenset[str]()}


class Played:
    """Boxes that watch what they are given; those that are not `mute` report."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.roster = Roster(self.now_s, 1)
        self.roster.configure(Camera(name, site, 100) for name, site in SITES.items())
        self.held: dict[str, dict[str, int]] = {box: {} for box in REACHES}
        self.mute = {"c"}

    def run(self, for_s: float) -> None:
        until_s = self.now_s + for_s
        while self.now_s < until_s:
            self.now_s += REPORT_EVERY_S
            for box, held in self.held.items():
                if box not in self.mute:
                    live = frozenset(held) - {"quay"}
                    report = Report(box, 1000, REACHES[box], held, {}, live, True, "10.0.0.1", 80)
                    self.held[box] = self.roster.heard(report, self.now_s)
            self.roster.look(self.now_s)

    def shown(self, folder: Path) -> ClusterView:
        """By the console of box `a`."""
        room = self.roster.head_room(self.now_s)
        told = watching(self.roster, room, self.now_s) | {"at_s": time.monotonic()}
        told |= {"unknown_boxes": unknown_boxes(self.roster, {"siren": "c", "light": "a"})}
        summary = counts(self.roster, room, self.now_s) | {"watching": told}
        write_cluster(folder, "a", summary)
        view = cluster_view(ClusterFile(folder / CLUSTER).read())
        assert view
        return view

    def boxes(self, folder: Path) -> dict[str, BoxView]:
        return {box.name: box for box in self.shown(folder).boxes}


@pytest.fixture
def played() -> Played:
    made = Played()
    made.run(LEARN_S + 5)
    return made


def test_the_console_is_told_which_box_watches_what(played: Played, tmp_path: Path) -> None:
    view = played.shown(tmp_path)
    assert (view.box, view.cut_off, view.unwatched) == ("a", False, ())
    a, b = view.boxes
    assert (a.name, a.state, a.sites, a.load) == ("a", "works", ("harbour",), 0.2)
    assert a.address == "10.0.0.1:80"
    assert a.cameras == (
        SharedCamera("gate", "harbour", True),
        SharedCamera("quay", "harbour", False),
    )
    assert b.cameras == (SharedCamera("plaza", "town", True),)
    assert a.for_s == pytest.approx(LEARN_S + 4.5)
    assert not view.loss.may_die
    assert view.loss.unwatched == {"a": 2, "b": 1}
    assert view.unknown_boxes == {"siren": "c"}
    played.mute.clear()
    played.run(1)
    assert played.shown(tmp_path).unknown_boxes == {}


def test_a_dead_box_has_no_cameras_and_they_are_named(played: Played, tmp_path: Path) -> None:
    played.mute.add("b")
    played.run(10)
    view = played.shown(tmp_path)
    b = view.boxes[1]
    assert (b.state, b.for_s, b.load, b.cameras) == ("dead", 10, 0, ())
    [plaza] = view.unwatched
    assert (plaza.name, plaza.site) == ("plaza", "town")
    assert plaza.reason == "every box that reaches it is dead: b"


def test_a_box_is_drained_empty_and_stopped(played: Played, tmp_path: Path) -> None:
    played.roster.drain("b")
    played.run(8)
    assert (state := played.boxes(tmp_path)["b"]).state == "draining"  # nobody else reaches plaza
    assert state.for_s == 8
    played.mute.clear()  # now `c` does
    played.run(40)
    assert (state := played.boxes(tmp_path)["b"]).state == "empty"
    assert (state.for_s, state.cameras) == (48, ())
    played.mute.add("b")
    played.run(10)
    assert played.boxes(tmp_path)["b"].state == "stopped"
    played.mute.clear()
    played.roster.drain("b", draining=False)
    played.run(1)
    assert played.boxes(tmp_path)["b"].state == "works"


def test_what_is_given_to_no_box_yet_is_watched_by_nobody(tmp_path: Path) -> None:
    played = Played()
    played.run(LEARN_S - 1)
    assert {one.reason for one in played.shown(tmp_path).unwatched} == {NOT_GIVEN}


def test_cameras_of_a_dead_box_are_unwatched_while_nothing_may_move(
    played: Played, tmp_path: Path
) -> None:
    played.roster.journal_away = True
    played.mute |= {"b", "a"}
    played.run(10)
    unwatched = played.shown(tmp_path).unwatched
    assert {one.name: one.reason for one in unwatched} == {
        "gate": "its box is dead: a",
        "quay": "its box is dead: a",
        "plaza": "its box is dead: b",
    }


def test_what_says_nothing_of_who_watches_is_not_shown(played: Played, tmp_path: Path) -> None:
    file = ClusterFile(tmp_path / CLUSTER)
    assert cluster_view(file.read()) is None
    room = played.roster.head_room(played.now_s)
    write_cluster(tmp_path, "a", counts(played.roster, room, played.now_s))
    assert cluster_view(file.read()) is None
    told = watching(played.roster, room, played.now_s)
    for at_s in (time.monotonic() + 1000, "x"):  # the machine was started anew; damaged
        summary = counts(played.roster, room, played.now_s)
        write_cluster(tmp_path, "a", summary | {"watching": told | {"at_s": at_s}})
        assert cluster_view(file.read()) is None
    played.shown(tmp_path)
    view = cluster_view(file.read())  # the file is another one
    assert view
    old = file.read() | {"watching": told | {"at_s": time.monotonic() - 100}}
    aged = cluster_view(old)
    assert aged
    assert aged.cut_off
    assert aged.age_s == pytest.approx(100, abs=30)
