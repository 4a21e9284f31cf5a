"""Every camera that can be watched has one box, and nothing moves that need not."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.cluster.assignment import (
    DEAD_AFTER_S,
    MOVES_A_ROUND,
    REST_S,
    SETTLED_AFTER_S,
    SPREAD,
    Assignment,
    Box,
    Camera,
    Watch,
    assign,
    head_room,
)

LONG_AGO_S = -1e6


def cameras(count: int, site: str = "s", cost_ms: float = 10) -> list[Camera]:
    return [Camera(f"{site}{n:03}", site, cost_ms) for n in range(count)]


def box(name: str, capacity_ms: float = 1000, *sites: str, up_since_s: float = LONG_AGO_S) -> Box:
    return Box(name, capacity_ms, 0, up_since_s, frozenset(sites))


def settled(watched: list[Camera], boxes: list[Box]) -> Assignment:
    return assign(watched, boxes, {}, 0, 1)


def watched_by(found: Assignment, name: str) -> set[str]:
    return {camera for camera, watch in found.watches.items() if watch.box == name}


def test_cameras_are_spread_evenly_over_boxes_by_what_they_can_do() -> None:
    found = settled(cameras(60), [box("small", 1000), box("large", 2000)])
    assert len(watched_by(found, "small")) == 20
    assert len(watched_by(found, "large")) == 40


def test_only_the_cameras_of_a_dead_box_move() -> None:
    watched, boxes = cameras(60), [box("a"), box("b"), box("c")]
    before = settled(watched, boxes)
    now_s = DEAD_AFTER_S + 0.1
    boxes = [boxes[0], *(replace(one, seen_s=now_s) for one in boxes[1:])]
    after = assign(watched, boxes, before.watches, now_s, before.next_epoch)
    assert after.needed == watched_by(before, "a")
    assert not after.evened
    for name in watched_by(before, "b") | watched_by(before, "c"):
        assert after.watches[name] == before.watches[name]
    assert {after.watches[name].box for name in after.needed} == {"b", "c"}
    assert not after.unassignable


def test_a_box_that_was_heard_of_lately_keeps_its_cameras() -> None:
    watched, boxes = cameras(10), [box("a"), box("b")]
    before = settled(watched, boxes)
    after = assign(watched, boxes, before.watches, DEAD_AFTER_S, before.next_epoch)
    assert after.watches == before.watches


def test_a_camera_whose_only_box_is_dead_is_named_with_the_reason() -> None:
    boxes = [box("north1", 1000, "north"), box("south1", 1000, "south")]
    boxes[0] = replace(boxes[0], seen_s=-10)
    found = settled(cameras(1, "north") + cameras(1, "south") + cameras(1, "west"), boxes)
    assert found.watches.keys() == {"south000"}
    assert found.unassignable == {
        "north000": "every box that reaches it is dead: north1",
        "west000": "no box reaches site west",
    }


def test_no_box_gets_more_than_it_can_do() -> None:
    found = settled(cameras(30, cost_ms=100), [box("a"), box("b")])
    assert len(watched_by(found, "a")) == len(watched_by(found, "b")) == 10
    assert set(found.unassignable.values()) == {"no box that reaches it has room: a, b"}


def test_a_camera_that_can_go_elsewhere_makes_room_for_one_that_cannot() -> None:
    boxes = [box("a", 100, "north", "south"), box("b", 100, "south")]
    before = settled(cameras(10, "south"), boxes)
    before = replace(before, watches={n: Watch("a", 1, 0) for n in before.watches})
    watched = cameras(10, "south") + cameras(1, "north")
    after = assign(watched, boxes, before.watches, 0, before.next_epoch)
    assert not after.unassignable
    assert after.watches["north000"].box == "a"
    assert len(watched_by(after, "b")) >= 1


def rounds(
    watched: list[Camera], boxes: list[Box], before: Assignment, from_s: float, for_s: float
) -> tuple[Assignment, list[frozenset[str]]]:
    """Play rounds, one every half second; the last assignment, and what was moved in each."""
    moved = []
    for step in range(1, int(2 * for_s) + 1):
        now_s = from_s + step / 2
        boxes = [replace(one, seen_s=now_s) for one in boxes]
        before = assign(watched, boxes, before.watches, now_s, before.next_epoch)
        moved.append(before.needed | before.evened)
    return before, moved


def test_a_box_that_comes_takes_a_share_once_it_has_settled_and_a_few_at_a_time() -> None:
    watched, boxes = cameras(60), [box("a"), box("b")]
    before = settled(watched, boxes)
    boxes.append(box("c", up_since_s=100))
    early, moved = rounds(watched, boxes, before, 100, SETTLED_AFTER_S - 1)
    assert early.watches == before.watches
    late, moved = rounds(watched, boxes, early, 100 + SETTLED_AFTER_S, 60)
    assert all(len(one) <= MOVES_A_ROUND for one in moved)
    loads = [10 * len(watched_by(late, name)) / 1000 for name in "abc"]
    assert max(loads) - min(loads) <= SPREAD * max(loads)
    assert sum(map(len, moved)) == len(watched_by(late, "c"))


def test_a_box_whose_daemon_does_not_run_is_given_one_camera_first_and_none_of_a_dead_box() -> None:
    watched, boxes = cameras(60), [box("a"), box("b"), replace(box("c"), warm=False)]
    before = assign(watched, boxes[:2], {}, 0, 1)
    after, _ = rounds(watched, boxes, before, 100, 20)
    assert len(watched_by(after, "c")) == 1
    boxes = [replace(one, seen_s=200) for one in boxes[1:]]
    after = assign(watched, boxes, after.watches, 200, after.next_epoch)
    assert len(watched_by(after, "c")) == 1
    assert not after.unassignable
    after, _ = rounds(watched, [boxes[0], replace(boxes[1], warm=True)], after, 300, 20)
    assert len(watched_by(after, "c")) > 10


def test_a_box_that_comes_and_goes_is_given_nothing() -> None:
    watched, boxes = cameras(60), [box("a"), box("b")]
    last = settled(watched, boxes)
    kept = last.watches
    for start_s in range(100, 1000, 20):
        last, _ = rounds(watched, [*boxes, box("c", up_since_s=start_s)], last, start_s, 10)
        last, _ = rounds(watched, boxes, last, start_s + 10, 10)
    assert last.watches == kept


def test_a_camera_does_not_go_to_and_fro_as_costs_change() -> None:
    watched, boxes = cameras(40, cost_ms=20), [box("a"), box("b")]
    last = settled(watched, boxes)
    moved: dict[str, list[float]] = {}
    for step in range(400):
        now_s = 100 + step / 2
        heavy = "a" if step // 20 % 2 else "b"
        costs = [
            replace(one, cost_ms=30 if last.watches[one.name].box == heavy else 15)
            for one in watched
        ]
        boxes = [replace(one, seen_s=now_s) for one in boxes]
        last = assign(costs, boxes, last.watches, now_s, last.next_epoch)
        for name in last.evened:
            moved.setdefault(name, []).append(now_s)
    for at_s in moved.values():
        assert all(later - sooner >= REST_S for sooner, later in pairwise(at_s))


def test_a_draining_box_gives_all_away_and_takes_none() -> None:
    watched, boxes = cameras(30), [box("a"), box("b"), box("c")]
    before = settled(watched, boxes)
    boxes[0] = replace(boxes[0], draining=True)
    after, moved = rounds(watched, boxes, before, 100, 10)
    assert not watched_by(after, "a")
    assert sum(map(len, moved)) == len(watched_by(before, "a"))
    assert all(len(one) <= MOVES_A_ROUND for one in moved)


def test_a_draining_box_keeps_what_nobody_else_reaches() -> None:
    boxes = [box("a", 1000, "north"), box("b", 1000, "south")]
    before = settled(cameras(3, "north"), boxes)
    boxes[0] = replace(boxes[0], draining=True)
    after, _ = rounds(cameras(3, "north"), boxes, before, 100, 10)
    assert after.watches == before.watches


def test_a_camera_that_moves_to_another_site_leaves_a_box_that_does_not_reach_it() -> None:
    boxes = [box("a", 1000, "north"), box("b", 1000, "south")]
    before = settled([Camera("gate", "north", 10)], boxes)
    after = assign([Camera("gate", "south", 10)], boxes, before.watches, 0, before.next_epoch)
    assert after.watches["gate"].box == "b"
    assert after.watches["gate"].epoch > before.watches["gate"].epoch


@pytest.mark.parametrize(("count", "enough"), [(40, True), (50, False), (90, False)])
def test_head_room_says_whether_any_one_box_may_die(count: int, enough: bool) -> None:
    watched, boxes = cameras(count, cost_ms=30), [box("a"), box("b"), box("c")]
    found = head_room(watched, boxes, settled(watched, boxes).watches, 0)
    assert found.enough is enough
    assert bool(found.unwatched) is (count == 90)


def test_head_room_names_what_nobody_would_watch() -> None:
    boxes = [box("a", 1000, "north"), box("b", 1000, "south"), box("c", 1000, "south")]
    watched = cameras(2, "north") + cameras(2, "south")
    found = head_room(watched, boxes, settled(watched, boxes).watches, 0)
    assert found.unwatched == {"a": ("north000", "north001")}


SITES = ("n", "e", "s")
CAMERAS = st.lists(st.tuples(st.sampled_from(SITES), st.floats(1, 200)), max_size=25).map(
    lambda made: [Camera(f"c{n}", site, cost) for n, (site, cost) in enumerate(made)]
)
BOXES = st.lists(
    st.tuples(
        st.floats(50, 500),
        st.frozensets(st.sampled_from(SITES)),
        st.sampled_from([0.0, -10.0]),
        st.sampled_from([0.0, LONG_AGO_S]),
        st.booleans(),
    ),
    max_size=6,
).map(
    lambda made: [
        Box(f"b{n}", capacity, seen_s, up_s, sites, draining)
        for n, (capacity, sites, seen_s, up_s, draining) in enumerate(made)
    ]
)
BEFORE = st.dictionaries(
    st.integers(0, 24).map("c{}".format), st.integers(0, 5).map("b{}".format), max_size=25
).map(
    lambda made: {
        name: Watch(of, epoch, LONG_AGO_S) for epoch, (name, of) in enumerate(made.items())
    }
)


@settings(max_examples=50)
@given(CAMERAS, BOXES, BEFORE)
def test_whatever_happens_each_camera_has_one_box_that_can_watch_it_or_a_reason(
    watched: list[Camera], boxes: list[Box], before: dict[str, Watch]
) -> None:
    found = assign(watched, boxes, before, 0, 100)
    by_name = {one.name: one for one in boxes}
    assert found.watches.keys() | found.unassignable.keys() == {one.name for one in watched}
    assert not found.watches.keys() & found.unassignable.keys()
    moved = {n: w for n, w in found.watches.items() if w != before.get(n)}
    assert moved.keys() == found.needed | found.evened
    epochs = [watch.epoch for watch in moved.values()]
    assert len({*epochs}) == len(epochs)
    assert all(100 <= epoch < found.next_epoch for epoch in epochs)
    load_ms = dict.fromkeys(by_name, 0.0)
    for one in watched:
        if watch := found.watches.get(one.name):
            load_ms[watch.box] += one.cost_ms
            assert by_name[watch.box].alive(0)
            assert by_name[watch.box].reaches(one)
    for watch in moved.values():
        assert not by_name[watch.box].draining
        assert load_ms[watch.box] <= by_name[watch.box].capacity_ms + 1e-6
    stays = [n for n, w in before.items() if w == found.watches.get(n)]
    homeless = len(watched) - len(stays) - len(found.evened)
    assert len(found.needed) <= 2 * homeless + MOVES_A_ROUND  # each makes one other move at most


@settings(max_examples=50)
@given(CAMERAS, BOXES, BEFORE)
def test_who_has_no_box_would_not_fit_in_any(
    watched: list[Camera], boxes: list[Box], before: dict[str, Watch]
) -> None:
    boxes = [replace(one, draining=False, up_since_s=0) for one in boxes]  # nothing moves later
    found = assign(watched, boxes, before, 0, 100)
    load_ms = {one.name: 0.0 for one in boxes}
    for one in watched:
        if watch := found.watches.get(one.name):
            load_ms[watch.box] += one.cost_ms
    for one in watched:
        if one.name in found.unassignable:
            for other in boxes:
                if other.alive(0) and other.reaches(one):
                    assert load_ms[other.name] + one.cost_ms > other.capacity_ms


@settings(max_examples=50)
@given(CAMERAS, BOXES)
def test_what_is_left_alone_comes_to_rest(watched: list[Camera], boxes: list[Box]) -> None:
    last = Assignment({}, {}, 1)
    for step in range(60):
        now_s = step * (REST_S + 1)
        boxes = [replace(one, seen_s=now_s) for one in boxes]
        last = assign(watched, boxes, last.watches, now_s, last.next_epoch)
    assert not last.evened
    assert not last.needed
