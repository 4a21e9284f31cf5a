"""A cluster that is played: what moves, how long a camera is unwatched, who is given what."""

from __future__ import annotations

import pytest

from cluster_simulation import CONNECT_S, LONGEST_S, Simulation
from detector.cluster.assignment import DEAD_AFTER_S, Camera
from detector.cluster.roster import LEARN_ALL_S, LEARN_S, REPORT_EVERY_S, Report, Roster
from detector.types import Claim

GATE = Camera("gate", "s", 10)
ANY: frozenset[str] = frozenset()


def report(box: str, **held: int) -> Report:
    return Report(box, 1000, ANY, held)


def played(roster: Roster, from_s: float, for_s: float, *reports: Report) -> float:
    """Have `reports` come again and again; when that was over."""
    now_s = from_s
    while now_s < from_s + for_s:
        now_s += REPORT_EVERY_S
        for one in reports:
            roster.heard(one, now_s)
        roster.look(now_s)
    return now_s


@pytest.mark.slow
def test_failures_joins_and_drains_leave_no_camera_unwatched_for_long_nor_watched_twice() -> None:
    simulation = Simulation(cameras=300, boxes=12, sites=3, seed=7)
    simulation.settle()
    for _ in range(60):
        simulation.happen()
        simulation.run(4)
    found = simulation.figures
    assert found.failures > 10
    assert found.drains > 3
    assert max(found.unwatched_s) <= LONGEST_S
    assert not simulation.unwatched()
    assert found.watched_twice == 0
    assert found.needed <= 1.1 * found.orphans


def test_one_failure_moves_just_the_cameras_of_that_box() -> None:
    simulation = Simulation(cameras=120, boxes=6, sites=2, seed=3)
    simulation.settle()
    simulation.fail(simulation.boxes[2])
    simulation.run(10)
    assert simulation.figures.needed == simulation.figures.orphans > 0
    assert simulation.figures.evened == 0
    assert max(simulation.figures.unwatched_s) <= DEAD_AFTER_S + CONNECT_S + 2 * REPORT_EVERY_S


def test_a_camera_is_given_to_its_new_box_only_once_the_old_one_has_let_go() -> None:
    roster = Roster(0, 1)
    roster.configure([GATE])
    now_s = played(roster, 0, LEARN_S + 1, report("a"))
    share = roster.heard(report("a"), now_s)
    assert share.keys() == {"gate"}
    now_s = played(roster, now_s, 40, report("a", **share), report("b"))
    roster.drain("a")
    now_s = played(roster, now_s, 1, report("a", **share), report("b"))
    assert roster.watches["gate"].box == "b"
    assert roster.heard(report("a", **share), now_s) == {}
    assert roster.heard(report("b"), now_s) == {}
    roster.heard(report("a"), now_s)
    assert roster.heard(report("b"), now_s)["gate"] > share["gate"]


def test_the_first_box_to_report_does_not_get_all_cameras() -> None:
    roster = Roster(0, 1)
    roster.configure(Camera(f"c{n}", "s", 10) for n in range(20))
    roster.look(60)  # the coordinator was there long before any box
    roster.heard(report("a"), 60)
    roster.look(60.5)
    assert not roster.watches
    played(roster, 61, LEARN_S + 1, report("a"), report("b"))
    watchers = [watch.box for watch in roster.watches.values()]
    assert watchers.count("a") == watchers.count("b") == 10


def test_a_coordinator_that_starts_anew_leaves_every_camera_where_it_is() -> None:
    roster = Roster(0, 1)
    roster.configure([GATE, Camera("yard", "s", 10)])
    now_s = played(roster, 0, 1, report("b", gate=70, yard=71))
    now_s = played(roster, now_s, LEARN_S + 1, report("a", gate=60), report("b", gate=70, yard=71))
    assert roster.heard(report("b", gate=70, yard=71), now_s) == {"gate": 70, "yard": 71}
    assert roster.heard(report("a", gate=60), now_s) == {}
    now_s = played(roster, now_s, DEAD_AFTER_S + 1, report("a"))
    assert {watch.box for watch in roster.watches.values()} == {"a"}
    assert min(watch.epoch for watch in roster.watches.values()) > 71


def test_a_head_that_starts_anew_waits_for_the_boxes_that_the_journal_knows() -> None:
    roster = Roster(0, 1)
    cameras = ["gate", "yard", "hall"]
    roster.configure(Camera(name, "s", 10) for name in cameras)
    roster.remember({"gate": Claim("a", 70), "yard": Claim("b", 71), "hall": Claim("head", 72)})
    now_s = played(roster, 0, LEARN_S + 5, report("head"))  # the others have yet to find it
    assert not roster.watches
    now_s = played(roster, now_s, 2, report("head"), report("a", gate=70), report("b", yard=71))
    found = {name: watch.epoch for name, watch in roster.watches.items()}
    assert (found["gate"], found["yard"]) == (70, 71)
    assert found["hall"] > 72, "what nobody watches waits no longer than for the last of them"


def test_a_box_that_the_journal_knows_and_that_is_gone_is_not_waited_for_for_ever() -> None:
    roster = Roster(0, 1)
    roster.configure([GATE, Camera("yard", "s", 10)])
    roster.remember({"gate": Claim("a", 70), "yard": Claim("b", 71)})
    played(roster, 0, LEARN_ALL_S + 1, report("a", gate=70))
    assert {name: watch.box for name, watch in roster.watches.items()} == dict.fromkeys(
        ("gate", "yard"), "a"
    )
    assert roster.watches["yard"].epoch > 71


def test_a_box_that_was_cut_off_and_comes_back_lets_go_of_what_another_has() -> None:
    roster = Roster(0, 1)
    roster.configure([GATE])
    now_s = played(roster, 0, LEARN_S + 1, report("a"))
    old = roster.heard(report("a"), now_s)
    now_s = played(roster, now_s, DEAD_AFTER_S + 1, report("b"))
    new = roster.heard(report("b"), now_s)
    assert new["gate"] > old["gate"]
    now_s = played(roster, now_s, 1, report("a", **old), report("b", **new))
    assert roster.heard(report("a", **old), now_s) == {}
    assert roster.heard(report("b", **new), now_s) == new


def test_what_was_given_of_a_dead_box_is_not_taken_back_where_that_was_only_late() -> None:
    roster = Roster(0, 1)
    roster.configure([GATE])
    now_s = played(roster, 0, LEARN_S + 1, report("a"))
    old = roster.heard(report("a"), now_s)
    now_s = played(roster, now_s, DEAD_AFTER_S + 1, report("b"))
    new = roster.heard(report("b"), now_s)
    assert roster.heard(report("a", **old), now_s) == {}
    assert roster.heard(report("b"), now_s) == new


def test_a_coordinator_that_stood_still_takes_no_box_for_dead() -> None:
    roster = Roster(0, 1)
    roster.configure([GATE])
    now_s = played(roster, 0, LEARN_S + 1, report("a"), report("b"))
    before = dict(roster.watches)
    roster.look(now_s + 60)
    assert roster.watches == before


@pytest.mark.parametrize(("away", "box"), [(True, "a"), (False, "c")])
def test_a_minority_takes_nothing_over_while_it_cannot_claim_it(away: bool, box: str) -> None:
    roster = Roster(0, 1)
    roster.configure([GATE])
    held = report("a", gate=5)
    now_s = played(roster, 0, LEARN_S + 1, held, report("b"), report("c"))
    roster.journal_away = away
    played(roster, now_s, DEAD_AFTER_S + 1, report("c"))
    assert roster.watches["gate"].box == box


def test_measured_costs_count_instead_of_planned_ones() -> None:
    roster = Roster(0, 1)
    roster.configure([GATE, Camera("yard", "s", 10)])
    dear = Report("a", 1000, ANY, {"gate": 1, "yard": 2}, {"gate": 900.0, "yard": 300.0})
    now_s = played(roster, 0, 120, dear, report("b"))
    assert {watch.box for watch in roster.watches.values()} == {"a", "b"}
    assert now_s
