"""What the coordinator tells every box of the whole cluster, for its console and its metrics.

Only names and figures, all as JSON. Times are seconds before it was told, for boxes' clocks differ.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from detector.cluster.assignment import Box, HeadRoom
from detector.cluster.roster import Roster

_Shown = dict[str, dict[str, list[str]]]
"""By box and site, cameras."""

NOT_GIVEN = "it is not given to a box yet"


def counts(roster: Roster, room: HeadRoom, now_s: float) -> dict[str, Any]:
    """How many boxes are in which state, whether one may die, and where all show their metrics.

    A box that was drained is missed by nobody.
    """
    states = dict.fromkeys(("works", "draining", "dead"), 0)
    targets = {}
    for name, box in roster.boxes.items():
        alive = "works" if box.alive(now_s) else "dead"
        states["draining" if box.draining else alive] += 1
        report = roster.report(name)
        if report and report.host and report.port:
            targets[name] = f"{report.host}:{report.port}"
    return {
        "boxes": states,
        "unassigned": len(roster.unassignable),
        "head_room": room.enough,
        "load": room.load,
        "targets": targets,
    }


def watching(roster: Roster, room: HeadRoom, now_s: float) -> dict[str, Any]:
    """Each box with its cameras, by site; which cameras nobody watches; what a loss would mean.

    `detector.daemon.operators.cluster` reads it.
    """
    live: _Shown = {name: {} for name in roster.boxes}
    not_live: _Shown = {name: {} for name in roster.boxes}
    load_ms = dict.fromkeys(roster.boxes, 0.0)
    reports = {name: report for name in roster.boxes if (report := roster.report(name))}
    alive = {name for name, box in roster.boxes.items() if box.alive(now_s)}
    for name, watch in roster.watches.items():
        camera = roster.cameras.get(name)
        if camera and watch.box in alive:
            shown = live if name in reports[watch.box].live else not_live
            shown[watch.box].setdefault(camera.site, []).append(name)
            load_ms[watch.box] += camera.cost_ms
    nobody: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for name, site, reason in _unwatched(roster, alive):
        nobody[site, reason].append(name)
    return {
        "boxes": [
            {
                "name": name,
                **_state(roster, box, now_s, has_any=load_ms[name] > 0),
                "sites": sorted(box.sites),
                "load": round(load_ms[name] / box.capacity_ms, 3),
                "live": live[name],
                "not_live": not_live[name],
            }
            for name, box in sorted(roster.boxes.items())
        ],
        "unwatched": [
            {"site": site, "reason": reason, "cameras": names}
            for (site, reason), names in sorted(nobody.items())
        ],
        "loss": {
            "may_die": room.enough,
            "box": room.box,
            "load": round(room.load, 3),
            "unwatched": {box: len(names) for box, names in sorted(room.unwatched.items())},
        },
    }


def unknown_boxes(roster: Roster, bound: Mapping[str, str]) -> dict[str, str]:
    """Of `bound` (by sink the box that it hangs on), where no box of that name has joined yet."""
    if not roster.learnt:
        return {}
    return {sink: box for sink, box in bound.items() if box not in roster.boxes}


def _state(roster: Roster, box: Box, now_s: float, *, has_any: bool) -> dict[str, Any]:
    """`empty`: drained, so that it may be stopped; `stopped`: and gone."""
    draining_s = roster.draining_since_s(box.name)
    if not box.alive(now_s):
        state, since_s = "dead" if draining_s is None else "stopped", box.seen_s
    elif draining_s is None:
        state, since_s = "works", box.up_since_s
    else:
        state, since_s = "draining" if has_any else "empty", draining_s
    return {"state": state, "for_s": round(now_s - since_s, 1)}


def _unwatched(roster: Roster, alive: AbstractSet[str]) -> Iterator[tuple[str, str, str]]:
    """Name, site and reason; `alive`: the boxes that are."""
    for name, camera in sorted(roster.cameras.items()):
        watch = roster.watches.get(name)
        if reason := roster.unassignable.get(name):
            yield name, camera.site, reason
        elif watch is None:
            yield name, camera.site, NOT_GIVEN
        elif watch.box not in alive:
            yield name, camera.site, f"its box is dead: {watch.box}"
